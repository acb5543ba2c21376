"""Figures against values worked out by hand."""

import numpy as np
import pytest

from edge.scores import area_under_roc, balanced_accuracy
from trainer.metrics import (
    calibration_error,
    confusion,
    figures,
    reliability,
    roc_curve,
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


def test_roc_curve_runs_from_nothing_to_everything_and_skips_ties() -> None:
    false_rate, true_rate = roc_curve(
        np.array([True, False, True, False]), np.array([0.9, 0.5, 0.5, 0.1])
    )
    assert false_rate.tolist() == [0, 0, 0.5, 1]
    assert true_rate.tolist() == [0, 0.5, 1, 1]


def test_area_is_the_integral_of_the_curve() -> None:
    random = np.random.default_rng(0)
    occupied = random.random(200) < 0.3
    probability = np.round(random.random(200) * 0.7 + occupied * 0.3, 2)
    false_rate, true_rate = roc_curve(occupied, probability)
    area = float((np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2).sum())
    assert area_under_roc(occupied, probability) == pytest.approx(area)


def test_confusion_has_labels_in_rows() -> None:
    assert confusion(OCCUPIED, PROBABILITY >= 0.5).tolist() == [[2, 0], [1, 2]]


def test_calibration_error_is_the_mean_gap_between_said_and_true() -> None:
    # One bin says 0.8 and is right 3 times of 4; one says 0.2 and is never OCCUPIED.
    occupied = np.array([True, True, True, False, False, False])
    probability = np.array([0.85, 0.85, 0.85, 0.85, 0.25, 0.25])
    assert reliability(occupied, probability) == [
        (pytest.approx(0.25), 0.0, 2),
        (pytest.approx(0.85), 0.75, 4),
    ]
    assert calibration_error(occupied, probability) == pytest.approx((0.1 * 4 + 0.25 * 2) / 6)


def test_probability_one_falls_into_the_last_bin() -> None:
    assert calibration_error(np.array([True]), np.array([1.0])) == 0
