"""What ten labelled crops per class of a cabinet are worth: the table of docs/decisions/0011.

    python -m benchmarks.site_head OUT [--labels 10] [--draws 3] [--folds aerial,screws]

OUT is what `slotwatch-train compare --out OUT` wrote: the crops that each fold left out lie in
OUT/crops, with what the fold's network says of them. Of each fold and seed, labels are drawn
`--draws` times and are not scored; nor are the pictures of empty slots. A second or so for each
drawing on one core.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from edge.empties import EmptyRule, beside_empties, distance_of, unit
from edge.scores import Bools
from edge.site_head import LabelledCrops, fit_head, try_head
from trainer.empty_rule import Beside, fit_empty_rule, strangers
from trainer.kept_crops import FOLDER, KeptCrops, read_kept
from trainer.metrics import figures, is_answered

Floats = npt.NDArray[np.floating]
Distances = npt.NDArray[np.float64]

EMPTY_AT, OCCUPIED_AT = 0.4, 0.6
STAND_INS = 6  # pictures for slots that were never seen EMPTY
GARBAGE_FOR_FIT = 198  # as `slotwatch learn` draws
ROWS = ("nothing learnt", "always kept", "kept if better")


@dataclass(frozen=True, eq=False)
class Fold:
    """The crops one network has not seen, and how far each is from its slot's empty picture."""

    name: str
    kept: KeptCrops
    slots: tuple[str, ...]
    is_picture: Bools  # (crops,): shown to the device as empty, never scored
    distances: Distances  # (crops,), cosine
    garbage_distances: Distances  # (pieces,)

    def beside(self) -> Beside | None:
        """Return what a rule is fitted on; None where one label is left without crops."""
        scored = ~self.is_picture
        occupied = self.kept.occupied[scored]
        if occupied.all():
            return None
        return Beside(
            self.kept.logits[scored].astype(np.float64),
            self.distances[scored],
            occupied,
            frozenset(map(str, self.kept.sources)),
            self.kept.garbage_logits.astype(np.float64),
            self.garbage_distances,
        )


def read_fold(name: str, kept: KeptCrops, seed: int) -> Fold:
    """Return a fold with one EMPTY crop of each slot drawn as its picture."""
    random = np.random.default_rng(seed)
    slots = tuple(f"{camera}/{slot}" for camera, slot in zip(kept.cameras, kept.slots, strict=True))
    picture_of = {
        slots[index]: int(index) for index in random.permutation(np.flatnonzero(~kept.occupied))
    }
    pictures = np.array(sorted(picture_of.values()))
    embeddings = unit(kept.embeddings.astype(np.float32))
    stand_ins = random.permutation(pictures)[:STAND_INS]
    distances = [
        distance_of(embedding, embeddings[[picture_of[slot]] if slot in picture_of else stand_ins])
        for embedding, slot in zip(embeddings, slots, strict=True)
    ]
    of_garbage = [
        distance_of(embedding, embeddings[[random.choice(pictures)]])
        for embedding in unit(kept.garbage_embeddings.astype(np.float32))
    ]
    is_picture = np.isin(np.arange(len(slots)), pictures)
    return Fold(name, kept, slots, is_picture, np.array(distances), np.array(of_garbage))


