"""Which frames show something."""

import cv2
import numpy as np
import pytest

from edge.quality import fits_slots, judge_frame
from edge.types import Reason


def scene(gain=1.0, offset=0.0):
    rng = np.random.default_rng(5)
    small = rng.integers(0, 255, (30, 40, 3)).astype(np.float32)
    image = cv2.resize(small, (640, 480), interpolation=cv2.INTER_LINEAR) * gain + offset
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (scene(), None),
        (scene(gain=0.15), None),  # dim, but everything can be seen
        (scene(gain=0.5, offset=120), None),
        (np.zeros((480, 640, 3), np.uint8), Reason.FRAME_DARK),
        (scene(gain=0.05), Reason.FRAME_DARK),
        (np.full((480, 640, 3), 255, np.uint8), Reason.FRAME_BRIGHT),
        (np.full((480, 640, 3), 128, np.uint8), Reason.FRAME_FLAT),
        (scene(gain=0.015, offset=120), Reason.FRAME_FLAT),
    ],
)
def test_a_frame_is_judged(image, reason):
    assert judge_frame(image) is reason


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 100_000, 3), (100_000, 1, 3), (2, 90_000, 3)])
def test_a_picture_of_any_shape_can_be_judged(shape):
    assert judge_frame(np.zeros(shape, np.uint8)) is Reason.FRAME_DARK


@pytest.mark.parametrize(("size", "fits"), [((960, 540), True), ((640, 480), False)])
def test_a_picture_must_have_the_slots_shape(size, fits):
    image = np.zeros((size[1], size[0], 3), np.uint8)
    assert fits_slots(image, (1920, 1080)) is fits
