"""A still scene is looked at closely now and then only, and anything that happens at once."""

from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from edge.halvings import Halvings
from edge.pipeline import Pipeline
from edge.scene import Scene
from edge.still import CLOSE_LOOK_EVERY, looked_closely, watch_still
from edge.types import DecisionSettings, Frame, Reason
from tests.racks import HEIGHT_PX, WIDTH_PX, bumped, cabinet, elsewhere, slots

FRAME_WH = (WIDTH_PX, HEIGHT_PX)
AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


def noisy(image_rgb, seed, levels=2.0):
    noise = np.random.default_rng(seed).normal(0.0, levels, image_rgb.shape)
    return (image_rgb + noise).round().clip(0, 255).astype(np.uint8)


def memory_of(image_rgb):
    return looked_closely(Halvings(image_rgb))


def is_still(before_rgb, image_rgb):
    return watch_still(memory_of(before_rgb), Halvings(image_rgb)) is not None


@pytest.mark.parametrize("levels", [0.0, 1.0, 3.0])
def test_noise_is_still(levels):
    assert is_still(noisy(cabinet(), 1, levels), noisy(cabinet(), 2, levels))


def damaged(kind):
    image_rgb = cabinet()
    if kind == "bumped":
        return bumped(image_rgb, (0.01 * WIDTH_PX, 0))[0]
    if kind == "half grey":
        image_rgb[HEIGHT_PX // 2 :] = 128
    elif kind == "blurred":
        return cv2.GaussianBlur(image_rgb, (0, 0), 0.005 * WIDTH_PX)
    elif kind == "a thing in a slot":
        cv2.circle(image_rgb, (118, 118), 8, (200, 60, 60), -1)
    elif kind == "darker":
        return (image_rgb * 0.7).astype(np.uint8)
    elif kind == "noise":
        return noisy(image_rgb, 3, 40.0)
    return image_rgb


@pytest.mark.parametrize(
    "kind", ["bumped", "half grey", "blurred", "a thing in a slot", "darker", "noise"]
)
def test_what_happens_is_not_still(kind):
    assert not is_still(cabinet(), damaged(kind))


def test_another_size_is_not_still():
    assert not is_still(cabinet(), cabinet()[:-32])


def test_a_frame_of_half_the_size_is_not_still_and_has_its_own_slots():
    # Both are 320 pixels wide in small.
    half_rgb = cv2.resize(cabinet(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert not is_still(cabinet(), half_rgb)
    subject = Pipeline(slots(), FRAME_WH, DecisionSettings(), lambda ids, _: [0.9] * len(ids), 16)
    for number, picture_rgb in enumerate([cabinet(), cabinet(), half_rgb]):
        result = subject.process(Frame(picture_rgb, number, AT, float(number)))
        assert result.unusable is None
    assert subject.placed[0].polygon_px == pytest.approx(slots()[0].polygon_px / 2)


def test_a_close_look_is_due_every_so_many_frames():
    memory, frames = memory_of(cabinet()), 1
    while (memory := watch_still(memory, Halvings(cabinet()))) is not None:
        frames += 1
    assert frames == CLOSE_LOOK_EVERY


def test_a_slow_drift_adds_up():
    memory = memory_of(cabinet())
    for step in range(1, CLOSE_LOOK_EVERY - 1):
        memory = watch_still(memory, Halvings((cabinet() * (1 - 0.02 * step)).astype(np.uint8)))
        if memory is None:
            return
    pytest.fail("a picture a sixth darker is not still")


def watched(*pictures_rgb, step_s=1.0, **options):
    """Return what a scene sees after it stood still for some frames."""
    scene = Scene(slots(), FRAME_WH, [cabinet()], **options)
    sights = []
    for number, picture_rgb in enumerate([*[cabinet()] * 4, *pictures_rgb]):
        at = AT + timedelta(seconds=number * step_s)
        sights.append(scene.see(Frame(noisy(picture_rgb, number), number, at, number * step_s)))
    assert all(sight.reason is None for sight in sights[:4])
    return sights[4:]


def test_a_bump_after_stillness_is_followed_at_once():
    moved_rgb, true = bumped(cabinet(), (13, 4))
    (sight,) = watched(moved_rgb)
    assert sight.reason is None
    expected = cv2.transform(slots()[0].polygon_px[:, None], true)[:, 0]
    assert sight.slots[0].polygon_px == pytest.approx(expected, abs=1.0)


def test_a_camera_that_turns_away_after_stillness_is_named_at_once():
    sights = watched(elsewhere(), elsewhere(), elsewhere())
    assert all(sight.reason is not None for sight in sights)
    assert sights[-1].reason is Reason.CAMERA_MOVED


def test_an_arm_after_stillness_covers_until_it_is_gone():
    arm_rgb = cabinet()
    cv2.line(arm_rgb, (0, 200), (400, 200), (200, 150, 120), 90)
    behind, again, gone = watched(arm_rgb, arm_rgb, cabinet())
    assert {"11", "12"} <= behind.covered
    assert {"11", "12"} <= again.covered
    assert gone.covered == frozenset()


def test_slow_frames_of_a_still_scene_leave_no_gap():
    # Longer between two close looks than the slot gate compares over.
    arm_rgb = cabinet()
    cv2.line(arm_rgb, (0, 200), (400, 200), (200, 150, 120), 90)
    (behind,) = watched(*[cabinet()] * 3, arm_rgb, step_s=20.0)[3:]
    assert {"11", "12"} <= behind.covered


def test_a_camera_that_freezes_is_named_while_all_is_still():
    scene = Scene(slots(), FRAME_WH, [cabinet()], frozen_after=3)
    frozen_rgb = noisy(cabinet(), 9)
    pictures_rgb = [noisy(cabinet(), number) for number in range(4)] + [frozen_rgb] * 3
    reasons = [
        scene.see(Frame(picture_rgb, number, AT, float(number))).reason
        for number, picture_rgb in enumerate(pictures_rgb)
    ]
    assert reasons == [None] * 6 + [Reason.FRAME_FROZEN]
