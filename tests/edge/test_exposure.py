"""A jump of the light is told from things, however large, and from light that drifts."""

import cv2
import numpy as np
import pytest

from edge.exposure import JUMP_GAIN, NO_BRIGHTNESS, has_jumped, measure_brightness
from edge.halvings import Halvings
from tests.racks import HEIGHT_PX, WIDTH_PX, cabinet


def brightness(image_rgb):
    return measure_brightness(Halvings(np.asarray(image_rgb).round().clip(0, 255).astype(np.uint8)))


@pytest.mark.parametrize("gain", [0.1, 0.6, 1.6, 16.0])
def test_jump_of_the_light_is_told(gain):
    assert has_jumped(brightness(cabinet()), brightness(cabinet() * gain))


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_light_that_drifts_is_no_jump(gain):
    assert not has_jumped(brightness(cabinet()), brightness(cabinet() * gain))


def test_jump_is_as_many_times_as_bright_as_it_says():
    grey = np.full((HEIGHT_PX, WIDTH_PX, 3), 100.0)
    assert has_jumped(brightness(grey), brightness(grey * JUMP_GAIN + 4))
    assert not has_jumped(brightness(grey), brightness(grey * JUMP_GAIN))
    assert has_jumped(brightness(grey * JUMP_GAIN + 4), brightness(grey))
    assert not has_jumped(brightness(grey * JUMP_GAIN), brightness(grey))


@pytest.mark.parametrize("level", [0, 255])
def test_thing_that_fills_a_third_of_the_picture_is_no_jump(level):
    with_thing = cabinet()
    cv2.rectangle(with_thing, (0, 0), (WIDTH_PX // 3, HEIGHT_PX), (level,) * 3, -1)
    assert not has_jumped(brightness(cabinet()), brightness(with_thing))


def test_noise_in_the_dark_is_no_jump():
    random = np.random.default_rng(1)
    first, second = (random.normal(3, 2, (HEIGHT_PX, WIDTH_PX, 3)) for _ in range(2))
    assert not has_jumped(brightness(first), brightness(second))


def test_picture_of_another_size_cannot_be_compared():
    assert has_jumped(NO_BRIGHTNESS, brightness(cabinet()))
    assert has_jumped(brightness(cabinet()), brightness(cabinet()[:100]))
