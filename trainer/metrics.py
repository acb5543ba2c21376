"""How good probabilities are.

`occupied` is bool (count,), `probability` is float (count,), of OCCUPIED.
A figure that the samples cannot give (one label missing) is None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.scores import Bools, Floats, area_under_roc, balanced_accuracy, share


@dataclass(frozen=True)
class LabelFigures:
    """How well one label is told, when every crop is forced to an answer at 0.5."""

    precision: float | None  # of the crops that read so, the share that is
    recall: float | None  # of the crops that are so, the share that reads so
    f1: float | None  # harmonic mean of the two


@dataclass(frozen=True)
class Figures:
    """The figures of one set of crops."""

    empty_count: int
    occupied_count: int
    accuracy: float | None  # a crop reads OCCUPIED from 0.5
    balanced_accuracy: float | None
    auc: float | None  # area under the ROC curve
    average_precision: float | None  # area under the precision-recall curve of OCCUPIED
    empty_accuracy: float | None  # share of EMPTY crops that read EMPTY
    occupied_accuracy: float | None
    empty: LabelFigures
    occupied: LabelFigures
    coverage: float | None  # share of crops at or beyond one of the two thresholds
    answered_accuracy: float | None  # of these
    answered_balanced_accuracy: float | None
    calibration_error: float | None


def figures(
    occupied: Bools, probability: Floats, empty_at: float = 0.4, occupied_at: float = 0.6
) -> Figures:
    """Return every figure at once."""
    answered = is_answered(probability, empty_at, occupied_at)
    reads_occupied = probability >= 0.5
    is_right = reads_occupied == occupied
    return Figures(
        empty_count=int((~occupied).sum()),
        occupied_count=int(occupied.sum()),
        accuracy=share(is_right),
        balanced_accuracy=balanced_accuracy(occupied, reads_occupied),
        auc=area_under_roc(occupied, probability),
        average_precision=average_precision(occupied, probability),
        empty_accuracy=share(~reads_occupied[~occupied]),
        occupied_accuracy=share(reads_occupied[occupied]),
        empty=_label_figures(~occupied, ~reads_occupied),
        occupied=_label_figures(occupied, reads_occupied),
        coverage=share(answered),
        answered_accuracy=share(is_right[answered]),
        answered_balanced_accuracy=balanced_accuracy(occupied[answered], reads_occupied[answered]),
        calibration_error=calibration_error(occupied, probability),
    )


def is_answered(probability: Floats, empty_at: float, occupied_at: float) -> Bools:
    """Return True where a probability is at or beyond a threshold, shape (count,)."""
    return np.asarray((probability <= empty_at) | (probability >= occupied_at), dtype=np.bool_)


def _label_figures(is_so: Bools, reads_so: Bools) -> LabelFigures:
    precision, recall = share(is_so[reads_so]), share(reads_so[is_so])
    hits = int((is_so & reads_so).sum())
    misses = int((is_so != reads_so).sum())
    f1 = 2 * hits / (2 * hits + misses) if hits + misses else None
    return LabelFigures(precision, recall, f1)


def average_precision(occupied: Bools, probability: Floats) -> float | None:
    """Return the area under the precision-recall curve of OCCUPIED, 0..1."""
    if not occupied.any() or occupied.all():
        return None
    # It takes two seconds to import, and a help text must come at once.
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(occupied, probability))


def confusion(
    occupied: Bools, probability: Floats, empty_at: float, occupied_at: float
) -> npt.NDArray[np.int64]:
    """Return counts (2, 3): rows are the labels EMPTY, OCCUPIED, columns what is read.

    EMPTY up to `empty_at`, OCCUPIED from `occupied_at`, UNKNOWN in between. A crop right on
    two equal thresholds reads OCCUPIED.
    """
    reading = np.where(probability >= occupied_at, 2, np.where(probability <= empty_at, 0, 1))
    table = np.zeros((2, 3), np.int64)
    np.add.at(table, (occupied.astype(int), reading), 1)
    return table


@dataclass(frozen=True)
class Difference:
    """How far two models' probabilities for the same crops lie apart."""

    largest: float  # of one probability, 0..1
    mean: float
    decisions: int  # crops that read another of EMPTY, UNKNOWN, OCCUPIED
    opposites: int  # of these: EMPTY from one model, OCCUPIED from the other
    count: int


def difference(
    one: Floats, other: Floats, empty_at: float = 0.4, occupied_at: float = 0.6
) -> Difference:
    """Return how the probabilities (count,) of two models differ, and what they decide."""
    change = np.abs(one.astype(np.float64) - other)
    decided_one, decided_other = (
        (p >= occupied_at).astype(int) - (p <= empty_at).astype(int) for p in (one, other)
    )
    apart = np.abs(decided_one - decided_other)
    return Difference(
        float(change.max(initial=0)),
        float(change.mean()) if len(change) else 0.0,
        int((apart > 0).sum()),
        int((apart > 1).sum()),
        len(change),
    )


def error_by_coverage(
    occupied: Bools, probability: Floats
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return coverage and share of wrong answers as both thresholds move away from 0.5.

    Both 0..1, shape (distinct confidences,), from the surest crops to all of them (the
    risk-coverage curve of El-Yaniv and Wiener 2010).
    """
    confidence = np.abs(probability - 0.5)
    order = np.argsort(-confidence, kind="stable")
    is_wrong = (probability >= 0.5) != occupied
    # A threshold cannot part equal confidences: keep the last of each run.
    ends = np.append(np.diff(confidence[order]) != 0, True) if len(order) else np.zeros(0, bool)
    answered = np.arange(1, len(order) + 1)
    error = np.cumsum(is_wrong[order]) / answered
    return answered[ends] / max(len(order), 1), error[ends]


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
