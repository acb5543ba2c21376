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

import math
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.change import halvings_of
from edge.halvings import Halvings, halved_wh
from edge.types import ImageRGB, Slot

MARGIN_SHARE = 1.0  # of a slot's width and height, that is seen beyond each of its edges
MOST_ACROSS = 96  # pixels of what is looked at: long slanted slots are looked at in small
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
    slots: Sequence[Slot | None], frame_wh: tuple[int, int]
) -> tuple[Surroundings | None, ...]:
    maps: dict[int, Numbers] = {}
    found: list[Surroundings | None] = []
    for slot in slots:
        if slot is None:
            found.append(None)
            continue
        low, high = slot.polygon_px.min(axis=0), slot.polygon_px.max(axis=0)
        margin_px = MARGIN_SHARE * (high - low)
        longest_px = float((high - low + 2 * margin_px).max())
        times = max(halvings_of(slot.polygon_px), math.ceil(math.log2(longest_px / MOST_ACROSS)))
        if times not in maps:
            maps[times] = _numbered(slots, frame_wh, times)
        height_px, width_px = maps[times].shape
        left, top = np.floor((low - margin_px) / 2**times).astype(int)
        right, bottom = np.ceil((high + margin_px) / 2**times).astype(int)
        rows = slice(max(0, int(top)), min(height_px, int(bottom)))
        columns = slice(max(0, int(left)), min(width_px, int(right)))
        found.append(Surroundings(times, rows, columns, maps[times][rows, columns]))
    return tuple(found)


def _numbered(slots: Sequence[Slot | None], frame_wh: tuple[int, int], times: int) -> Numbers:
    width_px, height_px = halved_wh(frame_wh, times)
    numbers = np.zeros((height_px, width_px), np.int32)
    for number, slot in enumerate(slots, 1):
        if slot is not None:
            corners = np.round(slot.polygon_px / 2**times - 0.5).astype(np.int32)
            cv2.fillPoly(numbers, [corners], number)
    return numbers


class Neighbourhood:
    """What slots and their surroundings looked like when they last were surely EMPTY."""

    def __init__(self) -> None:
        """Know no slot yet: `place` says where they are."""
        self._places: tuple[Surroundings | None, ...] = ()
        self._around: tuple[frozenset[int], ...] = ()  # the slots in each slot's surroundings
        self._newest: dict[int, ImageRGB] = {}
        self._empty: dict[int, ImageRGB] = {}
        self._empty_s: dict[int, float] = {}  # monotonic: when each last looked like that
        self._hidden: set[int] = set()  # slots into which a neighbour's thing reaches

    def place(self, slots: Sequence[Slot | None], frame_wh: tuple[int, int]) -> None:
        """Take over where the slots lie now, in frames of this size, and know none of them.

        None has left the picture.
        """
        self._places = _plan_surroundings(slots, frame_wh)
        self._around = tuple(
            frozenset(() if place is None else (np.unique(place.numbers) - 1).tolist())
            for place in self._places
        )
        for known in (self._newest, self._empty, self._empty_s, self._hidden):
            known.clear()

    def look(self, changed: Collection[int], empty: Iterable[int], halvings: Halvings) -> None:
        """Look at EMPTY slots in a new frame where they, or slots around them, may have changed."""
        self._newest = {
            slot: _look(place, halvings)
            for slot in empty
            if (place := self._places[slot]) and not self._around[slot].isdisjoint(changed)
        }

    def note(self, empty: Collection[int], now_s: float) -> None:
        """Take that these slots surely are EMPTY in the frame that was looked at last."""
        self._empty.update({n: look for n, look in self._newest.items() if n in empty})
        self._empty_s.update(dict.fromkeys(empty, now_s))
        self._hidden.difference_update(empty)

    def forget(self, slot: int) -> None:
        """Take that a slot is not EMPTY any more."""
        self._hidden.discard(slot)
        self._empty.pop(slot, None)

    def is_hidden(
        self, slot: int, halvings: Halvings, now_s: float, others: Container[int]
    ) -> bool:
        """Return whether what changed in an EMPTY slot is part of a larger change in another one.

        `halvings` are those of the newest frame, `now_s` is its monotonic time; `others` are the
        numbers of the slots that may have got a thing. Of a slot that was not seen as EMPTY
        lately nothing is said.
        """
        place, before = self._places[slot], self._empty.get(slot)
        if place is None or before is None:
            return False
        if slot not in self._hidden and now_s - self._empty_s[slot] > LONGEST_GAP_S:
            self.forget(slot)
            return False
        self._hidden.discard(slot)
        changed = _changed(before, _look(place, halvings))
        if _is_anothers(slot, place.numbers, changed, others):
            self._hidden.add(slot)
        return slot in self._hidden


def _is_anothers(
    slot: int, numbers: Numbers, changed: npt.NDArray[np.uint8], others: Container[int]
) -> bool:
    areas = np.bincount(numbers.ravel(), minlength=slot + 2)
    own_area = areas[slot + 1]
    if changed.sum(where=numbers == slot + 1) >= OWN_SHARE * own_area:
        return False
    covered = _covered(numbers, slot, changed)
    own = covered.get(slot, 0)
    return any(
        # A large slot's small thing may fill a small slot beside it.
        own < OWN_TO_OTHERS * area * min(1.0, own_area / areas[other + 1])
        for other, area in covered.items()
        if other != slot and other in others
    )


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


def _covered(numbers: Numbers, slot: int, changed: npt.NDArray[np.uint8]) -> dict[int, int]:
    """Return how many pixels of each slot the largest change in one of them covers."""
    _, pieces = cv2.connectedComponents(changed, connectivity=8)
    in_slot = np.bincount(pieces[(numbers == slot + 1) & (changed > 0)])
    if not in_slot.size:
        return {}
    covered = np.bincount(numbers[pieces == in_slot.argmax()])
    return {int(n) - 1: int(covered[n]) for n in np.flatnonzero(covered) if n}
