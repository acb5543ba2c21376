"""The share of attention inside the slot."""

from pathlib import Path

import numpy as np
import pytest

from trainer.dataset import Sample
from trainer.pointing import pointing, pointing_of_cameras

pytestmark = pytest.mark.trainer


def one_cell(row: int, column: int, side: int = 5) -> np.ndarray:
    grid = np.full((side, side), -1.0)
    grid[row, column] = 2.0
    return grid


def test_attention_in_the_middle_is_inside() -> None:
    result = pointing(one_cell(2, 2)[None])
    assert result.inner_share == pytest.approx(1.0)
    assert result.peak_inside_share == 1.0


def test_attention_in_a_corner_is_mostly_on_the_rim() -> None:
    result = pointing(one_cell(0, 4)[None])
    # A cell is a fifth of the side; 1/5 - 1/8 = 3/40 of it lies inside, three eighths.
    assert result.inner_share == pytest.approx((3 / 8) ** 2)
    assert result.peak_inside_share == 0.0


@pytest.mark.parametrize("side", [3, 5, 7, 160])
def test_attention_that_is_the_same_everywhere_has_the_uniform_share(side: int) -> None:
    result = pointing(np.ones((2, side, side)))
    assert result.inner_share == pytest.approx(0.75**2)
    assert result.uniform_inner_share == pytest.approx(0.75**2)


def test_chance_puts_the_peak_inside_as_often_as_there_are_cells_inside() -> None:
    assert pointing(np.ones((1, 5, 5))).uniform_peak_inside_share == pytest.approx(9 / 25)
    assert pointing(np.ones((1, 3, 3))).uniform_peak_inside_share == 1.0


def test_a_crop_without_positive_attention_is_counted_but_in_no_share() -> None:
    result = pointing(np.stack([one_cell(2, 2), np.full((5, 5), -3.0)]))
    assert (result.count, result.blind_count) == (2, 1)
    assert result.inner_share == pytest.approx(1.0)


def test_without_any_attention_there_is_no_share() -> None:
    result = pointing(np.zeros((0, 5, 5)))
    assert (result.count, result.inner_share, result.peak_inside_share) == (0, None, None)


def test_only_occupied_crops_count_each_for_its_camera() -> None:
    def sample(camera: str, is_occupied: bool) -> Sample:
        return Sample(Path("a.jpg"), is_occupied, "site", camera, "s", "t")

    samples = [sample("north", True), sample("south", True), sample("south", False)]
    attentions = np.stack([one_cell(2, 2), one_cell(0, 0), one_cell(2, 2)])
    cameras = pointing_of_cameras(samples, attentions)
    assert list(cameras) == ["all cameras", "site north", "site south"]
    assert cameras["all cameras"].peak_inside_share == 0.5
    assert cameras["site south"].peak_inside_share == 0.0
    assert cameras["site south"].count == 1
