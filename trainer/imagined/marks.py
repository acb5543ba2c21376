"""What empty places have of their own: holes, print, lines, hooks, dirt. None of it is a thing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainer.imagined.sheet import (
    Field,
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
from trainer.imagined.things import bars, metal, word


def _somewhere(random: Random) -> tuple[float, float]:
    """Return a point, in half of the cases near the middle."""
    if random.random() < 0.5:
        return float(random.normal(0.5, 0.06)), float(random.normal(0.5, 0.06))
    return float(random.uniform(0.05, 0.95)), float(random.uniform(0.05, 0.95))


def round_hole(sheet: Sheet, random: Random) -> None:
    """A drilled, threaded or countersunk hole of any size."""
    at, radius = _somewhere(random), pick(random, [0.03, 0.07, 0.14, 0.3])
    radius *= random.uniform(0.6, 1.4)
    if random.random() < 0.4:
        sink = ellipse(sheet.size_px, at, radius * random.uniform(1.3, 2))
        if random.random() < 0.5:
            sheet.paint(sink, metal(random))
        sheet.carve(sink, dome(sink, 0.03), random.uniform(0.7, 1))
    hole = ellipse(sheet.size_px, at, radius)
    sheet.carve(hole, random.uniform(0.02, 0.12), random.uniform(0.05, 0.7))


def row_of_holes(sheet: Sheet, random: Random) -> None:
    """Holes or slots in a row."""
    count, y = int(random.integers(2, 6)), random.uniform(0.1, 0.9)
    radius = random.uniform(0.015, 0.06)
    for x in np.linspace(0, 1, count + 2)[1:-1]:
        hole = ellipse(sheet.size_px, (x, y), radius)
        sheet.carve(hole, 0.03, random.uniform(0.1, 0.5))


def slit(sheet: Sheet, random: Random) -> None:
    """A long hole, groove or gap between boards."""
    x, y = _somewhere(random)
    reach = turned([(random.uniform(0.1, 0.6), 0)], pick(random, [0, 90, random.uniform(0, 180)]))
    ends = np.concatenate([np.subtract((x, y), reach), np.add((x, y), reach)])
    mask = stroke(sheet.size_px, ends, random.uniform(0.01, 0.1))
    sheet.carve(mask, random.uniform(0.01, 0.06), random.uniform(0.15, 0.8))


def well(sheet: Sheet, random: Random) -> None:
    """A compartment: a sunk floor with walls around it."""
    size_px, inset = sheet.size_px, random.uniform(0.05, 0.25, 4)
    corner = pick(random, [0.01, 0.08, 0.3])
    bounds = (inset[0], inset[1], 1 - inset[2], 1 - inset[3])
    mask = box(size_px, *bounds, corner)
    if random.random() < 0.4:
        sheet.paint(mask, near(sheet.albedo_rgb[0, 0], 0.15, random))
    depth = random.uniform(0.02, 0.1)
    sheet.carve(mask, bevel(mask, random.uniform(0.01, 0.08), depth), random.uniform(0.5, 1))


def frame(sheet: Sheet, random: Random) -> None:
    """A rim, rails or a divider along some of the sides."""
    size_px, colour = sheet.size_px, any_colour(random)
    if random.random() < 0.5:
        colour = near(sheet.albedo_rgb[0, 0], 0.15, random)
    sides = random.random(4) < 0.5
    for side in np.flatnonzero(sides):
        width = random.uniform(0.02, 0.12)
        outline = np.array([(-1, -1), (1, -1), (1, width - 0.5), (-1, width - 0.5)])
        mask = polygon(size_px, np.add(turned(outline, 90 * float(side)), 0.5))
        sheet.add(mask, colour, bevel(mask, 0.02, random.uniform(0.02, 0.08)))


def rail(sheet: Sheet, random: Random) -> None:
    """A magnetic strip, a rail or a batten right across."""
    at, width = random.uniform(0.15, 0.85), random.uniform(0.04, 0.15)
    colour = near(np.full(3, pick(random, [0.08, 0.5, 0.85]), np.float32), 0.05, random)
    across = [(-1, at - width), (2, at - width), (2, at + width), (-1, at + width)]
    down = [(y, x) for x, y in across]
    mask = polygon(sheet.size_px, across if random.random() < 0.6 else down)
    sheet.add(mask, colour, bevel(mask, 0.02, random.uniform(0.01, 0.05)))


def hook(sheet: Sheet, random: Random) -> None:
    """A hook, peg, nail, clip or pair of pins that a thing hangs on."""
    colour, size_px = metal(random), sheet.size_px
    x, y = float(random.normal(0.5, 0.08)), float(random.uniform(0.1, 0.55))
    spread = pick(random, [0, 0.08, 0.15])
    width, drop = random.uniform(0.015, 0.04), random.uniform(0.02, 0.14)
    for side in (-1, 1) if spread else (0,):
        foot = x + side * spread
        points = [(foot, y), (foot, y + drop), (foot + 0.5 * drop, y + drop)]
        mask = stroke(size_px, points[: int(random.integers(2, 4))], width)
        shadow = stroke(size_px, np.array(points[:2]) + 0.02, width)
        sheet.albedo_rgb *= 1 - 0.4 * shadow[:, :, None]
        sheet.add(mask, colour, dome(mask, 0.03))
        if random.random() < 0.4:
            plate = ellipse(size_px, (foot, y), width * 1.6)
            sheet.add(plate, colour, bevel(plate, 0.01, 0.02))


def small_screw(sheet: Sheet, random: Random) -> None:
    """The fastenings of the place itself: small screws or rivets, flush."""
    for _ in range(int(random.integers(1, 4))):
        at, radius = random.uniform(0.05, 0.95, 2), random.uniform(0.015, 0.04)
        head = ellipse(sheet.size_px, at, radius)
        sheet.add(head, metal(random), bevel(head, 0.01, 0.008))
        cross = stroke(sheet.size_px, [at - radius / 2, at + radius / 2], radius / 3)
        sheet.paint(cross, np.full(3, 0.1, np.float32))


def print_on_it(sheet: Sheet, random: Random) -> None:
    """A printed number or word, a label or a bar code."""
    size_px, ink = sheet.size_px, any_colour(random)
    x, y = random.uniform(0.02, 0.7), random.uniform(0.1, 0.95)
    tall = pick(random, [0.05, 0.1, 0.2, 0.35]) * random.uniform(0.8, 1.3)
    if random.random() < 0.5:
        bounds = (x - 0.03, y - 1.4 * tall, x + random.uniform(0.2, 0.5), y + 0.4 * tall)
        sheet.paint(box(size_px, *bounds), any_colour(random))
        if random.random() < 0.4:
            code = (bounds[0] + 0.02, bounds[1] + 0.01, bounds[2] - 0.02, bounds[3] - 0.02)
            sheet.paint(bars(size_px, random, code), np.full(3, 0.05, np.float32))
            return
    sheet.paint(lettering(size_px, word(random, 5), x, y, tall), ink)


def painted_lines(sheet: Sheet, random: Random) -> None:
    """Lines that bound a parking place, a tape on the floor, a grid."""
    size_px = sheet.size_px
    colours = ((0.85, 0.85, 0.85), (0.85, 0.7, 0.1), (0.2, 0.35, 0.7), (0.1, 0.1, 0.1))
    colour = near(np.array(colours[int(random.integers(4))], np.float32), 0.05, random)
    worn = np.clip(1.3 + turbulence(size_px, 10, random) * random.uniform(0, 1), 0, 1)
    width, tilt = random.uniform(0.01, 0.07), random.uniform(-0.1, 0.1)
    for at in (random.uniform(0, 0.2), random.uniform(0.8, 1)):
        if random.random() < 0.8:
            line = stroke(size_px, [(at - tilt, -0.1), (at + tilt, 1.1)], width)
            sheet.paint(line * worn, colour)
    if random.random() < 0.4:
        at = random.uniform(0, 1)
        sheet.paint(stroke(size_px, [(-0.1, at), (1.1, at + tilt)], width) * worn, colour)


def painted_shape(sheet: Sheet, random: Random) -> None:
    """A disc, ring, arrow, cross or hatching painted on the ground: print, no body."""
    size_px, colour = sheet.size_px, any_colour(random)
    at, radius = _somewhere(random), random.uniform(0.08, 0.35)
    kind = random.integers(5)
    if kind == 0:
        mask = ellipse(size_px, at, radius)
    elif kind == 1:
        inner = radius * random.uniform(0.7, 0.92)
        mask = ellipse(size_px, at, radius) * (1 - ellipse(size_px, at, inner))
    elif kind == 2:
        tip = [(-1, -0.3), (0.2, -0.3), (0.2, -0.8), (1, 0), (0.2, 0.8), (0.2, 0.3), (-1, 0.3)]
        mask = polygon(size_px, turned(np.array(tip) * radius, random.uniform(0, 360)) + at)
    elif kind == 3:
        arms = [turned([(-radius, 0), (radius, 0)], turn) + at for turn in (45, 135)]
        width = random.uniform(0.02, 0.08)
        mask = np.maximum(stroke(size_px, arms[0], width), stroke(size_px, arms[1], width))
    else:
        steps = np.add.outer(np.arange(size_px), np.arange(size_px)) / size_px
        mask = (np.sin(steps * random.uniform(15, 60)) > 0).astype(np.float32)
        mask *= box(size_px, at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)
    sheet.paint(mask * np.float32(random.uniform(0.4, 1)), colour)


def stain(sheet: Sheet, random: Random) -> None:
    """Oil, water, rust or a bleached spot with a soft, ragged edge."""
    size_px = sheet.size_px
    at = _somewhere(random)
    spot = ellipse(size_px, at, random.uniform(0.06, 0.35, 2), random.uniform(0, 180))
    ragged = blurred(spot, 0.05) * 2 - 0.7 + 0.3 * turbulence(size_px, 6, random)
    mask = np.clip(ragged * random.uniform(1, 5), 0, 1) * random.uniform(0.15, 0.7)
    shade = pick(random, [0.15, 0.4, 1.4])
    sheet.paint(mask, np.clip(sheet.albedo_rgb * np.float32(shade), 0, 1))


def scratches(sheet: Sheet, random: Random) -> None:
    """Fine scratches, cracks or hairs."""
    size_px, shade = sheet.size_px, pick(random, [0.4, 1.7])
    for _ in range(int(random.integers(1, 7))):
        start = random.uniform(0, 1, 2)
        steps = random.normal(0, 0.03, (8, 2)) + random.normal(0, 0.06, 2)
        line = stroke(size_px, start + np.cumsum(steps, axis=0), random.uniform(0.003, 0.012))
        sheet.paint(line * np.float32(0.7), np.clip(sheet.albedo_rgb * np.float32(shade), 0, 1))


def dents(sheet: Sheet, random: Random) -> None:
    """Dents, bumps and waves of the surface."""
    size_px = sheet.size_px
    deep = random.uniform(0.005, 0.03)
    sheet.height += blurred(clouds(size_px, random.uniform(2, 6), random), 0.03) * deep


def dust(sheet: Sheet, random: Random) -> None:
    """Crumbs, dust, specks of paint: small, anywhere."""
    size_px, colour = sheet.size_px, any_colour(random)
    for _ in range(int(random.integers(3, 20))):
        speck = ellipse(size_px, random.uniform(0, 1, 2), random.uniform(0.003, 0.015))
        sheet.paint(speck, colour)


def edge_of_the_place(sheet: Sheet, random: Random) -> None:
    """The shelf or board ends here; beyond it lies something darker, lighter or far away."""
    size_px = sheet.size_px
    at, tilt = random.uniform(0.05, 0.2), random.uniform(-0.08, 0.08)
    outline = np.array([(-1.5, -1.5), (1.5, -1.5), (1.5, at + tilt - 0.5), (-1.5, at - tilt - 0.5)])
    turn = 90 * int(random.integers(4))
    mask: Field = polygon(size_px, np.add(turned(outline, turn), 0.5))
    beyond = any_colour(random) * (1 + 0.1 * turbulence(size_px, 3, random)[:, :, None])
    sheet.paint(mask, beyond * random.uniform(0.3, 1))
    sheet.height -= mask * np.float32(random.uniform(0.01, 0.06))


Mark = Callable[[Sheet, Random], None]
MARKS: tuple[Mark, ...] = (
    round_hole,
    round_hole,
    round_hole,
    row_of_holes,
    slit,
    well,
    well,
    frame,
    frame,
    rail,
    hook,
    small_screw,
    print_on_it,
    print_on_it,
    painted_lines,
    painted_lines,
    painted_shape,
    stain,
    stain,
    scratches,
    dents,
    dust,
    edge_of_the_place,
)
