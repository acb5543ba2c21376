"""What the frame gate sees of one picture, measured once on a few of its lines.

Reading 90 lines of a 720-line picture touches an eighth of its memory and still meets every
block of 16 pixels that a camera codes. The same figures of the reference picture are what a
frame is compared with. Runs in the inference thread.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import ImageRGB

LINES = 90  # looked at: one in 8 of a 720-line picture
COLUMNS = 45  # looked at for sharpness across the lines; they cost more than lines
BANDS = 5  # of the picture from top to bottom, judged apart: damage seldom fills it all
_SMALL_WH = (80, 45)  # coarse enough that a slot's content weighs little
# The span over which a sharp picture still changes, as a share of the width: 2 px of 1280.
# Finer detail than that never reaches the model's input.
_FINE_SHARE = 1 / 640
_COARSE_STEPS = 8  # the span it is compared with, in fine ones
# A line that the next one repeats: so many of its pixels equal, and neither all dark nor all
# white, which black borders and an overexposed sky are.
_REPEATED_SHARE = 0.97
_BORDER_DARK, _BORDER_BRIGHT = 24, 244
# RGB that a picture without its chroma planes has and no scene: two channels cut off alike.
_LOST_PLANES = (((0, 60, 0), (8, 255, 8)), ((247, 0, 247), (255, 150, 255)))  # green, pink
# Sobel units (8 to a level per pixel) below which a gradient is noise rather than structure.
_FAINT = 2.0


@dataclass(frozen=True, eq=False)
class Look:
    """The figures of one picture that the gate judges by."""

    fingerprint: int  # CRC-32 of the lines: equal for pictures that are equal bit by bit
    # float64 (2,), along the lines and the columns, 0..1: how much of the change between distant
    # pixels there is between close ones. It hardly depends on contrast and content; a smooth
    # slope has 0, noise without a picture 1.
    sharpness: npt.NDArray[np.float64]
    repeats: npt.NDArray[np.bool_]  # (LINES - 1,): the next line is the same one again
    lost_colour: float  # share of the pixels that only a missing chroma plane gives, 0..1
    chroma: npt.NDArray[np.float64]  # (BANDS, 2): mean red - green and blue - green, levels
    gradients: npt.NDArray[np.float32]  # (2, BANDS, n): of the small picture, length 0..1
    small_rgb: ImageRGB  # (45, 80, 3)


def is_large_enough(image_rgb: ImageRGB) -> bool:
    """Return whether the picture, uint8 (height, width, 3), has lines and spans to compare."""
    return bool(min(image_rgb.shape[:2]) >= LINES)


def look_at(image_rgb: ImageRGB) -> Look:
    """Return the figures of a picture, uint8 (height, width, 3), that is large enough."""
    width_px = image_rgb.shape[1]
    lines_rgb = _lines_of(image_rgb)
    lines = cv2.cvtColor(lines_rgb, cv2.COLOR_RGB2GRAY)
    # The green channel is most of what the eye calls brightness, and costs no conversion.
    # Taken from whole lines, which numpy does in half the time of two indices.
    greens = 3 * _spread(COLUMNS, width_px) + 1
    columns = image_rgb.reshape(len(image_rgb), -1).take(greens, axis=1)
    fine_px = max(1, round(width_px * _FINE_SHARE))
    small_rgb = cv2.resize(lines_rgb, _SMALL_WH, interpolation=cv2.INTER_AREA)
    return Look(
        fingerprint=_fingerprint(lines_rgb),
        sharpness=np.array((_sharpness(lines, fine_px), _sharpness(columns.T, fine_px))),
        repeats=_repeats(lines),
        lost_colour=_lost_colour(lines_rgb[1::2]),
        chroma=_chroma(small_rgb),
        gradients=_gradients(small_rgb),
        small_rgb=small_rgb,
    )


def fingerprint_of(image_rgb: ImageRGB) -> int:
    """Return `Look.fingerprint` alone, in a tenth of the time."""
    return _fingerprint(_lines_of(image_rgb))


def likeness(look: Look, reference: Look) -> tuple[float, npt.NDArray[np.float64]]:
    """Return how alike the structure of two pictures is, -1..1: in all, and by bands (BANDS,).

    The cosine between their fields of gradients: blind to brightness and contrast, near zero
    for two different scenes, well above it for one scene in any light.
    """
    products = np.einsum("abn,abn->b", look.gradients, reference.gradients)
    energy, reference_energy = (
        np.einsum("abn,abn->b", field, field) for field in (look.gradients, reference.gradients)
    )
    whole = products.sum() / np.sqrt(energy.sum() * reference_energy.sum() + 1e-9)
    return float(whole), products / np.sqrt(energy * reference_energy + 1e-9)


def _lines_of(image_rgb: ImageRGB) -> ImageRGB:
    return image_rgb[_spread(LINES, image_rgb.shape[0])]


def _fingerprint(lines_rgb: ImageRGB) -> int:
    return zlib.crc32(lines_rgb.data)


def _spread(count: int, length_px: int) -> npt.NDArray[np.intp]:
    """Return so many places evenly spread over a side of the picture, in pixels."""
    return ((np.arange(count) + 0.5) * length_px / count).astype(np.intp)


def _sharpness(lines: npt.NDArray[np.uint8], fine_px: int) -> float:
    """Return 0..1 from the mean squared change over a fine and a coarse span of grey lines.

    On a smooth slope the change grows with the span's square; in noise it stays.
    """
    fine, coarse = (
        cv2.norm(lines[:, span_px:], lines[:, :-span_px], cv2.NORM_L2SQR)
        / (lines.shape[1] - span_px)
        for span_px in (fine_px, fine_px * _COARSE_STEPS)
    )
    slope = 1 / _COARSE_STEPS**2
    # At least a level of change in each line, so that a blank picture is not divided by zero.
    return float(np.clip((fine / max(coarse, len(lines)) - slope) / (1 - slope), 0.0, 1.0))


def _repeats(lines: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    # Marked with 255, which OpenCV adds up in a fifth of the time that numpy counts in.
    marked = cv2.reduce(
        cv2.compare(lines[1:], lines[:-1], cv2.CMP_EQ), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S
    )
    equal = marked[:, 0] // 255 >= _REPEATED_SHARE * lines.shape[1]
    is_border = (lines.max(axis=1) <= _BORDER_DARK) | (lines.min(axis=1) >= _BORDER_BRIGHT)
    return np.asarray(equal & ~is_border[1:])


def _lost_colour(line_rgb: ImageRGB) -> float:
    lost = sum(int(cv2.countNonZero(cv2.inRange(line_rgb, *plane))) for plane in _LOST_PLANES)
    return float(lost / (line_rgb.shape[0] * line_rgb.shape[1]))


def _chroma(small_rgb: ImageRGB) -> npt.NDArray[np.float64]:
    of_band = small_rgb.reshape(BANDS, -1, 3)
    # OpenCV takes a tenth of the time that numpy needs for a last axis of three.
    red, green, blue = cv2.reduce(of_band, 1, cv2.REDUCE_AVG, dtype=cv2.CV_64F)[:, 0].T
    return np.stack((red - green, blue - green), axis=1)


def _gradients(small_rgb: ImageRGB) -> npt.NDArray[np.float32]:
    grey = cv2.cvtColor(small_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = cv2.GaussianBlur(grey, (0, 0), 1.0)
    field = np.stack((cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)))
    length = cv2.magnitude(field[0], field[1])
    # Bounded, so that a few hard edges (a lamp, a shadow) do not outvote the cabinet.
    field /= length + length.mean() + _FAINT
    return np.asarray(field.reshape(2, BANDS, -1))
