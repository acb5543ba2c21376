"""Figures against values worked out by hand."""

from dataclasses import astuple

import numpy as np
import pytest

from edge.scores import area_under_roc, balanced_accuracy
from trainer.metrics import (
    LabelFigures,
    average_precision,
    calibration_error,
    confusion,
    difference,
    error_by_coverage,
    figures,
    reliability,
)

pytestmark = pytest.mark.trainer

OCCUPIED = np.array([True, True, True, False, False])
PROBABILITY = np.array([0.9, 0.55, 0.2, 0.3, 0.1])


def test_figures_of_five_crops() -> None:
    result = figures(OCCUPIED, PROBABILITY, 0.4, 0.6)
    assert (result.empty_count, result.occupied_count) == (2, 3)
    assert result.empty_accuracy == 1
    assert result.occupied_accuracy == pytest.approx(2 / 3)
    assert result.balanced_accuracy == pytest.approx(5 / 6)
    # 6 pairs; only 0.2 < 0.3 is in the wrong order.
    assert result.auc == pytest.approx(5 / 6)
    # 0.55 is not answered; of the others 0.2 is wrong.
    assert result.coverage == pytest.approx(4 / 5)
    assert result.answered_balanced_accuracy == pytest.approx((1 + 1 / 2) / 2)


def test_ties_count_half() -> None:
    occupied = np.array([True, False, False])
    assert area_under_roc(occupied, np.array([0.5, 0.5, 0.1])) == pytest.approx(0.75)
    assert area_under_roc(occupied, np.array([0.5, 0.5, 0.5])) == pytest.approx(0.5)


def test_accuracy_is_balanced_over_labels_not_crops() -> None:
    occupied = np.array([True] * 9 + [False])
    assert balanced_accuracy(occupied, np.ones(10, bool)) == pytest.approx(0.5)


def test_one_label_alone_has_no_balanced_accuracy_and_no_area() -> None:
    result = figures(np.ones(3, bool), np.array([0.7, 0.8, 0.9]))
    assert result.balanced_accuracy is None
    assert result.auc is None
    assert result.occupied_accuracy == 1


def test_no_crops_at_all_give_no_figures_and_no_error() -> None:
    result = figures(np.zeros(0, bool), np.zeros(0))
    assert (result.coverage, result.calibration_error) == (None, None)


def test_precision_recall_and_f1_of_both_labels() -> None:
    result = figures(OCCUPIED, PROBABILITY)
    # Two read OCCUPIED, rightly; three read EMPTY, one of them wrongly.
    assert astuple(result.occupied) == pytest.approx((1.0, 2 / 3, 0.8))
    assert astuple(result.empty) == pytest.approx((2 / 3, 1.0, 0.8))
    assert result.accuracy == pytest.approx(4 / 5)
    assert result.answered_accuracy == pytest.approx(3 / 4)


def test_a_label_that_nothing_reads_has_no_precision() -> None:
    result = figures(np.array([True, False]), np.array([0.1, 0.1]))
    assert result.occupied == LabelFigures(None, 0.0, 0.0)


def test_average_precision_by_hand() -> None:
    # In order of probability: right, right, wrong, right, wrong.
    assert average_precision(OCCUPIED, PROBABILITY) == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert average_precision(np.ones(2, bool), np.array([0.1, 0.2])) is None


def test_confusion_has_labels_in_rows_and_what_the_device_reads_in_columns() -> None:
    assert confusion(OCCUPIED, PROBABILITY, 0.4, 0.6).tolist() == [[2, 0, 0], [1, 1, 1]]


def test_a_probability_on_a_threshold_is_an_answer() -> None:
    table = confusion(np.array([False, True]), np.array([0.4, 0.6]), 0.4, 0.6)
    assert table.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_difference_counts_decisions_and_opposites() -> None:
    one = np.array([0.1, 0.45, 0.9, 0.7])
    other = np.array([0.2, 0.39, 0.1, 0.7])
    result = difference(one, other, 0.4, 0.6)
    assert (result.decisions, result.opposites, result.count) == (2, 1, 4)
    assert result.largest == pytest.approx(0.8)
    assert result.mean == pytest.approx((0.1 + 0.06 + 0.8) / 4)


def test_error_by_coverage_starts_with_the_surest_and_skips_ties() -> None:
    occupied = np.array([True, False, True, True])
    # 0.95 right, 0.1 right, then 0.25 and 0.75 equally sure, one of them wrong.
    coverage, error = error_by_coverage(occupied, np.array([0.95, 0.1, 0.25, 0.75]))
    assert coverage == pytest.approx([0.25, 0.5, 1.0])
    assert error == pytest.approx([0, 0, 0.25])


def test_calibration_error_is_the_mean_gap_between_said_and_true() -> None:
    # One bin says 0.8 and is right 3 times of 4; one says 0.2 and is never OCCUPIED.
    occupied = np.array([True, True, True, False, False, False])
    probability = np.array([0.85, 0.85, 0.85, 0.85, 0.25, 0.25])
    assert np.array(reliability(occupied, probability)) == pytest.approx(
        np.array([(0.25, 0.0, 2), (0.85, 0.75, 4)])
    )
    assert calibration_error(occupied, probability) == pytest.approx((0.1 * 4 + 0.25 * 2) / 6)


def test_probability_one_falls_into_the_last_bin() -> None:
    assert calibration_error(np.array([True]), np.array([1.0])) == 0
