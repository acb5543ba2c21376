"""Taking references: what a person shows, checked before it is believed.

`slotwatch reference` and the daemon's request `reference` (in the inference thread) both come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge.align import Alignment, AlignmentState, PictureTooPlain, align, prepare_anchor
from edge.cameras import CameraError
from edge.classifier import Classifier
from edge.pipeline import region_key
from edge.preprocess import apply_plan, plan_crop, scale_slots
from edge.quality import GateMemory, fits_slots, judge
from edge.references import (
    CabinetPicture,
    Empty,
    References,
    read_references,
    write_learnt,
    write_references,
)
from edge.scene import Scene
from edge.types import ConfigurationError, Frame, Settings, Slot


@dataclass(frozen=True)
class Wish:
    """What is to be remembered, or forgotten first."""

    is_empty: bool = False  # every slot is empty now
    is_light: bool = False  # the same cabinet in another light: its other pictures stay
    slot_ids: tuple[str, ...] = ()  # these are empty now; the cabinet's picture stays
    is_forgetting: bool = False

    @property
    def needs_frame(self) -> bool:
        """Whether something new is to be remembered."""
        is_any = self.is_empty or self.slot_ids or self.is_light
        return bool(is_any) or not self.is_forgetting


def slots_asked(settings: Settings, wish: Wish) -> tuple[Slot, ...]:
    """Return the slots that a wish is about.

    Raises:
        ConfigurationError: there is no such slot.
    """
    if not wish.slot_ids:
        return settings.slots
    known = {slot.id: slot for slot in settings.slots}
    missing = [slot_id for slot_id in wish.slot_ids if slot_id not in known]
    if missing:
        raise ConfigurationError(
            f"{missing[0]}: there is no such slot; the slots are {', '.join(known)}"
        )
    return tuple(known[slot_id] for slot_id in dict.fromkeys(wish.slot_ids))


def check_frame(frame: Frame, settings: Settings, source: str) -> None:
    """Refuse a frame that cannot show the cabinet.

    Raises:
        ConfigurationError: it has another shape than the slots were drawn on.
        CameraError: it cannot be used; the message says why.
    """
    if not fits_slots(frame.image_rgb, settings.frame_wh):
        height_px, width_px = frame.image_rgb.shape[:2]
        raise ConfigurationError(
            f"{source}: the picture is {width_px}x{height_px}, of another shape than the "
            f"{settings.frame_wh[0]}x{settings.frame_wh[1]} the slots are drawn on"
        )
    _, reason = judge(GateMemory(), frame.image_rgb, (), frozen_after=None)
    if reason is not None:
        raise CameraError(f"{source}: this picture is no reference ({reason}); take another one")


def take_references(
    wish: Wish, settings: Settings, frame: Frame | None, classifier: Classifier | None
) -> list[str]:
    """Remember on disk what is wished; return what was done, as sentences for people.

    `frame` and `classifier` may be missing where the wish needs none.

    Raises:
        ConfigurationError: there is no such slot, or the storage cannot be written.
        CameraError: the frame does not show the cabinet; the message says why.
    """
    slots = slots_asked(settings, wish)
    counted = f"{len(slots)} slot{'' if len(slots) == 1 else 's'}"
    references = read_references(settings.storage)
    said, is_anew = [], False
    if wish.is_forgetting:
        references = references.without_empties(slot.id for slot in slots)
        said.append(f"{counted} forgotten as seen empty before")
    if wish.needs_frame and frame is not None:
        if wish.is_light or not wish.slot_ids or not references.cabinets:
            is_anew = not wish.is_light
            if is_anew:
                references = replace(references, cabinets=())
            references, words = _with_cabinet(references, settings, frame)
            said += words
        if (wish.is_empty or wish.slot_ids) and classifier is not None:
            references, doubtful = _with_empties(references, settings, slots, frame, classifier)
            said.append(f"{counted} remembered as seen now, empty")
            if doubtful:
                said.append(
                    f"the model alone reads OCCUPIED in {', '.join(doubtful)}: look there; where "
                    "there is something in it, empty it and run "
                    "`slotwatch reference --slot ID --forget`"
                )
    try:
        if wish.is_forgetting or is_anew:
            # The daemon's folder first: it reads both anew when the other one changes.
            write_learnt(settings.storage, references)
        write_references(settings.storage, references)
    except OSError as error:
        raise ConfigurationError(
            f"{settings.storage}: the references cannot be written ({error.strerror})"
        ) from error
    return said


def _with_cabinet(
    references: References, settings: Settings, frame: Frame
) -> tuple[References, list[str]]:
    height_px, width_px = frame.image_rgb.shape[:2]
    said = [f"the cabinet remembered as this picture of {width_px}x{height_px} shows it"]
    slots = scale_slots(settings.slots, settings.frame_wh, (width_px, height_px))
    is_found = [_refuse_moved(before, slots, frame) for before in references.cabinets]
    if references.cabinets:
        said.append("beside its pictures in other lights")
    if is_found and not any(is_found):
        said.append(
            "nothing of them is found in it: make sure that the camera stands as it stood, else "
            "take a new reference with `slotwatch reference`, without --light"
        )
    try:
        prepare_anchor(frame.image_rgb, slots)
    except PictureTooPlain as error:
        said.append(f"the camera's movements cannot be followed: {error}")
    regions = {slot.id: region_key(slot) for slot in settings.slots}
    return references.with_cabinet(
        CabinetPicture(frame.image_rgb, regions, frame.captured_at)
    ), said


def _refuse_moved(before: CabinetPicture, slots: Sequence[Slot], frame: Frame) -> bool:
    """Return whether the cabinet is found where it was.

    Raises CameraError where a picture is known not to be taken from where the one before was.

    In another light it may be impossible to tell: the person who asks says that it is.
    """
    remedy = "take a new reference with `slotwatch reference`, without --light"
    if before.image_rgb.shape != frame.image_rgb.shape:
        height_px, width_px = before.image_rgb.shape[:2]
        raise CameraError(f"the pictures before are of {width_px}x{height_px}; {remedy}")
    try:
        found = align(prepare_anchor(before.image_rgb, slots), frame.image_rgb, Alignment())
    except PictureTooPlain:
        return False
    if found.state is AlignmentState.MOVED:
        raise CameraError(f"the camera looks elsewhere than in the first picture; {remedy}")
    if found.state is AlignmentState.ALIGNED and found.displacement_px > 0:
        raise CameraError(
            f"the camera has moved by {found.displacement_px:.0f} px since the first picture; "
            f"{remedy}"
        )
    return found.state is AlignmentState.ALIGNED


def _with_empties(
    references: References,
    settings: Settings,
    slots: Sequence[Slot],
    frame: Frame,
    classifier: Classifier,
) -> tuple[References, list[str]]:
    """Return the references with these slots as they are, and which of them look occupied."""
    scene = Scene(slots, settings.frame_wh, [c.image_rgb for c in references.cabinets])
    sight = scene.see(frame)
    if sight.reason is not None:
        raise CameraError(
            f"the picture does not show the cabinet of the reference ({sight.reason}); turn the "
            "camera back, or take a new reference with `slotwatch reference`"
        )
    size_px = classifier.bundle.input_size_px
    doubtful = []
    height_px, width_px = frame.image_rgb.shape[:2]
    for slot, placed in zip(slots, sight.slots, strict=True):
        if placed is None:
            raise CameraError(f"{slot.id} has left the picture; turn the camera back")
        crop_rgb = apply_plan(frame.image_rgb, plan_crop(placed, size_px, (width_px, height_px)))
        empty = Empty(crop_rgb, region_key(slot), frame.captured_at, is_asked=True)
        references = references.with_empty(slot.id, empty)
        if classifier.probability(crop_rgb) >= settings.decision.occupied_at:
            doubtful.append(slot.id)
    return references, doubtful