def score(fold: Fold, rule: EmptyRule | None, labels: int, seed: int) -> list[Sequence[float]]:
    """Return AUC, coverage, balanced accuracy of the answered, share of garbage answered.

    One for each of ROWS, and last whether the head was kept. With a rule, beside the pictures.
    """
    random = np.random.default_rng(seed)
    kept = fold.kept
    of_model, of_garbage = _sigmoid(kept.logits), _sigmoid(kept.garbage_logits)
    known, known_garbage = of_model, of_garbage
    usable = np.ones(len(of_model), dtype=np.bool_)
    if rule is not None:
        usable = ~fold.is_picture
        known = _beside(of_model, fold.distances, rule)
        known_garbage = _beside(of_garbage, fold.garbage_distances, rule)
    drawn = np.concatenate(
        [
            random.permutation(np.flatnonzero(usable & (kept.occupied == is_occupied)))[:labels]
            for is_occupied in (False, True)
        ]
    )
    embeddings = kept.embeddings.astype(np.float32)
    pieces = kept.garbage_embeddings.astype(np.float32)
    for_fit = random.permutation(len(pieces))[:GARBAGE_FOR_FIT]
    crops = LabelledCrops(
        embeddings[drawn],
        of_model[drawn],
        known[drawn],
        kept.occupied[drawn],
        tuple(fold.slots[index] for index in drawn),
    )
    is_better = try_head(crops, pieces[for_fit]).is_better
    head = fit_head(crops, pieces[for_fit])
    usable[drawn] = False
    scored = np.flatnonzero(usable)
    others = np.setdiff1d(np.arange(len(pieces)), for_fit)
    before = _figures(kept.occupied[scored], known[scored], known_garbage[others])
    after = _figures(
        kept.occupied[scored],
        np.array(
            [head.probability(embeddings[i], float(of_model[i]), float(known[i])) for i in scored]
        ),
        np.array(
            [
                head.probability(pieces[i], float(of_garbage[i]), float(known_garbage[i]))
                for i in others
            ]
        ),
    )
    return [before, after, after if is_better else before, (float(is_better),)]


def _figures(occupied: Bools, probability: Floats, garbage: Floats) -> Sequence[float]:
    found = figures(occupied, probability, EMPTY_AT, OCCUPIED_AT)
    answered = float(is_answered(garbage, EMPTY_AT, OCCUPIED_AT).mean())
    named = (found.auc, found.coverage, found.answered_balanced_accuracy)
    return (*(float("nan") if value is None else value for value in named), answered)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def _beside(probability: Floats, distances: Floats, rule: EmptyRule) -> Floats:
    pairs = zip(probability, distances, strict=True)
    return np.array([beside_empties(float(p), float(distance), rule) for p, distance in pairs])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--labels", type=int, default=10, help="of each class (default: 10)")
    parser.add_argument("--draws", type=int, default=3, help="of each fold and seed (default: 3)")
    parser.add_argument("--folds", help="only these (default: all)")
    arguments = parser.parse_args()
    folds: dict[int, list[Fold]] = defaultdict(list)
    for path in sorted((arguments.out / FOLDER).glob("*.npz")):
        _, seed, name = path.stem.split("-", 2)
        kept = read_kept(path)
        if kept is not None:
            folds[int(seed)].append(read_fold(unquote(name), kept, int(seed)))
    asked = arguments.folds.split(",") if arguments.folds else None
    rows: dict[tuple[str, str, str], list[Sequence[float]]] = defaultdict(list)
    for seed, of_seed in folds.items():
        bodies = {fold.name: body for fold in of_seed if (body := fold.beside()) is not None}
        for fold in of_seed:
            if asked is not None and fold.name not in asked:
                continue
            rules: dict[str, EmptyRule | None] = {"without": None}
            if fold.name in bodies:
                rest = strangers(bodies[fold.name], list(bodies.values()))
                rules["with"] = fit_empty_rule(rest)
            for pictures, rule in rules.items():
                for draw in range(arguments.draws):
                    found = score(fold, rule, arguments.labels, 1000 * seed + draw)
                    for row, values in zip((*ROWS, "share kept"), found, strict=True):
                        rows[pictures, row, fold.name].append(values)
    print(
        "| pictures of empty slots | head | left out | AUC | answered | of these, balanced "
        "accuracy | garbage answered |\n|---|---|---|---|---|---|---|"
    )
    for pictures in ("without", "with"):
        for row in (*ROWS, "share kept"):
            means = {
                name: np.mean(values, axis=0)
                for (of_pictures, of_row, name), values in rows.items()
                if (of_pictures, of_row) == (pictures, row)
            }
            if means:
                means["mean"] = np.mean(list(means.values()), axis=0)
            for name, values in means.items():
                cells = " | ".join(f"{value:.4f}" for value in values)
                print(f"| {pictures} | {row} | {name} | {cells} |")


if __name__ == "__main__":
    main()
