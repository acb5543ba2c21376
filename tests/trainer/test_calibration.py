"""A fitted calibration undoes a known distortion."""

import numpy as np
import pytest

from trainer.calibration import fit_calibration

pytestmark = pytest.mark.trainer


def drawn_labels(logits: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(1)
    return (random.random(len(logits)) < 1 / (1 + np.exp(-logits))).astype(float)


def test_overconfident_logits_are_put_right() -> None:
    true_logits = np.random.default_rng(0).normal(0, 2, 20_000)
    labels = drawn_labels(true_logits)
    calibration = fit_calibration(true_logits * 3, labels, np.ones(len(labels)))
    assert calibration.scale == pytest.approx(1 / 3, rel=0.05)


def test_labels_without_a_single_error_do_not_blow_up_the_scale() -> None:
    labels = np.repeat([0.0, 1.0], 50)
    calibration = fit_calibration(np.where(labels > 0, 5.0, -5.0), labels, np.ones(100))
    assert 0.5 < calibration.scale < 3


def test_weights_count_as_repeated_crops_would() -> None:
    logits = np.random.default_rng(0).normal(0, 2, 4000)
    labels = drawn_labels(logits)
    weighted = fit_calibration(logits, labels, np.where(labels > 0, 3.0, 1.0))
    chosen = np.concatenate([np.flatnonzero(labels > 0)] * 3 + [np.flatnonzero(labels == 0)])
    repeated = fit_calibration(logits[chosen], labels[chosen], np.ones(len(chosen)))
    assert weighted.scale == pytest.approx(repeated.scale, abs=0.01)
    assert weighted.scale != pytest.approx(
        fit_calibration(logits, labels, np.ones(4000)).scale, abs=0.01
    )
