"""Recipes beside each other on sources that training never saw: leave one source out.

Every fold trains on all sources but one and is scored on that one, with nothing of it in
training, early stopping or calibration. What the program draws itself (the simulator's
crops and the imagined ones) is for training only.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.types import ConfigurationError
from trainer.dataset import Dataset
from trainer.fit import Prepared, fit, prepare
from trainer.kept_crops import KeptCrops, kept_file, write_kept
from trainer.metrics import figures, is_answered
from trainer.network import Network, maps_below, pooled_features, sigmoid
from trainer.progress import progress_bar
from trainer.recipe import Recipe
from trainer.splits import group_samples, split_groups
from trainer.training_data import DRAWN_SOURCES
from trainer.trials import GARBAGE_COUNT, darkened, garbage_pictures
from trainer.views import Inputs

log = logging.getLogger(__name__)

# What a recipe says of other things than one fold: the rule comes out of a comparison.
_NOT_OF_A_FOLD = frozenset(("seed", "empty_rule"))


@dataclass(frozen=True)
class FoldFigures:
    """One recipe, one seed, one source left out. Shares from 0 to 1."""

    recipe: str
    seed: int
    fold: str
    crops: int
    auc: float | None
    balanced_accuracy: float | None
    coverage: float | None
    answered_balanced_accuracy: float | None  # None where it answers of one label only, or none
    dark_balanced_accuracy: float | None  # of the same crops at a third of their light
    garbage_answered: int  # of GARBAGE_COUNT pictures that show no slot
    scale: float  # of the calibration
    key: str  # of the settings and the crops: `comparison_key`


def folds_of(
    dataset: Dataset, together: Mapping[str, Sequence[str]]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return, for each fold, which crops it leaves out.

    A source is a fold. `together` parts a source further: name -> "source/camera" ...

    Raises:
        ConfigurationError: a camera is not there, or a fold lacks a label.
    """
    cameras = [f"{sample.source}/{sample.camera}" for sample in dataset.samples]
    fold_of_camera = {camera: name for name, listed in together.items() for camera in listed}
    missing = sorted(set(fold_of_camera) - set(cameras))
    if missing:
        raise ConfigurationError(
            f"--together: no crop is of {', '.join(missing)}; there are "
            f"{', '.join(sorted(set(cameras)))}"
        )
    names = np.array(
        [
            fold_of_camera.get(camera, sample.source)
            for camera, sample in zip(cameras, dataset.samples, strict=True)
        ]
    )
    folds = {
        name: names == name for name in map(str, np.unique(names)) if name not in DRAWN_SOURCES
    }
    if len(folds) < 2:
        raise ConfigurationError(
            "comparing needs crops of two sources at least: one to learn from, one to be scored on"
        )
    for name, chosen in folds.items():
        if len(set(dataset.labels[chosen])) < 2:
            raise ConfigurationError(
                f"{name}: all its crops have one label; give it a fold with both"
            )
    return folds


def compare(
    recipe: Recipe,
    dataset: Dataset,
    folds: Mapping[str, npt.NDArray[np.bool_]],
    seeds: int,
    weights_file: Path | None,
    done: Path,
) -> list[FoldFigures]:
    """Return the figures of every fold and seed; `done` (a file of JSON lines) keeps them.

    What the file already holds of these settings and crops is not measured again. Beside it
    `trainer.kept_crops` keeps what each network says of its crops.
    """
    key = comparison_key(recipe, dataset)
    found = [
        f
        for f in read_figures(done)
        if f.key == key and f.fold in folds and f.crops == folds[f.fold].sum()
    ]
    wanted = [(seed, fold) for seed in range(1, seeds + 1) for fold in folds]
    missing = [pair for pair in wanted if pair not in {(f.seed, f.fold) for f in found}]
    if not missing:
        return found
    prepared = prepare(recipe, dataset, weights_file)
    as_it_came = prepared.cut.above_weights()
    pictures = np.concatenate(list(garbage_pictures(dataset.crops_rgb).values()))
    garbage = maps_below(prepared.cut, pictures)
    dark = maps_below(prepared.cut, darkened(dataset.crops_rgb))
    for seed, fold in progress_bar(missing, recipe.name):
        prepared.cut.set_above_weights(as_it_came)
        seeded = replace(recipe, seed=seed, test_share=0.0)
        network, scale = _fit_without(seeded, prepared, folds[fold])
        kept = _crops_left_out(prepared, network, folds[fold], garbage)
        write_kept(kept_file(done.parent, key, seed, fold), kept)
        row = _measure(seeded, prepared, network, fold, folds[fold], dark, kept, scale, key)
        log.info("%s, seed %d, without %s: %s", recipe.name, seed, fold, _in_words(row))
        with done.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        found.append(row)
    return found


def comparison_key(recipe: Recipe, dataset: Dataset) -> str:
    """Return a name for everything that figures depend on but for the seed and the fold."""
    settings = {name: value for name, value in asdict(recipe).items() if name not in _NOT_OF_A_FOLD}
    digest = hashlib.sha256(f"{sorted(settings.items())}".encode())
    for sample, crop_rgb in zip(dataset.samples, dataset.crops_rgb, strict=True):
        digest.update(f"{sample.source} {sample.camera} {sample.is_occupied}".encode())
        digest.update(crop_rgb.tobytes())
    return digest.hexdigest()[:16]


