"""Frame -> where its slots are and which of them can be seen, or why none can.

Puts the frame gate, the alignment and the slot gate together and owns what they remember
from frame to frame. Lives in the thread that owns the pipeline.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2

from edge.align import (
    Alignment,
    AlignmentState,
    Anchor,
    PictureTooPlain,
    align,
    find_shown,
    move_slots,
    prepare_anchor,
)
from edge.covering import (
    CoverMemory,
    SlotMap,
    find_covered,
    is_at_rest,
    is_nudge,
    map_slots,
    stayed_still,
)
from edge.halvings import Halvings
from edge.look import BANDS, Look, is_large_enough, look_at
from edge.patches import IDENTITY
from edge.preprocess import scale_slots
from edge.quality import GateMemory, fits_slots, judge, judge_still
from edge.still import StillMemory, looked_closely, watch_still
from edge.types import Frame, ImageRGB, Reason, Slot

log = logging.getLogger(__name__)

# What a bumped camera and another light give as well: the alignment is asked first.
_ALSO_OF_A_BUMP = (Reason.FRAME_UNLIKE, Reason.FRAME_TORN)


# Likeness (`edge.look.likeness`) as a whole. Pictures of five days of a car park had 0.32 to 1
# among each other, and 0.51 where no corner of one was found in the other; another scene has at
# most 0.13, a rack turned upside down 0.34.
PLAINLY_LIKE = 0.45

# Damage and bumps that belong together come within this time.
TOGETHER_S = 60.0


@dataclass(frozen=True, eq=False)
class Sight:
    """What can be seen in one frame."""

    reason: Reason | None  # why nothing can be read from it
    # In the frame's pixels, in the order of the scene's slots; None has left the picture. The
    # same object as before as long as nothing moved.
    slots: tuple[Slot | None, ...]
    halvings: Halvings  # the frame, also in small
    covered: frozenset[str] = frozenset()  # ids of slots that something is in front of
    # Whether the frame before, unless it is long ago, showed the slots too, and where this one
    # does but for a nudge. A picture of another size is not steady either.
    is_steady: bool = True


@dataclass(frozen=True, eq=False)
class _Reference:
    """The cabinet as its camera should see it, prepared once."""

    image_rgb: ImageRGB
    wh: tuple[int, int]
    slots: tuple[Slot, ...]  # in its pixels
    anchor: Anchor

    def as_seen(self, alignment: Alignment) -> ImageRGB:
        """Return the picture as a camera sees it that moved like this."""
        # Slots count from the edges of pixels, pictures from their centres.
        matrix = alignment.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
        warped: ImageRGB = cv2.warpAffine(
            self.image_rgb, matrix, self.wh, borderMode=cv2.BORDER_REPLICATE
        )
        return warped


class Scene:
    """The slots of one camera in its pictures."""

    def __init__(
        self,
        slots: Sequence[Slot],
        frame_wh: tuple[int, int],
        references_rgb: Sequence[ImageRGB] = (),
        frozen_after: int | None = None,
    ) -> None:
        """Watch slots in pixels of `frame_wh`.

        `references_rgb` are pictures of the cabinet from where its camera hangs, in one size of
        the same shape, each in another light. `frozen_after`: so many equal pictures in a row
        are a frozen camera.
        """
        self._slots = tuple(slots)
        self._frame_wh = frame_wh
        self._frozen_after = frozen_after
        self._gate = GateMemory()
        self._looks: tuple[Look, ...] = ()
        self._still: StillMemory | None = None  # None: the next frame is looked at closely
        self.compare_with(references_rgb)
        self._alignment = Alignment()
        self._placed: tuple[Slot | None, ...] = ()
        self._placed_for: tuple[tuple[int, int], Alignment] | None = None
        self._cover_map: SlotMap | None = None
        self._cover: CoverMemory | None = None
        self._was_seen = False  # whether the frame before showed the slots
        self._before_s = -math.inf  # monotonic, of that frame

    @property
    def shown_share(self) -> float | None:
        """How much of the reference was found in place in the newest close look, 0..1.

        None where there is no reference, or it was found elsewhere or not at all, or the one
        that the picture is most like is too plain to be found.
        """
        found = self._alignment
        if not self._references or self._references[self._gate.nearest] is None:
            return None
        if found.state is not AlignmentState.ALIGNED or found.matrix is not IDENTITY:
            return None
        return found.likeness

    def compare_with(self, references_rgb: Sequence[ImageRGB]) -> None:
        """Use these pictures of the cabinet, as `Scene` takes them, from the next frame on.

        Only while the camera is where it took them.
        """
        if not self._looks:
            # Whether what was accepted shows the cabinet, nothing could tell.
            self._gate = replace(self._gate, accepted=None)
        large = [image_rgb for image_rgb in references_rgb if is_large_enough(image_rgb)]
        # What the gate compares with.
        self._looks = tuple(look_at(image_rgb) for image_rgb in large)
        # In the same order; None where a picture is too plain to be found again, or has no slots.
        self._references = tuple(
            _prepared(image_rgb, self._slots, self._frame_wh) for image_rgb in large
        )
        self._gate = replace(self._gate, nearest=0)  # they may be fewer, or in another order
        self._still = None

    def see(self, frame: Frame) -> Sight:
        """Return what can be seen in a frame; frames are given in the order they were taken."""
        before = self._placed if self._was_seen else None
        is_soon_after = frame.monotonic_s - self._before_s <= TOGETHER_S
        sight = self._sight_of(frame)
        self._was_seen, self._before_s = sight.reason is None, frame.monotonic_s
        if before is sight.slots or not is_soon_after:
            return sight
        height_px, width_px = frame.image_rgb.shape[:2]
        stayed = before is not None and is_nudge(before, sight.slots, (width_px, height_px))
        return replace(sight, is_steady=stayed)

    def _sight_of(self, frame: Frame) -> Sight:
        halvings = Halvings(frame.image_rgb)
        if self._still is not None:
            self._still = watch_still(self._still, halvings)
        if self._still is not None:
            return self._see_again(frame, halvings)
        sight = self._look_closely(frame, halvings)
        if sight.reason is None and self._is_settled():
            self._still = looked_closely(halvings)
        return sight

    def _is_settled(self) -> bool:
        """Return whether nothing is under way that the next frame has to decide."""
        is_placed = not any(self._references) or self._alignment.state is AlignmentState.ALIGNED
        return is_placed and (self._cover is None or is_at_rest(self._cover))

    def _see_again(self, frame: Frame, halvings: Halvings) -> Sight:
        """Return what can be seen in a frame that shows what the one before it did."""
        self._gate, reason = judge_still(self._gate, frame.image_rgb, self._frozen_after)
        if self._cover is not None:
            self._cover = stayed_still(self._cover, frame.captured_at)
        return Sight(reason, self._placed, halvings)

    def _look_closely(self, frame: Frame, halvings: Halvings) -> Sight:
        image_rgb, gate_before = frame.image_rgb, self._gate
        if not fits_slots(image_rgb, self._frame_wh):
            return Sight(Reason.FRAME_SIZE, self._placed, halvings)
        look = look_at(image_rgb) if is_large_enough(image_rgb) else None
        self._gate, reason = judge(
            self._gate, image_rgb, self._looks, self._frozen_after, look=look
        )
        reference = self._references[self._gate.nearest] if self._references else None
        # What is torn beside the frame before did not move: a part of it is where it was.
        is_torn = reason is Reason.FRAME_TORN and self._gate.tear.is_torn
        if reference is not None and not is_torn and (reason is None or reason in _ALSO_OF_A_BUMP):
            reason = self._align(reference, halvings, look, reason, gate_before)
        if reason is not None:
            return Sight(reason, self._placed, halvings)
        self._place((image_rgb.shape[1], image_rgb.shape[0]))
        return Sight(None, self._placed, halvings, self._covered(frame))

    def _align(
        self,
        reference: _Reference,
        halvings: Halvings,
        look: Look | None,
        reason: Reason | None,
        gate_before: GateMemory,
    ) -> Reason | None:
        image_rgb, before = halvings.at(0), self._alignment
        work_rgb = _at_work_size(halvings, reference.anchor.patches.work_wh)
        self._alignment = align(reference.anchor, work_rgb, before)
        is_lost = self._alignment.unlike_looks > 0  # nowhere found, rather than found elsewhere
        # In other light corners are lost of what as a whole is plainly the cabinet.
        is_unlike = is_lost and self._gate.likeness < PLAINLY_LIKE
        if self._alignment.state is AlignmentState.MOVED and (is_unlike or not is_lost):
            return Reason.CAMERA_MOVED
        if self._alignment.matrix is not before.matrix:
            # The gate compares with the cabinet as the camera sees it now.
            self._looks = tuple(
                known if other is None else _look_along(known, other, self._alignment)
                for known, other in zip(self._looks, self._references, strict=True)
            )
            gate_before = GateMemory()
            self._gate, reason = judge(gate_before, image_rgb, self._looks, None, look=look)
        is_placed = self._alignment.state is AlignmentState.ALIGNED
        if is_placed and reason in _ALSO_OF_A_BUMP:
            shown = find_shown(reference.anchor, work_rgb, self._alignment, BANDS)
            self._gate, reason = judge(gate_before, image_rgb, self._looks, None, shown, look)
        if reason is None and is_unlike:
            # Perhaps the first frames of a camera that turns away: they say nothing.
            return Reason.FRAME_UNLIKE
        return reason

    def _place(self, wh: tuple[int, int]) -> None:
        """Work out where frames of this size show the slots, unless that is known."""
        known = self._placed_for
        if known is not None and known[0] == wh and known[1].matrix is self._alignment.matrix:
            return
        before = self._placed
        # All of one size: the alignment's pixels are those of each of them.
        reference = next((each for each in self._references if each is not None), None)
        if reference is None:
            self._placed = scale_slots(self._slots, self._frame_wh, wh)
        else:
            moved = move_slots(reference.slots, self._alignment, reference.wh)
            self._placed = tuple(
                None if slot is None else scale_slots([slot], reference.wh, wh)[0] for slot in moved
            )
        is_nudged = known is not None and known[0] == wh and is_nudge(before, self._placed, wh)
        self._placed_for = (wh, self._alignment)
        seen = [slot for slot in self._placed if slot is not None]
        self._cover_map = map_slots(seen, wh) if seen else None
        # The arm of whoever nudged the camera is still there.
        self._cover = self._cover if is_nudged else None

    def _covered(self, frame: Frame) -> frozenset[str]:
        if self._cover_map is None:
            return frozenset()
        self._cover, covered = find_covered(
            self._cover, self._cover_map, frame.image_rgb, frame.captured_at
        )
        return covered


def _at_work_size(halvings: Halvings, work_wh: tuple[int, int]) -> ImageRGB:
    """Return the frame as the alignment wants it where its half is that, else the frame."""
    image_rgb = halvings.at(0)
    is_half = image_rgb.shape[:2] == (2 * work_wh[1], 2 * work_wh[0])
    return halvings.at(1) if is_half else image_rgb


def _look_along(look: Look, reference: _Reference, alignment: Alignment) -> Look:
    """Return how the reference looks to a camera that moved like this."""
    # A picture that was turned is softer than what the camera gives.
    return replace(look_at(reference.as_seen(alignment)), sharpness=look.sharpness)


def _prepared(
    image_rgb: ImageRGB, slots: Sequence[Slot], frame_wh: tuple[int, int]
) -> _Reference | None:
    if not slots:
        return None  # all are switched off: there is nothing to follow
    wh = (image_rgb.shape[1], image_rgb.shape[0])
    of_picture = scale_slots(slots, frame_wh, wh)
    try:
        anchor = prepare_anchor(image_rgb, of_picture)
    except PictureTooPlain as error:
        log.warning("the camera's movements are not followed: %s", error)
        return None
    return _Reference(image_rgb, wh, of_picture, anchor)
