"""Gates and alignment together: what of a frame can be seen, and when nothing can."""

from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from edge.look import look_at
from edge.quality import GateMemory, judge
from edge.scene import Scene
from edge.types import Frame, Reason
from tests.racks import HEIGHT_PX, WIDTH_PX, bumped, cabinet, elsewhere, slots

FRAME_WH = (WIDTH_PX, HEIGHT_PX)
AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


def frames(*pictures_rgb):
    """Return the pictures as frames of one camera, a second apart, with its sensor's noise."""
    random = np.random.default_rng(2)
    for number, picture_rgb in enumerate(pictures_rgb):
        noise = random.integers(-2, 3, picture_rgb.shape)
        image_rgb = (picture_rgb.astype(int) + noise).clip(0, 255).astype(np.uint8)
        yield Frame(image_rgb, number, AT + timedelta(seconds=number), float(number))


def sights(scene, *pictures_rgb):
    return [scene.see(frame) for frame in frames(*pictures_rgb)]


def largest_move_px(sight, true):
    corners = np.concatenate([slot.polygon_px for slot in slots()])[:, None]
    found = np.concatenate([slot.polygon_px for slot in sight.slots])
    return np.linalg.norm(found - cv2.transform(corners, true)[:, 0], axis=1).max()


def test_slots_that_stay_are_the_same_object_frame_by_frame():
    first, *rest = sights(Scene(slots(), FRAME_WH, [cabinet()]), *[cabinet(n) for n in range(4)])
    assert first.reason is None
    assert all(sight.slots is first.slots for sight in rest)
    assert first.slots == slots()


def test_a_frame_of_another_size_has_its_slots_scaled():
    small_rgb = cv2.resize(cabinet(), (320, 240), interpolation=cv2.INTER_AREA)
    for scene in (Scene(slots(), FRAME_WH), Scene(slots(), FRAME_WH, [cabinet()])):
        (sight,) = sights(scene, small_rgb)
        assert sight.slots[0].polygon_px == pytest.approx(slots()[0].polygon_px / 2)


def test_a_reference_of_another_size_serves():
    large_rgb = cv2.resize(cabinet(), (1280, 960), interpolation=cv2.INTER_CUBIC)
    moved_rgb, true = bumped(cabinet(3), (25, -12), 2.0)
    (sight,) = sights(Scene(slots(), FRAME_WH, [large_rgb]), moved_rgb)
    assert sight.reason is None
    assert largest_move_px(sight, true) < 1.5


def test_regions_follow_a_bumped_camera_and_come_back():
    moved_rgb, true = bumped(cabinet(1), (60, 20), 3.0)
    still, away, back = sights(
        Scene(slots(), FRAME_WH, [cabinet()]), cabinet(), moved_rgb, cabinet(2)
    )
    assert (still.reason, away.reason, back.reason) == (None, None, None)
    assert largest_move_px(away, true) < 1.5
    assert largest_move_px(back, np.eye(2, 3)) < 1.5


def test_a_camera_that_was_turned_away_gives_no_reading_and_is_named():
    scene = Scene(slots(), FRAME_WH, [cabinet()])
    first, *away = sights(scene, cabinet(), elsewhere(), elsewhere(), elsewhere())
    assert first.reason is None
    assert all(sight.reason is not None for sight in away)
    assert away[-1].reason is Reason.CAMERA_MOVED
    (again,) = sights(scene, cabinet())
    assert again.reason is None


def lit_from_behind(picture_rgb, from_line=0):
    """Return the picture with its large shapes dark where they were bright, from a line on."""
    shapes = cv2.GaussianBlur(picture_rgb.astype(np.float32), (0, 0), 6.0)
    lit_rgb = (picture_rgb - 1.6 * (shapes - 90.0)).clip(0, 255).astype(np.uint8)
    lit_rgb[:from_line] = picture_rgb[:from_line]
    return lit_rgb


def blocks_out_of_place(picture_rgb):
    """Return the picture as a JPEG is decoded that lacks some bytes of its middle."""
    picture_rgb = picture_rgb.copy()
    picture_rgb[230:] = np.roll(picture_rgb[230:], (30, 20), (0, 1))
    return picture_rgb


