"""What a model does with pictures that are made worse on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.garbage import GARBAGE
from edge.scores import Bools
from trainer.dataset import Crops
from trainer.metrics import Figures, figures, is_answered

GARBAGE_COUNT = 2000
LIGHT_SHARE = 1 / 3
_UNUSED_SEED = 99  # training draws its garbage with others

# Crops -> the probability of OCCUPIED of each.
Score = Callable[[Crops], npt.NDArray[np.floating]]


@dataclass(frozen=True)
class GarbageTrial:
    """What a model says of one kind of picture that shows no slot."""

    kind: str
    count: int
    unknown_count: int  # read UNKNOWN, as they should
    worst_probability: float  # the one furthest from 0.5


def garbage_pictures(crops_rgb: Crops, count: int = GARBAGE_COUNT) -> dict[str, Crops]:
    """Return `count` pictures of no slot, by kind, that no training draws.

    Kinds that are a spoilt crop are made of `crops_rgb`, (crops, size, size, 3).
    """
    pictures = {}
    for number, (kind, draw) in enumerate(GARBAGE.items()):
        of_kind = []
        for index in range(count // len(GARBAGE) + (number < count % len(GARBAGE))):
            random = np.random.default_rng([_UNUSED_SEED, number, index])
            crop_rgb = crops_rgb[random.integers(len(crops_rgb))]
            of_kind.append(draw(crops_rgb.shape[1], random, crop_rgb))
        pictures[kind] = np.stack(of_kind)
    return pictures


def darkened(crops_rgb: Crops) -> Crops:
    """Return the crops with LIGHT_SHARE of their light: every pixel value that much of it."""
    return np.asarray((crops_rgb * np.float32(LIGHT_SHARE)).round(), dtype=np.uint8)


def try_garbage(
    score: Score, crops_rgb: Crops, empty_at: float, occupied_at: float, count: int = GARBAGE_COUNT
) -> tuple[GarbageTrial, ...]:
    """Return what becomes of `count` pictures of no slot, one trial for each kind."""
    trials = []
    for kind, pictures in garbage_pictures(crops_rgb, count).items():
        probability = score(pictures)
        answered = is_answered(probability, empty_at, occupied_at)
        worst = probability[np.argmax(np.abs(probability - 0.5))]
        trials.append(GarbageTrial(kind, len(pictures), int((~answered).sum()), float(worst)))
    return tuple(trials)


@dataclass(frozen=True)
class LightTrial:
    """The figures of the same crops before and after most of their light is taken."""

    share: float  # of the light that is left
    before: Figures
    after: Figures


def try_less_light(
    score: Score,
    crops_rgb: Crops,
    occupied: Bools,
    probability: npt.NDArray[np.floating],
    empty_at: float,
    occupied_at: float,
) -> LightTrial:
    """Return what becomes of the crops with LIGHT_SHARE of their light.

    `probability` (count,) is what the model says of the crops as they are.
    """
    return LightTrial(
        LIGHT_SHARE,
        figures(occupied, probability, empty_at, occupied_at),
        figures(occupied, score(darkened(crops_rgb)), empty_at, occupied_at),
    )
