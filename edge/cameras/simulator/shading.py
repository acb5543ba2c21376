"""How much light of every source a surface sends to the camera.

Soft light comes as many directions, each with its own shadow: corners darken and things
touch the ground without any painted tricks. All slots of a rack are alike, so the light
on their walls is worked out once, as pictures of the five inner faces.
"""

from __future__ import annotations

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
FACE_NORMALS = np.array(
    [[0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, -1], [0, 0, -1]], np.float32
)

Opening = tuple[float, float, float, float]  # left, top, right, bottom in rack coordinates
Shadows = list[list[Floats]]  # per light and direction, the share of the opening that is blocked


@dataclass(frozen=True, eq=False)
class RackSamples:
    """What the samples of a pixel box see of the empty rack; arrays begin (rows, columns)."""

    points: Floats
    normals: Floats
    albedo: Floats
    rays: Floats
    face: npt.NDArray[np.int8]
    left: Floats  # of the slot's opening
    top: Floats


@dataclass(frozen=True, eq=False)
class ThingSamples:
    """What samples see of a thing; arrays begin (samples,)."""

    points: Floats
    normals: Floats
    albedo: Floats
    rays: Floats
    gloss: Floats
    sharpness: Floats
    metal: Floats


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
        self.empty_light = self.face_light(None)

    def face_light(self, shadows: Shadows | None) -> Floats:
        """Return the light on a slot's inner faces, float32 (faces * texels, texels, lights)."""
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
        points = np.concatenate([np.stack(face, axis=-1) for face in faces]).astype(np.float32)
        normals = np.repeat(FACE_NORMALS[1:6], _FACE_TEXELS, axis=0)[:, None, :]
        normals = np.broadcast_to(normals, points.shape)
        light = [
            sum(
                share * np.maximum(facing, 0) * seen
                for share, facing, seen in self._visible(points, normals, opening, number, shadows)
            )
            for number in range(len(LIGHTS))
        ]
        return np.stack(light, axis=-1).astype(np.float32)

    def _visible(
        self,
        points: Floats,
        normals: Floats,
        opening: Opening,
        light: int,
        shadows: Shadows | None = None,
    ) -> list[tuple[float, Floats, Floats]]:
        """Return, per direction of a light, its share, the cosine and how much comes through."""
        left, top, right, bottom = opening
        x, y, z = (np.ascontiguousarray(points[..., axis]) for axis in range(3))
        nx, ny, nz = (np.ascontiguousarray(normals[..., axis]) for axis in range(3))
        softness = 0.02 + self._lights.softness[light] * z
        found = []
        for number, (dx, dy, dz) in enumerate(self._lights.directions[light].tolist()):
            # Where the ray towards the light passes the slot's opening.
            qx, qy = x - z * (dx / dz), y - z * (dy / dz)
            margin = np.minimum(
                np.minimum(qx - left, right - qx), np.minimum(qy - top, bottom - qy)
            )
            seen = np.clip(margin / softness + 0.5, 0, 1)
            if shadows is not None:
                map_x = (qx - left) * SHADOW_TEXELS - 0.5
                map_y = (qy - top) * SHADOW_TEXELS - 0.5
                seen *= 1 - cv2.remap(shadows[light][number], map_x, map_y, cv2.INTER_LINEAR)
            share = float(self._lights.shares[light][number])
            found.append((share, nx * dx + ny * dy + nz * dz, seen))
        return found

    def rack(self, samples: RackSamples, face_light: Floats) -> Floats:
        """Return linear light (lights, ..., 3); `face_light` is that of every slot in view."""
        z, face = samples.points[..., 2], samples.face
        light = self._look_up(samples, face_light)
        front, wall = face == FRONT, face == WALL
        toward = -samples.rays[front]
        toward /= np.linalg.norm(toward, axis=-1, keepdims=True)
        shine = np.zeros((len(LIGHTS), len(toward)), np.float32)
        for number, directions in enumerate(self._lights.directions):
            facing = np.maximum(samples.normals[front] @ directions.T, 0)
            light[front, number] = facing @ self._lights.shares[number]
            light[wall, number] = self._on_wall(samples.points[wall], number)
            if number:
                middle = directions[len(directions) // 2]
                shine[number] = _shine(samples.normals[front], toward, middle, 18.0) * self._gloss
        bounce = np.where(front | wall, np.float32(0.3), self._bounce(z))
        result = self._body(samples.albedo, light, bounce)
        result[:, front] += shine[..., None]
        return self._uneven(result, samples.points)

    def thing(self, samples: ThingSamples, opening: Opening) -> Floats:
        """Return linear light (lights, samples, 3) of a thing in a slot."""
        toward = -samples.rays / np.linalg.norm(samples.rays, axis=-1, keepdims=True)
        light = np.zeros((len(samples.points), len(LIGHTS)), np.float32)
        shine = np.zeros((len(LIGHTS), len(samples.points)), np.float32)
        for number, directions in enumerate(self._lights.directions):
            found = self._visible(samples.points, samples.normals, opening, number)
            for share, facing, seen in found:
                light[:, number] += share * np.maximum(facing, 0) * seen
            # The room's light comes from everywhere: no highlights. Of a soft lamp the
            # middle stands for the rest.
            if number:
                middle = len(directions) // 2
                _, facing, seen = found[middle]
                glint = _shine(samples.normals, toward, directions[middle], samples.sharpness)
                shine[number] = glint * samples.gloss * seen * (facing > 0)
        result = self._body(samples.albedo, light, self._bounce(samples.points[:, 2]))
        metal = samples.metal[:, None]
        result += shine[..., None] * (1 - metal + metal * samples.albedo)
        mirrored = _mirrored_room(samples.normals, toward)[:, None] * metal * samples.albedo
        result[0] += mirrored
        result[3] += 0.6 * mirrored
        return self._uneven(result, samples.points)

    def _look_up(self, samples: RackSamples, face_light: Floats) -> Floats:
        """Return the light (..., lights) at the inner faces; elsewhere it means nothing."""
        left, top, right, bottom = self._view.opening(0, 0)
        face = samples.face
        deep = samples.points[..., 2] / self._view.depth
        across = (samples.points[..., 0] - samples.left) / (right - left)
        down = (samples.points[..., 1] - samples.top) / (bottom - top)
        u = np.where((face == LEFT) | (face == RIGHT), deep, across)
        v = np.where((face == TOP) | (face == FLOOR), deep, down)
        # Texels of neighbouring faces must not mix.
        column = np.clip(u * _FACE_TEXELS - 0.5, 0, _FACE_TEXELS - 1)
        row = np.clip(v * _FACE_TEXELS - 0.5, 0, _FACE_TEXELS - 1)
        row += np.clip(face - 1, 0, 4) * np.float32(_FACE_TEXELS)
        return np.asarray(
            cv2.remap(
                face_light,
                column.astype(np.float32),
                row.astype(np.float32),
                cv2.INTER_LINEAR,
            )
        )

    def _on_wall(self, points: Floats, light: int) -> Floats:
        """Return the light on the wall behind, in the soft shadow of the whole rack."""
        total = np.zeros(len(points), np.float32)
        for share, (dx, dy, dz) in zip(
            self._lights.shares[light], self._lights.directions[light], strict=True
        ):
            qx = points[:, 0] - points[:, 2] * (dx / dz)
            qy = points[:, 1] - points[:, 2] * (dy / dz)
            within = np.minimum(
                np.minimum(qx + CASING, self._view.columns + CASING - qx),
                np.minimum(qy + CASING, self._tall + CASING - qy),
            )
            seen = np.clip(0.5 - within / (0.2 + self._lights.softness[light]), 0, 1)
            total += share * -dz * seen
        return total

    def _bounce(self, z: Floats) -> Floats:
        return np.asarray(0.34 * np.exp(-0.9 * z / self._view.depth), np.float32)

    def _body(self, albedo: Floats, light: Floats, bounce: Floats) -> Floats:
        """Return the light (lights, ..., 3) that a matt surface sends on."""
        glow = bounce[..., None] * self._glow
        result = np.empty((len(LIGHTS), *albedo.shape), np.float32)
        for number in range(len(LIGHTS)):
            energy = np.float32(1.35 if number in _LAMPS else 1.0)
            result[number] = albedo * (energy * light[..., number, None] + glow)
        return result

    def _uneven(self, result: Floats, points: Floats) -> Floats:
        """Vary the light over the rack: the lamp hangs above, the windows are at the sides."""
        down = np.clip(points[..., 1] / self._tall, -0.2, 1.2)
        across = np.clip(points[..., 0] / self._view.columns, -0.2, 1.2)
        result[3] *= (1.25 - 0.5 * down)[..., None]
        for light in (1, 2):
            sign = np.sign(self._lights.directions[light][0, 0])
            result[light] *= (1 + 0.25 * sign * (across - 0.5))[..., None]
        return result


def _shine(normals: Floats, toward: Floats, light: Floats, sharpness: Floats | float) -> Floats:
    """Return the highlight of a light, after Blinn and Phong."""
    half = light + toward
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    angle = np.clip(np.einsum("ij,ij->i", normals, half), 1e-3, 1)
    return np.asarray(np.exp(sharpness * np.log(angle)) * (sharpness + 8) / 60, np.float32)


def _mirrored_room(normals: Floats, toward: Floats) -> Floats:
    """Return what polished metal mirrors of the room: a bright band above, a dark floor."""
    head_on = np.einsum("ij,ij->i", normals, toward)
    mirrored = 2 * head_on[:, None] * normals - toward
    up = -mirrored[:, 1]
    band = np.exp(-(((up - 0.45) / 0.16) ** 2)) + 0.35 * np.exp(-(((up + 0.1) / 0.1) ** 2))
    return np.asarray((0.12 + 0.75 * band) * (mirrored[:, 2] < 0.15), np.float32)
