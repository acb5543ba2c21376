"""Things of no set shape, and the table of all that lie on a place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.imagined.flat_things import book, circuit, device, parcel, vehicle
from trainer.imagined.parts import MIDDLE, Thing
from trainer.imagined.pose import laid
from trainer.imagined.round_things import ball, coil, disc, ring, screw_head
from trainer.imagined.sheet import (
    Floats,
    Random,
    Sheet,
    any_colour,
    bevel,
    blurred,
    dome,
    pick,
    polygon,
    turbulence,
)


def lump(size_px: int, random: Random) -> Sheet:
    """Return a body of no particular shape: round, angular, dented; stone, clay, a casting."""
    sheet = Sheet(size_px, any_colour(random))
    corners = int(random.integers(3, 12))
    angles = np.sort(random.uniform(0, 2 * np.pi, corners) * 0.3 + np.arange(corners) / corners * 5)
    radii = random.uniform(random.uniform(0.15, 0.4), 0.46, corners)
    points: Floats = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1) + MIDDLE
    if random.random() < 0.5:
        points = _rounded(points)
    mask = polygon(size_px, points)
    tall = random.uniform(0.05, 0.2)
    height = (
        dome(mask, tall) if random.random() < 0.5 else bevel(mask, random.uniform(0.02, 0.2), tall)
    )
    if random.random() < 0.5:
        height = height + turbulence(size_px, 5, random) * np.float32(random.uniform(0, 0.012))
    sheet.add(mask, sheet.albedo_rgb, height)
    if random.random() < 0.5:
        rough = turbulence(size_px, random.uniform(3, 15), random)[:, :, None]
        sheet.albedo_rgb *= 1 + random.uniform(0.03, 0.2) * rough
    sheet.gloss = random.uniform(0, 0.8)
    sheet.rise = tall
    return sheet


def _rounded(points: Floats) -> Floats:
    """Return the outline with its corners cut off, three times (Chaikin's curve)."""
    for _ in range(3):
        following = np.roll(points, -1, axis=0)
        pairs = [0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following]
        points = np.stack(pairs, axis=1).reshape(-1, 2)
    return points


def bundle_of_cloth(size_px: int, random: Random) -> Sheet:
    """Return a rag, glove, bag or crumpled paper: soft folds within a soft outline."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    radii = random.uniform(0.28, 0.47, 14)
    points = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1) + MIDDLE
    mask = polygon(size_px, _rounded(points))
    folds = turbulence(size_px, random.uniform(2, 5), random)
    if random.random() < 0.5:
        folds = np.abs(folds)
    height = dome(mask, 0.1) + blurred(folds, 0.01) * np.float32(random.uniform(0.02, 0.06))
    sheet.add(mask, colour, height)
    if random.random() < 0.3:
        stripes = np.sin((np.arange(size_px) / size_px + folds * 0.05) * random.uniform(20, 80))
        sheet.paint((stripes > 0.3) * mask, any_colour(random))
    sheet.gloss = pick(random, [0, 0, 0.6])  # a plastic bag shines
    sheet.rise = random.uniform(0.05, 0.15)
    return sheet


def clear_thing(size_px: int, random: Random) -> Sheet:
    """Return glass or clear plastic: a rim, lights, and the place bent behind it."""
    sheet = pick(random, [disc, parcel, lump, ball, bundle_of_cloth])(size_px, random)
    sheet.albedo_rgb[:] = 0.6 + 0.4 * any_colour(random)
    rim = np.clip(sheet.coverage - blurred(sheet.coverage, 0.03) * 0.9, 0, 1)
    sheet.paint(rim, np.full(3, pick(random, [0.1, 0.95]), np.float32))
    sheet.gloss = random.uniform(0.7, 1)
    sheet.opacity = random.uniform(0.15, 0.4)
    return sheet


def heap(size_px: int, random: Random) -> Sheet:
    """Return several small things of one kind, lying as they fell."""
    kinds: Sequence[Thing] = (lump, disc, screw_head, ring, parcel, ball, device)
    draw = pick(random, kinds)
    single = draw(size_px, random)
    sheet = Sheet(size_px, single.albedo_rgb[0, 0])
    count = int(random.integers(2, 9))
    for number in range(count):
        centre = random.uniform(0.2, 0.8, 2)
        scale = random.uniform(0.8, 1.1) * (0.55 if count < 5 else 0.38)
        piece = laid(single, (float(centre[0]), float(centre[1])), scale, random.uniform(0, 360))
        sheet.add(piece.coverage, piece.albedo_rgb, piece.height + number * 0.01)
    sheet.gloss = single.gloss
    sheet.rise = single.rise * 0.5
    return sheet


# Any of these is as likely as another: what is listed twice is drawn twice as often.
LYING: tuple[Thing, ...] = (
    lump,
    lump,
    disc,
    disc,
    screw_head,
    screw_head,
    ring,
    parcel,
    parcel,
    book,
    circuit,
    device,
    bundle_of_cloth,
    coil,
    ball,
    clear_thing,
    heap,
    vehicle,
    vehicle,
)
