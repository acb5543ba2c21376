"""From geometry to light: what every source alone makes of a part of the picture.

The rack is a row of boxes, so every ray is met exactly; things are small quadrilaterals
drawn from far to near into an index picture, from which colour, normal and position of
every sample are looked up.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge.cameras.simulator.cabinet import BACK, FLOOR, FRONT, LEFT, RIGHT, TOP, WALL, Cabinet
from edge.cameras.simulator.geometry import HEIGHT_PX, WIDTH_PX, Floats, View, floats
from edge.cameras.simulator.light import Lights
from edge.cameras.simulator.meshes import normals_of
from edge.cameras.simulator.shading import (
    CASING,
    FACE_NORMALS,
    SHADOW_TEXELS,
    Opening,
    RackSamples,
    Shader,
    Shadows,
    ThingSamples,
)
from edge.cameras.simulator.things import Part

OVERSAMPLE = 2

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


class Renderer:
    """Renders parts of one rack's picture, one linear picture per light."""

    def __init__(self, view: View, cabinet: Cabinet, lights: Lights) -> None:
        """Take what never changes while a rack is watched."""
        self.view = view
        self.cabinet = cabinet
        self.lights = lights
        self.shader = Shader(view, cabinet, lights)

    def render(
        self, box: Box, row: int = -1, column: int = -1, thing: tuple[Part, ...] = ()
    ) -> Floats:
        """Return linear light (lights, height, width, 3) of a pixel box.

        The slots are empty but for the one with a thing.
        """
        rays = self.view.rays(*box, OVERSAMPLE)
        rack = self._rack(rays)
        if not thing:
            return self._shrink(self.shader.rack(rack, self.shader.empty_light), box)
        opening = self.view.opening(row, column)
        quads, normals, part_of = self._place(thing, opening)
        shadows = self._shadows(quads, normals, opening)
        light = self.shader.rack(rack, self.shader.face_light(shadows))
        # Clear parts are laid over what they hold.
        is_clear = np.array([part.material.opacity < 1 for part in thing])
        for clear in (False, True):
            chosen = is_clear[part_of] == clear
            if chosen.any():
                self._lay(light, rays, box, thing, opening, quads, normals, part_of, chosen)
        return self._shrink(light, box)

    def _rack(self, rays: Floats) -> RackSamples:
        """Meet every ray with the rack: front, inside of a slot, or the wall behind."""
        view = self.view
        eye = view.eye.astype(np.float32)
        front = eye + rays * -eye[2]
        x, y = front[..., 0], front[..., 1]
        column, row = np.floor(x), np.floor(y / view.cell_height)
        half = view.gap / 2
        left, right = column + half, column + 1 - half
        top, bottom = (row + half) * view.cell_height, (row + 1 - half) * view.cell_height
        in_grid = (column >= 0) & (column < view.columns) & (row >= 0) & (row < view.rows)
        inside = in_grid & (x > left) & (x < right) & (y > top) & (y < bottom)
        tall = view.rows * view.cell_height
        outside = (x < -CASING) | (x > view.columns + CASING) | (y < -CASING) | (y > tall + CASING)
        # Depth at which the ray meets each wall of its slot; the nearest counts.
        with np.errstate(divide="ignore", invalid="ignore"):
            to_side = (np.where(rays[..., 0] < 0, left, right) - x) / rays[..., 0]
            to_level = (np.where(rays[..., 1] < 0, top, bottom) - y) / rays[..., 1]
        back = np.full_like(x, view.depth)
        z = np.minimum(np.minimum(np.nan_to_num(to_side, nan=9e9), to_level), back)
        face = np.where(
            z == back,
            BACK,
            np.where(
                z == to_side,
                np.where(rays[..., 0] < 0, LEFT, RIGHT),
                np.where(rays[..., 1] < 0, TOP, FLOOR),
            ),
        )
        face = np.where(inside, face, np.where(outside, WALL, FRONT)).astype(np.int8)
        z = np.where(inside, z, np.where(outside, view.depth, 0.0)).astype(np.float32)
        points = front + rays * z[..., None]
        normals = FACE_NORMALS[face]
        px, py = points[..., 0], points[..., 1]
        # The second nearest wall makes a corner: dirt gathers there.
        nearest = np.minimum(px - left, right - px)
        second = np.maximum(px - left, right - px)
        for distance in (py - top, bottom - py, view.depth - z):
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
        near = np.exp(-np.maximum(second, 0) / 0.06)
        # Rounded lips catch the light.
        beside = (py > top) & (py < bottom)
        beside &= np.minimum(np.abs(px - left), np.abs(right - px)) < 0.02
        above = (px > left) & (px < right)
        above &= np.minimum(np.abs(py - top), np.abs(bottom - py)) < 0.02
        lip = (face == FRONT) & in_grid & (beside | above)
        tilt = np.zeros_like(normals)
        tilt[..., 0] = (1.0 * (px < left) - 1.0 * (px > right)) * beside
        tilt[..., 1] = (1.0 * (py < top) - 1.0 * (py > bottom)) * above
        bent = normals + tilt * np.float32(0.9)
        bent /= np.linalg.norm(bent, axis=-1, keepdims=True)
        normals = np.where(lip[..., None], bent, normals)
        shape = face.shape
        flat_points = points.reshape(-1, 3)
        albedo = self.cabinet.albedo(view, face.ravel(), flat_points, near.ravel()).reshape(
            *shape, 3
        )
        wall = face == WALL
        tone = 1 + 0.04 * np.sin(px * 1.3) * np.sin(py * 1.1)
        albedo[wall] = self.cabinet.room_wall_rgb * tone[wall][:, None].astype(np.float32)
        # Where two cells of the frame meet there is a fine joint.
        joint = (face == FRONT) & in_grid & (np.abs(x - np.round(x)) < 0.004)
        albedo[joint] *= 0.7
        rim = (face == FRONT) & ~in_grid
        rim &= (
            np.minimum(
                np.minimum(px + CASING, view.columns + CASING - px),
                np.minimum(py + CASING, tall + CASING - py),
            )
            < 0.012
        )
        albedo[rim] *= 0.55
        return RackSamples(points, normals, albedo, rays, face, left, top)

    def _place(
        self, thing: tuple[Part, ...], opening: Opening
    ) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
        """Return the thing's quadrilaterals in rack coordinates, their normals and parts."""
        left, _, right, floor = opening
        quads = np.concatenate([part.placed_quads() for part in thing])
        normals = normals_of(quads)
        part_of = np.repeat(np.arange(len(thing)), [len(part.quads) for part in thing])
        flip = floats([1, -1, 1])
        origin = floats([(left + right) / 2, floor, self.view.depth / 2])
        return quads * flip + origin, normals * flip, part_of

    def _shadows(self, quads: Floats, normals: Floats, opening: Opening) -> Shadows:
        """Return, per light and direction, how much of the slot's opening the thing blocks."""
        left, top, right, bottom = opening
        size_wh = (int((right - left) * SHADOW_TEXELS) + 2, int((bottom - top) * SHADOW_TEXELS) + 2)
        shadows: Shadows = []
        for light, directions in enumerate(self.lights.directions):
            blur_px = (0.035 if light in (1, 2) else 0.06) * SHADOW_TEXELS
            masks = []
            for direction in directions:
                flat = quads[..., :2] + direction[:2] * (quads[..., 2:] / -direction[2])
                texels = (flat - floats([left, top])) * np.float32(SHADOW_TEXELS * 16)
                mask = np.zeros(size_wh[::-1], np.uint8)
                lit = (normals @ direction) > 0
                for polygon in texels[lit].astype(np.int32):
                    cv2.fillConvexPoly(mask, polygon, 255, cv2.LINE_8, 4)
                mask = cv2.GaussianBlur(mask, (0, 0), blur_px)
                masks.append(mask.astype(np.float32) / 255)
            shadows.append(masks)
        return shadows

    def _lay(
        self,
        light: Floats,
        rays: Floats,
        box: Box,
        thing: tuple[Part, ...],
        opening: Opening,
        quads: Floats,
        normals: Floats,
        part_of: npt.NDArray[np.intp],
        chosen: npt.NDArray[np.bool_],
    ) -> None:
        """Draw the chosen quadrilaterals over the light of what is behind them."""
        eye = self.view.eye.astype(np.float32)
        quads, normals, part_of = quads[chosen], normals[chosen], part_of[chosen]
        seen = np.einsum("ij,ij->i", normals, quads.mean(axis=1) - eye) < 0
        quads, normals, part_of = quads[seen], normals[seen], part_of[seen]
        order = np.argsort(-np.linalg.norm(quads.mean(axis=1) - eye, axis=1))
        pixels = (self.view.project(quads) - (box[0], box[1])) * OVERSAMPLE - 0.5
        polygons = np.round(pixels * 16).astype(np.int32)
        index = np.full(rays.shape[:2], -1, np.int32)
        for number in order:
            cv2.fillConvexPoly(index, polygons[number], int(number), cv2.LINE_8, 4)
        where = np.nonzero(index >= 0)
        if not len(where[0]):
            return
        hit = index[where]
        # Small flat faces stand for round ones: blur the normals within the thing.
        field = np.zeros((*index.shape, 4), np.float32)
        field[where] = np.concatenate([normals[hit], np.ones((len(hit), 1), np.float32)], axis=1)
        normal = cv2.blur(field, (5, 5))[where][:, :3]
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
        ray = rays[where]
        corner = quads[hit, 0]
        slope = np.einsum("ij,ij->i", normals[hit], ray)
        slope = np.where(np.abs(slope) < 1e-4, -1e-4, slope)
        reach = np.einsum("ij,ij->i", normals[hit], corner - eye) / slope
        low, high = quads[..., 2].min(axis=1)[hit], quads[..., 2].max(axis=1)[hit]
        reach = np.clip(reach, low - eye[2], high - eye[2])
        points = eye + ray * reach[:, None]
        samples, opacity = self._thing_samples(
            points, normal, normals[hit], ray, thing, part_of[hit], opening
        )
        shaded = self.shader.thing(samples, opening)
        grazing = 1 - np.abs(np.einsum("ij,ij->i", normal, ray)) / np.linalg.norm(ray, axis=1)
        opacity = np.clip(np.where(opacity < 1, opacity + 0.5 * grazing**3, 1), 0, 1)
        behind = light[:, where[0], where[1]]
        light[:, where[0], where[1]] = behind + (shaded - behind) * opacity[None, :, None]

    def _thing_samples(
        self,
        points: Floats,
        normal: Floats,
        flat_normal: Floats,
        ray: Floats,
        thing: tuple[Part, ...],
        part_of: npt.NDArray[np.intp],
        opening: Opening,
    ) -> tuple[ThingSamples, Floats]:
        """Look up the materials; return the samples and how opaque they are."""
        left, _, right, floor = opening
        albedo = np.empty_like(points)
        gloss, sharpness, metal, opacity = np.empty((4, len(points)), np.float32)
        origin = floats([(left + right) / 2, floor, self.view.depth / 2])
        flip = floats([1, -1, 1])
        for number in np.unique(part_of):
            part, mine = thing[number], part_of == number
            inverse = np.linalg.inv(part.turn)
            local = ((points[mine] - origin) * flip - part.offset) @ inverse.T
            local_normal = (flat_normal[mine] * flip) @ inverse.T
            local_normal /= np.maximum(np.linalg.norm(local_normal, axis=1, keepdims=True), 1e-9)
            albedo[mine] = part.material.pattern(local, local_normal)
            gloss[mine], sharpness[mine] = part.material.gloss, part.material.sharpness
            metal[mine], opacity[mine] = part.material.metal, part.material.opacity
        # Close to the ground less light comes from below and behind.
        height = (floor - points[:, 1]) / self.view.cell_height
        albedo *= (0.62 + 0.38 * np.clip(height / 0.22, 0, 1) ** 0.7)[:, None]
        return ThingSamples(points, normal, albedo, ray, gloss, sharpness, metal), opacity

    def _shrink(self, light: Floats, box: Box) -> Floats:
        """Average the samples of a pixel and darken towards the picture's corners."""
        left, top, right, bottom = box
        wh = (right - left, bottom - top)
        shrunk = np.stack([cv2.resize(one, wh, interpolation=cv2.INTER_AREA) for one in light])
        x = (np.arange(left, right) + 0.5) / WIDTH_PX - 0.5
        y = (np.arange(top, bottom) + 0.5) / HEIGHT_PX - 0.5
        falloff = 1 - 0.5 * (x[None, :] ** 2 + y[:, None] ** 2)
        return np.asarray(shrunk * falloff[None, :, :, None], np.float32)
