"""Copies are found, whatever their compression; plain surfaces of different slots are none."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import ImageRGB
from trainer.drawn import drawn_crop
from trainer.duplicates import distinct_count, near_duplicates, same_pictures

pytestmark = pytest.mark.trainer


def saved_again(crop_rgb: ImageRGB, quality: int) -> ImageRGB:
    _, data = cv2.imencode(".jpg", crop_rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def test_the_first_of_equal_pictures_is_kept_and_none_of_those_under_both_labels() -> None:
    repeated, conflicting = same_pictures(
        [b"a", b"b", b"a", b"c", b"b", b"b"], [True, False, True, True, True, False]
    )
    assert repeated == {2: 0}
    assert conflicting == {1: 4, 4: 1, 5: 4}


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=20))
def test_what_is_left_of_equal_pictures_is_each_unambiguous_one_once(
    pictures: Sequence[tuple[int, bool]],
) -> None:
    digests = [bytes([number]) for number, _ in pictures]
    repeated, conflicting = same_pictures(digests, [label for _, label in pictures])
    kept = [p for i, p in enumerate(pictures) if i not in repeated and i not in conflicting]
    numbers = {number for number, _ in pictures}
    unambiguous = {n for n in numbers if len({label for m, label in pictures if m == n}) == 1}
    assert sorted(number for number, _ in kept) == sorted(unambiguous)


def test_a_crop_saved_again_or_a_little_brighter_is_nearly_the_same() -> None:
    crops_rgb = np.stack([drawn_crop(96, True, seed) for seed in range(20)])
    others_rgb = np.stack([saved_again(crop, 70) for crop in crops_rgb[::-1]])
    assert near_duplicates(crops_rgb, others_rgb) == {index: 19 - index for index in range(20)}
    brighter_rgb = cv2.add(crops_rgb[3], np.full_like(crops_rgb[3], 3))
    assert near_duplicates(brighter_rgb[None], crops_rgb) == {0: 3}


def test_plain_surfaces_and_things_of_different_slots_are_no_duplicates() -> None:
    for is_occupied in (False, True):
        crops_rgb = np.stack([drawn_crop(96, is_occupied, seed) for seed in range(120)])
        assert near_duplicates(crops_rgb[:60], crops_rgb[60:]) == {}


def test_alike_in_outline_is_not_enough() -> None:
    crop_rgb = drawn_crop(96, True, 1)
    inverse_of_colour_rgb = np.ascontiguousarray(crop_rgb[..., ::-1])
    darker_rgb = (crop_rgb * 0.8).astype(np.uint8)
    others_rgb = np.stack([inverse_of_colour_rgb, darker_rgb])
    assert near_duplicates(crop_rgb[None], others_rgb) == {}


def test_frames_that_repeat_a_scene_count_once() -> None:
    scenes = [drawn_crop(64, True, seed) for seed in range(8)]
    frames = [saved_again(scene, quality) for quality in (95, 85, 75) for scene in scenes]
    assert distinct_count(np.stack(frames)) == 8


def test_nothing_is_found_among_nothing() -> None:
    none_rgb = np.zeros((0, 32, 32, 3), np.uint8)
    crops_rgb = drawn_crop(32, True, 1)[None]
    assert near_duplicates(none_rgb, crops_rgb) == {}
    assert near_duplicates(crops_rgb, none_rgb) == {}
    assert distinct_count(none_rgb) == 0
