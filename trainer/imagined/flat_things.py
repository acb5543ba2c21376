"""Square and flat things that lie on a place, seen from above; each fills a sheet of its own."""

from __future__ import annotations

import numpy as np

from trainer.imagined.parts import label, metal
from trainer.imagined.sheet import (
    Random,
    Sheet,
    any_colour,
    bevel,
    box,
    clouds,
    ellipse,
    near,
    pick,
    stroke,
)


def parcel(size_px: int, random: Random) -> Sheet:
    """Return a box, case, packet or block from above, with labels, tape, a lid's edge."""
    colour = any_colour(random)
    if random.random() < 0.3:
        colour = np.array([0.72, 0.56, 0.38], np.float32) * random.uniform(0.7, 1.2)
    sheet = Sheet(size_px, colour)
    half = 0.46 * random.uniform(0.45, 1)
    bounds = (0.04, 0.5 - half, 0.96, 0.5 + half)
    mask = box(size_px, *bounds, pick(random, [0, 0.02, 0.1]))
    sheet.add(mask, colour, bevel(mask, pick(random, [0.01, 0.03, 0.08]), 0.06))
    if random.random() < 0.4:
        at = random.uniform(0.42, 0.58)
        tape = box(size_px, 0, at - 0.04, 1, at + 0.04) * mask
        sheet.paint(tape * random.uniform(0.3, 0.9), any_colour(random))
    if random.random() < 0.4:
        inner = box(size_px, 0.1, 0.56 - half, 0.9, 0.44 + half, 0.03)
        sheet.carve(inner, random.uniform(-0.02, 0.03), random.uniform(0.7, 1))
    for _ in range(int(random.integers(0, 3))):
        left, top = random.uniform(0.1, 0.6), 0.5 + half * random.uniform(-0.85, 0.2)
        label(sheet, random, (left, top, left + random.uniform(0.1, 0.32), top + half * 0.6))
    sheet.gloss = random.uniform(0, 0.5)
    sheet.rise = random.uniform(0.04, 0.3)
    return sheet


