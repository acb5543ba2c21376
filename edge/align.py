"""Reference + Frame -> where the cabinet lies in the frame, or "moved".

Runs in the inference thread; pure. Every frame is compared with the reference picture,
never with the frame before, so nothing drifts. Three steps, each taken only when the one
before does not settle it: do the patches still lie where they lay (a millisecond); did they
move by a pixel or two (three milliseconds more); where are they (a search, bounded in how often).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from edge.patches import (
    IDENTITY,
    LEAST_PATCHES,
    Floats,
    Match,
    Patches,
    Pose,
    cut_patches,
    distance,
    match,
    polish,
    shrink,
    step,
    work_size,
)
from edge.registration import find_pose
from edge.types import ImageRGB, Slot, SlotwatchError

# What is followed; beyond it the answer is MOVED. A bump and the sagging of a mount stay far
# within; a camera that looks elsewhere needs a person, and other regions. The search itself
# reaches a little further, so that "too far" is measured rather than guessed.
FOLLOWED_SHIFT = 0.2  # of the picture's width, by the picture's middle
FOLLOWED_TURN_DEG = 16.0
FOLLOWED_ZOOM = 1.12  # larger or smaller

# Below this a slot's corner stays exactly where it was: crops of a camera that stands still do
# not change. Measured noise of a pose is a third of it.
DEAD_BAND_PX = 0.6  # pixels of the picture at work size, of at most 640 by 640

# A pose holds when this share of the patches agrees. Wrong pictures reached 0.08, one chessboard
# on another 0.28; right ones, with everything in the slots changed, at least 0.36.
HOLDING_SHARE = 0.3
# A pose that holds is left only for one on which so many more patches agree. Where near and far
# things part, as before a camera in the air, each has its own pose, and neither is the better.
BETTER_SHARE = 0.1
# Fewer agree where something covers half of the picture (at least 0.17), which is no movement.
_SEEN_SHARE = 0.12
# A person may pass close to the camera; one who stays for three frames is told about.
UNLIKE_LOOKS = 3
# A band of the picture is shown when more than this share of its patches is recognised: of
# bands with another look than the reference's, 7 in 8 torn ones had at most 0.25, undamaged
# ones at least 0.26, mostly 0.45. Chosen on the screws, five days of a car park, games 2, 4, 5.
SHOWN_SHARE = 0.25
_LEAST_BAND_PATCHES = 4  # a band with fewer is too plain to be missed
# A search for the pose is made in the first frames that do not agree, then in each 16th: at one
# frame per second, less than a hundredth of a core.
_FIRST_SEARCHES = 3
_SEARCH_EVERY = 16

# Up to this share of its width or height, a region is cut where it leaves the picture: most of
# the slot is still seen. Beyond it, too little to tell what lies in it.
CUT_SHARE = 0.25


class PictureTooPlain(SlotwatchError):
    """The reference shows too few corners outside of the slots to be found again."""


class AlignmentState(StrEnum):
    """What one frame says about where the camera looks."""

    ALIGNED = "aligned"  # the matrix holds
    UNSURE = "unsure"  # not to be told from this frame; the matrix is the last one that held
    MOVED = "moved"  # the camera looks elsewhere, or further away than is followed


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where the cabinet lies in a frame.

    `matrix` is float64 (2, 3): it takes the reference's pixels (edges, as slots count them)
    to the frame's. A matrix that did not change is the same object as before.
    """

    state: AlignmentState = AlignmentState.ALIGNED
    matrix: Pose = field(default_factory=lambda: IDENTITY)
    displacement_px: float = 0.0  # the largest of a slot's corner
    likeness: float = 1.0  # 0..1, the share of the reference's patches that agree
    unaligned_looks: int = 0  # frames in a row that were not ALIGNED
    # Of these the last in a row in which nothing looked like the reference; kept while MOVED.
    unlike_looks: int = 0


@dataclass(frozen=True, eq=False)
class Anchor:
    """The reference picture of a cabinet, prepared once for `align`."""

    frame_wh: tuple[int, int]
    scale: float  # work pixels per pixel of the reference
    corners: Floats  # (n, 2), of all slots, in work pixels
    patches: Patches