def _fit_without(
    recipe: Recipe, prepared: Prepared, left_out: npt.NDArray[np.bool_]
) -> tuple[Network, float]:
    rest = [s for s, out in zip(prepared.dataset.samples, left_out, strict=True) if not out]
    split = np.full(len(left_out), "left out", dtype="<U8")
    split[~left_out] = split_groups(rest, group_samples(rest).groups, recipe)
    fitted = fit(recipe, prepared, split == "train", split == "holdout")
    return fitted.network, fitted.calibration.scale


def _crops_left_out(
    prepared: Prepared, network: Network, left_out: npt.NDArray[np.bool_], garbage: Inputs
) -> KeptCrops:
    samples = [s for s, out in zip(prepared.dataset.samples, left_out, strict=True) if out]
    embeddings = pooled_features(prepared.cut, prepared.views.plain[left_out])
    of_garbage = pooled_features(prepared.cut, garbage)
    return KeptCrops(
        network.logits_of(embeddings),
        embeddings.astype(np.float16),
        np.array([sample.is_occupied for sample in samples]),
        np.array([sample.source for sample in samples]),
        np.array([sample.camera for sample in samples]),
        np.array([sample.slot for sample in samples]),
        network.logits_of(of_garbage),
        of_garbage.astype(np.float16),
    )


def _measure(
    recipe: Recipe,
    prepared: Prepared,
    network: Network,
    fold: str,
    left_out: npt.NDArray[np.bool_],
    dark: Inputs,
    kept: KeptCrops,
    scale: float,
    key: str,
) -> FoldFigures:
    thresholds = (recipe.empty_at, recipe.occupied_at)
    plain = figures(kept.occupied, sigmoid(kept.logits), *thresholds)
    dark_logits = network.logits_of(pooled_features(prepared.cut, dark[left_out]))
    in_the_dark = figures(kept.occupied, sigmoid(dark_logits), *thresholds)
    return FoldFigures(
        recipe.name,
        recipe.seed,
        fold,
        int(left_out.sum()),
        plain.auc,
        plain.balanced_accuracy,
        plain.coverage,
        plain.answered_balanced_accuracy,
        in_the_dark.balanced_accuracy,
        int(is_answered(sigmoid(kept.garbage_logits), *thresholds).sum()),
        scale,
        key,
    )


def _in_words(row: FoldFigures) -> str:
    return ", ".join(
        f"{words} {'-' if value is None else f'{value:.3f}'}"
        for words, value in (
            ("AUC", row.auc),
            ("answered", row.coverage),
            ("of these balanced accuracy", row.answered_balanced_accuracy),
        )
    )


def read_figures(done: Path) -> list[FoldFigures]:
    """Return the figures a file of JSON lines holds; none where there is no file."""
    if not done.is_file():
        return []
    rows = []
    for number, line in enumerate(done.read_text("utf-8", errors="replace").splitlines(), 1):
        try:
            rows.append(FoldFigures(**json.loads(line)))
        except (ValueError, TypeError):
            # The last line of a run that was killed, or of another version.
            log.warning("%s:%d: no figures; they are measured again", done, number)
    return rows


def table_of(rows: Sequence[FoldFigures]) -> str:
    """Return the figures as a Markdown table: per recipe and fold the mean over the seeds.

    AUC with its least and greatest over the seeds; the last row of a recipe is the mean.
    """
    lines = [
        "| recipe | left out | crops | AUC (least-greatest) | balanced accuracy | answered | "
        "of these, balanced accuracy | at a third of the light | garbage answered |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for recipe in dict.fromkeys(row.recipe for row in rows):
        of_recipe = [row for row in rows if row.recipe == recipe]
        folds = list(dict.fromkeys(row.fold for row in of_recipe))
        for fold in folds:
            lines.append(_line(recipe, fold, [row for row in of_recipe if row.fold == fold]))
        lines.append(_line(f"**{recipe}**", "**mean**", of_recipe, is_mean=True))
    return "\n".join(lines)


def _line(recipe: str, fold: str, rows: Sequence[FoldFigures], is_mean: bool = False) -> str:
    def mean(name: str) -> float:
        return _mean([getattr(row, name) for row in rows])

    # Of the mean row: over the seeds' means, so that it says how much a seed matters.
    aucs = [_mean([row.auc]) for row in rows]
    if is_mean:
        aucs = [
            _mean([row.auc for row in rows if row.seed == seed])
            for seed in {row.seed for row in rows}
        ]
    crops = "" if is_mean else str(rows[0].crops)
    return (
        f"| {recipe} | {fold} | {crops} | {mean('auc'):.3f} ({min(aucs):.3f}-{max(aucs):.3f}) | "
        f"{mean('balanced_accuracy'):.3f} | {mean('coverage'):.3f} | "
        f"{_or_dash(mean('answered_balanced_accuracy'))} | {mean('dark_balanced_accuracy'):.3f} | "
        f"{mean('garbage_answered') / GARBAGE_COUNT:.1%} |"
    )


def _or_dash(figure: float) -> str:
    """Return the figure; a dash where no run answered of both labels."""
    return "-" if math.isnan(figure) else f"{figure:.3f}"


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")
