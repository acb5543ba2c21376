"""How good probabilities are, in plain numpy.

`occupied` is bool (count,), `probability` is float (count,), of OCCUPIED.
A figure that the samples cannot give (one label missing) is None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]


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
        empty_accuracy=_mean(~reads_occupied[~occupied]),
        occupied_accuracy=_mean(reads_occupied[occupied]),
        coverage=_mean(answered),
        answered_balanced_accuracy=balanced_accuracy(occupied[answered], reads_occupied[answered]),
        calibration_error=calibration_error(occupied, probability),
    )


def _mean(values: Bools) -> float | None:
    return float(values.mean()) if len(values) else None


def balanced_accuracy(occupied: Bools, reads_occupied: Bools) -> float | None:
    """Return the mean of both labels' accuracies."""
    empty_accuracy = _mean(~reads_occupied[~occupied])
    occupied_accuracy = _mean(reads_occupied[occupied])
    if empty_accuracy is None or occupied_accuracy is None:
        return None
    return (empty_accuracy + occupied_accuracy) / 2


def area_under_roc(occupied: Bools, probability: Floats) -> float | None:
    """Return the chance that an OCCUPIED crop gets more than an EMPTY one; ties count half."""
    positives, negatives = int(occupied.sum()), int((~occupied).sum())
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(probability, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_rank[inverse][occupied].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


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
        abs(mean - share) * count for mean, share, count in reliability(occupied, probability, bins)
    ) / len(probability)
