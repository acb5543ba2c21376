"""`slotwatch reference`: remember how this cabinet looks, and its slots when empty."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from edge.align import Alignment, AlignmentState, PictureTooPlain, align, prepare_anchor
from edge.bundle import read_bundle
from edge.cameras import CameraError
from edge.cameras.process import CameraProcess, take_only_frame
from edge.classifier import open_classifier
from edge.commands import add_config_argument
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
from edge.settings import read_settings
from edge.types import ConfigurationError, Frame, Settings, Slot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    parser.add_argument(
        "--source", metavar="PATH", help="a picture, folder or video instead of the camera"
    )
    parser.add_argument(
        "--empty",
        action="store_true",
        help="every slot is empty now: remember how each one looks",
    )
    parser.add_argument(
        "--light",
        action="store_true",
        help="the same cabinet from the same place in another light (dusk, a lamp, infrared): keep "
        "the pictures of it that there are",
    )
    parser.add_argument(
        "--slot",
        action="append",
        default=[],
        metavar="ID",
        help="this slot is empty now: remember how it looks; may be repeated. The picture of the "
        "cabinet stays as it was",
    )
    parser.add_argument(
        "--forget",
        action="store_true",
        help="with --empty or --slot: first forget how these slots looked when empty, as asked for "
        "or learnt; without them: forget it of every slot, and take nothing new",
    )


def run(arguments: argparse.Namespace) -> int:
    """Take one frame, remember what was asked for and say what that was."""
    if arguments.empty and arguments.slot:
        raise ConfigurationError("--empty means every slot; leave out --slot, or leave out --empty")
    settings = read_settings(arguments.config)
    slots = _slots_asked(settings, arguments.slot) if arguments.slot else settings.slots
    counted = f"{len(slots)} slot{'' if len(slots) == 1 else 's'}"
    references = read_references(settings.storage)
    said, is_anew = [], False
    if arguments.forget:
        references = references.without_empties(slot.id for slot in slots)
        said.append(f"{counted} forgotten as seen empty before")
    if arguments.empty or arguments.slot or arguments.light or not arguments.forget:
        frame = _frame(settings, arguments.source or settings.camera.source)
        if arguments.light or not arguments.slot or not references.cabinets:
            is_anew = not arguments.light
            if is_anew:
                references = replace(references, cabinets=())
            references, words = _with_cabinet(references, settings, frame)
            said += words
        if arguments.empty or arguments.slot:
            references, doubtful = _with_empties(references, settings, slots, frame)
            said.append(f"{counted} remembered as seen now, empty")
            if doubtful:
                said.append(
                    f"the model alone reads OCCUPIED in {', '.join(doubtful)}: look there; where "
                    "there is something in it, empty it and repeat this with --slot ID --forget"
                )
    try:
        if arguments.forget or is_anew:
            # The daemon's folder first: it reads both anew when the other one changes.
            write_learnt(settings.storage, references)
        write_references(settings.storage, references)
    except OSError as error:
        raise ConfigurationError(
            f"{settings.storage}: the references cannot be written ({error.strerror})"
        ) from error
    print("\n".join(said))
    return 0


def _slots_asked(settings: Settings, ids: Sequence[str]) -> tuple[Slot, ...]:
    known = {slot.id: slot for slot in settings.slots}
    missing = [slot_id for slot_id in ids if slot_id not in known]
    if missing:
        raise ConfigurationError(
            f"--slot {missing[0]}: there is no such slot; the slots are {', '.join(known)}"
        )
    return tuple(known[slot_id] for slot_id in dict.fromkeys(ids))


def _frame(settings: Settings, source: str) -> Frame:
    """Return a frame that shows the cabinet.

    Raises:
        CameraError: there is none, or it cannot be used; the message says why.
    """
    camera_settings = replace(settings.camera, source=source)
    frame = take_only_frame(CameraProcess(camera_settings, once=True), camera_settings)
    if not fits_slots(frame.image_rgb, settings.frame_wh):
        height_px, width_px = frame.image_rgb.shape[:2]
        raise ConfigurationError(
            f"{source}: the picture is {width_px}x{height_px}, of another shape than the "
            f"{settings.frame_wh[0]}x{settings.frame_wh[1]} the slots are drawn on"
        )
    _, reason = judge(GateMemory(), frame.image_rgb, (), frozen_after=None)
    if reason is not None:
        raise CameraError(f"{source}: this picture is no reference ({reason}); take another one")
    return frame


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
    references: References, settings: Settings, slots: Sequence[Slot], frame: Frame
) -> tuple[References, list[str]]:
    """Return the references with these slots as they are, and which of them look occupied."""
    scene = Scene(slots, settings.frame_wh, [c.image_rgb for c in references.cabinets])
    sight = scene.see(frame)
    if sight.reason is not None:
        raise CameraError(
            f"the picture does not show the cabinet of the reference ({sight.reason}); turn the "
            "camera back, or take a new reference with `slotwatch reference`"
        )
    classifier = open_classifier(read_bundle(settings.model))
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
