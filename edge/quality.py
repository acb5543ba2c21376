"""Frame -> usable, or the reason why not: the first gate of a frame.

A classifier answers a black picture with confidence. A frame that shows nothing must
therefore never reach it; each slot becomes UNKNOWN with the reason instead.
"""

from __future__ import annotations

import numpy as np

from edge.types import ImageRGB, Reason

# The limits are far outside what a working camera gives, night pictures included: this gate
# must not refuse a usable frame. Brightness is 0..255.
DARK_P99 = 24.0  # even the brightest hundredth of the picture is this dark
BRIGHT_P1 = 244.0  # even the darkest hundredth is this bright
FLAT_SPREAD = 6.0  # p99 - p1: a covered lens, a dead sensor, one colour all over

# Roughly 10,000 pixels tell as much as two million, in a hundredth of the time.
_SAMPLE_PIXELS = 10_000


def judge_frame(image_rgb: ImageRGB) -> Reason | None:
    """Return why the picture shows nothing to classify, or None when it is usable.

    The picture is RGB uint8 (height, width, 3).
    """
    height_px, width_px = image_rgb.shape[:2]
    step = max(1, int((height_px * width_px / _SAMPLE_PIXELS) ** 0.5))
    # The green channel is most of what the eye calls brightness, and costs no conversion.
    # From the middle of each step, of which a picture of a few columns may not hold one whole.
    top, left = min(step, height_px) // 2, min(step, width_px) // 2
    brightness = image_rgb[top::step, left::step, 1]
    p1, p99 = np.percentile(brightness, (1, 99))
    if p99 <= DARK_P99:
        return Reason.FRAME_DARK
    if p1 >= BRIGHT_P1:
        return Reason.FRAME_BRIGHT
    if p99 - p1 <= FLAT_SPREAD:
        return Reason.FRAME_FLAT
    return None


def fits_slots(image_rgb: ImageRGB, frame_wh: tuple[int, int]) -> bool:
    """Return whether the picture has the shape (within 1 %) the slots were drawn on."""
    height_px, width_px = image_rgb.shape[:2]
    return bool(abs(width_px * frame_wh[1] / (height_px * frame_wh[0]) - 1.0) <= 0.01)
