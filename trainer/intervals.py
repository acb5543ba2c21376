"""How far a figure may be off when the next crops come from other cameras, days or slots.

Crops of one camera, day or slot resemble each other: a hundred of them say little more than
one. So whole groups are drawn again, not crops (the cluster bootstrap; Efron and Tibshirani
1993, Field and Welsh 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from edge.scores import Bools
from trainer.dataset import Sample
from trainer.splits import day_of, group_samples

ENOUGH_GROUPS = 5  # fewer cannot be drawn again with any sense
_DRAWS = 2000
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class Interval:
    """The range that holds the figure of other groups like these, 95 times of 100."""

    low: float
    high: float
    groups: int


@dataclass(frozen=True, eq=False)
class Ratio:
    """A share: the crops that count among the crops it is about. Both bool (count,)."""

    hits: Bools
    of: Bools


def balanced_ratios(occupied: Bools, is_right: Bools) -> tuple[Ratio, ...]:
    """Return the ratios whose mean is the balanced accuracy; one where a label is missing."""
    ratios = [Ratio(is_right & label, label) for label in (~occupied, occupied)]
    return tuple(ratio for ratio in ratios if ratio.of.any())


def interval(
    ratios: Sequence[Ratio], groups: Sequence[str], seed: int = 0
) -> tuple[float | None, Interval | None]:
    """Return the mean of the ratios over all crops, and its 95 % interval over the groups.

    The mean is None without a crop to speak of, the interval with fewer than two groups.
    With fewer than five groups, or when no two groups differ, each group counts as one single
    observation (Wilson's interval, 1927): wide, as it must be.
    """
    _, index = np.unique(np.array(groups, str), return_inverse=True)
    sums = np.stack(
        [np.bincount(index, mask) for ratio in ratios for mask in (ratio.hits, ratio.of)], axis=1
    )
    # A group without any crop in question says nothing.
    sums = sums[sums[:, 1::2].any(axis=1)]
    if not len(sums):
        return None, None
    estimate = float(_means(sums.sum(axis=0)[None])[0])
    count = len(sums)
    if count < 2:
        return estimate, None
    if count < ENOUGH_GROUPS:
        return estimate, _wilson(estimate, count)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(count, np.full(count, 1 / count), _DRAWS)
    means = _means((drawn @ sums).astype(np.float64))
    low, high = (float(edge) for edge in np.nanquantile(means, [0.025, 0.975]))
    if low == high:
        return estimate, _wilson(estimate, count)
    return estimate, Interval(low, high, count)


def _means(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean ratio of each row of (hits, of, hits, of, ...); nan where one is 0 / 0."""
    with np.errstate(invalid="ignore"):
        return np.asarray((sums[:, 0::2] / sums[:, 1::2]).mean(axis=1), dtype=np.float64)


def _wilson(share: float, count: int) -> Interval:
    square = _NORMAL_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = (
        _NORMAL_95
        * sqrt(share * (1 - share) / count + square / (4 * count**2))
        / (1 + square / count)
    )
    return Interval(max(0.0, middle - half), min(1.0, middle + half), count)


@dataclass(frozen=True)
class Clusters:
    """Which crops belong together, and by what."""

    keys: tuple[str, ...]  # one per sample
    unit: str  # camera, day, slot, or block: a run of neighbouring file names


def clusters_of(samples: Sequence[Sample]) -> Clusters:
    """Return the coarsest of camera, day and slot that gives at least five groups.

    Where none does, the one that gives most; runs of neighbouring file names where names
    carry nothing.
    """
    if not any(s.slot or s.time for s in samples):
        cameras = {(s.source, s.camera) for s in samples}
        if len(cameras) < ENOUGH_GROUPS:
            return Clusters(group_samples(samples).groups, "block")
    cameras_of = [f"{s.source}/{s.camera}" for s in samples]
    levels = {
        "camera": cameras_of,
        "day": [f"{c}/{day_of(s.time)}" for c, s in zip(cameras_of, samples, strict=True)],
        "slot": [f"{c}/{s.slot}" for c, s in zip(cameras_of, samples, strict=True)],
    }
    most = max(len(set(keys)) for keys in levels.values())
    return next(
        Clusters(tuple(keys), unit)
        for unit, keys in levels.items()
        if len(set(keys)) >= min(ENOUGH_GROUPS, most)
    )
