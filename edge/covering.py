"""Which slots something is in front of: an arm, a head, a cloth. Runs in the inference thread.

A thing put into a slot changes about that slot. What comes between the camera and the cabinet
changes one large connected piece of the picture, reaches over rims into neighbours, and does
not rest: such a piece is a covering until it has stood still for some frames, and then the
new look of the cabinet. What is compared is the picture at its last rest; the shift of each
colour channel that the whole picture has in common is light and is taken off.

Only pictures that follow each other within seconds tell this: over minutes, moving shadows
and several changes at once are large pieces too. An arm that rests becomes part of the
cabinet, and a hand moving at its end alone may be too small to see: the confirmation by
several equal readings has to catch what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import ImageRGB, Slot

# Chosen on chess games 2, 4 and 5 and the simulator: at most 0.36 % of the readings of
# undisturbed frames refused.
CHANGED_LEVELS = 30.0  # sum over the Lab channels (8 bits each) by which a pixel has changed
COVERING_SLOTS = 2.0  # a changed piece larger than so many slots is no change of content
COVERED_SHARE = 0.1  # of a slot's area, from which on the slot cannot be trusted
RESTED_FRAMES = 3  # a piece that has not moved for so many frames belongs to the cabinet
# More of the picture than this changes at once only with the light or with the camera.
LARGEST_SHARE = 0.35
LONGEST_GAP = timedelta(seconds=30)

_SMALL_WIDTH_PX = 160  # an arm is several of these wide, and a frame costs under a millisecond
_NUDGE_SMALL_PX = 0.5  # of the small picture: edges change by less than a thing in front does
_READ_LINES = 240  # of the picture, before the lines are averaged down
_MEDIAN_STEP = 7  # every so many pixels tell the common shift as well as all of them
_SUM_OF_CHANNELS = np.ones((1, 3), np.float32)

LabPicture = npt.NDArray[np.float32]  # (height, width, 3), small
Mask = npt.NDArray[np.bool_]  # (height, width), small


@dataclass(frozen=True, eq=False)
class SlotMap:
    """Where the slots lie in the small picture, worked out once per slots and picture size."""

    slot_ids: tuple[str, ...]
    numbers: npt.NDArray[np.int32]  # (height, width): 0 for none, 1 for the first slot
    areas: npt.NDArray[np.intp]  # of each slot, small pixels, at least 1


@dataclass(frozen=True, eq=False)
class CoverMemory:
    """What is remembered between frames."""

    rested: LabPicture  # each pixel as it was when nothing large was in front of it
    newest: LabPicture
    still_frames: npt.NDArray[np.intp]  # (height, width): for how many frames it has not moved
    at: datetime  # of the newest


def map_slots(slots: Sequence[Slot], frame_wh: tuple[int, int]) -> SlotMap:
    """Return where the slots (polygons in pixels of `frame_wh`) lie in the small picture."""
    scale = _SMALL_WIDTH_PX / frame_wh[0]
    numbers = np.zeros((_small_height_px(frame_wh), _SMALL_WIDTH_PX), np.int32)
    for number, slot in enumerate(slots, 1):
        cv2.fillConvexPoly(numbers, np.round(slot.polygon_px * scale).astype(np.int32), number)
    areas = np.bincount(numbers.ravel(), minlength=len(slots) + 1)[1:]
    return SlotMap(tuple(slot.id for slot in slots), numbers, np.maximum(areas, 1))


def find_covered(
    memory: CoverMemory | None, slot_map: SlotMap, image_rgb: ImageRGB, at: datetime
) -> tuple[CoverMemory, frozenset[str]]:
    """Return the new memory, and the ids of the slots that something is in front of.

    The picture is RGB uint8 of the size the map was made for. Only pictures that the frame
    gate lets through belong here. After a gap, or a change of nearly everything, the picture
    counts as rested and nothing is covered.
    """
    small = _small_lab(image_rgb)
    if memory is None or abs(at - memory.at) > LONGEST_GAP or memory.newest.shape != small.shape:
        return CoverMemory(small, small, np.zeros(small.shape[:2], np.intp), at), frozenset()
    still_frames = np.where(_changed(small, memory.newest), 0, memory.still_frames + 1)
    smallest_area = COVERING_SLOTS * float(np.median(slot_map.areas))
    pieces = _large_pieces(_changed(small, memory.rested), smallest_area)
    covering = pieces & (still_frames < RESTED_FRAMES)
    # The very same picture where nothing covers: see `is_at_rest`.
    rested = np.where(covering[..., None], memory.rested, small) if covering.any() else small
    counted = np.bincount(slot_map.numbers[covering], minlength=len(slot_map.slot_ids) + 1)[1:]
    covered = np.flatnonzero(counted >= COVERED_SHARE * slot_map.areas)
    covered = covered[counted[covered] > 0]
    return (
        CoverMemory(rested, small, still_frames, at),
        frozenset(slot_map.slot_ids[number] for number in covered),
    )


def is_nudge(
    before: Sequence[Slot | None], after: Sequence[Slot | None], frame_wh: tuple[int, int]
) -> bool:
    """Return whether slots moved so little between two pictures that these can be compared.

    The slots are in pixels of `frame_wh`; None has left the picture.
    """
    moved_px = [
        float(np.abs(one.polygon_px - other.polygon_px).max())
        for one, other in zip(before, after, strict=True)
        if one is not None and other is not None
    ]
    return bool(moved_px) and max(moved_px) * _SMALL_WIDTH_PX / frame_wh[0] < _NUDGE_SMALL_PX


def stayed_still(memory: CoverMemory, at: datetime) -> CoverMemory:
    """Return the memory after a picture that looks just like the newest."""
    return replace(memory, still_frames=memory.still_frames + 1, at=at)


def is_at_rest(memory: CoverMemory) -> bool:
    """Return whether nothing in the newest picture may be in front of slots."""
    return memory.newest is memory.rested


def _small_height_px(frame_wh: tuple[int, int]) -> int:
    return max(1, round(_SMALL_WIDTH_PX * frame_wh[1] / frame_wh[0]))


def _small_lab(image_rgb: ImageRGB) -> LabPicture:
    height_px, width_px = image_rgb.shape[:2]
    lines_rgb = image_rgb[:: max(1, height_px // _READ_LINES)]
    small_wh = (_SMALL_WIDTH_PX, _small_height_px((width_px, height_px)))
    small_rgb = cv2.resize(lines_rgb, small_wh, interpolation=cv2.INTER_AREA)
    small_rgb = cv2.GaussianBlur(small_rgb, (3, 3), 0)
    return np.asarray(cv2.cvtColor(small_rgb, cv2.COLOR_RGB2LAB), np.float32)


def _changed(one: LabPicture, other: LabPicture) -> Mask:
    difference = cv2.subtract(one, other)
    # OpenCV takes a fifth of the time that numpy needs for a last axis of three.
    light = np.median(difference.reshape(-1, 3)[::_MEDIAN_STEP], axis=0)
    beyond = cv2.absdiff(difference, (*light.tolist(), 0.0))
    return np.asarray(cv2.transform(beyond, _SUM_OF_CHANNELS) > CHANGED_LEVELS)


def _large_pieces(changed: Mask, smallest_area: float) -> Mask:
    """Return the connected pieces of at least this area, none where they fill the picture."""
    opened = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, numbers, figures, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    is_large = figures[:, cv2.CC_STAT_AREA] >= smallest_area
    is_large[0] = False  # the background
    pieces = np.asarray(is_large[numbers])
    return pieces if pieces.mean() <= LARGEST_SHARE else np.zeros_like(pieces)
