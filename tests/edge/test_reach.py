"""A neighbour's thing that reaches into a slot, and a thing of the slot's own."""

import cv2
import numpy as np
import pytest

from edge.halvings import Halvings
from edge.preprocess import rectangle_polygon
from edge.reach import LONGEST_GAP_S, Neighbourhood
from edge.types import Slot
from tests import racks

FRAME_WH = (racks.WIDTH_PX, racks.HEIGHT_PX)
SLOT, NEIGHBOUR = 9, 8
ALL = range(len(racks.slots()))


def box(slot):
    (left, top), (right, bottom) = racks.slots()[slot].polygon_px[[0, 2]].astype(int)
    return left, top, right, bottom


def with_things(neighbours_px=0, heads_px=0, own_px=0, light=0):
    """A thing in the neighbour so broad, its head in the slot, and the slot's own thing."""
    image = cv2.add(racks.cabinet(), (light, light, light, 0))
    left, top, right, bottom = box(NEIGHBOUR)
    colour = (250, 240, 90)
    if neighbours_px:
        cv2.rectangle(image, (right - neighbours_px, top + 8), (right, bottom - 8), colour, -1)
    left, top, right, bottom = box(SLOT)
    if heads_px:
        cv2.rectangle(image, (left - 6, top + 20), (left + heads_px, bottom - 20), colour, -1)
    if own_px:
        cv2.rectangle(image, (right - own_px, top + 8), (right - 6, bottom - 8), colour, -1)
    return image


def see_empty(known, image_rgb, now_s=0.0):
    known.look(ALL, ALL, Halvings(image_rgb))
    known.note(ALL, now_s)


def neighbourhood():
    """Every slot seen as EMPTY in the drawn rack at 0 s."""
    known = Neighbourhood()
    known.place(racks.slots(), FRAME_WH)
    see_empty(known, with_things())
    return known


def is_hidden(known, image_rgb, now_s=1.0, others=ALL):
    return known.is_hidden(SLOT, Halvings(image_rgb), now_s, others)


@pytest.mark.parametrize("light", [0, 25, -15])
@pytest.mark.parametrize("heads_px", [14, 24, 34])
def test_head_of_a_larger_thing_is_the_neighbours(heads_px, light):
    assert is_hidden(neighbourhood(), with_things(60, heads_px, light=light))


@pytest.mark.parametrize(
    "things",
    [
        {"own_px": 50},
        {"own_px": 20},
        {"neighbours_px": 60, "own_px": 50},
        {"neighbours_px": 60, "heads_px": 20, "own_px": 48},
        {"neighbours_px": 20, "heads_px": 66},
        {"neighbours_px": 60, "heads_px": 66},
        {},
    ],
)
def test_thing_of_its_own_is_the_slots(things):
    assert not is_hidden(neighbourhood(), with_things(**things))


def test_neighbour_that_cannot_have_got_a_thing_hides_nothing():
    image = with_things(60, 24)
    assert not is_hidden(neighbourhood(), image, others={SLOT})


def test_after_a_gap_nothing_is_said_until_the_slot_is_seen_as_empty_again():
    known, image = neighbourhood(), with_things(60, 24)
    assert not is_hidden(known, image, LONGEST_GAP_S + 1)
    assert not is_hidden(known, image)
    see_empty(known, with_things(), 500.0)
    assert is_hidden(known, image, 500.0 + LONGEST_GAP_S)


def test_slot_that_is_seen_as_empty_without_a_look_keeps_the_one_it_has():
    known, image = neighbourhood(), with_things(60, 24)
    known.look({0}, ALL, Halvings(image))
    known.note(ALL, 500.0)
    assert is_hidden(known, image, 501.0)


def test_what_a_neighbour_got_before_is_no_change():
    known = neighbourhood()
    known.look({NEIGHBOUR}, [SLOT], Halvings(with_things(60)))
    known.note([SLOT], 1.0)
    assert not is_hidden(known, with_things(60, heads_px=24), 2.0)


def test_what_was_told_stays_until_something_else_changes():
    known, image = neighbourhood(), with_things(60, 24)
    assert is_hidden(known, image)
    assert is_hidden(known, image, 3600.0)
    assert not is_hidden(known, with_things(60, 24, own_px=48), 3601.0)
    assert not is_hidden(known, image, 3602.0)


def test_slot_that_is_not_empty_any_more_is_not_hidden():
    known, image = neighbourhood(), with_things(60, 24)
    known.forget(SLOT)
    assert not is_hidden(known, image)


def test_slots_that_are_placed_anew_are_compared_with_nothing():
    known = neighbourhood()
    known.place(racks.slots(), FRAME_WH)
    assert not is_hidden(known, with_things(60, 24))


def boxes(*boxes_px):
    return tuple(Slot(f"{box}", rectangle_polygon(*box)) for box in boxes_px)


def shown(slots, *boxes_px):
    """A plain picture of empty slots, and the same with things drawn into it."""
    empty = np.full((480, 640, 3), 60, np.uint8)
    known = Neighbourhood()
    known.place(slots, FRAME_WH)
    every = range(len(slots))
    seen = [number for number, slot in enumerate(slots) if slot is not None]
    known.look(set(every), seen, Halvings(empty))
    known.note(seen, 0.0)
    image = empty.copy()
    for x, y, width, height in boxes_px:
        cv2.rectangle(image, (x, y), (x + width, y + height), (240, 220, 30), -1)
    return [known.is_hidden(number, Halvings(image), 1.0, every) for number in every]


def test_small_slot_beside_a_large_one_does_not_hide_its_thing():
    large, small = (100, 100, 300, 300), (400, 200, 30, 30)
    assert shown(boxes(large, small), (300, 150, 130, 130)) == [False, False]
    # And the other way round: the large one's thing reaches over a part of the small one.
    assert shown(boxes(large, small), (120, 120, 286, 260)) == [False, True]


def test_slot_that_has_left_the_picture_hides_nothing():
    own, other = boxes((100, 100, 80, 80), (100, 100, 80, 80))
    assert shown((own, None), (110, 110, 50, 50)) == [False, False]
    assert shown((None, other), (110, 110, 50, 50)) == [False, False]


def test_long_slanted_slots_are_looked_at_in_small():
    slots = tuple(
        Slot(f"{x}", np.array([[x, 0], [x + 20, 0], [x + 420, 460], [x + 400, 460]], np.float32))
        for x in range(0, 200, 22)
    )
    # What lies across several of them belongs to those it covers most.
    assert shown(slots, (150, 100, 60, 60))[3] is False


def test_slots_at_the_edge_and_out_of_the_picture_are_no_trouble():
    slots = boxes((-40, -40, 60, 60), (0, 0, 60, 60), (620, 460, 60, 60), (700, 500, 60, 60))
    assert not any(shown(slots, (0, 0, 40, 40)))
    assert not any(shown(boxes((300, 300, 1, 1), (301, 300, 1, 1)), (290, 290, 30, 30)))
