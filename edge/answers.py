"""The inference thread's answers to requests: pictures and readings, fit for MQTT."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import cv2

from edge.annotate import annotate_frame
from edge.cameras import CameraError
from edge.classifier import Classifier
from edge.pipeline import FrameResult, Pipeline
from edge.requests import Request
from edge.showing import Wish, check_frame, take_references
from edge.types import ConfigurationError, Frame, Settings, rfc3339

LARGEST_PICTURE_BYTES = 1 << 20  # encoded for JSON
QUALITIES = (85, 70, 50, 30, 10)  # of the JPEG: the first that fits
DEADLINE_S = 10.0  # for a new frame


class Unanswerable(Exception):
    """The request cannot be answered; the message says why and what to do."""


Answer = Callable[[Request, Settings, Classifier, Pipeline, Frame, FrameResult], dict[str, Any]]


def snapshot(
    request: Request,
    settings: Settings,
    classifier: Classifier,  # noqa: ARG001 -- every answer takes the same
    pipeline: Pipeline,
    frame: Frame,
    result: FrameResult,
) -> dict[str, Any]:
    """Return the frame as a JPEG picture in base64."""
    image_rgb = frame.image_rgb
    if request.arguments["annotated"]:
        image_rgb = annotate_frame(frame, pipeline, settings.frame_wh, result.readings)
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
                **_seen(frame, result),
                "width": image_rgb.shape[1],
                "height": image_rgb.shape[0],
                "content_type": "image/jpeg",
                "image": encoded,
            }
    raise Unanswerable("the picture is too large; ask for a smaller width")


def recheck(
    request: Request,
    settings: Settings,
    classifier: Classifier,  # noqa: ARG001 -- every answer takes the same
    pipeline: Pipeline,
    frame: Frame,
    result: FrameResult,
) -> dict[str, Any]:
    """Return what the frame says of every slot that was asked for, and what is confirmed.

    The slots that were asked for are known to be there.
    """
    readings = {reading.slot_id: reading for reading in result.readings}
    known = [slot.id for slot in settings.slots]
    asked = request.arguments["slots"] or known
    slots: dict[str, Any] = {}
    for slot_id in asked:
        reading, memory = readings.get(slot_id), pipeline.memories[slot_id]
        probability = reading.probability if reading else None
        reason = reading.reason if reading else memory.reason  # a slot that is disabled
        slots[slot_id] = {
            "probability": None if probability is None else round(float(probability), 4),
            "reading": (reading or memory).state.value,
            "reason": None if reason is None else reason.value,
            "state": memory.state.value,
        }
    return {**_seen(frame, result), "slots": slots}


def reference(
    request: Request,
    settings: Settings,
    classifier: Classifier,
    pipeline: Pipeline,  # noqa: ARG001 -- every answer takes the same
    frame: Frame,
    result: FrameResult,  # noqa: ARG001
) -> dict[str, Any]:
    """Remember the cabinet as it is now; return what was done, in sentences."""
    wish = Wish(
        request.arguments["empty"],
        request.arguments["light"],
        tuple(request.arguments["slot"] or ()),
    )
    try:
        check_frame(frame, settings, "the camera")
        return {"said": take_references(wish, settings, frame, classifier)}
    except (CameraError, ConfigurationError) as error:
        raise Unanswerable(str(error)) from error


ANSWERS: Mapping[str, Answer] = {
    "snapshot": snapshot,
    "recheck": recheck,
    "reference": reference,
}


def _seen(frame: Frame, result: FrameResult) -> dict[str, Any]:
    return {
        "at": rfc3339(frame.captured_at),
        "unusable": None if result.unusable is None else result.unusable.value,
    }
