"""How right the answers were: the figures that replay and the trainer print.

`occupied` is bool (count,), the labels; `probability` is float (count,), of OCCUPIED.
A figure that the samples cannot give (one label missing) is None.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


def share(values: Bools) -> float | None:
    """Return the share that is True, 0..1."""
    return float(values.mean()) if len(values) else None


def balanced_accuracy(occupied: Bools, reads_occupied: Bools) -> float | None:
    """Return the mean of both labels' accuracies, 0..1."""
    empty_accuracy = share(~reads_occupied[~occupied])
    occupied_accuracy = share(reads_occupied[occupied])
    if empty_accuracy is None or occupied_accuracy is None:
        return None
    return (empty_accuracy + occupied_accuracy) / 2


def area_under_roc(occupied: Bools, probability: Floats) -> float | None:
    """Return the area under the ROC curve, 0..1.

    It is the chance that an OCCUPIED gets more than an EMPTY, ties counting half (the
    Mann-Whitney U statistic; Hanley and McNeil 1982).
    """
    positives, negatives = int(occupied.sum()), int((~occupied).sum())
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(probability, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(mean_rank[inverse][occupied].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
