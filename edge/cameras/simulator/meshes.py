"""Surfaces that things are made of: small quadrilaterals, grouped in convex pieces.

A mesh is an array (pieces, quadrilaterals, 4, 3): a box is one piece, a tube one per
bend. What is convex throws the shadow of its outline, which saves drawing the rest.
A part's own coordinates: x right, y up, z away from the camera; it stands on y = 0.
Corners run counter-clockwise seen from outside (right-handed), so that normals point out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.cameras.simulator.geometry import Floats


def quads_of(grid: Floats, flip: bool = False) -> Floats:
    """Return the mesh between the points of a (rows, columns, 3) grid, each row a piece."""
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    order = (a, d, c, b) if flip else (a, b, c, d)
    return np.stack(order, axis=2).astype(np.float32)


def normals_of(quads: Floats) -> Floats:
    """Return the unit normals (n, 3) of quadrilaterals (n, 4, 3)."""
    normal = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.asarray(normal / np.maximum(length, 1e-9), np.float32)


def rounded_box(width: float, height: float, depth: float, radius: float = 0.02) -> Floats:
    """Return a box with rounded edges, centred over the origin."""
    half = np.array([width, height, depth], np.float64) / 2
    radius = min(radius, float(half.min()) * 0.95)
    inner = half - radius
    faces = []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1.0, 1.0):
            points = [
                np.r_[
                    -half[i],
                    -half[i] + radius * 0.5,
                    np.linspace(-inner[i], inner[i], 4),
                    half[i] - radius * 0.5,
                    half[i],
                ]
                for i in (first, second)
            ]
            grid = np.zeros((8, 8, 3))
            grid[..., first] = points[0][:, None]
            grid[..., second] = points[1][None, :]
            grid[..., axis] = side * half[axis]
            core = np.clip(grid, -inner, inner)
            offset = grid - core
            length = np.linalg.norm(offset, axis=2, keepdims=True)
            grid = core + radius * offset / np.maximum(length, 1e-9)
            grid[..., 1] += half[1]
            faces.append(quads_of(grid.astype(np.float32), flip=side > 0).reshape(-1, 4, 3))
    return np.concatenate(faces)[None]


def lathe(profile: Sequence[tuple[float, float]], segments: int = 36) -> Floats:
    """Return the surface that a profile of (radius, height) sweeps round the y axis.

    The profile runs from bottom to top along the outside.
    """
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    radius, height = np.array(profile, np.float64).T
    grid = np.stack(
        [
            radius[:, None] * np.cos(angle),
            np.repeat(height[:, None], segments + 1, axis=1),
            radius[:, None] * np.sin(angle),
        ],
        axis=2,
    )
    return quads_of(grid.astype(np.float32), flip=True)


def smooth_profile(
    points: Sequence[tuple[float, float]], per_segment: int = 4
) -> list[tuple[float, float]]:
    """Return a profile with its edges rounded by Chaikin's corner cutting; ends stay."""
    line = np.array(points, np.float64)
    for _ in range(max(1, per_segment // 2)):
        start, stop = line[:-1], line[1:]
        cut = np.empty((2 * len(start), 2))
        cut[0::2] = start * 0.75 + stop * 0.25
        cut[1::2] = start * 0.25 + stop * 0.75
        line = np.vstack([line[:1], cut, line[-1:]])
    return [(float(radius), float(height)) for radius, height in line]


def tube(path: Floats, radius: float | Floats, segments: int = 9) -> Floats:
    """Return a tube along a path (n, 3), closed at both ends."""
    path = np.asarray(path, np.float64)
    radii = np.broadcast_to(np.asarray(radius, np.float64), (len(path),))
    # A cap at each end: the same point again with radius 0.
    path = np.vstack([path[:1], path, path[-1:]])
    radii = np.r_[0.0, radii, 0.0]
    tangent = np.gradient(path, axis=0)
    tangent[0], tangent[-1] = tangent[1], tangent[-2]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    # The axis that the path follows least never lies along it.
    helper = np.eye(3)[np.abs(tangent).mean(axis=0).argmin()]
    side = np.cross(helper, tangent)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    other = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    ring = side[:, None] * np.cos(angle)[:, None] + other[:, None] * np.sin(angle)[:, None]
    grid = path[:, None] + ring * radii[:, None, None]
    return quads_of(grid.astype(np.float32))


def blob(
    rng: np.random.Generator, width: float, height: float, depth: float, lumps: float
) -> Floats:
    """Return a lumpy body with a flattened underside: bags, cloth, gloves."""
    rows, segments = 20, 32
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rows)[:, None]
    angle = np.linspace(0, 2 * np.pi, segments + 1)[None, :]
    squareness = rng.uniform(0.55, 1.0)
    unit = np.stack(
        [
            np.cos(latitude) * np.cos(angle),
            np.sin(latitude) * np.ones_like(angle),
            np.cos(latitude) * np.sin(angle),
        ],
        axis=2,
    )
    shape = np.sign(unit) * np.abs(unit) ** squareness
    swell = np.zeros(unit.shape[:2])
    for _ in range(9):
        wave = unit @ rng.normal(0, 3.2, 3) + rng.uniform(0, 2 * np.pi)
        swell += np.sin(wave)
    shape *= (1 + lumps * swell / 3)[..., None]
    grid = shape * (width / 2, height / 2, depth / 2)
    grid[..., 1] = np.maximum(grid[..., 1] + height / 2, 0.0)
    return quads_of(grid.astype(np.float32), flip=True)


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """Return a (3, 3) rotation: roll about z first, then pitch about x, then yaw about y."""
    cy, sy, cx, sx = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cz, sz = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z, np.float32)
