"""How much light of every source a surface sends to the camera.

Soft light comes as many directions, each with its own shadow: corners darken and things
touch the ground without any painted tricks. All slots of a rack are alike, so the light
on their walls is worked out once, as pictures of the five inner faces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.cameras.simulator.cabinet import FLOOR, FRONT, LEFT, RIGHT, TOP, WALL, Cabinet
from edge.cameras.simulator.geometry import Floats, View
from edge.cameras.simulator.light import LIGHTS, Lights

CASING = 0.15  # the rack's outer frame, in cell widths
SHADOW_TEXELS = 56  # per cell width
_FACE_TEXELS = 56  # per side of an inner face
_LAMPS = (0, 3)  # lights of the room rather than of the sun
# (3, faces): left, right, top, floor, back
_INNER_NORMALS = np.array([[1, -1, 0, 0, 0], [0, 0, 1, -1, 0], [0, 0, 0, 0, -1]], np.float32)
Opening = tuple[float, float, float, float]  # left, top, right, bottom in rack coordinates
Shadows = list[list[Floats]]  # per light and direction, the share of the opening that is blocked


@dataclass(frozen=True, eq=False)
class RackSamples:
    """Where rays meet the empty rack; all arrays are of one shape with two axes."""

    x: Floats
    y: Floats
    z: Floats
    rays: Floats  # (3, ...)
    face: npt.NDArray[np.int8]
    left: Floats  # of the slot's opening
    top: Floats


@dataclass(frozen=True, eq=False)
class ThingSamples:
    """What is seen of a thing; arrays end in (samples,)."""

    points: Floats  # (3, samples), as all that have three parts
    normals: Floats
    albedo: Floats
    rays: Floats
    gloss: Floats
    sharpness: Floats
    metal: Floats


@dataclass(frozen=True, eq=False)
class Beam:
    """The light that comes from one direction through a slot's opening."""

    share: float  # of its source
    facing: Floats  # cosine at each surface
    seen: Floats  # share that gets through
    x: Floats  # where it passes the opening
    y: Floats


