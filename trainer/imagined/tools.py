"""Tools and other long things, lying or hanging, upright on a sheet of their own."""

from __future__ import annotations

import numpy as np

from trainer.imagined.sheet import (
    Colour,
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
    turned,
)
from trainer.imagined.things import Thing, label, metal


def _handle_colour(random: Random) -> Colour:
    if random.random() < 0.4:
        return np.array([0.72, 0.52, 0.3], np.float32) * np.float32(random.uniform(0.6, 1.2))
    return any_colour(random)


def _tube(sheet: Sheet, mask: Field, colour: Colour, height: float) -> None:
    sheet.add(mask, colour, dome(mask, height))


def hammer(size_px: int, random: Random) -> Sheet:
    """Return a hammer or mallet, head up."""
    sheet = Sheet(size_px, metal(random))
    width = random.uniform(0.03, 0.06)
    top = random.uniform(0.12, 0.2)
    handle = box(size_px, 0.5 - width, top, 0.5 + width, 0.96, 0.03)
    _tube(sheet, handle, _handle_colour(random), 0.05)
    reach, tall = random.uniform(0.2, 0.3), random.uniform(0.05, 0.1)
    head = polygon(
        size_px,
        [
            (0.5 - reach, top - tall),
            (0.5 + 0.4 * reach, top - tall),
            (0.5 + reach, top - random.uniform(0, tall)),
            (0.5 + reach, top),
            (0.5 - reach, top + tall),
        ],
    )
    sheet.add(head, sheet.albedo_rgb[0, 0].copy(), bevel(head, 0.03, 0.06) + 0.03)
    sheet.gloss = random.uniform(0.1, 0.6)
    sheet.rise = 0.1
    return sheet


def wrench(size_px: int, random: Random) -> Sheet:
    """Return an open-ended, ring or combination wrench."""
    colour = metal(random)
    sheet = Sheet(size_px, colour)
    width, reach = random.uniform(0.03, 0.06), random.uniform(0.09, 0.14)
    shaft = box(size_px, 0.5 - width, 0.1, 0.5 + width, 0.9)
    sheet.add(shaft, colour, bevel(shaft, 0.015, 0.03))
    for y, outward in ((0.14, -1), (0.86, 1)):
        end = ellipse(size_px, (0.5, y), (reach, reach * 0.9))
        sheet.add(end, colour, bevel(end, 0.02, 0.04))
        if random.random() < 0.6:
            jaw = np.array([(-0.5, 0), (0.5, 0), (0.5, 2 * outward), (-0.5, 2 * outward)]) * reach
            sheet.cut(polygon(size_px, np.add(turned(jaw, 15), (0.5, y))))
        else:
            sheet.cut(ellipse(size_px, (0.5, y), reach * 0.6))
    sheet.gloss = random.uniform(0.2, 0.9)
    sheet.rise = random.uniform(0.02, 0.06)
    return sheet


def pliers(size_px: int, random: Random) -> Sheet:
    """Return pliers, tongs or shears: two arms about a joint."""
    colour, grip = metal(random), any_colour(random)
    sheet = Sheet(size_px, colour)
    spread = random.uniform(0.1, 0.24)
    jaws = random.uniform(0.08, 0.3)
    for side in (-1, 1):
        jaw = polygon(
            size_px,
            [
                (0.5 + side * 0.004, jaws - 0.04),
                (0.5 + side * random.uniform(0.02, 0.06), jaws - 0.04),
                (0.5 + side * 0.09, 0.38),
                (0.5, 0.44),
            ],
        )
        sheet.add(jaw, near(colour, 0.03, random), bevel(jaw, 0.02, 0.05))
        arm = [(0.5, 0.4), (0.5 + side * spread * 0.9, 0.6), (0.5 + side * spread, 0.94)]
        _tube(sheet, stroke(size_px, arm, 0.06), colour, 0.04)
        _tube(sheet, stroke(size_px, arm[1:], 0.085), grip, 0.05)
    joint = ellipse(size_px, (0.5, 0.4), 0.08)
    sheet.add(joint, colour, bevel(joint, 0.02, 0.06))
    sheet.gloss = random.uniform(0.1, 0.6)
    sheet.rise = 0.07
    return sheet