def prepare_anchor(image_rgb: ImageRGB, slots: Sequence[Slot]) -> Anchor:
    """Return the reference, RGB uint8 (height, width, 3), and its slots, ready for `align`.

    The slots' pixels are the picture's.

    Raises:
        PictureTooPlain: too little in it could be found again.
    """
    height_px, width_px = image_rgb.shape[:2]
    work_wh = work_size(width_px, height_px)
    scale = work_wh[0] / width_px
    # Slots count from the edges of pixels, pictures from their centres.
    regions = [(slot.polygon_px * scale - 0.5).astype(np.float32) for slot in slots]
    patches = cut_patches(shrink(image_rgb, work_wh), regions)
    if patches is None:
        raise PictureTooPlain(
            f"the reference shows fewer than {LEAST_PATCHES} corners outside of the slots; "
            "take it in better light, or with more of the cabinet in view"
        )
    return Anchor((width_px, height_px), scale, np.concatenate(regions), patches)


def align(anchor: Anchor, image_rgb: ImageRGB, before: Alignment) -> Alignment:
    """Return where the cabinet lies in a frame, given what the frame before said.

    Only for frames that `edge.quality` found usable: in the dark nothing looks like the
    reference. The frame may have another resolution than the reference, but the same shape: the
    matrix speaks of the frame scaled to the reference's size. Begin with `Alignment()`.
    """
    work = shrink(image_rgb, anchor.patches.work_wh)
    pose = _to_work(before.matrix, anchor.scale)
    seen = match(anchor.patches, work, pose)
    if seen.share >= HOLDING_SHARE and _is_still(anchor, seen):
        return _aligned(before, before.matrix, before.displacement_px, seen.share)
    share = seen.share
    near = polish(anchor.patches, work, pose)
    if near is not None:
        near_share = match(anchor.patches, work, near).share
        share = max(share, near_share)
        if seen.share >= HOLDING_SHARE and near_share < seen.share + BETTER_SHARE:
            return _aligned(before, before.matrix, before.displacement_px, seen.share)
        if share >= HOLDING_SHARE:
            return _placed(anchor, near, share, before)
    if before.unaligned_looks < _FIRST_SEARCHES or before.unaligned_looks % _SEARCH_EVERY == 0:
        found = find_pose(anchor.patches, work)
        if found is not None and found[1] >= HOLDING_SHARE:
            return _placed(anchor, *found, before)
    return _not_aligned(share, before)


def find_shown(
    anchor: Anchor, image_rgb: ImageRGB, alignment: Alignment, bands: int
) -> npt.NDArray[np.bool_]:
    """Return which bands of a frame, from top to bottom, show what the reference has there.

    bool (bands,). Light changes the look of a whole band, but seldom that of most of its
    patches; where lines are lost or out of place, hardly a patch is recognised.
    """
    work = shrink(image_rgb, anchor.patches.work_wh)
    pose = _to_work(alignment.matrix, anchor.scale)
    seen = match(anchor.patches, work, pose)
    lines = cv2.transform(anchor.patches.centres[:, None], pose)[:, 0, 1]
    of_band = (lines[seen.inside] * bands / len(work)).astype(np.intp)
    counted = np.bincount(of_band, minlength=bands)
    recognised = np.bincount(of_band[seen.recognised[seen.inside]], minlength=bands)
    return np.asarray((recognised > SHOWN_SHARE * counted) | (counted < _LEAST_BAND_PATCHES))


def _is_still(anchor: Anchor, seen: Match) -> bool:
    """Return whether the near patches ask for no correction worth making."""
    correction = step(anchor.patches, seen)
    return correction is not None and _is_within_dead_band(anchor, correction, IDENTITY)


def _is_within_dead_band(anchor: Anchor, pose: Pose, other: Pose) -> bool:
    return distance(pose, other, anchor.corners) < DEAD_BAND_PX


