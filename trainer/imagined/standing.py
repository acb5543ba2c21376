"""Things that stand, seen from the front or from a little above."""

from __future__ import annotations

import numpy as np

from trainer.imagined.pose import laid
from trainer.imagined.sheet import (
    Field,
    Random,
    Sheet,
    any_colour,
    bevel,
    box,
    dome,
    ellipse,
    near,
    pick,
    polygon,
    stroke,
    turbulence,
)
from trainer.imagined.things import Thing, label, metal


def _round_body(size_px: int, outline: list[tuple[float, float]]) -> tuple[Field, Field]:
    """Return mask and height of a body turned about its upright axis.

    `outline` holds (half the width, y) from the top down.
    """
    widths, ys = (np.array(values) for values in zip(*outline, strict=True))
    right = np.stack([0.5 + widths, ys], axis=1)
    left = np.stack([0.5 - widths, ys], axis=1)[::-1]
    mask = polygon(size_px, np.concatenate([right, left]))
    rows = (np.arange(size_px) + 0.5) / size_px
    half = np.maximum(np.interp(rows, ys, widths), 1e-3)[:, None]
    across = (rows[None, :] - 0.5) / half
    height = np.sqrt(np.clip(1 - across * across, 0, 1)) * half
    return mask, height.astype(np.float32) * mask


def bottle(size_px: int, random: Random) -> Sheet:
    """Return a bottle, jar, can, tube or spray can from the side."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    half = random.uniform(0.13, 0.3)
    neck = half * random.uniform(0.25, 1)
    shoulder = random.uniform(0.15, 0.45)
    top = random.uniform(0.04, 0.12)
    outline = [(neck, top), (neck, shoulder - 0.1 + top), (half, shoulder + top), (half, 0.96)]
    mask, height = _round_body(size_px, outline)
    sheet.add(mask, colour, height)
    if random.random() < 0.7:
        tall = random.uniform(0.04, 0.12)
        wide = neck + random.uniform(0, 0.03)
        cap, height = _round_body(size_px, [(wide, top - 0.02), (wide, top + tall)])
        sheet.add(cap, any_colour(random), height)
    high = random.uniform(shoulder + 0.1, 0.6)
    label(sheet, random, (0.5 - half, high, 0.5 + half, high + random.uniform(0.1, 0.3)))
    if random.random() < 0.3:
        sheet.opacity = random.uniform(0.2, 0.7)
    sheet.gloss = random.uniform(0.1, 1)
    sheet.rise = half
    sheet.stands = True
    return sheet


def can(size_px: int, random: Random) -> Sheet:
    """Return a can, cup, pot or roll: its side and its round top, a little from above."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    half, foot = random.uniform(0.18, 0.4), random.uniform(0.8, 1.05)
    tilt = half * random.uniform(0.2, 0.6)
    top = random.uniform(0.06 + tilt, 0.5)
    bottom = 0.96 - tilt
    mask, height = _round_body(size_px, [(half, top), (half * foot, bottom)])
    sheet.add(mask, colour, height)
    base = ellipse(size_px, (0.5, bottom), (half * foot, tilt)) * (1 - mask)
    sheet.add(base, colour * np.float32(0.9), height[int(bottom * size_px) - 2])
    if random.random() < 0.6:
        label(sheet, random, (0.5 - half, top + tilt, 0.5 + half, bottom - 0.05))
    lid = ellipse(size_px, (0.5, top), (half, tilt))
    if random.random() < 0.3:
        handle = stroke(
            size_px,
            [
                (0.5 + half, top + 0.1),
                (0.5 + half + 0.1, top + 0.15),
                (0.5 + half + 0.08, bottom - 0.15),
                (0.5 + half, bottom - 0.1),
            ],
            0.05,
        )
        sheet.add(handle * (1 - mask), colour, dome(handle, 0.03))
    sheet.add(lid, near(colour, 0.15, random), half)
    inside = ellipse(size_px, (0.5, top), (half * 0.88, tilt * 0.86))
    sheet.add(inside, near(colour, 0.3, random), half - pick(random, [0, 0.04]))
    sheet.gloss = random.uniform(0, 0.7)
    sheet.rise = half
    sheet.stands = True
    return sheet


