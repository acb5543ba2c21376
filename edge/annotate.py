"""Draw a frame as a person wants to see it: regions, states, probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from edge.pipeline import Pipeline
from edge.preprocess import scale_slots
from edge.types import Frame, ImageRGB, Reading, Slot, State

# Blue and orange are told apart by nearly everyone; UNKNOWN is drawn in white.
COLOURS_RGB = {
    State.OCCUPIED: (255, 140, 30),
    State.EMPTY: (60, 170, 255),
    State.UNKNOWN: (255, 255, 255),
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotate(
    image_rgb: ImageRGB, slots: Sequence[Slot], readings: Mapping[str, Reading]
) -> ImageRGB:
    """Return a copy of the picture with every slot outlined in its state's colour.

    The slots' polygons are in this picture's pixels; a slot without a reading (a
    disabled one) is outlined in grey.
    """
    canvas = image_rgb.copy()
    height_px = canvas.shape[0]
    line_px = max(1, round(height_px / 480))
    for slot in slots:
        reading = readings.get(slot.id)
        colour = COLOURS_RGB[reading.state] if reading else (128, 128, 128)
        corners = np.round(slot.polygon_px * 8).astype(np.int32)  # 3 fractional bits
        cv2.polylines(canvas, [corners], True, (0, 0, 0), line_px + 2, cv2.LINE_AA, shift=3)
        cv2.polylines(canvas, [corners], True, colour, line_px, cv2.LINE_AA, shift=3)
        _write(canvas, slot, reading, colour)
    return canvas


def annotate_frame(
    frame: Frame, pipeline: Pipeline, frame_wh: tuple[int, int], readings: Sequence[Reading]
) -> ImageRGB:
    """Return a copy of the pipeline's newest frame with every slot where it was seen.

    `frame_wh` is the picture size that the pipeline's slots were drawn on.
    """
    height_px, width_px = frame.image_rgb.shape[:2]
    placed = {slot.id: slot for slot in pipeline.placed}
    scaled = scale_slots(pipeline.slots, frame_wh, (width_px, height_px))
    slots = [placed.get(slot.id, slot) for slot in scaled]
    return annotate(frame.image_rgb, slots, {reading.slot_id: reading for reading in readings})


def _write(
    canvas: ImageRGB, slot: Slot, reading: Reading | None, colour: tuple[int, int, int]
) -> None:
    """Write id, state and probability into the slot's top-left corner, as large as it allows."""
    if reading is None:
        text = f"{slot.id} off"
    elif reading.probability is None:
        text = f"{slot.id} ?"
    else:
        text = f"{slot.id} {reading.probability:.2f}"
    low, high = slot.polygon_px.min(axis=0), slot.polygon_px.max(axis=0)
    (width_px, _), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    scale = float(
        np.clip((high[0] - low[0]) * 0.92 / width_px, 0.3, max(0.42, canvas.shape[0] / 1700))
    )
    (width_px, text_height_px), _ = cv2.getTextSize(text, _FONT, scale, 1)
    left, top = int(low[0]) + 3, int(low[1]) + 3
    cv2.rectangle(
        canvas, (left, top), (left + width_px + 4, top + text_height_px + 6), (24, 24, 24), -1
    )
    origin = (left + 2, top + text_height_px + 3)
    cv2.putText(canvas, text, origin, _FONT, scale, colour, 1, cv2.LINE_AA)
