"""Where the camera looks: what is followed, what is refused, and what leaves it alone."""

import math

import cv2
import numpy as np
import pytest

from edge.align import (
    Alignment,
    AlignmentState,
    PictureTooPlain,
    align,
    move_slots,
    prepare_anchor,
)
from edge.preprocess import rectangle_polygon
from edge.types import Slot
from tests.racks import HEIGHT_PX, WIDTH_PX, bumped, cabinet, elsewhere, slots

ALIGNED, UNSURE, MOVED = AlignmentState.ALIGNED, AlignmentState.UNSURE, AlignmentState.MOVED


def error_px(found, true):
    corners = np.concatenate([slot.polygon_px for slot in slots()])[:, None]
    apart = cv2.transform(corners, found) - cv2.transform(corners, true)
    return np.linalg.norm(apart, axis=-1).max()


@pytest.fixture(scope="module")
def anchor():
    return prepare_anchor(cabinet(), slots())


def looks(anchor, image, count, before=None):
    alignment = before or Alignment()
    for _ in range(count):
        alignment = align(anchor, image, alignment)
    return alignment


def test_a_still_camera_keeps_its_regions_exactly(anchor):
    rng = np.random.default_rng(1)
    alignment = Alignment()
    for contents in range(5):
        noisy = cabinet(contents) + rng.normal(0, 4, (HEIGHT_PX, WIDTH_PX, 3))
        alignment = align(anchor, noisy.clip(0, 255).astype(np.uint8), alignment)
        assert alignment.state is ALIGNED
        assert alignment.displacement_px == 0.0
        watched = slots()
        moved = move_slots(watched, alignment, (WIDTH_PX, HEIGHT_PX))
        assert all(after is before for after, before in zip(moved, watched, strict=True))


@pytest.mark.parametrize(
    "how",
    [
        {"shift_px": (2.0, -1.3)},
        {"shift_px": (37.0, 21.0)},
        {"shift_px": (-120.0, 0.0)},
        {"turn_deg": 15.0},
        {"turn_deg": -7.0, "shift_px": (30.0, -12.0)},
        {"zoom": 1.1},
        {"zoom": 0.9},
        {"zoom": 0.93, "turn_deg": 10.0, "shift_px": (-40.0, 25.0)},
    ],
)
def test_a_bump_within_the_limits_is_followed_at_once(anchor, how):
    image, matrix = bumped(cabinet(contents=3), **how)
    alignment = align(anchor, image, Alignment())
    assert alignment.state is ALIGNED
    assert error_px(alignment.matrix, matrix) < 1.0
    expected_px = error_px(np.eye(2, 3), matrix)
    assert alignment.displacement_px == pytest.approx(expected_px, abs=1.0)


@pytest.mark.parametrize(
    "how", [{"shift_px": (150.0, 0.0)}, {"turn_deg": 19.0}, {"zoom": 1.16}, {"zoom": 0.85}]
)
def test_a_bump_just_beyond_the_limits_is_moved(anchor, how):
    assert looks(anchor, bumped(cabinet(contents=3), **how)[0], 3).state is MOVED


@pytest.mark.parametrize("how", [{"shift_px": (400.0, 0.0)}, {"turn_deg": 90.0}, {"zoom": 2.0}])
def test_a_camera_turned_away_is_moved_in_the_third_frame(anchor, how):
    image, _ = bumped(cabinet(), **how)
    assert looks(anchor, image, 2).state is UNSURE
    assert looks(anchor, image, 3).state is MOVED


def test_another_cabinet_of_the_same_shape_is_not_taken_for_this_one(anchor):
    alignment = Alignment()
    for _ in range(6):
        alignment = align(anchor, cabinet(room=1), alignment)
        assert alignment.state is not ALIGNED


def test_a_camera_that_is_turned_back_is_aligned_again_at_once(anchor):
    away = looks(anchor, elsewhere(), 30)
    assert away.state is MOVED
    assert align(anchor, cabinet(), away).state is ALIGNED


def test_a_bumped_camera_is_searched_for_after_each_16_frames_without_an_answer(anchor):
    away = looks(anchor, elsewhere(), 10)
    image, matrix = bumped(cabinet(), shift_px=(40.0, 10.0))
    assert looks(anchor, image, 6, away).state is MOVED
    found = looks(anchor, image, 7, away)
    assert found.state is ALIGNED
    assert error_px(found.matrix, matrix) < 1.0


