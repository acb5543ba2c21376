"""Round things that lie on a place, seen from above; each fills a sheet of its own."""

from __future__ import annotations

import numpy as np

from trainer.imagined.parts import MIDDLE, label, metal
from trainer.imagined.sheet import (
    Floats,
    Random,
    Sheet,
    any_colour,
    bevel,
    dome,
    ellipse,
    near,
    pick,
    polygon,
    stroke,
    turbulence,
    turned,
)


def disc(size_px: int, random: Random) -> Sheet:
    """Return a lid, cap, coin, plate, roll or can from above: circles within circles."""
    sheet = Sheet(size_px, any_colour(random) if random.random() < 0.6 else metal(random))
    colour = sheet.albedo_rgb[0, 0].copy()
    radius = 0.46
    height = random.uniform(0.03, 0.25)
    round_edge = pick(random, [0.01, 0.04, 0.12])
    outside = ellipse(size_px, MIDDLE, radius)
    sheet.add(outside, colour, bevel(outside, round_edge, height))
    if random.random() < 0.4:
        angles = np.linspace(0, 2 * np.pi, int(random.integers(20, 60)), endpoint=False)
        spokes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        for spoke in spokes:
            notch = [spoke * radius + MIDDLE, spoke * radius * 0.9 + MIDDLE]
            sheet.paint(stroke(size_px, notch, 0.012), colour * 0.5)
    for _ in range(int(random.integers(0, 5))):
        radius *= random.uniform(0.6, 0.95)
        ring = ellipse(size_px, MIDDLE, radius)
        colour = near(colour, 0.12, random) if random.random() < 0.7 else any_colour(random)
        step = random.uniform(-0.03, 0.02)
        sheet.add(ring, colour, sheet.height + bevel(ring, 0.02, step))
    if random.random() < 0.25:
        label(sheet, random, (0.3, 0.42, 0.7, 0.58))
    sheet.gloss = random.uniform(0, 0.9)
    sheet.rise = height
    return sheet


def screw_head(size_px: int, random: Random) -> Sheet:
    """Return the head of a screw or bolt, with or without a washer, any recess."""
    colour = metal(random)
    sheet = Sheet(size_px, colour)
    radius = 0.46
    if random.random() < 0.4:
        washer = ellipse(size_px, MIDDLE, radius)
        sheet.add(washer, near(colour, 0.1, random), bevel(washer, 0.02, 0.03))
        radius *= random.uniform(0.55, 0.85)
    sides = pick(random, [40, 40, 6, 4])
    head = polygon(size_px, _regular(sides, radius, random.uniform(0, 60)))
    height = dome(head, 0.15) if random.random() < 0.5 else bevel(head, 0.05, 0.12)
    sheet.add(head, colour, height + 0.04)
    turn = random.uniform(0, 90)
    reach = radius * random.uniform(0.4, 0.85)
    width = radius * random.uniform(0.15, 0.35)
    kind = random.integers(5)
    recess = np.zeros_like(sheet.coverage)
    if kind <= 1:
        arms = 1 + int(kind)
        for arm in range(arms):
            ends = turned([(-reach, 0), (reach, 0)], turn + 90 * arm, MIDDLE)
            recess = np.maximum(recess, stroke(size_px, ends, width))
    elif kind == 2:
        recess = polygon(size_px, _regular(6, reach * 0.7, turn))
    elif kind == 3:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        star = reach * (0.65 + 0.15 * np.cos(6 * angles))
        points = np.stack([star * np.cos(angles), star * np.sin(angles)], axis=1)
        recess = polygon(size_px, points + MIDDLE)
    sheet.carve(recess, 0.06, random.uniform(0.15, 0.6))
    sheet.gloss = random.uniform(0.2, 0.9)
    sheet.rise = random.uniform(0.05, 0.25)
    return sheet


def _regular(sides: int, radius: float, turn_deg: float) -> Floats:
    angles = np.linspace(0, 2 * np.pi, int(sides), endpoint=False) + np.deg2rad(turn_deg)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + MIDDLE


def ring(size_px: int, random: Random) -> Sheet:
    """Return a nut, washer, gasket or roll of tape: one sees the place through its hole."""
    sheet = Sheet(size_px, metal(random) if random.random() < 0.5 else any_colour(random))
    colour = sheet.albedo_rgb[0, 0].copy()
    outline = _regular(int(pick(random, [6, 40])), 0.46, random.uniform(0, 60))
    hole = _regular(40, random.uniform(0.15, 0.36), 0)
    mask = polygon(size_px, outline, hole)
    tall = random.uniform(0.03, 0.15)
    height = dome(mask, tall) if random.random() < 0.5 else bevel(mask, 0.03, tall)
    sheet.add(mask, colour, height)
    sheet.gloss = random.uniform(0, 0.9)
    sheet.rise = tall
    return sheet


def coil(size_px: int, random: Random) -> Sheet:
    """Return a cable, rope, hose, chain or spring, coiled or in loops."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    turns = random.uniform(1.2, 5)
    steps = np.linspace(0, turns, 90)
    angles = steps * 2 * np.pi
    drift = np.cumsum(random.normal(0, 0.006, (90, 2)), axis=0)
    radii = np.linspace(random.uniform(0.15, 0.4), 0.42, 90)[:, None] * (1, random.uniform(0.5, 1))
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii + drift + MIDDLE
    width = random.uniform(0.03, 0.12)
    # In pieces, one on the other, so that one sees which lies on top.
    for first in range(0, 88, 22):
        piece = stroke(size_px, points[first : first + 23], width)
        sheet.add(piece, near(colour, 0.02, random), dome(piece, width / 2) + first * 0.0003)
    if random.random() < 0.5:
        plug = ellipse(size_px, points[-1], (0.07, 0.05), random.uniform(0, 180))
        sheet.add(plug, any_colour(random), bevel(plug, 0.02, 0.06))
    sheet.gloss = random.uniform(0, 0.6)
    sheet.rise = width
    return sheet


def ball(size_px: int, random: Random) -> Sheet:
    """Return a ball, fruit, egg or bulb."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    mask = ellipse(size_px, MIDDLE, (0.46, 0.46 * random.uniform(0.6, 1)))
    sheet.add(mask, colour, dome(mask, random.uniform(0.2, 0.45)))
    sheet.albedo_rgb *= 1 + random.uniform(0, 0.2) * turbulence(size_px, 3, random)[:, :, None]
    if random.random() < 0.4:
        sheet.paint(ellipse(size_px, random.uniform(0.35, 0.65, 2), 0.06), any_colour(random))
    sheet.gloss = random.uniform(0, 0.9)
    sheet.rise = 0.3
    return sheet
