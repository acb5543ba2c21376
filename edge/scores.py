"""How right the answers were: the figures that replay and the trainer print."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


def balanced_accuracy(answers: Bools, labels: Bools) -> float:
    """Return the mean of the two classes' recalls, 0..1; nan when a class is missing.

    `answers` and `labels` are True for OCCUPIED, shape (count,).
    """
    if labels.all() or not labels.any():
        return float("nan")
    return float((answers[labels].mean() + (~answers[~labels]).mean()) / 2)


def area_under_roc(scores: Floats, labels: Bools) -> float:
    """Return the area under the ROC curve, 0..1; nan when a class is missing.

    It is the chance that an OCCUPIED scores higher than an EMPTY, ties counting half
    (the Mann-Whitney U statistic; Hanley and McNeil 1982). Shapes (count,).
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    mean_rank = last_rank - (counts - 1) / 2
    rank_sum = float(mean_rank[inverse][labels].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
