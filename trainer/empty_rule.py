"""The rule of `edge.empties`, fitted and scored on sources that training never saw.

Each slot gives one EMPTY crop, as a person would show it to a device; that crop itself is
never scored. A source is scored with a rule that was fitted on other sources only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from edge.empties import LEAST_DISTANCE, EmptyRule, beside_empties, distance_of, unit
from edge.scores import Bools
from trainer.kept_crops import KeptCrops
from trainer.metrics import Figures, figures, is_answered

Floats = npt.NDArray[np.float64]

# A slot that was never seen EMPTY has no picture of its own: so many of other slots stand in.
_STAND_INS = 6
_C = 1.0  # inverse strength of the regularisation, as in scikit-learn
_MOST_STEPS = 200


@dataclass(frozen=True, eq=False)
class Beside:
    """Crops of one fold, each with its distance to the empty picture of its slot."""

    logits: Floats  # (crops,), of OCCUPIED, as the bound clips them
    distances: Floats  # (crops,), cosine, 0..2
    occupied: Bools  # (crops,)
    sources: frozenset[str]
    garbage_logits: Floats  # (pieces,)
    garbage_distances: Floats  # (pieces,), each to the picture of a slot drawn for it


@dataclass(frozen=True)
class BesideFigures:
    """The same crops without and with the empty picture of their slot."""

    alone: Figures
    beside: Figures
    garbage_answered: float  # share of the pieces answered with the picture, 0..1


def beside_one_empty(kept: KeptCrops, seed: int) -> Beside | None:
    """Return the crops beside one EMPTY crop of each slot, drawn with `seed`.

    None where no crops of both labels are left once each slot gave its picture: of a source
    with one picture of each slot nothing can be said.
    """
    random = np.random.default_rng(seed)
    slots = [
        f"{source}/{camera}/{slot}" if slot else ""
        for source, camera, slot in zip(kept.sources, kept.cameras, kept.slots, strict=True)
    ]
    empties_of: dict[str, list[int]] = {}
    for index in np.flatnonzero(~kept.occupied):
        if slots[index]:
            empties_of.setdefault(slots[index], []).append(int(index))
    picture_of = {slot: int(random.choice(empties_of[slot])) for slot in sorted(empties_of)}
    pictures = np.array(list(picture_of.values()), dtype=np.intp)
    is_scored = np.ones(len(slots), dtype=np.bool_)
    is_scored[pictures] = False
    if not len(pictures) or len(set(kept.occupied[is_scored])) < 2:
        return None
    embeddings = unit(kept.embeddings.astype(np.float32))
    of_garbage = unit(kept.garbage_embeddings.astype(np.float32))
    stand_ins = random.permutation(pictures)[:_STAND_INS]
    distances = [
        distance_of(
            embeddings[index],
            embeddings[[picture_of[slots[index]]] if slots[index] in picture_of else stand_ins],
        )
        for index in np.flatnonzero(is_scored)
    ]
    garbage_distances = [
        distance_of(embedding, embeddings[[random.choice(pictures)]]) for embedding in of_garbage
    ]
    return Beside(
        kept.logits[is_scored].astype(np.float64),
        np.array(distances),
        kept.occupied[is_scored],
        frozenset(map(str, kept.sources)),
        kept.garbage_logits.astype(np.float64),
        np.array(garbage_distances),
    )


def fit_empty_rule(folds: Sequence[Beside]) -> EmptyRule:
    """Return the rule that parts the labels best; folds count alike, and so do their labels."""
    inputs = np.concatenate(
        [
            np.stack([fold.logits, np.log(np.maximum(fold.distances, LEAST_DISTANCE))], axis=1)
            for fold in folds
        ]
    )
    occupied = np.concatenate([fold.occupied for fold in folds])
    weights = np.concatenate([_weights(fold.occupied) for fold in folds]) / len(folds)
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    solver = LogisticRegression(C=_C, max_iter=_MOST_STEPS)
    solver.fit((inputs - mean) / spread, occupied, sample_weight=weights * len(weights))
    kernel = solver.coef_[0] / spread
    bias = float(solver.intercept_[0] - kernel @ mean)
    return EmptyRule(of_logit=float(kernel[0]), of_distance=float(kernel[1]), bias=bias)


def _weights(occupied: Bools) -> Floats:
    share = float(occupied.mean())
    weights = np.where(occupied, 0.5 / share, 0.5 / (1 - share))
    return np.asarray(weights / len(occupied), dtype=np.float64)


def strangers(fold: Beside, folds: Sequence[Beside]) -> list[Beside]:
    """Return the folds that share no source with `fold`: two boards of one game do."""
    return [other for other in folds if not fold.sources & other.sources]


def score_beside(
    fold: Beside, rule: EmptyRule, empty_at: float, occupied_at: float
) -> BesideFigures:
    """Return the figures of a fold without and with the rule, as the device applies it."""
    garbage = _probabilities(fold.garbage_logits, fold.garbage_distances, rule)
    return BesideFigures(
        figures(fold.occupied, _sigmoid(fold.logits), empty_at, occupied_at),
        figures(
            fold.occupied,
            _probabilities(fold.logits, fold.distances, rule),
            empty_at,
            occupied_at,
        ),
        float(is_answered(garbage, empty_at, occupied_at).mean()),
    )


def _probabilities(logits: Floats, distances: Floats, rule: EmptyRule) -> Floats:
    return np.array(
        [
            beside_empties(float(probability), float(distance), rule)
            for probability, distance in zip(_sigmoid(logits), distances, strict=True)
        ]
    )


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits)))
