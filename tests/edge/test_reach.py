"""A neighbour's thing that reaches into a slot, and a thing of the slot's own."""

import cv2
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


def neighbourhood(slots=None):
    """Every slot known as EMPTY in the drawn rack."""
    known = Neighbourhood()
    known.place(slots or racks.slots(), FRAME_WH)
    known.look(ALL, Halvings(with_things()))
    for slot in ALL:
        known.note(slot, is_empty=True)
    return known


def is_hidden(known, image_rgb, unsure_s=1.0, others=ALL):
    return known.is_hidden(SLOT, Halvings(image_rgb), unsure_s, others)


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


def test_after_a_gap_nothing_is_said_until_the_slot_is_known_as_empty_again():
    known, image = neighbourhood(), with_things(60, 24)
    assert not is_hidden(known, image, LONGEST_GAP_S + 1)
    assert not is_hidden(known, image)
    known.look([SLOT], Halvings(with_things()))
    known.note(SLOT, is_empty=True)
    assert is_hidden(known, image, LONGEST_GAP_S)


def test_what_was_told_stays_until_something_else_changes():
    known, image = neighbourhood(), with_things(60, 24)
    assert is_hidden(known, image)
    assert is_hidden(known, image, 3600.0)
    assert not is_hidden(known, with_things(60, 24, own_px=48), 3601.0)
    assert not is_hidden(known, image, 3602.0)


def test_slot_that_is_not_known_as_empty_is_not_hidden():
    known, image = neighbourhood(), with_things(60, 24)
    known.look([SLOT], Halvings(with_things()))
    known.note(SLOT, is_empty=False)
    assert not is_hidden(known, image)


def test_slots_that_are_placed_anew_are_compared_with_nothing():
    known = neighbourhood()
    known.place(racks.slots(), FRAME_WH)
    assert not is_hidden(known, with_things(60, 24))


def test_slots_at_the_edge_and_out_of_the_picture_are_no_trouble():
    places = [(-40, -40), (0, 0), (620, 460), (700, 500)]
    slots = tuple(Slot(f"{x}", rectangle_polygon(x, y, 60, 60)) for x, y in places)
    known = Neighbourhood()
    known.place(slots, FRAME_WH)
    seen = range(1, 3)
    known.look(seen, Halvings(racks.cabinet()))
    for slot in seen:
        known.note(slot, is_empty=True)
        assert not known.is_hidden(slot, Halvings(racks.elsewhere()), 1.0, range(4))