def screwdriver(size_px: int, random: Random) -> Sheet:
    """Return a screwdriver, file, awl or chisel."""
    sheet = Sheet(size_px, any_colour(random))
    handle, steel = sheet.albedo_rgb[0, 0].copy(), metal(random)
    neck = random.uniform(0.4, 0.65)
    blade = random.uniform(0.012, 0.05)
    shaft = polygon(
        size_px,
        [
            (0.5 - blade, neck + 0.02),
            (0.5 - blade * random.uniform(0.3, 1.5), 0.04),
            (0.5 + blade * random.uniform(0.3, 1.5), 0.04),
            (0.5 + blade, neck + 0.02),
        ],
    )
    _tube(sheet, shaft, steel, 0.03)
    width = random.uniform(0.05, 0.1)
    grip = box(size_px, 0.5 - width, neck, 0.5 + width, 0.97, width * 0.8)
    _tube(sheet, grip, handle, width)
    for at in (-0.5, 0.1, 0.5):
        x = 0.5 + at * width
        sheet.paint(stroke(size_px, [(x, neck + 0.05), (x, 0.92)], 0.012), handle * 0.6)
    sheet.gloss = random.uniform(0.2, 0.8)
    sheet.rise = width
    return sheet


def key(size_px: int, random: Random) -> Sheet:
    """Return a key, with or without its ring."""
    colour = metal(random)
    sheet = Sheet(size_px, colour)
    bow = ellipse(size_px, (0.5, 0.24), (random.uniform(0.12, 0.2), 0.19))
    teeth = [(0.46, 0.4)]
    for y in np.linspace(0.5, 0.94, 6):
        teeth += [(0.46, y), (random.uniform(0.38, 0.45), y + 0.03)]
    shaft = polygon(size_px, [*teeth, (0.5, 0.97), (0.55, 0.94), (0.55, 0.4)])
    mask = np.maximum(bow, shaft)
    sheet.add(mask, colour, bevel(mask, 0.02, 0.03))
    if random.random() < 0.4:
        cover = ellipse(size_px, (0.5, 0.24), (0.2, 0.21))
        sheet.add(cover, any_colour(random), bevel(cover, 0.04, 0.05))
    sheet.cut(ellipse(size_px, (0.5, 0.14), 0.045))
    if random.random() < 0.4:
        loop = ellipse(size_px, (0.62, 0.14), 0.11) * (1 - ellipse(size_px, (0.62, 0.14), 0.085))
        sheet.add(loop, metal(random), 0.05)
    sheet.gloss = random.uniform(0.2, 0.9)
    sheet.rise = 0.03
    return sheet


def scissors(size_px: int, random: Random) -> Sheet:
    """Return scissors, open a little."""
    steel, grip = metal(random), any_colour(random)
    sheet = Sheet(size_px, steel)
    spread = random.uniform(0, 12)
    for side in (-1, 1):
        blade = np.array([(-0.045, 0.0), (0, -0.46), (0.045, 0.0), (0.03, 0.12), (-0.03, 0.12)])
        mask = polygon(size_px, np.add(turned(blade, side * spread), 0.5))
        sheet.add(mask, near(steel, 0.05, random), bevel(mask, 0.02, 0.03))
        centre = turned([(0, 0.31)], side * (spread + 22))[0] + (0.5, 0.5)
        outside = ellipse(size_px, centre, (0.11, 0.16), side * 12)
        inside = ellipse(size_px, centre, (0.065, 0.115), side * 12)
        neck = stroke(size_px, [(0.5, 0.52), (0.5 + (centre[0] - 0.5) * 0.7, 0.7)], 0.06)
        mask = np.maximum(outside * (1 - inside), neck)
        sheet.add(mask, grip, dome(mask, 0.05))
    sheet.paint(ellipse(size_px, (0.5, 0.5), 0.025), steel * 0.5)
    sheet.gloss = random.uniform(0.2, 0.8)
    sheet.rise = 0.05
    return sheet


def brush(size_px: int, random: Random) -> Sheet:
    """Return a brush, spatula, roller or trowel: a wide end on a handle."""
    sheet = Sheet(size_px, any_colour(random))
    wide, bottom = random.uniform(0.12, 0.28), random.uniform(0.35, 0.5)
    end = box(size_px, 0.5 - wide, 0.04, 0.5 + wide, bottom, pick(random, [0.01, 0.06, 0.2]))
    sheet.add(end, sheet.albedo_rgb[0, 0].copy(), bevel(end, 0.05, 0.06))
    hairs = np.sin(np.arange(size_px) / size_px * random.uniform(100, 300)) > 0.3
    sheet.paint(end * hairs * random.uniform(0, 0.4), any_colour(random))
    band = box(size_px, 0.5 - wide, bottom - 0.05, 0.5 + wide, bottom + 0.04)
    sheet.add(band, metal(random), bevel(band, 0.02, 0.07))
    grip = box(size_px, 0.45, bottom + 0.03, 0.55, 0.96, 0.05)
    _tube(sheet, grip, _handle_colour(random), 0.06)
    sheet.gloss = random.uniform(0, 0.5)
    sheet.rise = 0.08
    return sheet


