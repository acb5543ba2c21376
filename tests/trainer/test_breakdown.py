"""Figures per camera or slot."""

from pathlib import Path

import numpy as np
import pytest

from trainer.breakdown import breakdown
from trainer.dataset import Sample

pytestmark = pytest.mark.trainer


def crops_of(camera: str, probabilities: dict[bool, list[float]]) -> list[tuple[Sample, float]]:
    return [
        (Sample(Path(f"{camera}{i}.png"), is_occupied, "site", camera, f"s{i}", ""), probability)
        for is_occupied, values in probabilities.items()
        for i, probability in enumerate(values)
    ]


def rows_of(crops: list[tuple[Sample, float]], shown: int):
    samples = [sample for sample, _ in crops]
    probability = np.array([value for _, value in crops])
    keys = [sample.camera for sample in samples]
    return breakdown(samples, probability, keys, 0.4, 0.6, shown, "cameras")


def test_the_worst_comes_first_with_labels_counting_alike() -> None:
    crops = [
        *crops_of("good", {True: [0.9] * 4, False: [0.1] * 4}),
        # One error of ten, but half of its EMPTY crops.
        *crops_of("skewed", {True: [0.9] * 8, False: [0.1, 0.9]}),
        *crops_of("unsure", {True: [0.9, 0.45], False: [0.1, 0.1]}),
    ]
    rows = rows_of(crops, shown=15)
    assert [row.name for row in rows] == ["skewed", "unsure", "good"]
    assert [row.right for row in rows] == pytest.approx([0.75, 0.75, 1.0])
    assert [row.wrong for row in rows] == [1, 0, 0]
    assert [row.answered for row in rows] == pytest.approx([1, 0.75, 1])
    assert (rows[0].empty_count, rows[0].occupied_count) == (2, 8)


def test_a_single_label_gives_its_own_accuracy() -> None:
    (row,) = rows_of(crops_of("night", {False: [0.1, 0.1, 0.1, 0.9]}), shown=15)
    assert row.right == pytest.approx(0.75)


def test_the_many_good_ones_share_a_line() -> None:
    crops = [
        crop
        for number in range(40)
        for crop in crops_of(f"cam{number:02}", {True: [0.9], False: [0.9 if number < 3 else 0.1]})
    ]
    rows = rows_of(crops, shown=15)
    assert [row.name for row in rows[:3]] == ["cam00", "cam01", "cam02"]
    (last,) = rows[3:]
    assert (last.name, last.empty_count, last.right) == ("the other 37 cameras", 37, 1.0)
    assert last.groups == 37


def test_no_more_than_the_worst_are_shown_one_by_one() -> None:
    crops = [
        crop
        for number in range(40)
        for crop in crops_of(f"cam{number:02}", {True: [0.9], False: [0.9]})
    ]
    rows = rows_of(crops, shown=15)
    assert len(rows) == 16
    assert (rows[-1].name, rows[-1].wrong) == ("the other 25 cameras", 25)


def test_a_single_one_left_over_is_shown_itself() -> None:
    crops = [crop for number in range(4) for crop in crops_of(f"cam{number}", {True: [0.9]})]
    assert [row.name for row in rows_of(crops, shown=3)] == ["cam0", "cam1", "cam2", "cam3"]