class Shader:
    """Shades the samples of one rack."""

    def __init__(self, view: View, cabinet: Cabinet, lights: Lights) -> None:
        """Work out the light on the inner faces of an empty slot."""
        self._view = view
        self._lights = lights
        self._gloss = cabinet.gloss
        self._tall = view.rows * view.cell_height
        # Light that entered a slot is thrown about by its walls and takes their colour.
        inside = cabinet.inside_rgb
        tint = inside / max(float(inside.max()), 1e-3)
        self._glow = np.asarray((0.35 + 0.65 * inside) * (0.5 + 0.5 * tint) * 0.5, np.float32)
        self._beams = self._on_faces()
        self._empty_light = self._face_light(None)

    def _on_faces(self) -> list[list[Beam]]:
        """Return the beams of every light that fall on the five faces of a slot."""
        left, top, right, bottom = opening = self._view.opening(0, 0)
        middle = (np.arange(_FACE_TEXELS, dtype=np.float32) + 0.5) / _FACE_TEXELS
        u, v = np.meshgrid(middle, middle)
        x, y = left + u * (right - left), top + v * (bottom - top)
        depth = np.float32(self._view.depth)
        faces = [
            (np.full_like(u, left), y, u * depth),
            (np.full_like(u, right), y, u * depth),
            (x, np.full_like(u, top), v * depth),
            (x, np.full_like(u, bottom), v * depth),
            (x, y, np.full_like(u, depth)),
        ]
        points = np.concatenate([np.stack(face) for face in faces], axis=1).astype(np.float32)
        normals = np.repeat(_INNER_NORMALS, _FACE_TEXELS, axis=1)[..., None]
        normals = np.broadcast_to(normals, points.shape)
        return [self._beams_on(points, normals, opening, light) for light in range(len(LIGHTS))]

    def _beams_on(
        self, points: Floats, normals: Floats, opening: Opening, light: int
    ) -> list[Beam]:
        """Return the beams of a light on surfaces (3, ...) in a slot."""
        left, top, right, bottom = opening
        x, y, z = points
        softness = 0.02 + self._lights.softness[light] * z
        beams = []
        for share, (dx, dy, dz) in self._directions(light):
            # Where the ray towards the light passes the slot's opening.
            qx, qy = x - z * (dx / dz), y - z * (dy / dz)
            margin = np.minimum(
                np.minimum(qx - left, right - qx), np.minimum(qy - top, bottom - qy)
            )
            seen = np.clip(margin / softness + 0.5, 0, 1)
            facing = np.maximum(normals[0] * dx + normals[1] * dy + normals[2] * dz, 0)
            beams.append(Beam(share, facing, seen, qx, qy))
        return beams

    def _directions(self, light: int) -> Iterable[tuple[float, tuple[float, float, float]]]:
        shares, directions = self._lights.shares[light], self._lights.directions[light]
        return zip(shares.tolist(), directions.tolist(), strict=True)

    def _face_light(self, shadows: Shadows | None) -> Floats:
        """Return the light on a slot's inner faces, float32 (faces * texels, texels, lights)."""
        left, top, _, _ = self._view.opening(0, 0)
        shape = self._beams[0][0].seen.shape
        total = np.zeros((len(LIGHTS), *shape), np.float32)
        for light, beams in enumerate(self._beams):
            for number, beam in enumerate(beams):
                through = beam.share * beam.facing * beam.seen
                if shadows is not None:
                    map_x = (beam.x - left) * SHADOW_TEXELS - 0.5
                    map_y = (beam.y - top) * SHADOW_TEXELS - 0.5
                    blocked = shadows[light][number]
                    through *= 1 - cv2.remap(blocked, map_x, map_y, cv2.INTER_LINEAR)
                total[light] += through
        return np.ascontiguousarray(np.moveaxis(total, 0, -1))

    def rack(self, samples: RackSamples, albedo: Floats, front_normals: Floats) -> Floats:
        """Return the linear light (lights, 3, ...) of the empty rack.

        `front_normals` (3, n) are those of the samples on its front.
        """
        light = self._look_up(samples, self._empty_light)
        front, wall = samples.face == FRONT, samples.face == WALL
        toward = _unit(-samples.rays[:, front])
        shine = np.zeros((len(LIGHTS), toward.shape[1]), np.float32)
        for number, directions in enumerate(self._lights.directions):
            facing = np.maximum(directions @ front_normals, 0)
            light[number][front] = self._lights.shares[number] @ facing
            if number:
                middle = directions[len(directions) // 2]
                shine[number] = _shine(front_normals, toward, middle, 18.0) * self._gloss
        if wall.any():
            for number in range(len(LIGHTS)):
                light[number][wall] = self._on_wall(samples, wall, number)
        bounce = np.where(front | wall, np.float32(0.3), self._bounce(samples.z))
        result = self._received(light, bounce)
        result *= albedo
        result[:, :, front] += shine[:, None]
        return self._uneven(result, samples.x, samples.y)

    def shaded_share(self, samples: RackSamples, shadows: Shadows) -> Floats:
        """Return what shadows leave (lights, 3, ...) of the light of an empty slot."""
        bounce = self._bounce(samples.z)
        before = self._received(self._look_up(samples, self._empty_light), bounce)
        after = self._received(self._look_up(samples, self._face_light(shadows)), bounce)
        is_inside = (samples.face != FRONT) & (samples.face != WALL)
        return np.where(is_inside, after / before, np.float32(1))

    def thing(self, samples: ThingSamples, opening: Opening) -> Floats:
        """Return linear light (lights, 3, samples) of a thing in a slot."""
        toward = _unit(-samples.rays)
        light = np.zeros((len(LIGHTS), len(samples.gloss)), np.float32)
        shine = np.zeros_like(light)
        for number, directions in enumerate(self._lights.directions):
            beams = self._beams_on(samples.points, samples.normals, opening, number)
            for beam in beams:
                light[number] += beam.share * beam.facing * beam.seen
            # The room's light comes from everywhere: no highlights. Of a soft lamp the
            # middle stands for the rest.
            if number:
                middle = len(directions) // 2
                glint = _shine(samples.normals, toward, directions[middle], samples.sharpness)
                shine[number] = glint * samples.gloss * beams[middle].seen
                shine[number] *= beams[middle].facing > 0
        result = self._received(light, self._bounce(samples.points[2]))
        result *= samples.albedo
        result += shine[:, None] * (1 - samples.metal + samples.metal * samples.albedo)
        mirrored = _mirrored_room(samples.normals, toward) * samples.metal * samples.albedo
        result[0] += mirrored
        result[3] += 0.6 * mirrored
        return self._uneven(result, samples.points[0], samples.points[1])

    def _look_up(self, samples: RackSamples, face_light: Floats) -> Floats:
        """Return the light (lights, ...) at the inner faces; elsewhere it means nothing."""
        left, top, right, bottom = self._view.opening(0, 0)
        face = samples.face
        deep = samples.z / self._view.depth
        across = (samples.x - samples.left) / (right - left)
        down = (samples.y - samples.top) / (bottom - top)
        u = np.where((face == LEFT) | (face == RIGHT), deep, across)
        v = np.where((face == TOP) | (face == FLOOR), deep, down)
        # Texels of neighbouring faces must not mix.
        column = np.clip(u * _FACE_TEXELS - 0.5, 0, _FACE_TEXELS - 1)
        row = np.clip(v * _FACE_TEXELS - 0.5, 0, _FACE_TEXELS - 1)
        row += np.clip(face - 1, 0, 4) * np.float32(_FACE_TEXELS)
        light = cv2.remap(face_light, column, row, cv2.INTER_LINEAR)
        return np.ascontiguousarray(np.moveaxis(light, -1, 0))

    def _on_wall(self, samples: RackSamples, wall: npt.NDArray[np.bool_], light: int) -> Floats:
        """Return the light on the wall behind, in the soft shadow of the whole rack."""
        x, y, z = samples.x[wall], samples.y[wall], samples.z[wall]
        total = np.zeros_like(x)
        for share, (dx, dy, dz) in self._directions(light):
            qx, qy = x - z * (dx / dz), y - z * (dy / dz)
            within = np.minimum(
                np.minimum(qx + CASING, self._view.columns + CASING - qx),
                np.minimum(qy + CASING, self._tall + CASING - qy),
            )
            seen = np.clip(0.5 - within / (0.2 + self._lights.softness[light]), 0, 1)
            total += share * -dz * seen
        return total

    def _bounce(self, z: Floats) -> Floats:
        return np.asarray(0.34 * np.exp(-0.9 * z / self._view.depth), np.float32)

    def _received(self, light: Floats, bounce: Floats) -> Floats:
        """Return the light (lights, 3, ...) that falls on a surface, with what the walls throw."""
        glow = np.multiply.outer(self._glow, bounce)
        result = np.empty((len(LIGHTS), *glow.shape), np.float32)
        for number in range(len(LIGHTS)):
            energy = np.float32(1.35 if number in _LAMPS else 1.0)
            np.add(glow, energy * light[number], out=result[number])
        return result

    def _uneven(self, result: Floats, x: Floats, y: Floats) -> Floats:
        """Vary the light over the rack: the lamp hangs above, the windows are at the sides."""
        down = np.clip(y / self._tall, -0.2, 1.2)
        across = np.clip(x / self._view.columns, -0.2, 1.2)
        result[3] *= 1.25 - 0.5 * down
        for light in (1, 2):
            sign = float(np.sign(self._lights.directions[light][0, 0]))
            result[light] *= 1 + 0.25 * sign * (across - 0.5)
        return result


def _unit(vectors: Floats) -> Floats:
    """Return vectors (3, n) at length 1."""
    length = np.sqrt(np.einsum("in,in->n", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-6))


def _shine(normals: Floats, toward: Floats, light: Floats, sharpness: Floats | float) -> Floats:
    """Return the highlight of a light, after Blinn and Phong."""
    half = _unit(toward + light[:, None])
    angle = np.clip(np.einsum("in,in->n", normals, half), 1e-3, 1)
    return np.asarray(np.exp(sharpness * np.log(angle)) * (sharpness + 8) / 60, np.float32)


def _mirrored_room(normals: Floats, toward: Floats) -> Floats:
    """Return what polished metal mirrors of the room: a bright band above, a dark floor."""
    head_on = np.einsum("in,in->n", normals, toward)
    _, down, forward = 2 * head_on * normals - toward
    band = np.exp(-(((-down - 0.45) / 0.16) ** 2)) + 0.35 * np.exp(-(((0.1 - down) / 0.1) ** 2))
    return np.asarray((0.12 + 0.75 * band) * (forward < 0.15), np.float32)
