"""Things that lie on a place, seen from above; each function fills a sheet of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from trainer.imagined.pose import laid
from trainer.imagined.sheet import (
    Colour,
    Field,
    Floats,
    Random,
    Sheet,
    any_colour,
    bevel,
    blurred,
    box,
    clouds,
    dome,
    ellipse,
    lettering,
    near,
    pick,
    polygon,
    stroke,
    turbulence,
    turned,
)

MIDDLE = (0.5, 0.5)
Thing = Callable[[int, Random], Sheet]

_METALS = ((0.75, 0.75, 0.77), (0.45, 0.45, 0.47), (0.2, 0.2, 0.22), (0.8, 0.62, 0.3))
_LETTERS = np.array(list("ABCDEFGHKLMNPRSTUVXYZ0123456789"))


def metal(random: Random) -> Colour:
    """Return steel, iron, black oxide or brass."""
    colour = np.array(pick(random, _METALS), np.float32)
    return near(colour, 0.05, random)


def word(random: Random, longest: int = 8) -> str:
    """Return letters and digits that mean nothing."""
    return "".join(random.choice(_LETTERS, int(random.integers(1, longest + 1))))


def label(sheet: Sheet, random: Random, bounds: tuple[float, float, float, float]) -> None:
    """Print a label with a word, lines or bars into left, top, right, bottom."""
    left, top, right, bottom = bounds
    width, height = right - left, bottom - top
    colour, size_px = any_colour(random), sheet.size_px
    ink = 1 - np.round(colour.mean()) * np.ones(3, np.float32)
    sheet.paint(box(size_px, *bounds) * sheet.coverage, colour)
    kind = random.integers(4)
    mask = np.zeros_like(sheet.coverage)
    if kind == 0:
        mask = lettering(size_px, word(random), left, top + height * 0.7, height * 0.5)
    elif kind == 1:
        for at in np.arange(top + 0.15 * height, bottom - 0.1 * height, max(0.03, height / 8)):
            end = left + width * random.uniform(0.5, 0.9)
            mask = np.maximum(mask, stroke(size_px, [(left + 0.1 * width, at), (end, at)], 0.012))
    elif kind == 2:
        mask = bars(size_px, random, (left, top + 0.1 * height, right, bottom - 0.1 * height))
    else:
        centre = (left + width / 2, top + height / 2)
        mask = ellipse(size_px, centre, (width * 0.3, height * 0.35))
        ink = any_colour(random)
    sheet.paint(mask * box(size_px, *bounds) * sheet.coverage, ink)


def bars(size_px: int, random: Random, bounds: tuple[float, float, float, float]) -> Field:
    """Return the mask of a bar code."""
    left, top, right, bottom = bounds
    widths = random.uniform(0.2, 1, 41)
    edges = left + (right - left) * np.cumsum(widths) / widths.sum()
    pairs = zip(edges[0:-1:2], edges[1::2], strict=True)
    outlines = [[(a, top), (b, top), (b, bottom), (a, bottom)] for a, b in pairs]
    return polygon(size_px, *outlines)


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
            ends = turned([(-reach, 0), (reach, 0)], turn + 90 * arm) + MIDDLE
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


def bundle_of_cloth(size_px: int, random: Random) -> Sheet:
    """Return a rag, glove, bag or crumpled paper: soft folds within a soft outline."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    radii = random.uniform(0.28, 0.47, 14)
    points: Floats = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1) + MIDDLE
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


def coil(size_px: int, random: Random) -> Sheet:
    """Return a cable, rope, hose, chain or spring, coiled or in loops."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    turns = random.uniform(1.2, 5)
    steps = np.linspace(0, turns, 90)
    angles = steps * 2 * np.pi
    drift = np.cumsum(random.normal(0, 0.006, (90, 2)), axis=0)
    radii = np.linspace(random.uniform(0.15, 0.4), 0.42, 90)[:, None] * (1, random.uniform(0.5, 1))
    points: Floats = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii + drift + MIDDLE
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
