"""Where the rack stands and what the fixed camera sees of it.

Rack coordinates: one unit is the width of a cell; x runs right, y down, z into the
rack; the rack's front is the plane z = 0. Picture coordinates are edges of pixels, as
everywhere in the house.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Slot

Floats = npt.NDArray[np.floating[Any]]

WIDTH_PX, HEIGHT_PX = 1280, 960
MARGIN_PX = 46  # between the rack and the nearest edge of the picture


@dataclass(frozen=True)
class Grid:
    """A rack as one `grid:` entry of a slots file describes it."""

    corners_px: tuple[tuple[int, int], ...]  # clockwise from the rack's top-left
    rows: int
    columns: int
    gap: float  # share of each cell left out as its frame
    frame_wh: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)

    def slots(self) -> tuple[Slot, ...]:
        """Return the cells row by row, each shrunk by half the gap on every side.

        The cells are those of the homography that takes the unit square to the corners:
        a flat rack seen by a camera is projective, not bilinear.
        """
        unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        homography = cv2.getPerspectiveTransform(unit, np.array(self.corners_px, np.float32))
        slots = []
        for row in range(self.rows):
            for column in range(self.columns):
                inset = (unit.astype(np.float64) - 0.5) * (1 - self.gap) + 0.5
                cell = (inset + np.array([column, row])) / (self.columns, self.rows)
                polygon = cv2.perspectiveTransform(cell[None], homography)[0]
                slots.append(Slot(slot_id(row, column), polygon.astype(np.float32)))
        return tuple(slots)


def floats(values: npt.ArrayLike) -> Floats:
    """Return the values as float32."""
    return np.asarray(values, np.float32)


def slot_id(row: int, column: int) -> str:
    """Return `A1` for the first row and column."""
    return f"{chr(ord('A') + row)}{column + 1}"


@dataclass(frozen=True, eq=False)
class View:
    """One rack and the camera in front of it."""

    rows: int
    columns: int
    cell_height: float  # in cell widths
    depth: float  # of a slot, in cell widths
    gap: float
    projection: npt.NDArray[np.float64]  # (3, 4), rack coordinates -> pixels
    eye: npt.NDArray[np.float64]  # (3,), the camera in rack coordinates
    corners_px: tuple[tuple[int, int], ...]

    def project(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the pixels (..., 2) of rack coordinates (..., 3)."""
        xyz = np.asarray(points, np.float64)
        uvw = xyz @ self.projection[:, :3].T + self.projection[:, 3]
        return np.asarray(uvw[..., :2] / uvw[..., 2:])

    def rays(self, u_px: Floats, v_px: Floats) -> Floats:
        """Return a direction (3, ...) into the rack for every position (...) in the picture.

        Scaled so that z is 1: a point of depth z lies at `eye + (z - eye_z) * ray`.
        """
        inverse = np.linalg.inv(self.projection[:, :3])
        x, y, z = (row[0] * u_px + row[1] * v_px + row[2] for row in inverse)
        return np.stack([x / z, y / z, np.ones_like(z)]).astype(np.float32)

    def opening(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Return a slot's front opening in rack coordinates: left, top, right, bottom."""
        half = self.gap / 2
        return (
            column + half,
            (row + half) * self.cell_height,
            column + 1 - half,
            (row + 1 - half) * self.cell_height,
        )

    def grid(self) -> Grid:
        """Return the rack as a slots file describes it."""
        return Grid(self.corners_px, self.rows, self.columns, self.gap)


def place_camera(rng: np.random.Generator, rows: int, columns: int) -> View:
    """Return a rack that fills most of the picture, seen from a little above and aside."""
    cell_height = float(np.clip(columns / rows / 1.25, 0.55, 1.1) * rng.uniform(0.96, 1.04))
    width, height = float(columns), rows * cell_height
    extent = max(width, height)
    eye = np.array(
        [
            width * (0.5 + rng.choice((-1, 1)) * rng.uniform(0.02, 0.22)),
            height * (0.5 - rng.uniform(0.02, 0.28)),
            -extent * rng.uniform(1.25, 1.6),
        ]
    )
    depth = float(rng.uniform(0.62, 0.85))
    target = np.array([width / 2, height / 2, 0.0])
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(np.array([0.0, 1.0, 0.0]), forward)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = np.radians(rng.uniform(-1.0, 1.0))
    rotation = np.stack(
        [
            np.cos(roll) * right + np.sin(roll) * down,
            np.cos(roll) * down - np.sin(roll) * right,
            forward,
        ]
    )
    projection = np.hstack([rotation, -rotation @ eye[:, None]])
    front = np.array([[0, 0, 0], [width, 0, 0], [width, height, 0], [0, height, 0]], np.float64)
    uvw = front @ projection[:, :3].T + projection[:, 3]
    flat = uvw[:, :2] / uvw[:, 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    room = np.array([WIDTH_PX, HEIGHT_PX]) - 2 * MARGIN_PX
    focal = float((room / (high - low)).min())
    centre = np.array([WIDTH_PX, HEIGHT_PX]) / 2 - focal * (low + high) / 2
    intrinsic = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    exact = flat * focal + centre
    corners = np.round(exact)
    # Whole pixels read better in a slots file: bend the picture by half a pixel to fit them.
    bend = cv2.getPerspectiveTransform(exact.astype(np.float32), corners.astype(np.float32))
    return View(
        rows=rows,
        columns=columns,
        cell_height=cell_height,
        depth=depth,
        gap=0.14,
        projection=bend @ intrinsic @ projection,
        eye=eye,
        corners_px=tuple((int(x), int(y)) for x, y in corners),
    )
