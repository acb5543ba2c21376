"""The geometry of regions: what may be drawn on a frame, and what a grid is made of.

Pixels are counted by their edges: a rectangle from x=10 that is 5 wide spans 10..15,
and the frame's own edges belong to the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.preprocess import rectangle_polygon
from edge.problems import Unfit
from edge.types import PolygonPx

SMALLEST_SIDE_PX = 8
# The sine of the angle at a corner below which the corner is flat: about one degree.
_FLAT_SINE = 0.02

PointsPx = npt.NDArray[np.float64]  # (4, 2): x, y


def rectangle_region(
    xywh: Sequence[float], frame_wh: tuple[int, int] | None
) -> tuple[PolygonPx, list[Unfit]]:
    """Return an upright rectangle's corners and what is wrong with it.

    Without `frame_wh` (it could not be read) the rectangle may lie anywhere.
    """
    problems = []
    for axis, letter, side, dimension in ((0, "x", "width", "wide"), (1, "y", "height", "high")):
        length = xywh[axis + 2]
        if length < SMALLEST_SIDE_PX:
            problems.append(
                Unfit(
                    f"the region is {length:g} px {dimension}",
                    f"make its {side} at least {SMALLEST_SIDE_PX}",
                )
            )
        elif frame_wh is not None:
            unfit = _outside(xywh, axis, letter, side, frame_wh)
            if unfit:
                problems.append(unfit)
    return rectangle_polygon(*xywh), problems


def _outside(
    xywh: Sequence[float], axis: int, letter: str, side: str, frame_wh: tuple[int, int]
) -> Unfit | None:
    """Return how a rectangle overshoots the frame along one axis (0: x, 1: y)."""
    start, length, limit = xywh[axis], xywh[axis + 2], frame_wh[axis]
    outside = f"outside the {frame_wh[0]}x{frame_wh[1]} frame"
    if start < 0:
        return Unfit(
            f"the region starts at {letter}={start:g}, {outside}", f"make {letter} at least 0"
        )
    if start + length <= limit:
        return None
    room = limit - start
    what = f"the region ends at {letter}={start + length:g}, {outside}"
    if room < SMALLEST_SIDE_PX:
        remedy = f"make {letter} at most {_rounded_down(max(0, limit - length))}"
    else:
        remedy = f"make its {side} at most {_rounded_down(room)}"
    # Two opposite corners written as four numbers look like a region that is too large.
    right, bottom = xywh[2], xywh[3]
    if xywh[0] < right <= frame_wh[0] and xywh[1] < bottom <= frame_wh[1]:
        remedy += " (the four numbers are x, y, width, height)"
    return Unfit(what, remedy)


def _rounded_down(length_px: float) -> str:
    """Return a length that still fits when it is copied from the message."""
    return f"{math.floor(length_px * 100) / 100:g}"


def quadrilateral_region(
    corners: Sequence[Sequence[float]], frame_wh: tuple[int, int] | None
) -> tuple[PolygonPx, list[Unfit]]:
    """Return four corners clockwise, the first one kept, and what is wrong with them.

    Corners drawn counter-clockwise are turned round: the first stays the slot's own
    top-left, and the crop is never a mirror image.
    """
    points = np.array(corners, dtype=np.float64)
    problems = _corners_outside(points, frame_wh) if frame_wh else []
    shape = _shape_problem(points)
    if shape:
        problems.append(shape)
    elif _signed_area(points) < 0:
        points = points[[0, 3, 2, 1]]
    return points.astype(np.float32), problems


def _corners_outside(points: PointsPx, frame_wh: tuple[int, int]) -> list[Unfit]:
    problems = []
    for index, (x, y) in enumerate(points, start=1):
        if 0 <= x <= frame_wh[0] and 0 <= y <= frame_wh[1]:
            continue
        inside_x, inside_y = min(max(x, 0), frame_wh[0]), min(max(y, 0), frame_wh[1])
        problems.append(
            Unfit(
                f"corner {index} [{x:g}, {y:g}] lies outside the {frame_wh[0]}x{frame_wh[1]} frame",
                f"move it to [{inside_x:g}, {inside_y:g}] or further in",
            )
        )
    return problems


def _shape_problem(points: PointsPx) -> Unfit | None:
    """Return why four corners are no convex region of a sensible size, or None."""
    edges = np.roll(points, -1, axis=0) - points
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    for index in range(4):
        if lengths[index] == 0:
            following = (index + 1) % 4 + 1
            return Unfit(
                f"corners {index + 1} and {following} are the same point",
                "give four different corners",
            )
    # The sine of the turn at each corner: positive turns right on the screen.
    before, before_lengths = np.roll(edges, 1, axis=0), np.roll(lengths, 1)
    cross = before[:, 0] * edges[:, 1] - before[:, 1] * edges[:, 0]
    sine = cross / (before_lengths * lengths)
    turns_right = sine > 0
    # Two turns each way only happen when two of the sides cross.
    if turns_right.sum() == 2 and (np.abs(sine) >= 1e-9).all():
        return Unfit(
            "the sides cross each other", f"give the corners in this order: {_order(points)}"
        )
    flat = np.abs(sine) < _FLAT_SINE
    if flat.any():
        return Unfit(
            f"corner {int(np.argmax(flat)) + 1} lies on a line with its neighbours",
            "give the four corners of the slot's opening",
        )
    if turns_right.sum() in (1, 3):
        odd = int(np.argmax(turns_right == (turns_right.sum() == 1)))
        return Unfit(
            f"the region has a dent at corner {odd + 1}",
            "move that corner outwards until no corner points inwards",
        )
    # The mean thickness; for a rectangle its shorter side.
    thickness_px = abs(_signed_area(points)) / lengths.max()
    if thickness_px < SMALLEST_SIDE_PX:
        return Unfit(
            f"the region is only {thickness_px:.1f} px thin",
            f"make it at least {SMALLEST_SIDE_PX} px wide and high",
        )
    return None


def _signed_area(points: PointsPx) -> float:
    """Return the area in px², positive when the corners run clockwise on the screen."""
    x, y = points[:, 0], points[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _order(points: PointsPx) -> str:
    """Return the corners clockwise around their middle, the first one kept, as written."""
    offset = points - points.mean(axis=0)
    order = np.argsort(np.arctan2(offset[:, 1], offset[:, 0]))
    order = np.roll(order, -int(np.argmax(order == 0)))
    return "[" + ", ".join(f"[{x:g}, {y:g}]" for x, y in points[order]) + "]"


def grid_cells(
    corners: PolygonPx, rows: int, columns: int, gap: float
) -> tuple[npt.NDArray[np.float32], list[Unfit]]:
    """Return the cells of a flat rack, float32 (rows, columns, 4, 2), and what is wrong with them.

    The rack is flat and the camera projects, so the corners' plane is mapped by a
    homography: equal cells look smaller where the rack is further away. `gap` is the
    share of each cell's width and height that is left out, half on each side.
    """
    across = (np.arange(columns)[:, None] + np.array([gap / 2, 1 - gap / 2])) / columns
    down = (np.arange(rows)[:, None] + np.array([gap / 2, 1 - gap / 2])) / rows
    unit = np.empty((rows, columns, 4, 2))
    for corner, (right, bottom) in enumerate(((0, 0), (1, 0), (1, 1), (0, 1))):
        unit[:, :, corner, 0] = across[None, :, right]
        unit[:, :, corner, 1] = down[:, None, bottom]
    cells = _project(unit, corners.astype(np.float64)).astype(np.float32)
    for row in range(rows):
        for column in range(columns):
            unfit = _shape_problem(cells[row, column].astype(np.float64))
            if unfit:
                problem = Unfit(
                    f"the cell in row {row + 1}, column {column + 1} is too small "
                    f"({_extent(cells[row, column])} px)",
                    f"use fewer rows or columns, or a smaller gap: a cell needs "
                    f"{SMALLEST_SIDE_PX}x{SMALLEST_SIDE_PX} px",
                )
                return cells, [problem]
    return cells, []


def _extent(cell: PolygonPx) -> str:
    lengths = np.linalg.norm(np.roll(cell, -1, axis=0) - cell, axis=1)
    return f"{(lengths[0] + lengths[2]) / 2:.1f}x{(lengths[1] + lengths[3]) / 2:.1f}"


def _project(unit: npt.NDArray[np.float64], corners: PointsPx) -> npt.NDArray[np.float64]:
    """Return points of the unit square where the square's corners lie at `corners`.

    The closed form of Heckbert, "Fundamentals of Texture Mapping and Image Warping"
    (1989), section 2.2.3: exact for the corners, affine for a parallelogram.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    sum_x, sum_y = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    determinant = (x1 - x2) * (y3 - y2) - (x3 - x2) * (y1 - y2)
    g = (sum_x * (y3 - y2) - (x3 - x2) * sum_y) / determinant
    h = ((x1 - x2) * sum_y - sum_x * (y1 - y2)) / determinant
    u, v = unit[..., 0], unit[..., 1]
    scale = g * u + h * v + 1
    x = ((x1 - x0 + g * x1) * u + (x3 - x0 + h * x3) * v + x0) / scale
    y = ((y1 - y0 + g * y1) * u + (y3 - y0 + h * y3) * v + y0) / scale
    return np.stack([x, y], axis=-1)


def overlaps(polygons: Sequence[PolygonPx], share: float) -> list[tuple[int, int, float]]:
    """Return the pairs (first, second, share) that cover more than `share` of the smaller one."""
    if not polygons:
        return []
    corners = np.stack(polygons)
    low, high = corners.min(axis=1), corners.max(axis=1)
    areas = [abs(_signed_area(polygon.astype(np.float64))) for polygon in corners]
    found = []
    for first in range(len(corners)):
        boxes_meet = ((low[first] < high[first + 1 :]) & (high[first] > low[first + 1 :])).all(
            axis=1
        )
        for second in np.flatnonzero(boxes_meet) + first + 1:
            common, _ = cv2.intersectConvexConvex(corners[first], corners[second])
            covered = common / min(areas[first], areas[second])
            if covered > share:
                found.append((first, int(second), float(covered)))
    return found
