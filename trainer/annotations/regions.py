"""Boxes as regions of a picture, as a device could watch them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.types import PolygonPx
from trainer.annotations.boxes import AnnotatedPicture, Box, Outline, corners_of, upright_outline
from trainer.pictures import SMALLEST_PX

_LEAST_INSIDE = 0.9  # share of a box that lies in the picture
_SAME_SHAPE = 0.02  # the sides of two pictures of one shape differ by no larger share


@dataclass(frozen=True, eq=False)
class Region:
    """One box as a region."""

    box: Box
    polygon_px: PolygonPx  # clockwise from its top-left; on whole pixels when upright
    is_upright: bool


def regions_of(
    picture: AnnotatedPicture, size_wh: tuple[int, int]
) -> tuple[list[Region], list[str]]:
    """Return the regions of a picture of this size, and which boxes are none, with the reason."""
    units_wh = picture.units_wh or size_wh
    scale = np.array(size_wh) / np.array(units_wh)
    if units_wh != (1, 1) and abs(scale[0] / scale[1] - 1) > _SAME_SHAPE:
        return [], [
            f"{picture.file}: annotated at {units_wh[0]:g}x{units_wh[1]:g}, but the picture is "
            f"{size_wh[0]}x{size_wh[1]}"
        ]
    regions, skipped = [], []
    for box in picture.boxes:
        region = _region(box, box.outline * scale, size_wh)
        if isinstance(region, str):
            skipped.append(f"{box.place}: {box.class_name}: the box {region}")
        else:
            regions.append(region)
    return regions, skipped


def _region(box: Box, outline_px: Outline, size_wh: tuple[int, int]) -> Region | str:
    corners = corners_of(outline_px)
    upright = upright_outline(*corners.min(axis=0), *corners.max(axis=0))
    is_upright = bool(np.abs(corners - upright).max() < 0.5)
    if is_upright:
        corners = np.round(upright)
    inside = corners.clip(0, size_wh).astype(np.float32)
    area, area_inside = cv2.contourArea(corners.astype(np.float32)), cv2.contourArea(inside)
    if area_inside < _LEAST_INSIDE * area:
        return f"reaches out of the {size_wh[0]}x{size_wh[1]} picture"
    # The mean thickness; for a rectangle its shorter side.
    thickness_px = area_inside / max(longest_side_px(inside), 1)
    if thickness_px < SMALLEST_PX:
        return f"is only {thickness_px:.1f} px thin, at least {SMALLEST_PX} are needed"
    return Region(box, inside, is_upright)


def longest_side_px(polygon_px: PolygonPx) -> float:
    """Return the length of the longest side."""
    sides = np.linalg.norm(np.roll(polygon_px, -1, axis=0) - polygon_px, axis=1)
    return float(sides.max())