@pytest.mark.parametrize("from_line", [0, HEIGHT_PX // 2])
def test_another_light_is_no_damage_where_the_alignment_finds_the_cabinet(from_line):
    lit_rgb, reference_rgb = lit_from_behind(cabinet(1), from_line), cabinet()
    assert judge(GateMemory(), lit_rgb, [look_at(reference_rgb)], None)[1] is not None
    scene = Scene(slots(), FRAME_WH, [reference_rgb])
    assert [sight.reason for sight in sights(scene, lit_rgb, lit_rgb)] == [None, None]


def test_a_torn_frame_is_named_although_the_rest_of_it_is_where_it_was():
    (torn,) = sights(Scene(slots(), FRAME_WH, [cabinet()]), blocks_out_of_place(cabinet(1)))
    assert torn.reason is Reason.FRAME_TORN


def dim_and_displaced_below(picture_rgb, line):
    """Return the picture as a JPEG is decoded that lacks some bytes, most of it where it was."""
    torn_rgb = picture_rgb.copy()
    torn_rgb[line:] = np.roll(torn_rgb[line:], 2, axis=1) // 2
    return torn_rgb


@pytest.mark.parametrize("references_rgb", [[], [cabinet()]])
def test_a_frame_torn_beside_the_one_before_is_named_and_moves_nothing(references_rgb):
    scene = Scene(slots(), FRAME_WH, references_rgb)
    torn_rgb = dim_and_displaced_below(cabinet(1), 100)
    before, torn, after = sights(scene, cabinet(1), torn_rgb, cabinet(1))
    assert (before.reason, torn.reason, after.reason) == (None, Reason.FRAME_TORN, None)
    assert after.slots is before.slots


def test_what_was_accepted_without_a_reference_is_not_the_cabinet():
    away_rgb, _ = bumped(cabinet(), turn_deg=45.0)
    scene = Scene((), FRAME_WH)  # without slots no alignment is asked either
    (before,) = sights(scene, away_rgb)
    scene.compare_with([cabinet()])
    (after,) = sights(scene, away_rgb)
    assert (before.reason, after.reason) == (None, Reason.FRAME_UNLIKE)


def test_a_picture_judged_twice_is_no_repetition():
    lit_rgb, reference_rgb = lit_from_behind(cabinet(1)), cabinet()
    scene = Scene(slots(), FRAME_WH, [reference_rgb], frozen_after=2)
    assert [sight.reason for sight in sights(scene, lit_rgb, lit_rgb)] == [None, None]


def test_without_a_reference_only_what_is_beyond_doubt_is_refused():
    black_rgb = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    dark, other = sights(Scene(slots(), FRAME_WH), black_rgb, elsewhere())
    assert dark.reason is Reason.FRAME_DARK
    assert other.reason is None


def test_a_picture_of_another_shape_is_refused():
    (sight,) = sights(Scene(slots(), FRAME_WH), np.full((300, 640, 3), 90, np.uint8))
    assert sight.reason is Reason.FRAME_SIZE


def test_a_stuck_camera_is_named_where_one_can_be_stuck():
    (frame,) = frames(cabinet())
    live = Scene(slots(), FRAME_WH, frozen_after=3)
    assert [live.see(frame).reason for _ in range(3)] == [None, None, Reason.FRAME_FROZEN]
    folder = Scene(slots(), FRAME_WH)
    assert [folder.see(frame).reason for _ in range(3)] == [None, None, None]


def test_a_plain_reference_leaves_the_regions_where_they_are(caplog):
    plain_rgb = np.full((HEIGHT_PX, WIDTH_PX, 3), 120, np.uint8)
    Scene(slots(), FRAME_WH, [plain_rgb])
    assert "movements are not followed" in caplog.text


def test_an_arm_that_nudges_the_camera_still_covers():
    arm_rgb = cabinet()
    cv2.line(arm_rgb, (0, 200), (400, 200), (200, 150, 120), 90)
    nudged_rgb, _ = bumped(arm_rgb, (1.2, 0.8))
    scene = Scene(slots(), FRAME_WH, [cabinet()])
    _, behind, nudged = sights(scene, cabinet(), arm_rgb, nudged_rgb)
    assert nudged.slots is not behind.slots
    assert {"11", "12"} <= nudged.covered


def test_slots_behind_an_arm_are_covered():
    arm_rgb = cabinet()
    cv2.line(arm_rgb, (0, 200), (400, 200), (200, 150, 120), 90)
    first, behind = sights(Scene(slots(), FRAME_WH), cabinet(), arm_rgb)
    assert first.covered == frozenset()
    assert {"11", "12"} <= behind.covered
    assert "35" not in behind.covered


def test_a_bump_is_followed_in_whichever_light_it_is_seen():
    night_rgb = 255 - cabinet()
    scene = Scene(slots(), FRAME_WH, [cabinet(), night_rgb])
    moved_rgb = np.roll(255 - cabinet(1), 14, axis=1)
    by_day, by_night, moved = sights(scene, cabinet(2), night_rgb, moved_rgb)
    assert (by_day.reason, by_night.reason, moved.reason) == (None, None, None)
    shift = moved.slots[0].polygon_px - by_night.slots[0].polygon_px
    assert np.allclose(shift, (14, 0), atol=1)
    alone = Scene(slots(), FRAME_WH, [cabinet()])
    assert [s.reason for s in sights(alone, cabinet(2), night_rgb)] == [None, Reason.FRAME_UNLIKE]


def test_corners_lost_in_shadows_do_not_make_it_another_cabinet():
    is_dark = np.random.default_rng(3).random((60, 80)) < 0.5
    shadow = cv2.resize(is_dark.astype(np.float32), FRAME_WH, interpolation=cv2.INTER_NEAREST)
    shaded_rgb = (cabinet() * (1 - 0.75 * shadow[..., None])).astype(np.uint8)
    scene = Scene(slots(), FRAME_WH, [cabinet()])
    assert {sight.reason for sight in sights(scene, *[shaded_rgb] * 6)} == {None}
    assert scene.shown_share is None


def test_who_passes_while_shadows_hide_corners_does_not_move_the_camera():
    is_dark = np.random.default_rng(3).random((60, 80)) < 0.5
    shadow = cv2.resize(is_dark.astype(np.float32), FRAME_WH, interpolation=cv2.INTER_NEAREST)
    shaded_rgb = (cabinet() * (1 - 0.6 * shadow[..., None])).astype(np.uint8)
    scene = Scene(slots(), FRAME_WH, [cabinet()])
    before, *passing, after = sights(scene, shaded_rgb, *[elsewhere()] * 4, shaded_rgb)
    assert before.reason is None
    assert passing[-1].reason is Reason.CAMERA_MOVED
    assert after.reason is None
