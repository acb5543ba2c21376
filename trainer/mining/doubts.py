"""Reasons to doubt what the model says of a crop without knowing its label.

An undecided answer is doubtful by itself. One that a device would give, at or beyond a
threshold, is when another witness disagrees: a label, the most similar labelled crops, the
same crop in other light, or the same slot right before and after. A doubt's strength is 0..1;
for a witness it is how far apart the two probabilities are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.types import ImageRGB
from trainer.metrics import is_answered
from trainer.mining.pool import PoolCrop, tracks_of

Floats = npt.NDArray[np.float32]

UNDECIDED, DISPUTED = "undecided", "disputed"
# Weaker doubts are none: 0.1 is sure enough of EMPTY, 0.9 of OCCUPIED.
_LEAST_UNDECIDED = 0.2
_LEAST_DISPUTED = 0.4
_NEIGHBOURS = 5

# What other light does to R, G and B. Mild: whoever doubts at this should not be trusted.
OTHER_LIGHTS: dict[str, tuple[float, float, float]] = {
    "half the light": (0.5, 0.5, 0.5),
    "half as much light again": (1.5, 1.5, 1.5),
    "warmer light": (1.2, 1.0, 0.8),
    "colder light": (0.8, 1.0, 1.2),
}


@dataclass(frozen=True, eq=False)
class Answers:
    """What the model says of crops; a row each."""

    probability: Floats  # (count,), of OCCUPIED
    in_other_light: Floats  # (count, len(OTHER_LIGHTS)), of OCCUPIED
    embedding: Floats  # (count, features), of length 1
    empty_at: float  # the thresholds; what lies between them is no answer
    occupied_at: float


@dataclass(frozen=True, eq=False)
class Labelled:
    """Crops whose label is known."""

    embedding: Floats  # (count, features), of length 1
    is_occupied: npt.NDArray[np.bool_]  # (count,)


@dataclass(frozen=True)
class Doubt:
    """Why a crop is worth a person's look."""

    kind: str  # UNDECIDED or DISPUTED
    strength: float  # 0..1
    reason: str


def relit(crop_rgb: ImageRGB, gains: tuple[float, float, float]) -> ImageRGB:
    """Return the crop in other light, a gain for each of R, G and B."""
    return (crop_rgb * np.array(gains, np.float32)).clip(0, 255).astype(np.uint8)


def doubts_of(
    crops: Sequence[PoolCrop], answers: Answers, labelled: Labelled | None
) -> list[Doubt | None]:
    """Return the strongest doubt of each crop, a dispute before indecision; None where none."""
    opinions = [*_by_label(crops), *_by_light(answers), *_by_time(crops, answers)]
    if labelled is not None:
        opinions += _by_neighbours(answers, labelled)
    # Who says nothing cannot be contradicted.
    has_answer = is_answered(answers.probability, answers.empty_at, answers.occupied_at)
    disputes: dict[int, Doubt] = {}
    for opinion in opinions:
        probability = float(answers.probability[opinion.index])
        strength = abs(probability - opinion.probability)
        is_contrary = word_of(opinion.probability) != word_of(probability)
        if has_answer[opinion.index] and is_contrary and strength >= _LEAST_DISPUTED:
            known = disputes.get(opinion.index)
            if known is None or strength > known.strength:
                reason = f"reads {_reading(probability)}, but {opinion.words}"
                disputes[opinion.index] = Doubt(DISPUTED, strength, reason)
    return [
        disputes.get(index) or _indecision(float(probability))
        for index, probability in enumerate(answers.probability)
    ]


def word_of(probability: float) -> str:
    """Return the label that is more probable."""
    return "OCCUPIED" if probability > 0.5 else "EMPTY"


def _reading(probability: float) -> str:
    return f"{word_of(probability)} at {probability:.2f}"


def _indecision(probability: float) -> Doubt | None:
    strength = 1 - 2 * abs(probability - 0.5)
    if strength < _LEAST_UNDECIDED:
        return None
    return Doubt(UNDECIDED, strength, f"undecided at {probability:.2f}")


@dataclass(frozen=True)
class _Opinion:
    """What a witness says of one crop."""

    index: int
    probability: float  # of OCCUPIED
    words: str


def _by_label(crops: Sequence[PoolCrop]) -> list[_Opinion]:
    return [
        _Opinion(index, float(crop.is_occupied), f"is labelled {word_of(crop.is_occupied)}")
        for index, crop in enumerate(crops)
        if crop.is_occupied is not None
    ]


def _by_light(answers: Answers) -> list[_Opinion]:
    """Return what the model says of each crop in the light that changes its answer most."""
    distances = np.abs(answers.in_other_light - answers.probability[:, None])
    opinions = []
    for index, light in enumerate(distances.argmax(axis=1)):
        said = float(answers.in_other_light[index, light])
        words = f"in {list(OTHER_LIGHTS)[light]} {_reading(said)}"
        opinions.append(_Opinion(index, said, words))
    return opinions


def _by_time(crops: Sequence[PoolCrop], answers: Answers) -> list[_Opinion]:
    """Return what a slot's frames before and after say, where both say the same."""
    opinions = []
    for track in tracks_of(crops):
        for before, index, after in zip(track, track[1:], track[2:], strict=False):
            around = [float(answers.probability[i]) for i in (before, after)]
            if word_of(around[0]) == word_of(around[1]):
                words = f"the slot reads {word_of(around[0])} right before and after"
                opinions.append(_Opinion(index, sum(around) / 2, words))
    return opinions


def _by_neighbours(answers: Answers, labelled: Labelled) -> list[_Opinion]:
    """Return the share of OCCUPIED among the most similar labelled crops."""
    count = min(_NEIGHBOURS, len(labelled.is_occupied))
    opinions = []
    for index, embedding in enumerate(answers.embedding):
        similarity = labelled.embedding @ embedding
        nearest = np.argpartition(-similarity, count - 1)[:count]
        share = float(labelled.is_occupied[nearest].mean())
        agreeing = round(max(share, 1 - share) * count)
        words = f"{agreeing} of the {count} most similar labelled crops are {word_of(share)}"
        opinions.append(_Opinion(index, share, words))
    return opinions
