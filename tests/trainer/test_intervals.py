"""Intervals over groups of crops that resemble each other."""

import numpy as np
import pytest

from trainer.dataset import Sample
from trainer.intervals import Ratio, balanced_ratios, clusters_of, interval

pytestmark = pytest.mark.trainer

RANDOM = np.random.default_rng(5)


def share_right(is_right: np.ndarray) -> list[Ratio]:
    return [Ratio(is_right, np.ones_like(is_right))]


def samples_of(cameras: int, days: int, slots: int) -> list[Sample]:
    from pathlib import Path

    return [
        Sample(Path(f"{c}{d}{s}.png"), True, "site", f"cam{c}", f"s{s}", f"2024-01-0{d + 1}")
        for c in range(cameras)
        for d in range(days)
        for s in range(slots)
    ]


def test_crops_that_repeat_their_group_do_not_narrow_the_interval() -> None:
    of_group = RANDOM.random(40) < 0.8
    groups = [f"g{i}" for i in range(40)]
    _, once = interval(share_right(of_group), groups)
    _, ten_times = interval(share_right(np.tile(of_group, 10)), groups * 10)
    _, as_if_apart = interval(share_right(np.tile(of_group, 10)), [str(i) for i in range(400)])
    assert once is not None
    assert ten_times is not None
    assert as_if_apart is not None
    assert (ten_times.low, ten_times.high) == pytest.approx((once.low, once.high))
    assert as_if_apart.high - as_if_apart.low < (once.high - once.low) / 2


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for draw in range(100):
        random = np.random.default_rng(draw)
        # 30 groups of 20 crops; each group has a quality of its own, 0.8 on average.
        quality = np.repeat(random.beta(8, 2, 30), 20)
        groups = np.repeat(np.arange(30), 20).astype(str).tolist()
        _, found = interval(share_right(random.random(600) < quality), groups, seed=draw)
        assert found is not None
        held += found.low <= 0.8 <= found.high
    assert 87 <= held <= 100


def test_groups_that_agree_give_a_narrow_interval() -> None:
    # 20 groups of 20 crops, 15 to 17 of them right: as single observations, 56 to 92 %.
    is_right = np.concatenate([np.arange(20) < 15 + number % 3 for number in range(20)])
    _, found = interval(share_right(is_right), np.repeat(np.arange(20), 20).astype(str).tolist())
    assert found is not None
    assert 0.77 < found.low < 0.79 < 0.80 < found.high < 0.82


def test_without_an_error_the_interval_still_has_a_width() -> None:
    # Wilson's interval for 20 of 20.
    value, found = interval(share_right(np.ones(200, bool)), [str(i % 20) for i in range(200)])
    assert value == 1
    assert found is not None
    assert found.low == pytest.approx(0.8389, abs=1e-3)
    assert (found.high, found.groups) == (1, 20)


def test_few_groups_count_as_single_observations() -> None:
    # Wilson's interval for 3 of 4, whatever the number of crops.
    is_right = np.repeat([True, True, True, False], 50)
    _, found = interval(share_right(is_right), np.repeat(list("abcd"), 50).tolist())
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.301, 0.954), abs=1e-3)


def test_one_group_has_no_interval() -> None:
    assert interval(share_right(np.ones(50, bool)), ["a"] * 50) == (1.0, None)


def test_nothing_to_speak_of_has_no_value() -> None:
    nothing = np.zeros(4, bool)
    assert interval([Ratio(nothing, nothing)], list("abcd")) == (None, None)


def test_balanced_ratios_give_the_balanced_accuracy() -> None:
    occupied = np.array([True] * 9 + [False])
    value, _ = interval(balanced_ratios(occupied, occupied), list("aabbccddee"))
    assert value == pytest.approx(0.5)
    assert len(balanced_ratios(np.ones(3, bool), np.ones(3, bool))) == 1


@pytest.mark.parametrize(
    ("cameras", "days", "slots", "unit", "groups"),
    [(6, 2, 2, "camera", 6), (2, 3, 1, "day", 6), (1, 2, 7, "slot", 7), (1, 3, 1, "day", 3)],
)
def test_crops_are_kept_together_by_the_coarsest_unit_with_enough_groups(
    cameras: int, days: int, slots: int, unit: str, groups: int
) -> None:
    clusters = clusters_of(samples_of(cameras, days, slots))
    assert (clusters.unit, len(set(clusters.keys))) == (unit, groups)


def test_nameless_crops_are_kept_together_in_blocks_of_neighbours() -> None:
    from pathlib import Path

    samples = [Sample(Path(f"{i:03}.png"), True, "data", "", "", "") for i in range(100)]
    clusters = clusters_of(samples)
    assert clusters.unit == "block"
    assert len(set(clusters.keys)) == 10
    assert len(set(clusters.keys[:10])) == 1
