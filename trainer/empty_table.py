"""A comparison's second table: the same folds with one empty picture of each slot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edge.empties import EmptyRule
from trainer.compare import FoldFigures
from trainer.empty_rule import (
    Beside,
    BesideFigures,
    beside_one_empty,
    fit_empty_rule,
    score_beside,
    strangers,
)
from trainer.kept_crops import kept_file, read_kept
from trainer.metrics import Figures
from trainer.recipe import Recipe

_HEADER = (
    "| recipe | left out | crops | without: AUC | answered | of these, balanced accuracy | "
    "with: AUC (least-greatest) | answered | of these, balanced accuracy | garbage answered |",
    "|---|---|---|---|---|---|---|---|---|---|",
)
_NAMES = ("auc", "coverage", "answered_balanced_accuracy")

# (seed, fold) -> value
_Scored = dict[tuple[int, str], BesideFigures]


def empty_table(recipe: Recipe, rows: Sequence[FoldFigures], out: Path) -> str:
    """Return the figures of a recipe's folds with one empty picture per slot, as Markdown.

    Each fold with the rule fitted on the folds of other sources and of its seed; last the rule
    fitted on all of them, which a recipe ships. `out` is the comparison's folder; of what is
    not kept there the text says so.
    """
    folds: dict[tuple[int, str], Beside] = {}
    lost, too_few = set(), set()
    for row in rows:
        kept = read_kept(kept_file(out, row.key, row.seed, row.fold))
        beside = None if kept is None else beside_one_empty(kept, row.seed)
        if kept is None:
            lost.add(row.fold)
        elif beside is None:
            too_few.add(row.fold)
        else:
            folds[row.seed, row.fold] = beside
    scored = _scored(recipe, folds)
    lines = [f"With one empty picture of each slot, which is not scored itself: {recipe.name}", ""]
    if scored:
        lines += [*_HEADER, *_rows(recipe.name, scored), ""]
        lines.append(f"Fitted on all of these: `{_as_json(fit_empty_rule(list(folds.values())))}`")
    elif folds:
        lines.append("The rule needs two sources at least: one to be fitted on, one to be scored.")
    if too_few:
        lines.append(
            f"Not among them: {', '.join(sorted(too_few))}; beside one empty picture of each slot "
            "no crops of both labels are left."
        )
    if lost:
        lines.append(
            f"Not among them: {', '.join(sorted(lost))}; what the network says of the crops was "
            "not kept. Remove their lines from the figures to measure them again."
        )
    return "\n".join(lines)


def _scored(recipe: Recipe, folds: dict[tuple[int, str], Beside]) -> _Scored:
    scored = {}
    for (seed, name), fold in folds.items():
        of_seed = [other for (other_seed, _), other in folds.items() if other_seed == seed]
        if others := strangers(fold, of_seed):
            rule = fit_empty_rule(others)
            scored[seed, name] = score_beside(fold, rule, recipe.empty_at, recipe.occupied_at)
    return scored


def _rows(recipe: str, scored: _Scored) -> list[str]:
    names = list(dict.fromkeys(name for _, name in scored))
    of_fold = [[f for (_, fold), f in scored.items() if fold == name] for name in names]
    lines = []
    for name, found in zip(names, of_fold, strict=True):
        crops = found[0].beside.empty_count + found[0].beside.occupied_count
        aucs = [f.beside.auc for f in found if f.beside.auc is not None]
        lines.append(_row(recipe, name, str(crops), found, aucs))
    # Over the seeds' means, so that it says how much a seed matters.
    aucs = [
        _mean([f.beside for (of, _), f in scored.items() if of == seed], "auc")
        for seed in sorted({seed for seed, _ in scored})
    ]
    every = list(scored.values())
    lines.append(_row(f"**{recipe}**", "**mean**", "", every, aucs))
    return lines


def _row(
    recipe: str, fold: str, crops: str, found: Sequence[BesideFigures], aucs: Sequence[float]
) -> str:
    alone = [f"{_mean([f.alone for f in found], name):.4f}" for name in _NAMES]
    auc, *rest = [f"{_mean([f.beside for f in found], name):.4f}" for name in _NAMES]
    spread = f"{auc} ({min(aucs):.4f}-{max(aucs):.4f})"
    garbage = f"{np.mean([f.garbage_answered for f in found]):.1%}"
    return f"| {' | '.join([recipe, fold, crops, *alone, spread, *rest, garbage])} |"


def _mean(found: Sequence[Figures], name: str) -> float:
    known = [value for figures in found if (value := getattr(figures, name)) is not None]
    return float(np.mean(known)) if known else float("nan")


def _as_json(rule: EmptyRule) -> str:
    return json.dumps({name: round(value, 3) for name, value in asdict(rule).items()})
