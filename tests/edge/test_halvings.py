"""A picture in small, made once for all who look at it."""

import numpy as np
import pytest

from edge.halvings import Halvings


def test_each_pixel_is_the_mean_of_four():
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:2, :2] = [[(10, 0, 0), (20, 0, 0)], [(30, 0, 0), (40, 0, 0)]]
    half = Halvings(picture).at(1)
    assert half.shape == (2, 3, 3)
    assert half[0, 0].tolist() == [25, 0, 0]
    assert not half[1].any()


def test_a_size_is_made_once():
    halvings = Halvings(np.zeros((64, 64, 3), np.uint8))
    assert halvings.at(2) is halvings.at(2)


@pytest.mark.parametrize(
    ("shape", "times", "halved"),
    [((5, 7), 1, (2, 3)), ((5, 7), 0, (5, 7)), ((1, 9), 2, (1, 2)), ((720, 1280), 3, (90, 160))],
)
def test_sizes_are_cut_to_whole_pixels(shape, times, halved):
    assert Halvings(np.zeros((*shape, 3), np.uint8)).at(times).shape[:2] == halved
