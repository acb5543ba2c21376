"""Pictures made worse on purpose."""

import numpy as np
import pytest

from edge.garbage import GARBAGE
from trainer.trials import try_garbage, try_less_light

pytestmark = pytest.mark.trainer

CROPS = np.full((3, 32, 32, 3), 120, np.uint8)


def brightness(crops_rgb: np.ndarray) -> np.ndarray:
    """A model that takes what is bright for OCCUPIED."""
    return crops_rgb.mean(axis=(1, 2, 3)) / 255


def test_each_kind_of_garbage_is_tried_with_its_worst_probability() -> None:
    trials = {trial.kind: trial for trial in try_garbage(brightness, CROPS, 0.4, 0.6, count=110)}
    assert set(trials) == set(GARBAGE)
    assert {trial.count for trial in trials.values()} == {110 // len(GARBAGE)}
    assert (trials["black"].unknown_count, trials["white"].unknown_count) == (0, 0)
    assert trials["black"].worst_probability < 0.03
    assert trials["white"].worst_probability > 0.97


def test_what_reads_unknown_is_counted() -> None:
    undecided = try_garbage(lambda _: np.array([0.55, 0.42]), CROPS, 0.4, 0.6, count=22)
    assert all(trial.unknown_count == trial.count == 2 for trial in undecided)
    assert {trial.worst_probability for trial in undecided} == {0.42}


def test_less_light_divides_every_value_by_three() -> None:
    seen = []

    def score(crops_rgb: np.ndarray) -> np.ndarray:
        seen.append(crops_rgb)
        return brightness(crops_rgb)

    crops_rgb = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (60, 240)])
    occupied = np.array([False, True])
    trial = try_less_light(score, crops_rgb, occupied, brightness(crops_rgb), 0.4, 0.6)
    assert [int(crop.max()) for crop in seen[0]] == [20, 80]
    assert (trial.before.balanced_accuracy, trial.after.balanced_accuracy) == (1.0, 0.5)
