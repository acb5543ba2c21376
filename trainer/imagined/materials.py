"""What empty places are made of: each function covers a whole sheet with one material."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from trainer.imagined.sheet import (
    Colour,
    Field,
    Random,
    Sheet,
    any_colour,
    blurred,
    clouds,
    near,
    pick,
    polygon,
    stroke,
    turbulence,
)


def _tint(sheet: Sheet, colour: Colour, change: Field) -> None:
    sheet.albedo_rgb[:] = colour * (1 + change[:, :, None])


def _grain(size_px: int, random: Random) -> Field:
    return random.standard_normal((size_px, size_px), dtype=np.float32)


def _ramp(size_px: int) -> Field:
    return np.arange(size_px, dtype=np.float32) / np.float32(size_px)


def paint(sheet: Sheet, random: Random) -> None:
    """Painted metal or wood, varnish, a smooth plastic tray."""
    change = random.uniform(0, 0.06) * clouds(sheet.size_px, 3, random)
    change += random.uniform(0, 0.03) * _grain(sheet.size_px, random)
    _tint(sheet, any_colour(random), change)
    sheet.gloss = random.uniform(0, 0.5)


def brushed_metal(sheet: Sheet, random: Random) -> None:
    """Steel or aluminium with fine parallel streaks."""
    streaks = clouds(sheet.size_px, (random.uniform(2, 8), sheet.size_px), random)
    sheens = clouds(sheet.size_px, (2, 3), random)
    grey = near(np.full(3, random.uniform(0.35, 0.8), np.float32), 0.03, random)
    change = random.uniform(0.03, 0.12) * streaks + random.uniform(0.02, 0.12) * sheens
    _tint(sheet, grey, change)
    sheet.gloss = random.uniform(0.3, 0.8)


def wood(sheet: Sheet, random: Random) -> None:
    """Planks or plywood: year rings stretched along the grain."""
    size_px = sheet.size_px
    warmth = random.uniform(0.5, 0.8)
    light = random.uniform(0.25, 0.9)
    colour = np.array([1, (1 + warmth) / 2, warmth * 0.85], np.float32) * light
    rings = _ramp(size_px)[:, None] * random.uniform(3, 14)
    rings = rings + clouds(size_px, (2.5, 4), random) * random.uniform(0.3, 1.5)
    fibres = clouds(size_px, (6, size_px), random)
    wave = np.sin(rings * 2 * np.pi).astype(np.float32)
    change = random.uniform(0.02, 0.12) * wave + random.uniform(0.02, 0.09) * fibres
    _tint(sheet, colour, change)
    if random.random() < 0.4:
        for at in np.arange(random.uniform(0.1, 0.5), 1, random.uniform(0.25, 0.6)):
            joint = stroke(size_px, [(0, at), (1, at)], random.uniform(0.006, 0.02))
            sheet.carve(joint, 0.01, random.uniform(0.3, 0.7))


def foam(sheet: Sheet, random: Random) -> None:
    """Foam or felt, mostly dark, with a coarse grain."""
    colour = near(np.full(3, random.uniform(0.05, 0.35), np.float32), 0.03, random)
    if random.random() < 0.4:
        colour = any_colour(random)
    change = random.uniform(0.05, 0.25) * _grain(sheet.size_px, random)
    change += 0.06 * clouds(sheet.size_px, 5, random)
    _tint(sheet, colour, change)


def concrete(sheet: Sheet, random: Random) -> None:
    """Concrete, plaster or stone."""
    grey = near(np.full(3, random.uniform(0.3, 0.8), np.float32), 0.04, random)
    rough = turbulence(sheet.size_px, random.uniform(2, 8), random)
    change = random.uniform(0.03, 0.16) * rough
    change += random.uniform(0, 0.06) * _grain(sheet.size_px, random)
    _tint(sheet, grey, change)
    sheet.height += random.uniform(0, 0.004) * rough


def asphalt(sheet: Sheet, random: Random) -> None:
    """Asphalt or gravel: specks of every grey."""
    grey = near(np.full(3, random.uniform(0.15, 0.5), np.float32), 0.02, random)
    specks = clouds(sheet.size_px, random.uniform(0.3, 1) * sheet.size_px, random)
    change = random.uniform(0.08, 0.35) * specks
    change += random.uniform(0.02, 0.15) * turbulence(sheet.size_px, 3, random)
    _tint(sheet, grey, change)


def cardboard(sheet: Sheet, random: Random) -> None:
    """Paper or cardboard, plain or with the lines of its corrugation."""
    size_px = sheet.size_px
    colour = np.array([1, 0.83, 0.62], np.float32) * random.uniform(0.45, 0.85)
    if random.random() < 0.5:
        colour = near(np.full(3, random.uniform(0.6, 0.95), np.float32), 0.04, random)
    change = random.uniform(0.01, 0.04) * clouds(size_px, (12, 30), random)
    lines = np.sin(_ramp(size_px) * random.uniform(60, 200)).astype(np.float32)
    _tint(sheet, colour, change + random.uniform(0, 0.05) * lines[:, None])


def tiles(sheet: Sheet, random: Random) -> None:
    """Tiles, slabs, bricks or a drawn grid; also a board of two colours."""
    size_px = sheet.size_px
    first, second = any_colour(random), any_colour(random)
    if random.random() < 0.7:
        second = near(first, 0.03, random)
    count = random.uniform(1.2, 6)
    columns = np.floor(_ramp(size_px) * count * random.uniform(0.5, 1) + random.random())
    rows = np.floor(_ramp(size_px) * count + random.random())
    is_second = (columns[None, :] + rows[:, None]) % 2
    sheet.albedo_rgb[:] = np.where(is_second[:, :, None] > 0, first, second)
    sheet.albedo_rgb *= 1 + random.uniform(0, 0.1) * turbulence(size_px, 4, random)[:, :, None]
    if random.random() < 0.7:
        joints = np.zeros((size_px, size_px), np.float32)
        joints[np.flatnonzero(np.diff(rows)), :] = 1
        joints[:, np.flatnonzero(np.diff(columns))] = 1
        joints = cv2.dilate(joints, np.ones((2, 2), np.uint8)).astype(np.float32)
        sheet.carve(joints, 0.008, random.uniform(0.4, 1.4))
    sheet.gloss = random.uniform(0, 0.5)


def perforated(sheet: Sheet, random: Random) -> None:
    """A board with rows of holes: peg board, perforated sheet, a drain."""
    pick(random, [paint, brushed_metal, wood])(sheet, random)
    size_px = sheet.size_px
    count = random.uniform(2, 14)
    steps = (np.arange(size_px) / size_px * count + random.random()) % 1 - 0.5
    aspect = pick(random, [1, 1, 0.35])  # round holes, or slots
    distance = np.hypot(steps[None, :], steps[:, None] * aspect)
    radius = random.uniform(0.12, 0.38)
    sharpness = size_px / count
    holes = np.clip((radius - distance) * sharpness + 0.5, 0, 1).astype(np.float32)
    if aspect < 1:
        holes *= (np.abs(steps) < 0.4)[:, None]
    sheet.carve(holes, 0.02, random.uniform(0.1, 0.6))


def wire_mesh(sheet: Sheet, random: Random) -> None:
    """Wires or bars over something darker or lighter further down."""
    foundation = pick(random, [paint, foam, concrete])
    foundation(sheet, random)
    sheet.albedo_rgb *= random.uniform(0.3, 1)
    size_px = sheet.size_px
    count = random.uniform(3, 12)
    width = random.uniform(0.1, 0.35)
    steps = np.abs((np.arange(size_px) / size_px * count + random.random()) % 1 - 0.5)
    bars = np.clip((width / 2 - steps) * size_px / count + 0.5, 0, 1).astype(np.float32)
    down = np.broadcast_to(bars[None, :], (size_px, size_px))
    mask = down if random.random() < 0.4 else np.maximum(down, bars[:, None])
    sheet.paint(mask, any_colour(random))
    sheet.height += mask * random.uniform(0.005, 0.03)
    sheet.gloss = random.uniform(0, 0.6)


def ribbed(sheet: Sheet, random: Random) -> None:
    """A rubber mat, corrugated sheet, slats: parallel ribs."""
    paint(sheet, random)
    size_px = sheet.size_px
    wave = np.sin(_ramp(size_px) * 2 * np.pi * random.uniform(3, 16) + random.uniform(0, 6))
    if random.random() < 0.4:
        wave = np.sign(wave) * np.abs(wave) ** 0.3
    sheet.height += (wave * random.uniform(0.002, 0.012)).astype(np.float32)[:, None]


def cloth(sheet: Sheet, random: Random) -> None:
    """Woven cloth, a mat, a carpet."""
    size_px = sheet.size_px
    across = np.sin(_ramp(size_px) * random.uniform(80, 300))
    down = np.sin(_ramp(size_px) * random.uniform(80, 300))
    weave = (across[None, :] * down[:, None]).astype(np.float32)
    change = random.uniform(0.02, 0.2) * weave + 0.05 * clouds(size_px, 4, random)
    _tint(sheet, any_colour(random), change)
    sheet.height += random.uniform(0, 0.012) * blurred(clouds(size_px, 5, random), 0.02)


def speckled(sheet: Sheet, random: Random) -> None:
    """Terrazzo, linoleum, a dirty bench: spots of other colours."""
    size_px = sheet.size_px
    _tint(sheet, any_colour(random), 0.04 * clouds(size_px, 4, random))
    for _ in range(int(random.integers(1, 4))):
        spots = turbulence(size_px, random.uniform(6, 30), random)
        share = np.clip((spots - random.uniform(0.6, 1.4)) * 6, 0, 1)
        sheet.paint(share.astype(np.float32), near(sheet.albedo_rgb[0, 0], 0.25, random))


def soil(sheet: Sheet, random: Random) -> None:
    """Earth, sand, grass."""
    size_px = sheet.size_px
    colour = np.array([0.9, 0.75, 0.5], np.float32) * random.uniform(0.25, 0.9)
    if random.random() < 0.4:
        colour = np.array([0.55, 0.8, 0.35], np.float32) * random.uniform(0.3, 0.8)
    rough = turbulence(size_px, random.uniform(5, 20), random)
    _tint(sheet, colour, 0.2 * rough + 0.1 * _grain(size_px, random))
    sheet.height += 0.004 * rough


def panels(sheet: Sheet, random: Random) -> None:
    """Two materials side by side, or a seam: the edge of a mat, a kerb, a drawer's front."""
    paint(sheet, random)
    other = Sheet(sheet.size_px, any_colour(random))
    pick(random, [concrete, wood, foam, cardboard])(other, random)
    at, tilt = random.uniform(0.1, 0.9), random.uniform(-0.15, 0.15)
    mask = polygon(sheet.size_px, [(-1, at - tilt), (2, at + tilt), (2, 2), (-1, 2)])
    sheet.add(mask, other.albedo_rgb, random.uniform(-0.02, 0.02))
    sheet.coverage[:] = 0


Material = Callable[[Sheet, Random], None]
MATERIALS: tuple[Material, ...] = (
    paint,
    paint,
    brushed_metal,
    wood,
    wood,
    foam,
    concrete,
    asphalt,
    cardboard,
    tiles,
    perforated,
    wire_mesh,
    ribbed,
    cloth,
    speckled,
    soil,
    panels,
)
