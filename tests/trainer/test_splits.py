"""Groups are never torn apart, and every source and label counts as it should."""

from pathlib import Path

import pytest

from trainer.dataset import Sample
from trainer.recipe import Recipe
from trainer.splits import balanced_weights, day_of, group_samples, split_groups

pytestmark = pytest.mark.trainer


def sample(
    is_occupied: bool, source: str = "a", camera: str = "", slot: str = "", time: str = ""
) -> Sample:
    name = "__".join((source, camera, slot, time, str(is_occupied)))
    return Sample(Path(name), is_occupied, source, camera, slot, time)


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2013-02-22_06_05_00", "2013-02-22"),
        ("20130222T0605", "20130222"),
        ("f019384", ""),
        ("", ""),
        ("123456789", ""),
    ],
)
def test_day_of_a_time(time: str, day: str) -> None:
    assert day_of(time) == day


def test_each_source_is_grouped_by_the_coarsest_unit_that_gives_three_groups() -> None:
    samples = [
        sample(bool(number % 2), source, camera, slot, time)
        for number in range(4)
        for source, camera, slot, time in (
            ("by camera", f"c{number}", "s", ""),
            ("by day", "c", "s", f"2024-01-0{number + 1}_12"),
            ("by slot", "c", f"s{number}", "2024-01-01"),
            ("by nothing", "", "", ""),
        )
    ]
    assert dict(group_samples(samples).unit_of_source) == {
        "by camera": "camera",
        "by day": "day",
        "by slot": "slot",
        "by nothing": "block of file names",
    }


def test_no_group_is_in_two_splits_and_every_split_has_both_labels() -> None:
    samples = [
        sample(bool(number % 3), source, f"c{number % 7}", f"s{number % 5}", f"f{number}")
        for source in ("a", "b")
        for number in range(210)
    ]
    groups = group_samples(samples).groups
    for seed in range(5):
        splits = split_groups(samples, groups, Recipe("r", seed=seed))
        for group in set(groups):
            assert len({s for s, g in zip(splits, groups, strict=True) if g == group}) == 1
        for name in ("train", "holdout", "test"):
            chosen = [s for s, split in zip(samples, splits, strict=True) if split == name]
            assert {s.is_occupied for s in chosen} == {True, False}
            assert {s.source for s in chosen} == {"a", "b"}
        assert splits.count("train") > splits.count("test")


def test_the_day_that_holds_nearly_all_of_a_label_stays_in_training() -> None:
    # The five days of a car park: cars were there on one of them only.
    counts = {"01": (168, 32), "02": (200, 0), "03": (175, 25), "04": (158, 42), "05": (2, 198)}
    samples = [
        sample(is_occupied, "park", "c", f"s{number}", f"2024-01-{day}")
        for day, (empty, occupied) in counts.items()
        for is_occupied, count in ((False, empty), (True, occupied))
        for number in range(count)
    ]
    groups = group_samples(samples).groups
    splits = split_groups(samples, groups, Recipe("r"))
    assert {s for s, g in zip(splits, groups, strict=True) if g.endswith("05")} == {"train"}


def test_a_source_of_few_groups_gives_none_to_the_test_where_the_recipe_says_so() -> None:
    samples = [sample(bool(number % 2), "a", f"c{number // 10}") for number in range(50)]
    groups = group_samples(samples).groups
    assert set(split_groups(samples, groups, Recipe("r"))) == {"train", "holdout", "test"}
    few = split_groups(samples, groups, Recipe("r", test_from_groups=6))
    assert set(few) == {"train", "holdout"}


def test_labels_count_alike_within_a_source_whatever_their_numbers() -> None:
    samples = [sample(False)] * 90 + [sample(True)] * 10 + [sample(True, "b"), sample(False, "b")]
    weights = balanced_weights(samples, {"b": 0.5})
    assert weights.sum() == pytest.approx(1)
    assert weights[:90].sum() == pytest.approx(weights[90:100].sum())
    # By weight times the square root of its size: 10 to 0.5 * 1.41.
    assert weights[100:].sum() == pytest.approx(0.5 * 2**0.5 / (10 + 0.5 * 2**0.5))


def test_a_source_that_the_recipe_keeps_whole_is_all_training() -> None:
    samples = [
        sample(label, source, time=f"2026-01-{day:02}")
        for source in ("a", "b")
        for day in range(1, 9)
        for label in (True, False)
    ]
    groups = group_samples(samples).groups
    splits = split_groups(samples, groups, Recipe("r", whole_sources=("a",)))
    found = {(s.source, split) for s, split in zip(samples, splits, strict=True)}
    assert found == {("a", "train"), ("b", "train"), ("b", "holdout"), ("b", "test")}
