"""The model's answer beside the slot's own pictures when empty."""

import numpy as np
import pytest

from edge.empties import EmptyRule, beside_empties, distance_of, rule_of, unit

RULE = EmptyRule(1.0, 2.0, 4.0)
MANIFEST = {"empty_rule": {"of_logit": 1, "of_distance": 2.5, "bias": -0.5}}


def test_the_nearest_empty_counts_whatever_the_lengths():
    empties = unit(np.array([[3.0, 0.0], [0.0, 0.2]]))
    assert distance_of(np.array([5.0, 0.0]), empties) == pytest.approx(0, abs=1e-6)
    assert distance_of(np.array([0.0, 9.0]), empties) == pytest.approx(0, abs=1e-6)
    assert distance_of(np.array([1.0, 1.0]), empties) == pytest.approx(1 - 0.5**0.5)


def test_a_crop_like_its_empty_is_empty_and_one_unlike_it_is_not():
    # exp(-2), where this rule leaves the model's answer as it is.
    assert beside_empties(0.7, 0.1353, RULE) == pytest.approx(0.7, abs=1e-3)
    assert beside_empties(0.99, 0.01, RULE) == pytest.approx(0.351, abs=1e-3)
    assert beside_empties(0.7, 0.01, RULE) == pytest.approx(0.3)
    assert beside_empties(0.3, 0.9, RULE) == pytest.approx(0.7)


@pytest.mark.parametrize("probability", [0.02, 0.45, 0.5, 0.55, 0.98])
@pytest.mark.parametrize("distance", [0.001, 0.1, 0.7])
def test_no_distance_makes_it_surer_than_the_model(probability, distance):
    beside = beside_empties(probability, distance, RULE)
    assert abs(beside - 0.5) <= abs(probability - 0.5) + 1e-9


@pytest.mark.parametrize("probability", [0.0, 1.0])
@pytest.mark.parametrize("distance", [-1e-7, 0.0, 2.0])
def test_extremes_stay_probabilities(probability, distance):
    steep = EmptyRule(50.0, 100.0, 0.0)
    assert 0.0 <= beside_empties(probability, distance, steep) <= 1.0


def test_an_embedding_of_nothing_is_far_from_everything():
    assert distance_of(np.zeros(2), unit(np.zeros((1, 2)))) == 1.0


def test_the_rule_stands_in_the_manifest():
    assert rule_of(MANIFEST) == EmptyRule(1.0, 2.5, -0.5)


@pytest.mark.parametrize(
    "entry", [None, [1, 2, 3], {}, {"of_logit": "a", "of_distance": 1, "bias": 1}]
)
def test_a_manifest_without_a_usable_rule_has_none(entry):
    assert rule_of({"empty_rule": entry}) is None
    assert rule_of({}) is None
    assert rule_of({"empty_rule": {**MANIFEST["empty_rule"], "bias": float("nan")}}) is None