def carton(size_px: int, random: Random) -> Sheet:
    """Return a box, case or machine with three of its faces, each in its own light."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    depth = random.uniform(0.05, 0.25)
    slant = random.uniform(-0.25, 0.25)
    left, right = 0.5 - random.uniform(0.15, 0.4), 0.5 + random.uniform(0.15, 0.4)
    left, right = max(left, 0.04 - min(slant, 0)), min(right, 0.96 - max(slant, 0))
    top = random.uniform(0.06 + depth, 0.6)
    rough = 1 + random.uniform(0, 0.08) * turbulence(size_px, 4, random)[:, :, None]
    lids = [(left, top), (right, top), (right + slant, top - depth), (left + slant, top - depth)]
    edge, inner = (right, right + slant) if slant > 0 else (left, left + slant)
    side = [(edge, top), (inner, top - depth), (inner, 0.96 - depth), (edge, 0.96)]
    faces = (([(left, top), (right, top), (right, 0.96), (left, 0.96)]), side, lids)
    lights = random.permutation([1.0, random.uniform(0.5, 0.8), random.uniform(0.7, 1.15)])
    for face, light in zip(faces, lights, strict=True):
        mask = polygon(size_px, face)
        sheet.add(mask, colour * rough * np.float32(light), 0.05)
    front = sheet.coverage * box(size_px, left, top, right, 0.96)
    for _ in range(int(random.integers(0, 4))):
        at = random.uniform((left, top), (right - 0.1, 0.85))
        reach = random.uniform(0.08, 0.3, 2)
        ends = np.minimum(at + reach, (right - 0.02, 0.94))
        label(sheet, random, (float(at[0]), float(at[1]), float(ends[0]), float(ends[1])))
    sheet.height += bevel(front, 0.01, 0.01)
    sheet.gloss = random.uniform(0, 0.4)
    sheet.rise = random.uniform(0.1, 0.3)
    sheet.stands = True
    return sheet


def shelf_of_books(size_px: int, random: Random) -> Sheet:
    """Return books, files, boards or packets side by side on edge."""
    sheet = Sheet(size_px, any_colour(random))
    left, end = random.uniform(0.04, 0.3), random.uniform(0.6, 0.96)
    is_alike, first, tall = random.random() < 0.4, any_colour(random), random.uniform(0.04, 0.4)
    while left < end:
        right = min(left + random.uniform(0.06, 0.25), 0.98)
        top = tall + random.uniform(0, 0.12)
        colour = near(first, 0.03, random) if is_alike else any_colour(random)
        mask = box(size_px, left, top, right - 0.004, 0.96)
        sheet.add(mask, colour, dome(mask, 0.03))
        if random.random() < 0.7:
            label(sheet, random, (left + 0.01, top + 0.1, right - 0.01, top + 0.3))
        left = right
    sheet.gloss = random.uniform(0, 0.5)
    sheet.rise = 0.2
    sheet.stands = True
    return sheet


def figure(size_px: int, random: Random) -> Sheet:
    """Return a turned body: a vase, lamp, bulb, skittle, funnel or knob."""
    sheet = Sheet(size_px, any_colour(random) if random.random() < 0.6 else metal(random))
    count = int(random.integers(4, 8))
    ys = np.linspace(0.05, 0.96, count)
    widths = random.uniform(0.05, 0.38, count)
    smooth = np.linspace(0.05, 0.96, 30)
    outline = list(zip(np.interp(smooth, ys, widths).tolist(), smooth.tolist(), strict=True))
    mask, height = _round_body(size_px, outline)
    sheet.add(mask, sheet.albedo_rgb[0, 0].copy(), height)
    at = random.uniform(0.2, 0.7)
    band = box(size_px, 0, at, 1, at + random.uniform(0.03, 0.2))
    sheet.paint(band * mask * random.integers(2), any_colour(random))
    sheet.gloss = random.uniform(0, 0.9)
    sheet.rise = 0.2
    sheet.stands = True
    return sheet


def motor_car(size_px: int, random: Random) -> Sheet:
    """Return a car, van or cart from the side, real or a toy."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    waist, roof = random.uniform(0.42, 0.55), random.uniform(0.2, 0.36)
    rear = random.uniform(0.02, 0.25)
    cabin = [(0.04 + rear, roof), (0.6, roof), (0.74, waist), (0.04, waist)]
    mask = polygon(size_px, cabin)
    sheet.add(mask, colour, bevel(mask, 0.05, 0.05))
    panes = (np.array(cabin) - (0.4, waist)) * (0.85, 0.8) + (0.4, waist - 0.02)
    sheet.paint(polygon(size_px, panes), near(np.full(3, 0.12, np.float32), 0.08, random))
    post = random.uniform(0.3, 0.5)
    sheet.paint(box(size_px, post, roof, post + 0.03, waist), colour)
    body = box(size_px, 0.03, waist - 0.02, 0.97, 0.76, 0.06)
    sheet.add(body, colour, bevel(body, 0.06, 0.07))
    for x in (0.22, 0.77):
        tyre = ellipse(size_px, (x, 0.76), 0.11)
        sheet.add(tyre, np.full(3, 0.06, np.float32), 0.08)
        sheet.paint(ellipse(size_px, (x, 0.76), 0.06), metal(random))
    sheet.gloss = random.uniform(0.2, 0.7)
    sheet.rise = 0.2
    sheet.stands = True
    return sheet


def group(size_px: int, random: Random) -> Sheet:
    """Return a few standing things in a row or before each other."""
    kinds: tuple[Thing, ...] = (bottle, can, carton, figure)
    draw = pick(random, kinds)
    is_alike = random.random() < 0.5
    single = draw(size_px, random)
    sheet = Sheet(size_px, single.albedo_rgb[0, 0])
    for number in range(int(random.integers(2, 5))):
        one = single if is_alike else draw(size_px, random)
        x = random.uniform(0.2, 0.8)
        piece = laid(one, (x, 0.62 + number * 0.04), random.uniform(0.5, 0.65), 0)
        sheet.add(piece.coverage, piece.albedo_rgb, piece.height + number * 0.02)
    sheet.gloss = single.gloss
    sheet.rise = 0.15
    sheet.stands = True
    return sheet


STANDING: tuple[Thing, ...] = (
    bottle,
    bottle,
    can,
    can,
    carton,
    carton,
    shelf_of_books,
    figure,
    motor_car,
    group,
)
