"""From geometry to light: what every source alone makes of a part of the picture.

The rack is a row of boxes, so every ray is met exactly; things are small quadrilaterals
drawn from far to near into an index picture, from which colour, normal and position of
every sample are looked up. Light is soft and costs most: it is worked out once per pixel.
"""

from __future__ import annotations

from functools import reduce

import cv2
import numpy as np
import numpy.typing as npt

from edge.cameras.simulator.cabinet import BACK, FRONT, LEFT, TOP, WALL, Cabinet
from edge.cameras.simulator.geometry import HEIGHT_PX, WIDTH_PX, Floats, View, floats
from edge.cameras.simulator.light import Lights
from edge.cameras.simulator.meshes import normals_of
from edge.cameras.simulator.shading import (
    CASING,
    SHADOW_TEXELS,
    Opening,
    RackSamples,
    Shader,
    Shadows,
    ThingSamples,
)
from edge.cameras.simulator.things import Part

OVERSAMPLE = 2  # samples per side of a pixel, for things

_STRIPE_PX = 160  # rows of a thing drawn at once: few slots are higher, memory stays small

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
_FLIP = np.array([1, -1, 1], np.float32)  # a part's y points up, the rack's down


class Renderer:
    """Renders parts of one rack's picture, one linear picture per light."""

    def __init__(self, view: View, cabinet: Cabinet, lights: Lights) -> None:
        """Take what never changes while a rack is watched."""
        self._view = view
        self._cabinet = cabinet
        self._lights = lights
        self._shader = Shader(view, cabinet, lights)

    def rack(self, u_px: Floats, v_px: Floats) -> Floats:
        """Return linear light (lights, 3, ...) of the empty rack at positions of two axes."""
        samples = self._meet(self._view.rays(u_px, v_px))
        near = self._near(samples)
        albedo = self._cabinet.albedo(
            self._view, samples.face, samples.x, samples.y, samples.z, near
        )
        normals = self._carve(samples, albedo)
        light = self._shader.rack(samples, albedo, normals)
        light *= _falloff(u_px, v_px)
        return light

    def thing(
        self, box: Box, row: int, column: int, thing: tuple[Part, ...], empty: Floats
    ) -> Floats:
        """Return linear light (lights, 3, height, width) of a pixel box with a thing in a slot.

        `empty` is that of the empty rack.
        """
        left, top, right, bottom = box
        opening = self._view.opening(row, column)
        placed = [self._place(part, opening) for part in thing]
        shadows = self._shadows(placed, opening)
        is_clear = [part.material.opacity < 1 for part in thing]
        light = empty.copy()
        for start in range(top, bottom, _STRIPE_PX):
            stop = min(start + _STRIPE_PX, bottom)
            u, v = np.meshgrid(np.arange(left, right) + 0.5, np.arange(start, stop) + 0.5)
            stripe = light[:, :, start - top : stop - top]
            stripe *= self._shader.shaded_share(self._meet(self._view.rays(u, v)), shadows)
            # Clear parts are laid over what they hold.
            for clear in (False, True):
                chosen = [number for number in range(len(thing)) if is_clear[number] == clear]
                if chosen:
                    parts, meshes = [thing[n] for n in chosen], [placed[n] for n in chosen]
                    self._lay(stripe, (left, start, right, stop), parts, meshes, opening)
        return light

    def _meet(self, rays: Floats) -> RackSamples:
        """Meet every ray with the rack: front, inside of a slot, or the wall behind."""
        view = self._view
        eye_x, eye_y, eye_z = view.eye.tolist()
        x, y = eye_x - eye_z * rays[0], eye_y - eye_z * rays[1]
        column, row = np.floor(x), np.floor(y / view.cell_height)
        half = view.gap / 2
        left, right = column + half, column + 1 - half
        top, bottom = (row + half) * view.cell_height, (row + 1 - half) * view.cell_height
        inside = self._in_grid(x, y)
        inside &= (x > left) & (x < right) & (y > top) & (y < bottom)
        tall = view.rows * view.cell_height
        outside = (x < -CASING) | (x > view.columns + CASING) | (y < -CASING) | (y > tall + CASING)
        # Depth at which the ray meets each wall of its slot; the nearest counts.
        from_left, from_above = rays[0] >= 0, rays[1] >= 0
        with np.errstate(divide="ignore", invalid="ignore"):
            to_side = (np.where(from_left, right, left) - x) / rays[0]
            to_level = (np.where(from_above, bottom, top) - y) / rays[1]
        back = np.float32(view.depth)
        z = np.minimum(np.minimum(to_side, to_level), back)
        face = np.where(z == to_side, from_left + np.int8(LEFT), from_above + np.int8(TOP))
        face[z == back] = BACK
        face[~inside] = FRONT
        face[outside] = WALL
        z[~inside] = 0
        z[outside] = back
        return RackSamples(x + rays[0] * z, y + rays[1] * z, z, rays, face, left, top)

    def _in_grid(self, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
        tall = self._view.rows * self._view.cell_height
        return (x >= 0) & (x < self._view.columns) & (y >= 0) & (y < tall)

    def _near(self, samples: RackSamples) -> Floats:
        """Return how close samples lie to an edge between two walls: dirt gathers there."""
        x, y = samples.x - samples.left, samples.y - samples.top
        left, top, right, bottom = self._view.opening(0, 0)
        nearest, second = np.minimum(x, right - left - x), np.maximum(x, right - left - x)
        for distance in (y, bottom - top - y, self._view.depth - samples.z):
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
        return np.asarray(np.exp(np.maximum(second, 0) * (-1 / 0.06)))

    def _carve(self, samples: RackSamples, albedo: Floats) -> Floats:
        """Draw joints and rim of the front into the albedo; return its normals (3, n)."""
        view = self._view
        front = samples.face == FRONT
        x, y = samples.x[front], samples.y[front]
        left, top = samples.left[front], samples.top[front]
        width, height = 1 - view.gap, (1 - view.gap) * view.cell_height
        right, bottom = left + width, top + height
        in_grid = self._in_grid(x, y)
        # Rounded lips catch the light.
        beside = in_grid & (y > top) & (y < bottom)
        beside &= np.minimum(np.abs(x - left), np.abs(right - x)) < 0.02
        above = in_grid & (x > left) & (x < right)
        above &= np.minimum(np.abs(y - top), np.abs(bottom - y)) < 0.02
        tilt_x = np.where(x < left, np.float32(0.9), np.float32(-0.9)) * beside
        tilt_y = np.where(y < top, np.float32(0.9), np.float32(-0.9)) * above
        normals = np.stack([tilt_x, tilt_y, np.full_like(x, -1)])
        normals /= np.sqrt(1 + tilt_x**2 + tilt_y**2)
        # Where two cells of the frame meet there is a fine joint.
        joint = in_grid & (np.abs(x - np.round(x)) < 0.004)
        tall = view.rows * view.cell_height
        to_rim = np.minimum(
            np.minimum(x + CASING, view.columns + CASING - x),
            np.minimum(y + CASING, tall + CASING - y),
        )
        albedo[:, front] *= np.where(joint, 0.7, np.where(~in_grid & (to_rim < 0.012), 0.55, 1))
        return normals

    def _place(self, part: Part, opening: Opening) -> Floats:
        """Return the part's mesh in rack coordinates."""
        return part.placed_quads() * _FLIP + self._origin(opening)

    def _origin(self, opening: Opening) -> Floats:
        left, _, right, floor = opening
        return floats([(left + right) / 2, floor, self._view.depth / 2])

    def _shadows(self, placed: list[Floats], opening: Opening) -> Shadows:
        """Return, per light and direction, how much of the slot's opening the thing blocks."""
        left, top, right, bottom = opening
        size_wh = (int((right - left) * SHADOW_TEXELS) + 2, int((bottom - top) * SHADOW_TEXELS) + 2)
        # Two opposite corners: the others are those of a neighbour.
        pieces = [piece[:, ::2].reshape(-1, 3) for quads in placed for piece in quads]
        ends = np.cumsum([len(piece) for piece in pieces])[:-1]
        points = (np.concatenate(pieces) - floats([left, top, 0])) * np.float32(SHADOW_TEXELS * 16)
        shadows: Shadows = []
        for light, directions in enumerate(self._lights.directions):
            blur_px = (0.035 if light in (1, 2) else 0.06) * SHADOW_TEXELS
            masks = []
            for direction in directions:
                flat = points[:, :2] - points[:, 2:] * (direction[:2] / direction[2])
                mask = np.zeros(size_wh[::-1], np.uint8)
                for outline in np.split(flat.astype(np.int32), ends):
                    cv2.fillConvexPoly(mask, cv2.convexHull(outline), 255, cv2.LINE_8, 4)
                mask = cv2.GaussianBlur(mask, (0, 0), blur_px)
                masks.append(mask.astype(np.float32) / 255)
            shadows.append(masks)
        return shadows

    def _lay(
        self,
        light: Floats,
        box: Box,
        thing: list[Part],
        placed: list[Floats],
        opening: Opening,
    ) -> None:
        """Draw parts over the light of what is behind them."""
        field = self._average(box, thing, placed, opening)
        y, x = np.nonzero(field[..., 0])
        if not len(y):
            return
        count, *rest = field[y, x].T
        point, albedo = np.stack(rest[0:3]) / count, np.stack(rest[6:9]) / count
        gloss, sharpness, metal, opacity = np.stack(rest[9:]) / count
        # Small flat faces stand for round ones: blur the normals within the thing.
        normal = cv2.blur(np.ascontiguousarray(field[..., 4:7]), (3, 3))[y, x].T
        normal = normal / np.maximum(np.linalg.norm(normal, axis=0), 1e-6)
        # Close to the ground less light comes from below and behind.
        height = (opening[3] - point[1]) / self._view.cell_height
        albedo *= 0.62 + 0.38 * np.clip(height / 0.22, 0, 1) ** 0.7
        u, v = box[0] + x + 0.5, box[1] + y + 0.5
        ray = self._view.rays(u, v)
        samples = ThingSamples(point, normal, albedo, ray, gloss, sharpness, metal)
        shaded = self._shader.thing(samples, opening) * _falloff(u, v)
        grazing = 1 - np.abs(np.einsum("in,in->n", normal, ray)) / np.linalg.norm(ray, axis=0)
        opacity = np.clip(np.where(opacity < 1, opacity + 0.5 * grazing**3, 1), 0, 1)
        behind = light[:, :, y, x]
        light[:, :, y, x] = behind + (shaded - behind) * (opacity * count / OVERSAMPLE**2)

    def _average(
        self, box: Box, thing: list[Part], placed: list[Floats], opening: Opening
    ) -> Floats:
        """Return what a pixel's samples see of the parts, summed up: (height, width, 14).

        How many samples see one, then the sums of position, normal, albedo, gloss,
        sharpness, metal and opacity.
        """
        left, top, right, bottom = box
        eye = self._view.eye.astype(np.float32)
        quads = np.concatenate([mesh.reshape(-1, 4, 3) for mesh in placed])
        part_of = np.repeat(np.arange(len(thing)), [mesh[..., 0, 0].size for mesh in placed])
        normals = -normals_of(quads)  # y points down: a mirror image
        middle = quads.mean(axis=1) - eye
        seen = np.einsum("ij,ij->i", normals, middle) < 0
        quads, normals, part_of = quads[seen], normals[seen], part_of[seen]
        order = np.argsort(-np.linalg.norm(middle[seen], axis=1))
        pixels = (self._view.project(quads) - (left, top)) * OVERSAMPLE - 0.5
        polygons = np.round(pixels * 16).astype(np.int32)
        index = np.full(((bottom - top) * OVERSAMPLE, (right - left) * OVERSAMPLE), -1, np.int32)
        for number in order.tolist():
            cv2.fillConvexPoly(index, polygons[number], number, cv2.LINE_8, 4)
        where = np.nonzero(index >= 0)
        hit = index[where]
        normal = normals[hit]
        rays = self._view.rays(
            left + (where[1] + 0.5) / OVERSAMPLE, top + (where[0] + 0.5) / OVERSAMPLE
        )
        slope = np.einsum("ni,in->n", normal, rays)
        slope = np.where(np.abs(slope) < 1e-4, np.float32(-1e-4), slope)
        reach = np.einsum("ij,ij->i", normals, quads[:, 0] - eye)[hit] / slope
        low, high = quads[..., 2].min(axis=1) - eye[2], quads[..., 2].max(axis=1) - eye[2]
        points = eye + (rays * np.clip(reach, low[hit], high[hit])).T
        field = np.zeros((*index.shape, 14), np.float32)
        values = np.ones((len(hit), field.shape[2]), np.float32)
        values[:, 1:4], values[:, 4:7] = points, normal
        owner = part_of[hit]
        for number, part in enumerate(thing):
            mine = owner == number
            material = part.material
            inverse = np.linalg.inv(part.turn)
            local = ((points[mine] - self._origin(opening)) * _FLIP - part.offset) @ inverse.T
            local_normal = (normal[mine] * _FLIP) @ inverse.T
            local_normal /= np.linalg.norm(local_normal, axis=1, keepdims=True)
            values[mine, 7:10] = material.pattern(local, local_normal)
            values[mine, 10:] = (
                material.gloss,
                material.sharpness,
                material.metal,
                material.opacity,
            )
        field[where] = values
        # NumPy's own sum over short axes takes ten times as long.
        rows = reduce(np.add, (field[start::OVERSAMPLE] for start in range(OVERSAMPLE)))
        parts = (rows[:, start::OVERSAMPLE] for start in range(OVERSAMPLE))
        return np.asarray(reduce(np.add, parts))


def _falloff(u_px: Floats, v_px: Floats) -> Floats:
    """Return how the lens darkens towards the picture's corners."""
    x, y = u_px / WIDTH_PX - 0.5, v_px / HEIGHT_PX - 0.5
    return np.asarray(1 - 0.5 * (x**2 + y**2), np.float32)