def test_a_pose_that_holds_is_not_left_for_one_that_is_hardly_better(anchor):
    near_rgb, near = bumped(cabinet(), shift_px=(4.0, 0.0))
    far_rgb, _ = bumped(cabinet(), shift_px=(5.2, 0.0))
    alignment = align(anchor, near_rgb, Alignment())
    for share in (0.55, 0.5, 0.45, 0.5):  # of the picture that lies near
        line = round(HEIGHT_PX * share)
        parted_rgb = np.concatenate([near_rgb[:line], far_rgb[line:]])
        alignment = align(anchor, parted_rgb, alignment)
        assert alignment.state is ALIGNED
        assert error_px(alignment.matrix, near) < 1.0


def test_steps_too_small_to_notice_do_not_add_up(anchor):
    alignment = Alignment()
    for quarter in range(40):
        image, matrix = bumped(cabinet(contents=quarter), shift_px=(quarter / 4, 0.0))
        alignment = align(anchor, image, alignment)
        assert error_px(alignment.matrix, matrix) < 1.0


def test_an_arm_over_half_of_the_picture_moves_nothing(anchor):
    bump, matrix = bumped(cabinet(), shift_px=(20.0, 5.0))
    before = align(anchor, bump, Alignment())
    covered = bump.copy()
    covered[:, 160:500] = (190, 150, 130)
    during = looks(anchor, covered, 20, before)
    assert during.state is not MOVED
    assert error_px(during.matrix, matrix) < 1.0


@pytest.mark.parametrize(
    "worsen",
    [
        lambda image, noise: image * 0.12 + noise * 6,
        lambda image, noise: cv2.GaussianBlur(image, (0, 0), 6).astype(float),
        lambda image, noise: image * np.linspace(0.3, 1.1, WIDTH_PX)[:, None],
        lambda image, noise: image * 1.5 + 40,
    ],
    ids=["dusk", "blur", "light from one side", "overexposed"],
)
def test_bad_light_and_blur_are_not_a_movement(anchor, worsen):
    noise = np.random.default_rng(2).normal(0, 1, (HEIGHT_PX, WIDTH_PX, 3))
    image = worsen(cabinet(contents=1), noise).clip(0, 255).astype(np.uint8)
    alignment = looks(anchor, image, 5)
    assert alignment.state is not MOVED
    assert alignment.displacement_px == 0.0


def test_a_frame_of_another_resolution_is_measured_in_the_references_pixels(anchor):
    image, matrix = bumped(cabinet(), shift_px=(24.0, -10.0))
    double = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    alignment = align(anchor, double, Alignment())
    assert error_px(alignment.matrix, matrix) < 1.0


def test_large_pictures_are_followed_in_their_own_pixels():
    image = cv2.resize(cabinet(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    large = [Slot(slot.id, slot.polygon_px * 2) for slot in slots()]
    moved, matrix = bumped(image, shift_px=(61.0, 22.0), turn_deg=3.0)
    alignment = align(prepare_anchor(image, large), moved, Alignment())
    corners = np.concatenate([slot.polygon_px for slot in large])[:, None]
    apart = cv2.transform(corners, alignment.matrix) - cv2.transform(corners, matrix)
    assert np.linalg.norm(apart, axis=-1).max() < 1.5


def test_a_plain_reference_is_refused():
    grey = np.full((HEIGHT_PX, WIDTH_PX, 3), 120, np.uint8)
    with pytest.raises(PictureTooPlain, match=r"fewer than 24 corners outside of the slots"):
        prepare_anchor(grey, slots())


def test_a_region_moves_with_the_cabinet():
    turn = math.radians(10)
    matrix = np.array(
        [[math.cos(turn), -math.sin(turn), 50.0], [math.sin(turn), math.cos(turn), -20.0]]
    )
    (moved,) = move_slots(
        [Slot("A1", rectangle_polygon(200, 150, 80, 60), label="Drill", empty_at=0.2)],
        Alignment(matrix=matrix),
        (WIDTH_PX, HEIGHT_PX),
    )
    assert (moved.id, moved.label, moved.empty_at) == ("A1", "Drill", 0.2)
    corners = np.array([[200, 150], [280, 150], [280, 210], [200, 210]])
    assert moved.polygon_px == pytest.approx(corners @ matrix[:, :2].T + matrix[:, 2], abs=1e-3)
    assert moved.polygon_px.dtype == np.float32


@pytest.mark.parametrize(("shift_px", "left_px"), [(-40.0, 0.0), (-50.0, None)])
def test_a_region_is_cut_at_the_pictures_edge_but_not_by_much(shift_px, left_px):
    matrix = np.array([[1.0, 0.0, shift_px], [0.0, 1.0, 0.0]])
    slot = Slot("A1", rectangle_polygon(20, 10, 100, 50))
    (moved,) = move_slots([slot], Alignment(matrix=matrix), (WIDTH_PX, HEIGHT_PX))
    if left_px is None:
        assert moved is None
    else:
        right_px = 120 + shift_px
        assert moved.polygon_px[:, 0].tolist() == [left_px, right_px, right_px, left_px]
