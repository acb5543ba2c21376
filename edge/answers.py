"""The inference thread's answers to requests: pictures and readings, fit for MQTT."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2

from edge.annotate import annotate_frame
from edge.cameras import CameraError
from edge.classifier import Classifier
from edge.desk import Desk, Waiting
from edge.pipeline import FrameResult, Pipeline
from edge.problems import closest
from edge.requests import Request
from edge.showing import Wish, check_frame, take_references
from edge.sinks.payloads import rounded
from edge.types import ConfigurationError, Frame, Settings, rfc3339

LARGEST_PICTURE_BYTES = 1 << 20  # encoded for JSON
QUALITIES = (85, 70, 50, 30, 10)  # of the JPEG: the first that fits
DEADLINE_S = 10.0  # for a new frame

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """A frame, and what was made of it."""

    settings: Settings
    classifier: Classifier
    pipeline: Pipeline  # of which this is the newest frame
    frame: Frame
    result: FrameResult


class Unanswerable(Exception):
    """The request cannot be answered; the message says why and what to do."""


def snapshot(request: Request, seen: Seen) -> dict[str, Any]:
    """Return the frame as a JPEG picture in base64."""
    image_rgb = seen.frame.image_rgb
    if request.arguments["annotated"]:
        image_rgb = annotate_frame(
            seen.frame, seen.pipeline, seen.settings.frame_wh, seen.result.readings
        )
    height_px, width_px = image_rgb.shape[:2]
    scale = min(1.0, request.arguments["width"] / width_px)
    if scale < 1:
        size_wh = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
        image_rgb = cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA)
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    for quality in QUALITIES:
        picture = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        encoded = base64.b64encode(picture.tobytes()).decode()
        if len(encoded) <= LARGEST_PICTURE_BYTES:
            return {
                **_when(seen),
                "width": image_rgb.shape[1],
                "height": image_rgb.shape[0],
                "content_type": "image/jpeg",
                "image": encoded,
            }
    raise Unanswerable("the picture is too large; ask for a smaller width")


def recheck(request: Request, seen: Seen) -> dict[str, Any]:
    """Return what the frame says of every slot that was asked for, and what is confirmed.

    The slots that were asked for are known to be there.
    """
    readings = {reading.slot_id: reading for reading in seen.result.readings}
    asked = request.arguments["slots"] or [slot.id for slot in seen.settings.slots]
    slots: dict[str, Any] = {}
    for slot_id in asked:
        reading, memory = readings.get(slot_id), seen.pipeline.memories[slot_id]
        reason = reading.reason if reading else memory.reason  # a slot that is disabled
        slots[slot_id] = {
            "probability": rounded(reading.probability if reading else None),
            "reading": (reading or memory).state.value,
            "reason": None if reason is None else reason.value,
            "state": memory.state.value,
        }
    return {**_when(seen), "slots": slots}


def reference(request: Request, seen: Seen) -> dict[str, Any]:
    """Remember the cabinet as it is now; return what was done, in sentences."""
    wish = Wish(
        request.arguments["empty"],
        request.arguments["light"],
        tuple(request.arguments["slot"] or ()),
    )
    try:
        check_frame(seen.frame, seen.settings, "the camera")
        said = take_references(wish, seen.settings, seen.frame, seen.classifier)
    except (CameraError, ConfigurationError) as error:
        raise Unanswerable(str(error)) from error
    return {"said": said}


ANSWERS: Mapping[str, Callable[[Request, Seen], dict[str, Any]]] = {
    "snapshot": snapshot,
    "recheck": recheck,
    "reference": reference,
}


def _when(seen: Seen) -> dict[str, Any]:
    unusable = seen.result.unusable
    return {
        "at": rfc3339(seen.frame.captured_at),
        "unusable": None if unusable is None else unusable.value,
    }


def answer_all(asked: Sequence[Waiting], seen: Seen) -> None:
    """Answer these with a frame."""
    for waiting in asked:
        command = waiting.request.command
        try:
            data = ANSWERS[command](waiting.request, seen)
        except Unanswerable as error:
            waiting.reply(None, str(error))
        except Exception:
            # The fence around one request: the cabinet's watch goes on.
            log.exception("a %s request cannot be answered", command)
            waiting.reply(None, "an error of this program; its log says more")
        else:
            waiting.reply(data, None)


def answer_without_frame(desk: Desk, slot_ids: Collection[str], newest: Seen | None) -> None:
    """Answer what needs no frame, and what no new one came for; `newest` is the one before."""
    if desk.is_empty():
        return
    for waiting in desk.take(lambda waiting: unknown_slot(waiting, slot_ids) is not None):
        wrong = unknown_slot(waiting, slot_ids) or ""
        meant = closest(wrong, slot_ids)
        hint = f"did you mean {meant}?" if meant else "P/info lists the slots"
        waiting.reply(None, f"{wrong}: there is no such slot; {hint}")
    overdue_s = time.monotonic() - DEADLINE_S
    for waiting in desk.take(lambda waiting: waiting.since_s < overdue_s):
        if waiting.request.command == "snapshot" and newest is not None:
            # A camera that uploads a picture now and then: this is how it is known.
            answer_all([waiting], newest)
        else:
            waiting.reply(None, f"no new picture came within {DEADLINE_S:g} s; ask again")


def unknown_slot(waiting: Waiting, slot_ids: Collection[str]) -> str | None:
    """Return the first slot that is named and none of these, None when there is none."""
    arguments = waiting.request.arguments
    named: Sequence[str] = arguments.get("slots") or arguments.get("slot") or ()
    return next((slot_id for slot_id in named if slot_id not in slot_ids), None)
