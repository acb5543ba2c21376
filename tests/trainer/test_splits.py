"""Groups are never torn apart, and every source and label counts as it should."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from trainer.dataset import DataError, Dataset, Sample
from trainer.drawn import drawn_crop
from trainer.recipe import Recipe
from trainer.splits import (
    balanced_weights,
    day_of,
    group_samples,
    split_dataset,
    split_groups,
)

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
    samples = [
        sample(bool(number % 2), source, f"c{number // 10}")
        for source, count in (("few", 50), ("many", 60))
        for number in range(count)
    ]
    groups = group_samples(samples).groups
    everywhere = split_groups(samples, groups, Recipe("r"))
    assert set(everywhere[:50]) == set(everywhere[50:]) == {"train", "holdout", "test"}
    strict = Recipe("r", test_from_groups=6)
    splits = split_groups(samples, groups, strict)
    assert set(splits[:50]) == {"train", "holdout"}
    assert set(splits[50:]) == {"train", "holdout", "test"}
    # Alone it is the largest there is.
    assert set(split_groups(samples[:50], groups[:50], strict)) == {"train", "holdout", "test"}


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


SITES = [
    sample(
        bool(number % 2), source, f"c{number % 4}", f"s{number % 6}", f"2024-01-0{number % 5 + 1}"
    )
    for source in ("a", "b", "c", "d")
    for number in range(120)
]


@pytest.mark.parametrize(
    ("split_by", "group"),
    [("camera", "a/c0"), ("day", "a/c0/2024-01-01"), ("slot", "a/c0/s0"), ("source", "a/a")],
)
def test_a_person_may_choose_what_is_kept_together(split_by: str, group: str) -> None:
    grouping = group_samples(SITES, split_by)  # type: ignore[arg-type]
    assert grouping.groups[0] == group
    assert set(grouping.unit_of_source.values()) == {split_by}


def test_what_the_names_do_not_tell_cannot_be_kept_together() -> None:
    samples = [*SITES, *(sample(True, "e", "cam", "", "f1") for _ in range(3))]
    with pytest.raises(DataError) as error:
        group_samples(samples, "day")
    assert str(error.value) == (
        "--split-by day: 3 crops of e do not tell their day (first /e__cam____f1__True); name "
        "them source__camera__slot__time.jpg, fill in index.csv, or split by something else"
    )
    with pytest.raises(DataError, match="--split-by slot: 3 crops of e do not tell their slot"):
        group_samples(samples, "slot")
    assert group_samples(samples, "camera").groups[-1] == "e/cam"


def test_split_by_source_gives_whole_sources_to_each_split() -> None:
    recipe = Recipe("r", split_by="source")
    splits = split_groups(SITES, group_samples(SITES, "source").groups, recipe)
    of_source = {s.source: name for s, name in zip(SITES, splits, strict=True)}
    assert sorted(of_source.values()) == ["holdout", "test", "train", "train"]
    assert all(of_source[s.source] == name for s, name in zip(SITES, splits, strict=True))


def test_sources_to_test_on_are_the_test_and_others_give_it_nothing() -> None:
    recipe = Recipe("r", test_sources=("b", "d"))
    splits = split_groups(SITES, group_samples(SITES).groups, recipe)
    found = {(s.source, name) for s, name in zip(SITES, splits, strict=True)}
    assert found == {
        ("a", "train"),
        ("a", "holdout"),
        ("b", "test"),
        ("c", "train"),
        ("c", "holdout"),
        ("d", "test"),
    }


def test_a_source_to_test_on_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(DataError) as error:
        split_groups(SITES, group_samples(SITES).groups, Recipe("r", test_sources=("x",)))
    assert str(error.value) == (
        "--test-source x: no crop comes from there; the sources are a, b, c, d"
    )


def dataset_of(samples: Sequence[Sample]) -> Dataset:
    """Return different drawn crops."""
    crops = [drawn_crop(48, s.is_occupied, seed) for seed, s in enumerate(samples)]
    return Dataset(tuple(samples), np.stack(crops))


def test_a_training_crop_that_nearly_equals_one_held_out_is_set_aside() -> None:
    samples = [sample(bool(n % 2), "a", f"c{n // 8}", f"s{n}") for n in range(32)]
    dataset = dataset_of(samples)
    names = split_dataset(dataset, Recipe("r")).names
    train, test = np.flatnonzero(names == "train"), np.flatnonzero(names == "test")
    of_same_label = next(
        i for i in train if samples[i].is_occupied and samples[test[1]].is_occupied
    )
    of_other_label = next(i for i in train if not samples[i].is_occupied)
    for copy in (of_same_label, of_other_label):
        _, data = cv2.imencode(".jpg", dataset.crops_rgb[test[1]])
        dataset.crops_rgb[copy] = cv2.imdecode(data, cv2.IMREAD_COLOR)
    split = split_dataset(dataset, Recipe("r"))
    assert set(np.flatnonzero(split.names == "")) == {of_same_label, of_other_label}
    held_out = f"nearly the same as {samples[test[1]].shown}, which is held out"
    assert {(a.file, a.reason) for a in split.set_aside} == {
        (samples[of_same_label].file, held_out),
        (samples[of_other_label].file, f"{held_out} and is labelled OCCUPIED"),
    }
    # What figures are about does not depend on what is learned from.
    assert np.array_equal(split.names == "test", names == "test")
    assert np.array_equal(split.names == "holdout", names == "holdout")


def test_frames_of_one_camera_that_look_alike_stay_within_their_split() -> None:
    samples = [sample(bool(n % 2), "a", f"c{n // 8}", f"s{n}") for n in range(32)]
    dataset = dataset_of(samples)
    for camera in range(4):
        for number in range(2, 8):
            dataset.crops_rgb[camera * 8 + number] = dataset.crops_rgb[camera * 8 + number % 2]
    split = split_dataset(dataset, Recipe("r"))
    assert split.set_aside == ()
    assert "" not in split.names
