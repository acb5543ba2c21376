"""Which frames show the cabinet, and why the others do not."""

import cv2
import numpy as np
import pytest

from edge.look import BANDS, look_at
from edge.quality import GateMemory, fits_slots, judge, judge_frame
from edge.tear import SCENE_LOOKS
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


def cabinet(light=1.0, seed=1, filled=True, sensor=0):
    """Return a drawn cabinet of 48 slots, half of them filled, with a sensor's noise."""
    rng = np.random.default_rng(seed)
    image = np.full((360, 640, 3), (150, 140, 120), np.uint8)
    for top in range(30, 330, 50):
        for left in range(40, 600, 70):
            cv2.rectangle(image, (left, top), (left + 60, top + 40), (60, 60, 70), -1)
            colour = tuple(map(int, rng.integers(60, 255, 3)))
            if filled and rng.random() < 0.5:
                cv2.circle(image, (left + 30, top + 20), 12, colour, -1)
    noise = np.random.default_rng((seed, sensor)).normal(0, 2, image.shape)
    return (image * light + noise).clip(0, 255).astype(np.uint8)


def half_grey(image):
    image = image.copy()
    image[200:] = 128
    return image


def smeared(image):
    image = image.copy()
    image[200:] = image[200]
    return image


def without_chroma_below(image):
    image = image.copy()
    image[325:, :, ::2] = 0
    image[325:, :, 1] += 70
    return image


def tinted_below(image):
    image = image.copy()
    image[150:] = (image[150:] + np.array((40.0, -30.0, 40.0))).clip(0, 255).astype(np.uint8)
    return image


def blocks_out_of_place(image):
    """Return the picture as a JPEG is decoded that lacks some bytes of its middle."""
    image = image.copy()
    image[230:] = np.roll(image[230:], (25, 35), (0, 1))
    return image


def drowned_in_noise(image):
    noise = np.random.default_rng(3).normal(0, 120, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def noisy(image):
    """Return the picture as a sensor gives it that fails, in which all can still be seen."""
    return (
        (image + np.random.default_rng(3).normal(0, 30, image.shape)).clip(0, 255).astype(np.uint8)
    )


def lamp_in_the_dark(image):
    noise = np.random.default_rng(3).normal(4, 2, image.shape).clip(0, 255).astype(np.uint8)
    return cv2.circle(noise, (320, 180), 60, (250, 250, 240), -1)


def lamp_into_the_lens(image):
    image = image.copy()
    image[:, 60:] = 255
    return image


def blurred(width_share):
    return lambda image: cv2.GaussianBlur(image, (0, 0), width_share * image.shape[1])


def shaken(image):
    return cv2.blur(image, (1, 25))


def turned_away(image):
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 30, 1.0)
    return cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)


@pytest.mark.parametrize(
    ("damage", "alone", "beside"),
    [
        (half_grey, Reason.FRAME_TORN, Reason.FRAME_TORN),
        (smeared, Reason.FRAME_TORN, Reason.FRAME_TORN),
        (without_chroma_below, Reason.FRAME_TORN, Reason.FRAME_TORN),
        (drowned_in_noise, Reason.FRAME_TORN, Reason.FRAME_TORN),
        (noisy, None, Reason.FRAME_TORN),
        (tinted_below, None, Reason.FRAME_TORN),
        (blocks_out_of_place, None, Reason.FRAME_TORN),
        (blurred(0.01), Reason.FRAME_BLURRED, Reason.FRAME_BLURRED),
        (blurred(0.003), None, Reason.FRAME_BLURRED),
        (shaken, None, Reason.FRAME_BLURRED),
        (turned_away, None, Reason.FRAME_UNLIKE),
        (lamp_into_the_lens, None, Reason.FRAME_BRIGHT),
        (lamp_in_the_dark, None, Reason.FRAME_DARK),
        (np.zeros_like, Reason.FRAME_DARK, Reason.FRAME_DARK),
    ],
)
def test_damage_is_named_alone_and_beside_the_reference(damage, alone, beside):
    frame = damage(cabinet(sensor=1))
    assert judge(GateMemory(), frame, (), 3)[1] is alone
    assert judge(GateMemory(), frame, [look_at(cabinet(filled=False))], 3)[1] is beside


@pytest.mark.parametrize("light", [0.2, 0.5, 1.2])
def test_other_things_in_another_light_are_the_same_cabinet(light):
    reference = look_at(cabinet(filled=False))
    assert judge(GateMemory(), cabinet(light, seed=4), [reference], 3)[1] is None


@pytest.mark.parametrize(("lines", "level"), [(slice(45), 255), (slice(300, None), 0)])
def test_a_white_sky_and_a_black_border_are_no_damage(lines, level):
    frame = cabinet()
    frame[lines] = level
    assert judge(GateMemory(), frame, (), 3)[1] is None


def test_a_bar_for_captions_that_the_reference_has_is_no_damage():
    with_bar = [cabinet(sensor=sensor) for sensor in (1, 2)]
    for image in with_bar:
        image[-60:] = 128
    assert judge(GateMemory(), with_bar[0], (), 3)[1] is Reason.FRAME_TORN
    assert judge(GateMemory(), with_bar[0], [look_at(with_bar[1])], 3)[1] is None


