"""Whose thing it is that changed a slot: a tall one may reach into the slots next to its own.

A thing changes the slot it is put into more than the slots around. Where one connected change
covers more of a neighbour, the thing is the neighbour's, and what shows of it here hides the slot.
What is compared is the slot and its surroundings as they were when it last was surely EMPTY; the
shift of each colour channel that most of them have in common is light and is taken off.

Only pictures that follow each other soon tell this: over an hour a whole cabinet may be filled,
and a small thing next to a large one is no part of it. Once told, it stays until something else
changes. Runs in the thread that owns the pipeline.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.change import halvings_of
from edge.halvings import Halvings
from edge.types import ImageRGB, Slot

MARGIN_SHARE = 1.0  # of a slot's width and height, that is seen beyond each of its edges
# Of the same games with only every fourth look, and so several moves at once, the rule took 68 of
# 125 false changes at this gap (40 at 30 s) and 7 of 1,032 true ones.
LONGEST_GAP_S = 120.0
CHANGED_LEVELS = 22.0  # of 0..255, beyond the light, in any colour channel
# A slot's own thing covers so much of it, or nearly as much as of any neighbour. Chosen on chess
# games 2, 4 and 5: of 94 false readings of an empty square 56 say less, of 555 true ones 7.
OWN_SHARE = 0.45
OWN_TO_OTHERS = 0.85

_MEDIAN_STEP = 7

Numbers = npt.NDArray[np.int32]  # (height, width): 0 for no slot, 1 for the first


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where a slot and what is around it lie, worked out once per slots and picture size."""

    halvings: int  # of the picture that is looked at
    rows: slice
    columns: slice
    numbers: Numbers  # of the slots in there


def _plan_surroundings(
    slots: Sequence[Slot], frame_wh: tuple[int, int]
) -> tuple[Surroundings, ...]:
    """Return where to look, for each of the slots, in the pixels of pictures of this size."""
    maps: dict[int, Numbers] = {}
    found = []
    for slot in slots:
        times = halvings_of(slot.polygon_px)
        if times not in maps:
            maps[times] = _numbered(slots, frame_wh, times)
        height_px, width_px = maps[times].shape
        low, high = slot.polygon_px.min(axis=0), slot.polygon_px.max(axis=0)
        margin_px = MARGIN_SHARE * (high - low)
        left, top = np.floor((low - margin_px) / 2**times).astype(int)
        right, bottom = np.ceil((high + margin_px) / 2**times).astype(int)
        rows = slice(max(0, int(top)), min(height_px, int(bottom)))
        columns = slice(max(0, int(left)), min(width_px, int(right)))
        found.append(Surroundings(times, rows, columns, maps[times][rows, columns]))
    return tuple(found)


def _numbered(slots: Sequence[Slot], frame_wh: tuple[int, int], times: int) -> Numbers:
    numbers = np.zeros((max(1, frame_wh[1] >> times), max(1, frame_wh[0] >> times)), np.int32)
    for number, slot in enumerate(slots, 1):
        corners = np.round(slot.polygon_px / 2**times - 0.5).astype(np.int32)
        cv2.fillPoly(numbers, [corners], number)
    return numbers


class Neighbourhood:
    """What slots and their surroundings looked like when they last were surely EMPTY."""

    def __init__(self) -> None:
        """Know no slot yet: `place` says where they are."""
        self._places: tuple[Surroundings, ...] = ()
        self._newest: dict[int, ImageRGB] = {}
        self._empty: dict[int, ImageRGB] = {}
        self._hidden: set[int] = set()  # slots into which a neighbour's thing reaches

    def place(self, slots: Sequence[Slot], frame_wh: tuple[int, int]) -> None:
        """Take over where the slots lie now, in frames of this size, and know none of them."""
        self._places = _plan_surroundings(slots, frame_wh)
        for known in (self._newest, self._empty, self._hidden):
            known.clear()

    def look(self, slots: Iterable[int], halvings: Halvings) -> None:
        """Look at slots in a new frame, by their numbers; `note` may tell later what they were."""
        self._newest = {slot: _look(self._places[slot], halvings) for slot in slots}

    def note(self, slot: int, is_empty: bool) -> None:
        """Take that a slot surely is EMPTY, or OCCUPIED, in the frame that was looked at last."""
        self._hidden.discard(slot)
        self._empty.pop(slot, None)
        if is_empty and slot in self._newest:
            self._empty[slot] = self._newest[slot]

    def is_hidden(
        self, slot: int, halvings: Halvings, unsure_s: float, others: Container[int]
    ) -> bool:
        """Return whether what changed in an EMPTY slot is part of a larger change in another one.

        `halvings` are those of the newest frame; `unsure_s` is for how long nothing sure was read
        of the slot, in seconds; `others` are the numbers of the slots that may have got a thing. Of
        a slot that is not known as EMPTY nothing is said.
        """
        if slot not in self._hidden and unsure_s > LONGEST_GAP_S:
            self._empty.pop(slot, None)
        self._hidden.discard(slot)
        before = self._empty.get(slot)
        if before is not None:
            place = self._places[slot]
            changed = _changed(before, _look(place, halvings))
            if _is_anothers(slot, place.numbers, changed, others):
                self._hidden.add(slot)
        return slot in self._hidden


def _is_anothers(
    slot: int, numbers: Numbers, changed: npt.NDArray[np.uint8], others: Container[int]
) -> bool:
    is_own = numbers == slot + 1
    if changed.sum(where=is_own) >= OWN_SHARE * is_own.sum():
        return False
    covered = _covered_shares(numbers, slot, changed)
    most = max((share for other, share in covered.items() if other in others), default=0.0)
    return covered.get(slot, 0.0) < OWN_TO_OTHERS * most


def _look(place: Surroundings, halvings: Halvings) -> ImageRGB:
    return halvings.at(place.halvings)[place.rows, place.columns].copy()


def _changed(before: ImageRGB, now: ImageRGB) -> npt.NDArray[np.uint8]:
    difference = cv2.subtract(now, before, dtype=cv2.CV_32F)
    # Every few pixels tell it as well as all of them.
    few = np.sort(difference.reshape(-1, 3)[::_MEDIAN_STEP], axis=0)
    light = few[len(few) // 2]
    # OpenCV takes a fifth of the time that numpy needs for a last axis of three.
    red, green, blue = cv2.split(cv2.absdiff(difference, (*light.tolist(), 0.0)))
    beyond = cv2.GaussianBlur(cv2.max(cv2.max(red, green), blue), (3, 3), 0)
    return np.asarray(beyond > CHANGED_LEVELS, np.uint8)


def _covered_shares(
    numbers: Numbers, slot: int, changed: npt.NDArray[np.uint8]
) -> dict[int, float]:
    """Return how much of each slot the largest change in one of them covers, 0..1."""
    _, pieces = cv2.connectedComponents(changed, connectivity=8)
    in_slot = np.bincount(pieces[(numbers == slot + 1) & (changed > 0)])
    if not in_slot.size:
        return {}
    areas = np.bincount(numbers.ravel())
    covered = np.bincount(numbers[pieces == in_slot.argmax()], minlength=len(areas))
    return {int(n) - 1: float(covered[n] / areas[n]) for n in np.flatnonzero(covered) if n}