def _placed(anchor: Anchor, pose: Pose, share: float, before: Alignment) -> Alignment:
    """Return the alignment of a pose that holds: kept where it hardly differs, else followed."""
    if _is_within_dead_band(anchor, pose, _to_work(before.matrix, anchor.scale)):
        return _aligned(before, before.matrix, before.displacement_px, share)
    if _is_within_dead_band(anchor, pose, IDENTITY):
        return _aligned(before, IDENTITY, 0.0, share)
    if not _is_followed(anchor, pose):
        return replace(
            before,
            state=AlignmentState.MOVED,
            likeness=share,
            unaligned_looks=before.unaligned_looks + 1,
            unlike_looks=0,
        )
    displacement_px = distance(pose, IDENTITY, anchor.corners) / anchor.scale
    return _aligned(before, _from_work(pose, anchor.scale), displacement_px, share)


def _aligned(before: Alignment, matrix: Pose, displacement_px: float, likeness: float) -> Alignment:
    return replace(
        before,
        state=AlignmentState.ALIGNED,
        matrix=matrix,
        displacement_px=displacement_px,
        likeness=likeness,
        unaligned_looks=0,
        unlike_looks=0,
    )


def _is_followed(anchor: Anchor, pose: Pose) -> bool:
    width_px, height_px = anchor.patches.work_wh
    middle = np.array([(width_px - 1) / 2, (height_px - 1) / 2])
    shift_px = np.linalg.norm(pose[:, :2] @ middle + pose[:, 2] - middle)
    turn_deg = math.degrees(math.atan2(pose[1, 0], pose[0, 0]))
    zoom = math.hypot(pose[0, 0], pose[1, 0])
    return bool(
        shift_px <= FOLLOWED_SHIFT * width_px
        and abs(turn_deg) <= FOLLOWED_TURN_DEG
        and 1 / FOLLOWED_ZOOM <= zoom <= FOLLOWED_ZOOM
    )


def _not_aligned(share: float, before: Alignment) -> Alignment:
    """Return UNSURE, or MOVED when nothing has looked like the reference for long enough."""
    unlike_looks = before.unlike_looks + 1
    if share >= _SEEN_SHARE:
        # Of a camera taken for moved it is still true that nothing was found elsewhere.
        unlike_looks = before.unlike_looks if before.state is AlignmentState.MOVED else 0
    # A camera that was seen to have moved stays so until a pose holds.
    has_moved = before.state is AlignmentState.MOVED or unlike_looks >= UNLIKE_LOOKS
    return replace(
        before,
        state=AlignmentState.MOVED if has_moved else AlignmentState.UNSURE,
        likeness=share,
        unaligned_looks=before.unaligned_looks + 1,
        unlike_looks=unlike_looks,
    )


def _to_work(matrix: Pose, scale: float) -> Pose:
    """Return the pose in work pixels, counted from their centres."""
    half = np.array([0.5, 0.5])
    shift = matrix[:, 2] * scale + matrix[:, :2] @ half - half
    return np.column_stack([matrix[:, :2], shift])


def _from_work(pose: Pose, scale: float) -> Pose:
    """Return the matrix in the reference's pixels, counted from their edges."""
    half = np.array([0.5, 0.5])
    shift = (pose[:, 2] - pose[:, :2] @ half + half) / scale
    return np.column_stack([pose[:, :2], shift])


def move_slots(
    slots: Sequence[Slot], alignment: Alignment, frame_wh: tuple[int, int]
) -> tuple[Slot | None, ...]:
    """Return the slots where the frame shows them, in the pixels of the reference's size.

    A region that leaves the picture by up to `CUT_SHARE` of its width or height is cut at
    the edge; one that leaves it by more cannot be read and is None. Slots that did not
    move are returned as they are.
    """
    if alignment.matrix is IDENTITY:
        return tuple(slots)
    return tuple(_move_slot(slot, alignment.matrix, frame_wh) for slot in slots)


def _move_slot(slot: Slot, matrix: Pose, frame_wh: tuple[int, int]) -> Slot | None:
    moved: npt.NDArray[np.float32] = cv2.transform(slot.polygon_px[:, None], matrix)[:, 0]
    cut = moved.clip(0.0, np.array(frame_wh, np.float32))
    extent_px = moved.max(axis=0) - moved.min(axis=0)
    if (np.abs(cut - moved) > CUT_SHARE * extent_px).any():
        return None
    return replace(slot, polygon_px=cut)