def pens(size_px: int, random: Random) -> Sheet:
    """Return pencils, bits, bolts, rods or cutlery: a few thin things side by side."""
    sheet = Sheet(size_px, any_colour(random))
    is_alike, first = random.random() < 0.5, any_colour(random)
    count = int(random.integers(1, 6))
    width = random.uniform(0.05, 0.14)
    for x in np.linspace(0.5 - count * width * 0.6, 0.5 + count * width * 0.6, count + 2)[1:-1]:
        colour = first if is_alike else any_colour(random)
        tilt = random.normal(0, 0.03)
        ends = np.array(
            [(x + tilt, random.uniform(0.06, 0.2)), (x - tilt, random.uniform(0.8, 0.94))]
        )
        _tube(sheet, stroke(size_px, ends, width), colour, width / 2)
        tip = ends[0] + (ends[1] - ends[0]) * random.uniform(0.1, 0.4)
        _tube(sheet, stroke(size_px, [ends[0], tip], width * 0.9), any_colour(random), width / 2)
    sheet.gloss = random.uniform(0, 0.8)
    sheet.rise = width
    return sheet


def power_tool(size_px: int, random: Random) -> Sheet:
    """Return a drill, hot-air gun, spray gun or drier: a barrel on a grip."""
    colour = any_colour(random)
    sheet = Sheet(size_px, colour)
    tall = random.uniform(0.09, 0.15)
    grip = polygon(size_px, [(0.55, 0.3), (0.75, 0.3), (0.85, 0.9), (0.6, 0.9)])
    sheet.add(grip, near(colour, 0.2, random), dome(grip, 0.08))
    if random.random() < 0.6:
        battery = box(size_px, 0.5, 0.8, 0.94, 0.95, 0.03)
        sheet.add(battery, any_colour(random), bevel(battery, 0.03, 0.1))
    barrel = box(size_px, 0.22, 0.24 - tall, 0.9, 0.24 + tall, 0.06)
    _tube(sheet, barrel, colour, 0.12)
    chuck = polygon(size_px, [(0.24, 0.16), (0.24, 0.32), (0.1, 0.28), (0.1, 0.2)])
    _tube(sheet, chuck, metal(random), 0.08)
    _tube(sheet, stroke(size_px, [(0.1, 0.24), (0.02, 0.24)], 0.03), metal(random), 0.03)
    label(sheet, random, (0.4, 0.18, 0.8, 0.3))
    sheet.gloss = random.uniform(0, 0.5)
    sheet.rise = 0.15
    return sheet


def plug(size_px: int, random: Random) -> Sheet:
    """Return a plug, adapter or stick with its contacts and a piece of cable."""
    colour = near(np.full(3, pick(random, [0.07, 0.9, 0.5]), np.float32), 0.05, random)
    sheet = Sheet(size_px, colour)
    half = random.uniform(0.12, 0.2)
    cable = [(0.5, 0.6), (0.5, 0.8), (random.uniform(0.2, 0.8), 0.97)]
    _tube(sheet, stroke(size_px, cable, 0.06), near(colour, 0.05, random), 0.04)
    contact = box(size_px, 0.5 - half * 0.65, 0.05, 0.5 + half * 0.65, 0.3)
    sheet.add(contact, metal(random), bevel(contact, 0.02, 0.04))
    sheet.carve(box(size_px, 0.5 - half * 0.1, 0.05, 0.5 + half * 0.1, 0.28), 0.03, 0.5)
    body = box(size_px, 0.5 - half, 0.24, 0.5 + half, 0.68, 0.05)
    sheet.add(body, colour, bevel(body, 0.05, 0.09))
    sheet.gloss = random.uniform(0, 0.6)
    sheet.rise = 0.1
    return sheet


TOOLS: tuple[Thing, ...] = (
    hammer,
    wrench,
    pliers,
    screwdriver,
    key,
    scissors,
    brush,
    pens,
    power_tool,
    plug,
)