def book(size_px: int, random: Random) -> Sheet:
    """Return a book, folder, note pad or card with its cover's print."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    half = random.uniform(0.28, 0.4)
    mask = box(size_px, 0.5 - half, 0.04, 0.5 + half, 0.96, 0.01)
    sheet.add(mask, colour, bevel(mask, 0.015, 0.04))
    pages = box(size_px, 0.5 + half - 0.03, 0.06, 0.5 + half, 0.94)
    sheet.paint(pages * random.integers(2), np.full(3, 0.85, np.float32))
    sheet.carve(box(size_px, 0.5 - half + 0.05, 0.04, 0.5 - half + 0.07, 0.96), 0.01, 0.7)
    top = 0.12
    while top < 0.8:
        tall = random.uniform(0.06, 0.25)
        if random.random() < 0.6:
            label(sheet, random, (0.6 - half, top, 0.42 + half, min(0.92, top + tall)))
        top += tall + 0.05
    sheet.gloss = random.uniform(0, 0.4)
    sheet.rise = random.uniform(0.01, 0.1)
    return sheet


def circuit(size_px: int, random: Random) -> Sheet:
    """Return a board with chips, connectors, traces and drilled corners."""
    boards = ((0.05, 0.35, 0.15), (0.05, 0.15, 0.4), (0.08, 0.08, 0.08), (0.5, 0.1, 0.1))
    colour = near(np.array(boards[int(random.integers(4))], np.float32), 0.03, random)
    sheet = Sheet(size_px, colour)
    half = random.uniform(0.25, 0.44)
    mask = box(size_px, 0.04, 0.5 - half, 0.96, 0.5 + half, 0.02)
    sheet.add(mask, colour, bevel(mask, 0.01, 0.02))
    for _ in range(int(random.integers(2, 7))):
        start = random.uniform((0.08, 0.52 - half), (0.92, 0.48 + half))
        corner = np.array([random.uniform(0.08, 0.92), start[1]])
        end = np.array([corner[0], 0.5 + half * random.uniform(-0.9, 0.9)])
        sheet.paint(stroke(size_px, [start, corner, end], 0.01), near(colour, 0.15, random))
    for _ in range(int(random.integers(3, 10))):
        centre = random.uniform((0.15, 0.58 - half), (0.85, 0.42 + half))
        reach = random.uniform(0.02, 0.12, 2) * (1, min(1, half * 2))
        if random.random() < 0.2:
            part = ellipse(size_px, centre, float(reach.min()))
        else:
            part = box(size_px, *(centre - reach), *(centre + reach))
        chip = pick(random, [0.07, 0.1, 0.75, 0.9])
        sheet.add(
            part * mask,
            near(np.full(3, chip, np.float32), 0.05, random),
            bevel(part, 0.015, 0.05) + 0.02,
        )
    for x in (0.09, 0.91):
        for y in (0.55 - half, 0.45 + half):
            sheet.paint(ellipse(size_px, (x, y), 0.03), metal(random))
            sheet.cut(ellipse(size_px, (x, y), 0.018))
    sheet.gloss = random.uniform(0.1, 0.5)
    sheet.rise = random.uniform(0.02, 0.1)
    return sheet


def device(size_px: int, random: Random) -> Sheet:
    """Return a phone, remote control, meter, radio or adapter: a case, a screen, buttons."""
    colour = near(np.full(3, pick(random, [0.06, 0.15, 0.5, 0.9]), np.float32), 0.04, random)
    if random.random() < 0.3:
        colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    half = random.uniform(0.15, 0.32)
    left, right = 0.5 - half, 0.5 + half
    mask = box(size_px, left, 0.04, right, 0.96, random.uniform(0.01, 0.1))
    sheet.add(mask, colour, bevel(mask, 0.03, 0.05))
    fold = random.choice([0.3, 0.55, 0.92], p=[0.35, 0.35, 0.3])
    screen = box(size_px, left + 0.03, 0.09, right - 0.03, fold, 0.01)
    glow = np.clip(any_colour(random) * random.uniform(0.1, 1), 0.02, 1)
    sheet.add(screen, glow * (1 + 0.1 * clouds(size_px, 3, random))[:, :, None], 0.05)
    columns, rows = int(random.integers(1, 5)), int(random.integers(1, 6))
    if fold < 0.9:
        for x in np.linspace(left + 0.05, right - 0.05, columns + 2)[1:-1]:
            for y in np.linspace(fold, 0.96, rows + 2)[1:-1]:
                button = ellipse(size_px, (x, y), (half / (columns + 2), 0.16 / (rows + 1)))
                sheet.add(button, near(colour, 0.3, random), bevel(button, 0.02, 0.02) + 0.05)
    sheet.gloss = random.uniform(0.1, 0.7)
    sheet.rise = random.uniform(0.02, 0.1)
    return sheet


def vehicle(size_px: int, random: Random) -> Sheet:
    """Return a car or van, real or a toy, from above: bonnet, panes, roof, lamps."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    half = random.uniform(0.19, 0.25)
    body = box(size_px, 0.5 - half, 0.03, 0.5 + half, 0.97, random.uniform(0.05, 0.15))
    sheet.add(body, colour, bevel(body, 0.06, 0.08))
    front, back = random.uniform(0.22, 0.34), random.uniform(0.75, 0.93)
    glass = near(np.full(3, 0.12, np.float32), 0.05, random)
    cabin = box(size_px, 0.54 - half, front, 0.46 + half, back, 0.06)
    sheet.add(cabin, glass, bevel(cabin, 0.08, 0.07) + 0.08)
    roof = box(size_px, 0.56 - half, front + 0.1, 0.44 + half, back - 0.07, 0.04)
    sheet.add(roof, colour, 0.15)
    for side in (-1, 1):
        lamps = ((0.05, np.array([0.9, 0.9, 0.8])), (0.95, np.array([0.7, 0.08, 0.05])))
        for y, light in lamps:
            lamp = ellipse(size_px, (0.5 + side * half * 0.75, y), (0.04, 0.02))
            sheet.paint(lamp, light.astype(np.float32))
    sheet.gloss = random.uniform(0.3, 0.8)
    sheet.rise = random.uniform(0.1, 0.2)
    return sheet
