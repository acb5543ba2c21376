"""Which slots something is in front of."""

from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from edge.covering import LONGEST_GAP, find_covered, map_slots
from edge.preprocess import rectangle_polygon
from edge.types import Slot

START = datetime(2026, 11, 21, tzinfo=UTC)
SLOTS = tuple(
    Slot(f"{'ABCDEF'[row]}{column + 1}", rectangle_polygon(40 + 70 * column, 30 + 50 * row, 60, 40))
    for row in range(6)
    for column in range(8)
)
MAP = map_slots(SLOTS, (640, 360))
SKIN = (220, 170, 140)


def cabinet(things=("A1", "C3"), light=1.0):
    image = np.full((360, 640, 3), (150, 140, 120), np.uint8)
    for slot in SLOTS:
        left, top, width, height = cv2.boundingRect(slot.polygon_px)
        cv2.rectangle(image, (left, top), (left + width, top + height), (60, 60, 70), -1)
        if slot.id in things:
            cv2.circle(image, (left + 30, top + 20), 17, (200, 40, 40), -1)
    return (image * light).clip(0, 255).astype(np.uint8)


def arm(image, reach, top=130):
    """Draw an arm from the left edge that reaches so far, in pixels, over row C if not told."""
    cv2.rectangle(image, (0, top), (reach, top + 40), SKIN, -1)
    return image


def watch(images, gap=timedelta(seconds=1)):
    memory, found = None, []
    for number, image in enumerate(images):
        memory, covered = find_covered(memory, MAP, image, START + number * gap)
        found.append(sorted(covered))
    return found


def test_an_arm_covers_the_slots_it_reaches_over_and_no_others():
    found = watch([cabinet(), arm(cabinet(), 300), cabinet()])
    assert found == [[], ["C1", "C2", "C3", "C4"], []]


def test_a_thing_put_into_a_slot_is_no_covering():
    assert watch([cabinet(), cabinet(["A1", "C3", "D4"])]) == [[], []]


@pytest.mark.parametrize("light", [0.8, 1.2])
def test_in_another_light_only_the_arm_is_a_covering(light):
    found = watch([cabinet(), cabinet(light=light), arm(cabinet(light=light), 300)])
    assert found == [[], [], ["C1", "C2", "C3", "C4"]]


def test_an_arm_that_comes_with_a_change_of_light_is_a_covering():
    found = watch([cabinet(), arm(cabinet(light=0.8), 300)])
    assert found[-1] == ["C1", "C2", "C3", "C4"]


def test_what_an_arm_leaves_behind_is_no_covering():
    after = cabinet(["A1", "C3", "C4"])
    assert watch([cabinet(), arm(cabinet(), 300), after])[-1] == []


def test_an_arm_that_keeps_moving_covers_as_long_as_it_does():
    found = watch([cabinet(), *(arm(cabinet(), 300, 130 + 50 * (n % 2)) for n in range(8))])
    rows = [["C1", "C2", "C3", "C4"], ["D1", "D2", "D3", "D4"]]
    assert found[1:] == rows * 4


def test_what_has_stood_still_belongs_to_the_cabinet():
    found = watch([cabinet()] + [arm(cabinet(), 300)] * 5)
    assert found[1:] == [["C1", "C2", "C3", "C4"]] * 3 + [[], []]


def test_after_a_gap_nothing_can_be_told():
    gap = LONGEST_GAP + timedelta(seconds=1)
    assert watch([cabinet(), arm(cabinet(), 300)], gap) == [[], []]


def test_a_change_of_nearly_everything_is_not_a_covering():
    assert watch([cabinet(), 255 - cabinet()]) == [[], []]


def test_a_picture_of_another_size_starts_anew():
    memory, _ = find_covered(None, MAP, cabinet(), START)
    other = np.full((480, 640, 3), 90, np.uint8)
    other_map = map_slots(SLOTS, (640, 480))
    assert find_covered(memory, other_map, other, START)[1] == frozenset()
