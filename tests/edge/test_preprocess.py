"""Frame + slot -> crop."""

import dataclasses

import cv2
import numpy as np
import pytest

from edge.preprocess import (
    PlannedCrops,
    RegionOutsideFrame,
    apply_plan,
    crop_slot,
    crop_whole,
    plan_crop,
    rectangle_polygon,
    scale_slots,
)
from edge.types import Frame, Slot, utc_now


def picture(width=320, height=240, seed=3):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def crop(image, polygon, size=64):
    slot = Slot("A1", np.asarray(polygon, np.float32))
    return apply_plan(image, plan_crop(slot, size, (image.shape[1], image.shape[0])))


def difference(one, other):
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_a_rectangle_of_the_models_size_is_copied_as_it_is():
    image = picture()
    assert np.array_equal(crop(image, rectangle_polygon(10, 20, 64, 64)), image[20:84, 10:74])


@pytest.mark.parametrize("side", [20, 64, 75, 150])
def test_a_rectangle_drawn_as_four_corners_gives_the_same_crop(side):
    image = picture()
    plain = crop(image, rectangle_polygon(30, 40, side, side))
    nudged = rectangle_polygon(30, 40, side, side) + np.array(
        [[0, 0], [0, 0], [0.02, 0], [0, 0]], np.float32
    )
    assert difference(plain, crop(image, nudged)) < 2.0


def test_the_first_corner_becomes_the_crops_top_left():
    image = np.zeros((100, 100, 3), np.uint8)
    image[20:30, 70:80] = 255  # the region's top-right in the picture
    corners = rectangle_polygon(20, 20, 60, 60)
    turned = np.roll(corners, -1, axis=0)  # starts at the top-right
    result = crop(image, turned)
    assert result[:8, :8].mean() > 200
    assert result[-8:, -8:].mean() < 5


def test_a_perspective_region_is_rectified():
    flat = picture(200, 200)
    corners = np.array([[40, 30], [280, 60], [260, 220], [60, 200]], np.float32)
    matrix = cv2.getPerspectiveTransform(
        rectangle_polygon(0, 0, 200, 200) - np.float32(0.5), corners - np.float32(0.5)
    )
    image = cv2.warpPerspective(flat, matrix, (320, 240), flags=cv2.INTER_AREA)
    assert difference(crop(image, corners, 100), crop_whole(flat, 100)) < 6


def test_a_large_region_is_averaged_not_sampled():
    checkers = (np.indices((800, 800)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(checkers[:, :, None], 3, axis=2)
    for polygon in (
        rectangle_polygon(0, 0, 800, 800),
        np.array([[1, 0], [800, 3], [797, 800], [0, 798]], np.float32),
    ):
        inner = crop(image, polygon, 40)[4:-4, 4:-4]
        # Sampling would keep pure black and white pixels.
        assert inner.std() < 12
        assert abs(inner.mean() - 127.5) < 3


def test_the_table_and_the_matrix_give_the_same_crop():
    image = picture()
    slot = Slot("A1", np.array([[40, 30], [150, 42], [140, 160], [52, 140]], np.float32))
    plan = plan_crop(slot, 128, (320, 240))
    assert plan.table is not None
    by_matrix = apply_plan(image, dataclasses.replace(plan, table=None))
    assert np.abs(apply_plan(image, plan).astype(int) - by_matrix).max() <= 3


def test_one_axis_may_shrink_while_the_other_grows():
    stripes = np.zeros((20, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    result = crop(stripes, rectangle_polygon(0, 0, 640, 20), 64)
    assert abs(float(result.mean()) - 127.5) < 3
    assert result.std() < 3


def test_a_region_may_touch_the_edges_of_the_picture():
    image = picture(100, 80)
    assert crop(image, rectangle_polygon(0, 0, 100, 80)).shape == (64, 64, 3)


def test_a_corner_outside_is_refused_with_the_place():
    frame = Frame(picture(100, 80), 0, utc_now(), 0.0)
    with pytest.raises(RegionOutsideFrame) as error:
        crop_slot(frame, Slot("B7", rectangle_polygon(60, 10, 50, 20)), 64)
    assert str(error.value) == (
        "B7: the region spans x 60..110, y 10..30, outside the 100x80 picture"
    )


def test_slots_follow_a_picture_of_another_size():
    (slot,) = scale_slots([Slot("A1", rectangle_polygon(10, 20, 30, 40))], (100, 80), (200, 160))
    assert np.array_equal(slot.polygon_px, rectangle_polygon(20, 40, 60, 80))


def test_a_crop_is_a_picture_of_its_own_that_any_runtime_takes():
    image = picture()
    result = crop(image, rectangle_polygon(10, 20, 64, 64))
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, image)


def test_planned_crops_are_those_of_their_plans_also_in_parts():
    image = picture()
    slots = [Slot(f"A{n}", rectangle_polygon(10 * n, 20, 64, 50)) for n in range(5)]
    plans = [plan_crop(slot, 64, (320, 240)) for slot in slots]
    expected = [apply_plan(image, plan) for plan in plans]
    crops = PlannedCrops(image, plans)
    assert np.array_equal(np.stack(list(crops)), np.stack(expected))
    part = crops[1:3]
    assert len(part) == 2
    assert np.array_equal(part[1], expected[2])
