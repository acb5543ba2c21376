"""Which pictures are torn beside the one before, and which changes are the scene's own."""

import numpy as np
import pytest

from edge.tear import SCENE_LOOKS, TearMemory, torn_line, watch_tear


def picture(sensor=0):
    """Return a small picture of a textured scene with a sensor's noise."""
    coarse = np.random.default_rng(1).integers(30, 220, (9, 16, 3))
    noise = np.random.default_rng((2, sensor)).integers(-4, 5, (45, 80, 3))
    return (coarse.repeat(5, axis=0).repeat(5, axis=1) + noise).astype(np.uint8)


def displaced(image, line, by_px=12):
    image = image.copy()
    image[line:] = np.roll(image[line:], by_px, axis=1)
    return image


def coloured(image, line, levels=25):
    image = image.copy()
    image[line:, :, 2] += np.uint8(levels)
    return image


@pytest.mark.parametrize("line", [5, 22, 40])
@pytest.mark.parametrize("damage", [displaced, coloured])
def test_the_line_from_which_on_all_is_displaced_or_coloured_is_found(damage, line):
    assert torn_line(damage(picture(1), line), picture()) == pytest.approx(line, abs=1)


def with_an_arm(image):
    image = image.copy()
    image[20:, 20:60] = 90
    return image


@pytest.mark.parametrize(
    "seen",
    [
        picture(1),
        with_an_arm(picture(1)),
        np.roll(picture(1), (3, 5), (0, 1)),  # the camera was bumped
        picture(1) // 2,  # the light went down
        np.flipud(picture(1)),
        displaced(picture(1), 0),
    ],
)
def test_what_changes_otherwise_is_not_torn(seen):
    assert torn_line(seen, picture()) is None


def test_a_camera_that_moved_below_a_plain_wall_is_not_torn():
    before, after = picture(), np.roll(picture(1), 12, axis=1)
    before[:20] = after[:20] = 180
    assert torn_line(after, before) is None


def with_a_bar(image):
    """A recorder's bar for captions, a twelfth of the picture, with some letters."""
    image = image.copy()
    image[:4] = 0
    image[1:3, 5:25:3] = 255
    return image


@pytest.mark.parametrize(
    "seen", [picture(1) // 2, np.roll(picture(1), 12, axis=1), coloured(picture(1), 0)]
)
def test_bar_for_captions_stays_as_it_is_in_any_light_and_wherever_the_camera_looks(seen):
    assert torn_line(with_a_bar(seen), with_a_bar(picture())) is None


def test_picture_with_a_bar_may_be_torn_all_the_same():
    torn = displaced(with_a_bar(picture(1)), 15)
    assert torn_line(torn, with_a_bar(picture())) == pytest.approx(15, abs=1)


def watched(pictures, accepted):
    memory, torn = TearMemory(), []
    for image in pictures:
        memory = watch_tear(memory, image, accepted)
        torn.append(memory.is_torn)
    return torn


def test_what_stays_torn_at_one_line_is_the_scene():
    lid = [coloured(picture(sensor), 22 + sensor % 2) for sensor in range(SCENE_LOOKS + 2)]
    assert watched(lid, picture()) == [True] * (SCENE_LOOKS - 1) + [False] * 3


def test_tears_at_another_line_each_time_never_are_the_scene():
    tears = [displaced(picture(sensor), 10 + 7 * (sensor % 4)) for sensor in range(30)]
    assert watched(tears, picture()) == [True] * 30


def test_a_whole_picture_in_between_begins_the_count_anew():
    lid = [coloured(picture(sensor), 22) for sensor in range(SCENE_LOOKS - 1)]
    assert watched([*lid, picture(1), *lid], picture()).count(False) == 1
