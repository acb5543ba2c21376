"""Empty places: a material with its marks, a box seen from the front, a floor before a wall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trainer.imagined.marks import MARKS
from trainer.imagined.materials import MATERIALS
from trainer.imagined.pose import laid
from trainer.imagined.sheet import (
    Random,
    Sheet,
    any_colour,
    blurred,
    box,
    pick,
    polygon,
    stroke,
)
from trainer.imagined.things import LYING
from trainer.imagined.tools import TOOLS

View = Literal["from above", "oblique", "front"]


@dataclass(frozen=True, eq=False)
class Place:
    """An empty place, and what a thing has to know to be put there."""

    sheet: Sheet
    view: View
    floor: float  # where things that stand have their lower edge, a share of the side
    fitting: Sheet | None  # the thing whose outline is painted on the place or cut into it


def any_place(size_px: int, random: Random) -> Place:
    """Return a place of any kind."""
    kind = random.random()
    if kind < 0.5:
        return _flat(size_px, random)
    if kind < 0.62:
        return _with_an_outline(size_px, random)
    if kind < 0.8:
        return _boxed(size_px, random)
    return _floor_before_a_wall(size_px, random)


def surface(size_px: int, random: Random, most_marks: int = 4) -> Sheet:
    """Return a material with some marks on it, its grain in any of four directions."""
    sheet = Sheet(size_px, any_colour(random))
    pick(random, MATERIALS)(sheet, random)
    turns = int(random.integers(4))
    sheet.albedo_rgb = np.ascontiguousarray(np.rot90(sheet.albedo_rgb, turns))
    sheet.height = np.ascontiguousarray(np.rot90(sheet.height, turns))
    for _ in range(int(random.integers(0, most_marks + 1))):
        pick(random, MARKS)(sheet, random)
    return sheet


def _flat(size_px: int, random: Random) -> Place:
    return Place(surface(size_px, random), "from above", 1.0, None)


def _with_an_outline(size_px: int, random: Random) -> Place:
    """A shadow board or a foam inlay: the outline of a thing, painted or cut out."""
    sheet = surface(size_px, random, most_marks=1)
    kinds = TOOLS + LYING if random.random() < 0.7 else TOOLS
    thing = pick(random, kinds)(size_px, random)
    centre = (float(random.normal(0.5, 0.03)), float(random.normal(0.5, 0.03)))
    fitting = laid(thing, centre, random.uniform(0.6, 0.95), random.uniform(0, 360))
    outline = np.clip(blurred(fitting.coverage, 0.01) * 3, 0, 1)  # a little larger than the thing
    kind = random.random()
    if kind < 0.4:
        sheet.paint(outline, any_colour(random))
    elif kind < 0.85:
        sheet.carve(outline, random.uniform(0.03, 0.12), random.uniform(0.4, 0.9))
        if random.random() < 0.4:
            sheet.paint(outline, any_colour(random))
    else:
        sheet.paint(np.clip(outline - fitting.coverage, 0, 1), any_colour(random))
    return Place(sheet, "from above", 1.0, fitting)


def _boxed(size_px: int, random: Random) -> Place:
    """A compartment or locker seen from the front: back, sides, ceiling and floor."""
    sheet = surface(size_px, random, most_marks=2)
    if random.random() < 0.5:
        other = surface(size_px, random, most_marks=1)
        sheet.paint(box(size_px, 0, 0.6, 1, 1), other.albedo_rgb)
    left, right = random.uniform(0.02, 0.3), 1 - random.uniform(0.02, 0.3)
    top, bottom = random.uniform(0.0, 0.25), 1 - random.uniform(0.08, 0.35)
    sheet.albedo_rgb *= np.float32(random.uniform(0.5, 1))
    faces = (
        [(0, 0), (left, top), (left, bottom), (0, 1)],
        [(1, 0), (right, top), (right, bottom), (1, 1)],
        [(0, 0), (1, 0), (right, top), (left, top)],
        [(0, 1), (1, 1), (right, bottom), (left, bottom)],
    )
    for face in faces:
        mask = polygon(size_px, face)
        sheet.albedo_rgb *= 1 + mask[:, :, None] * random.uniform(-0.55, 0.6)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    dark = stroke(size_px, corners, 0.02, is_closed=True)
    sheet.albedo_rgb *= 1 - random.uniform(0.1, 0.6) * blurred(dark, 0.01)[:, :, None]
    if random.random() < 0.6:
        # Little light comes as far as the back.
        inside = box(size_px, left, top, right, bottom)
        sheet.albedo_rgb *= 1 - random.uniform(0.1, 0.6) * blurred(inside, 0.08)[:, :, None]
    np.clip(sheet.albedo_rgb, 0, 1, out=sheet.albedo_rgb)
    return Place(sheet, "front", random.uniform(bottom, 0.96), None)


def _floor_before_a_wall(size_px: int, random: Random) -> Place:
    """A shelf, bench or ground from a little above; now and then one sees only the ground."""
    sheet = surface(size_px, random, most_marks=3)
    horizon = random.uniform(-0.3, 0.6)
    if horizon > 0:
        wall = surface(size_px, random, most_marks=2)
        tilt = random.normal(0, 0.03)
        line = [(-0.1, horizon - tilt), (1.1, horizon + tilt)]
        mask = polygon(size_px, [*line, (1.1, -0.1), (-0.1, -0.1)])
        sheet.paint(mask, wall.albedo_rgb * np.float32(random.uniform(0.4, 1.1)))
        sheet.height += mask * (wall.height - sheet.height)
        dark = blurred(stroke(size_px, line, 0.03), random.uniform(0.005, 0.03))
        sheet.albedo_rgb *= 1 - random.uniform(0, 0.7) * dark[:, :, None]
        np.clip(sheet.albedo_rgb, 0, 1, out=sheet.albedo_rgb)
    return Place(sheet, "oblique", random.uniform(max(0.75, horizon + 0.15), 0.95), None)