def test_a_drawn_picture_is_no_damage():
    frame = np.full((480, 640, 3), 90, np.uint8)
    cv2.rectangle(frame, (100, 100), (500, 350), (200, 30, 30), -1)
    assert judge(GateMemory(), frame, (), 3)[1] is None


def test_losing_colour_at_night_is_no_damage():
    grey = cv2.cvtColor(cv2.cvtColor(cabinet(), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert judge(GateMemory(), grey, [look_at(cabinet())], 3)[1] is None


def judged(images, frozen_after=3, references=()):
    memory, reasons = GateMemory(), []
    for image in images:
        memory, reason = judge(memory, image, references, frozen_after)
        reasons.append(reason)
    return reasons


def test_the_third_equal_picture_is_frozen_and_the_next_new_one_is_not():
    still, new = cabinet(sensor=1), cabinet(sensor=2)
    assert judged([still] * 4 + [new]) == [None, None, *[Reason.FRAME_FROZEN] * 2, None]


def test_a_camera_that_goes_round_its_buffers_is_frozen():
    buffers = [cabinet(sensor=number) for number in range(4)]
    assert judged(buffers * 2) == [None] * 5 + [Reason.FRAME_FROZEN] * 3


def test_a_source_that_cannot_freeze_may_repeat_a_picture():
    assert judged([cabinet()] * 4, frozen_after=None) == [None] * 4


def test_a_still_scene_before_a_live_sensor_is_not_frozen():
    assert judged([cabinet(sensor=number) for number in range(6)]) == [None] * 6


def test_a_picture_too_small_to_look_at_is_judged_by_its_brightness():
    assert judged([scene()[:50, :70]] * 4) == [None] * 4


def test_a_scene_that_slowly_grows_unlike_its_reference_is_still_the_scene():
    morning, evening = cabinet(), turned_away(cabinet())
    day = [
        cv2.addWeighted(morning, 1 - share, evening, share, 0) for share in np.linspace(0, 1, 17)
    ]
    assert judged(day, references=[look_at(morning)]) == [None] * 17
    assert judged(day[::16], references=[look_at(morning)]) == [None, Reason.FRAME_UNLIKE]


def test_a_camera_that_turns_away_in_the_evening_is_named():
    day = [cabinet(), turned_away(cabinet()), turned_away(turned_away(cabinet()))]
    assert judged(day, references=[look_at(day[0])])[1:] == [Reason.FRAME_UNLIKE] * 2


def infrared(image):
    """What shone is dark and the other way round."""
    return 255 - image


def test_of_several_lights_the_most_alike_one_counts():
    day, night = look_at(cabinet()), look_at(infrared(cabinet()))
    assert judge(GateMemory(), infrared(cabinet(sensor=1)), [day], 3)[1] is Reason.FRAME_UNLIKE
    for frame, nearest in ((cabinet(sensor=1), 0), (infrared(cabinet(sensor=2)), 1)):
        memory, reason = judge(GateMemory(), frame, [day, night], 3)
        assert (reason, memory.nearest) == (None, nearest)
    frame = turned_away(cabinet())
    assert judge(GateMemory(), frame, [day, night], 3)[1] is Reason.FRAME_UNLIKE


def displaced_below(image, line):
    """Return the picture as a JPEG is decoded that lacks a few bytes, alike in structure."""
    image = image.copy()
    image[line:] = np.roll(image[line:], 70, axis=1) // 2
    return image


@pytest.mark.parametrize("references", [(), [look_at(cabinet(filled=False))]])
def test_a_frame_torn_beside_the_one_before_is_named(references):
    torn = displaced_below(cabinet(sensor=1), 200)
    assert judged([torn], references=references) == [None]
    frames = [cabinet(sensor=2), torn, cabinet(sensor=3)]
    assert judged(frames, references=references) == [None, Reason.FRAME_TORN, None]


def test_a_lid_that_stays_is_accepted_and_its_opening_as_well():
    lid = [displaced_below(cabinet(sensor=number), 200) for number in range(12)]
    opened = [cabinet(sensor=number) for number in range(12)]
    refused = [Reason.FRAME_TORN] * (SCENE_LOOKS - 1)
    taken = [None] * (len(lid) - len(refused))
    expected = [None, *refused, *taken, *refused, *taken]
    assert judged([cabinet(sensor=20), *lid, *opened]) == expected


def test_a_frame_of_another_resolution_is_not_torn():
    large = cv2.resize(cabinet(sensor=1), (1280, 720), interpolation=cv2.INTER_CUBIC)
    assert judged([cabinet(), large, displaced_below(large, 400)]) == [
        None,
        None,
        Reason.FRAME_TORN,
    ]


def test_an_accepted_frame_does_not_wait_for_a_reference():
    (memory, _) = judge(GateMemory(), cabinet(), (), 3)
    assert memory.accepted is not None
    refused, reason = judge(memory, displaced_below(cabinet(sensor=1), 200), (), 3)
    assert (reason, refused.accepted) == (Reason.FRAME_TORN, memory.accepted)


def test_columns_are_looked_at_in_green_and_bands_in_all_colours():
    grey, coloured = cabinet(), cabinet()
    coloured[::2, :, ::2] ^= 64
    assert look_at(coloured).sharpness[1] == look_at(grey).sharpness[1]
    plain = np.full((360, 640, 3), (90, 120, 100), np.uint8)
    assert look_at(plain).chroma == pytest.approx(np.tile((-30.0, -20.0), (BANDS, 1)))
