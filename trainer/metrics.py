"""How good probabilities are, in plain numpy.

`occupied` is bool (count,), `probability` is float (count,), of OCCUPIED.
A figure that the samples cannot give (one label missing) is None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.scores import Bools, Floats, area_under_roc, balanced_accuracy, share


@dataclass(frozen=True)
class Figures:
    """The figures of one set of crops."""

    empty_count: int
    occupied_count: int
    balanced_accuracy: float | None  # a crop reads OCCUPIED from 0.5
    auc: float | None
    empty_accuracy: float | None  # share of EMPTY crops that read EMPTY
    occupied_accuracy: float | None
    coverage: float | None  # share of crops at or beyond one of the two thresholds
    answered_balanced_accuracy: float | None  # of these
    calibration_error: float | None


def figures(
    occupied: Bools, probability: Floats, empty_at: float = 0.4, occupied_at: float = 0.6
) -> Figures:
    """Return every figure at once."""
    answered = (probability <= empty_at) | (probability >= occupied_at)
    reads_occupied = probability >= 0.5
    return Figures(
        empty_count=int((~occupied).sum()),
        occupied_count=int(occupied.sum()),
        balanced_accuracy=balanced_accuracy(occupied, reads_occupied),
        auc=area_under_roc(occupied, probability),
        empty_accuracy=share(~reads_occupied[~occupied]),
        occupied_accuracy=share(reads_occupied[occupied]),
        coverage=share(answered),
        answered_balanced_accuracy=balanced_accuracy(occupied[answered], reads_occupied[answered]),
        calibration_error=calibration_error(occupied, probability),
    )


def roc_curve(
    occupied: Bools, probability: Floats
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return false and true OCCUPIED rates for every threshold, both from 0 to 1."""
    order = np.argsort(-probability, kind="stable")
    # A threshold cannot part equal probabilities: keep the last of each run.
    ends = np.append(np.diff(probability[order]) != 0, True)
    hits = np.cumsum(occupied[order])[ends]
    misses = np.cumsum(~occupied[order])[ends]
    false_rate = np.append(0.0, misses / max(int((~occupied).sum()), 1))
    true_rate = np.append(0.0, hits / max(int(occupied.sum()), 1))
    return false_rate, true_rate


def confusion(occupied: Bools, reads_occupied: Bools) -> npt.NDArray[np.int64]:
    """Return counts (2, 2): rows are the labels EMPTY, OCCUPIED, columns the readings."""
    table = np.zeros((2, 2), np.int64)
    np.add.at(table, (occupied.astype(int), reads_occupied.astype(int)), 1)
    return table


def reliability(
    occupied: Bools, probability: Floats, bins: int = 10
) -> list[tuple[float, float, int]]:
    """Return (mean probability, share that is OCCUPIED, count) of each bin that is not bare."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    return [
        (float(probability[index == b].mean()), float(occupied[index == b].mean()), count)
        for b in range(bins)
        if (count := int((index == b).sum()))
    ]


def calibration_error(occupied: Bools, probability: Floats, bins: int = 10) -> float | None:
    """Return the expected calibration error (Guo et al. 2017) over bins of equal width."""
    if not len(probability):
        return None
    return sum(
        abs(mean - part) * count for mean, part, count in reliability(occupied, probability, bins)
    ) / len(probability)
