"""A sheet of drawing: colour, height and outline of something, before any light falls on it.

Coordinates are shares of the sheet's side, x to the right and y down, so that a drawing does
not depend on the size it is drawn at. Heights are shares of the side as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Random = np.random.Generator
Field = npt.NDArray[np.float32]  # (size, size)
Colour = npt.NDArray[np.float32]  # (3,), RGB, 0..1
Floats = npt.NDArray[np.floating]
Point = Sequence[float] | Floats  # (2,): x, y
Points = Floats | Sequence[Point]  # (n, 2)

Option = TypeVar("Option")

_FRACTION_BITS = 4  # OpenCV's fixed-point coordinates: sixteenths of a pixel


class Sheet:
    """What is painted so far. `coverage` is 1 where something is, 0 where one sees past it."""

    def __init__(self, size_px: int, colour: Colour) -> None:
        self.size_px = size_px
        self.albedo_rgb = np.empty((size_px, size_px, 3), np.float32)
        self.albedo_rgb[:] = colour
        self.coverage = np.zeros((size_px, size_px), np.float32)
        self.height = np.zeros((size_px, size_px), np.float32)
        self.gloss = 0.0  # 0 chalk .. 1 chrome
        self.opacity = 1.0  # below 1 one sees what lies behind it
        self.rise = 0.1  # how far its top is from the ground: the length of its shadow
        self.stands = False  # on its lower edge, seen from the side

    def paint(self, mask: Floats, colour: Floats) -> None:
        """Colour what the mask covers: print, without a height of its own."""
        self.albedo_rgb += mask[:, :, None] * (colour - self.albedo_rgb)

    def add(self, mask: Floats, colour: Floats, height: Floats | float) -> None:
        """Lay a part on the sheet; its height replaces what was below."""
        self.paint(mask, colour)
        np.maximum(self.coverage, mask, out=self.coverage)
        self.height += mask * (height - self.height)

    def cut(self, mask: Floats) -> None:
        """Take away what the mask covers."""
        self.coverage *= 1 - mask

    def carve(self, mask: Floats, depth: Floats | float, shade: float = 0.5) -> None:
        """Sink what the mask covers; a deep hole gets little light: `shade` times as much."""
        self.height -= mask * depth
        self.albedo_rgb *= 1 - mask[:, :, None] * (1 - shade)


def _fixed(values: Points, size_px: int) -> npt.NDArray[np.int32]:
    scaled = (np.asarray(values, np.float64) * size_px - 0.5) * (1 << _FRACTION_BITS)
    return np.clip(np.round(scaled), -(1 << 18), 1 << 18).astype(np.int32)


def _as_field(mask: npt.NDArray[np.uint8]) -> Field:
    return mask * np.float32(1 / 255)


def polygon(size_px: int, *outlines: Points) -> Field:
    """Return the mask of one or more closed outlines; where two overlap, nothing is covered."""
    mask = np.zeros((size_px, size_px), np.uint8)
    fixed = [_fixed(outline, size_px) for outline in outlines]
    cv2.fillPoly(mask, fixed, 255, cv2.LINE_AA, _FRACTION_BITS)
    return _as_field(mask)


def ellipse(
    size_px: int,
    centre: Point,
    radii: float | Point,
    angle_deg: float = 0.0,
) -> Field:
    """Return the mask of a disc or an ellipse."""
    across, down = (radii, radii) if isinstance(radii, int | float) else radii
    steps = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.stack([across * np.cos(steps), down * np.sin(steps)], axis=1)
    return polygon(size_px, turned(points, angle_deg) + np.asarray(centre))


def box(
    size_px: int, left: float, top: float, right: float, bottom: float, corner: float = 0.0
) -> Field:
    """Return the mask of an upright rectangle with rounded corners of this radius."""
    if corner <= 0:
        return polygon(size_px, [(left, top), (right, top), (right, bottom), (left, bottom)])
    corner = min(corner, (right - left) / 2, (bottom - top) / 2)
    steps = np.linspace(0, np.pi / 2, 6)
    arc = np.stack([np.cos(steps), np.sin(steps)], axis=1) * corner
    middles = [
        (right - corner, bottom - corner, 0),
        (left + corner, bottom - corner, 90),
        (left + corner, top + corner, 180),
        (right - corner, top + corner, 270),
    ]
    outline = np.concatenate([np.add(turned(arc, angle), (x, y)) for x, y, angle in middles])
    return polygon(size_px, outline)


def stroke(size_px: int, points: Points, width: float, is_closed: bool = False) -> Field:
    """Return the mask of a line with round ends."""
    mask = np.zeros((size_px, size_px), np.uint8)
    width_px = width * size_px
    cv2.polylines(
        mask,
        [_fixed(points, size_px)],
        is_closed,
        255,
        max(1, round(width_px)),
        cv2.LINE_AA,
        _FRACTION_BITS,
    )
    # A line thinner than a pixel is a faint one.
    return _as_field(mask) * np.float32(min(1.0, width_px))


def lettering(size_px: int, text: str, left: float, base: float, height: float) -> Field:
    """Return the mask of printed letters of this height."""
    mask = np.zeros((size_px, size_px), np.uint8)
    scale = height * size_px / 22  # a capital of this font is 22 px high
    origin = (int(left * size_px), int(base * size_px))
    thickness = max(1, round(scale * 3))
    cv2.putText(mask, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return _as_field(mask)


def turned(points: Points, angle_deg: float) -> npt.NDArray[np.float64]:
    """Return points (n, 2) turned about the origin, clockwise as one sees them."""
    angle = np.deg2rad(angle_deg)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    result: npt.NDArray[np.float64] = np.asarray(points, np.float64) @ matrix
    return result


def blurred(field: Field, radius: float) -> Field:
    """Return the field (or a picture) softened; `radius` is a share of its side."""
    radius_px = radius * field.shape[0]
    if radius_px < 0.3:
        return field
    # Blurring a smaller copy looks the same and costs a fraction.
    if radius_px > 4:
        factor = 2 / radius_px
        small = cv2.resize(field, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), 2, borderType=cv2.BORDER_REPLICATE)
        soft: Field = cv2.resize(small, field.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    else:
        soft = cv2.GaussianBlur(field, (0, 0), radius_px, borderType=cv2.BORDER_REPLICATE)
    return soft


def bevel(mask: Field, edge: float, height: float) -> Field:
    """Return the height of a flat top that slopes down within `edge` of the outline."""
    distance = _distance(mask) / mask.shape[0]
    result: Field = np.minimum(distance / max(edge, 1e-3), 1) * np.float32(height)
    return result


def dome(mask: Field, height: float) -> Field:
    """Return the height of a round body: a ball over a disc, a tube along a bar."""
    distance = _distance(mask)
    share = 1 - distance / max(float(distance.max()), 1)
    result: Field = np.sqrt(np.maximum(1 - share * share, 0)) * np.float32(height)
    return result


def _distance(mask: Field) -> Field:
    inside = (mask > 0.4).astype(np.uint8)
    # Where a mask covers all there is no outline, and OpenCV's distance is endless.
    distance = np.minimum(cv2.distanceTransform(inside, cv2.DIST_L2, 3), mask.shape[0])
    result: Field = cv2.GaussianBlur(distance, (3, 3), 0)
    return result


def clouds(size_px: int, cells: float | tuple[float, float], random: Random) -> Field:
    """Return soft noise around 0, about `cells` (across, down) blobs to the side."""
    across, down = cells if isinstance(cells, tuple) else (cells, cells)
    shape = (
        min(size_px, max(2, round(down))),
        min(size_px, max(2, round(across))),
    )
    grid = random.standard_normal(shape, dtype=np.float32)
    result: Field = cv2.resize(grid, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return result


def turbulence(size_px: int, cells: float, random: Random) -> Field:
    """Return noise around 0 that is rough at every scale, as stone and stains are."""
    octaves = (clouds(size_px, cells * 2**octave, random) / 1.7**octave for octave in range(4))
    total: Field = np.sum(list(octaves), axis=0, dtype=np.float32)
    return total * np.float32(0.6)


def pick(random: Random, options: Sequence[Option]) -> Option:
    """Return any of the options."""
    return options[int(random.integers(len(options)))]


def any_colour(random: Random) -> Colour:
    """Return a colour as things have it: often grey, seldom garish, from black to white."""
    lightness = random.beta(1.1, 1.1)
    strength = random.choice([0.03, 0.15, 0.5, 0.9], p=[0.35, 0.25, 0.2, 0.2])
    hue = random.uniform(0, 2 * np.pi) + np.array([0, 2, 4]) * np.pi / 3
    colour = 0.04 + 0.9 * lightness + strength * 0.45 * np.cos(hue) * (0.4 + lightness)
    result: Field = np.clip(colour, 0.02, 0.98).astype(np.float32)
    return result


def near(colour: Colour, spread: float, random: Random) -> Colour:
    """Return a colour close to this one, mostly lighter or darker."""
    change = random.normal(0, spread) + random.normal(0, spread / 3, 3)
    return np.clip(colour + change, 0.02, 0.98).astype(np.float32)
