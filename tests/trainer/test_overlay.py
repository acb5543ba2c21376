"""The heat map over a crop."""

import numpy as np
import pytest

from trainer.overlay import overlay

pytestmark = pytest.mark.trainer

GREY = np.full((40, 60, 3), 128, np.uint8)
DARK_BLUE, YELLOW = (0, 32, 76), (255, 233, 60)  # the ends of the colour map, RGB


def test_no_opacity_leaves_the_crop_as_it_is() -> None:
    assert np.array_equal(overlay(GREY, np.eye(5), 0), GREY)


def test_the_most_is_yellow_and_the_least_dark_blue_whatever_the_range() -> None:
    heat = np.full((5, 5), -70.0)
    heat[0, 0] = -3.0
    picture_rgb = overlay(GREY, heat, 1)
    assert picture_rgb.shape == GREY.shape
    assert np.allclose(picture_rgb[0, 0], YELLOW, atol=14)
    assert np.allclose(picture_rgb[-1, -1], DARK_BLUE, atol=8)


def test_half_opacity_is_half_way() -> None:
    both = (overlay(GREY, np.eye(5), 1).astype(int) + GREY) / 2
    assert np.allclose(overlay(GREY, np.eye(5), 0.5), both, atol=1)


def test_the_heat_changes_smoothly_between_its_cells() -> None:
    heat = np.array([[0.0, 1.0]])
    row = overlay(GREY, heat, 1)[20, :, 0].astype(int)
    assert np.abs(np.diff(row)).max() < 40


@pytest.mark.parametrize("heat", [np.zeros((5, 5)), np.ones((1, 1))])
def test_one_value_all_over_is_dark_blue(heat: np.ndarray) -> None:
    assert np.allclose(overlay(GREY, heat, 1), DARK_BLUE, atol=8)
