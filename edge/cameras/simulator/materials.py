"""Colours and patterns of surfaces, in linear light (not sRGB)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from edge.cameras.simulator.geometry import Floats, floats

# Points (n, 3) and normals (n, 3) in the part's own coordinates -> linear RGB (n, 3).
Pattern = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, eq=False)
class Material:
    """How a surface answers to light."""

    pattern: Pattern
    gloss: float = 0.15  # strength of highlights, 0..1
    sharpness: float = 24.0  # of highlights: exponent
    metal: float = 0.0  # share of the room's reflection, 0..1
    opacity: float = 1.0  # 0..1; clear things are denser where seen at a grazing angle


def linear(red: int, green: int, blue: int) -> Floats:
    """Return an sRGB colour (0..255) in linear light."""
    return np.asarray((np.array([red, green, blue]) / 255) ** 2.2, np.float32)


@cache
def noise_texture() -> Floats:
    """Return soft noise of several scales, float32 (512, 512), about -1..1, tileable."""
    rng = np.random.default_rng(20240517)
    total = np.zeros((512, 512), np.float32)
    for size, weight in ((8, 0.5), (32, 0.6), (128, 0.5), (512, 0.3)):
        coarse = rng.normal(0, 1, (size, size)).astype(np.float32)
        wrapped = np.pad(coarse, 2, mode="wrap")
        scale = 512 // size
        large = cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += weight * large[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    return np.asarray(np.clip(total / 1.2, -1.5, 1.5), np.float32)


def noise_at(u: Floats, v: Floats, scale: float = 200.0) -> Floats:
    """Return the noise at texture coordinates; `scale` texels make one unit."""
    texture = noise_texture()
    rows, columns = (v * scale).astype(np.int32) & 511, (u * scale).astype(np.int32) & 511
    return np.asarray(texture[rows, columns])


# OpenCV's hues (0..179), as often as workshops have them: red, orange, yellow, green, blue.
_HUES = (0, 2, 5, 9, 13, 17, 22, 25, 28, 42, 62, 78, 98, 104, 108, 112, 116, 120, 145, 172)


def random_colour(rng: np.random.Generator, near: Floats | None = None) -> Floats:
    """Return the colour of a thing; now and then one close to `near`, its surroundings."""
    if near is not None and rng.random() < 0.12:
        return np.asarray(near * rng.uniform(0.75, 1.25) * rng.uniform(0.93, 1.07, 3), np.float32)
    kind = rng.random()
    if kind < 0.3:  # black, grey, white: most things of a workshop
        level = rng.choice((0.012, 0.02, 0.05, 0.13, 0.3, 0.55, 0.75)) * rng.uniform(0.8, 1.2)
        return np.asarray(level * rng.uniform(0.95, 1.05, 3), np.float32)
    hue = rng.choice(_HUES) + rng.integers(-3, 4)
    saturation = rng.uniform(0.3, 0.85)
    hsv = np.array([[[int(hue) % 180, int(255 * saturation), int(rng.uniform(60, 215))]]], np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]
    colour = linear(int(red), int(green), int(blue))
    return np.asarray(colour * 0.85 + colour.mean() * 0.15, np.float32)


def plain(colour: Floats, grain: float = 0.05) -> Pattern:
    """Return one colour with a little grain."""

    def pattern(local: Floats, _normal: Floats) -> Floats:
        tone = noise_at(local[:, 0] + local[:, 2] * 0.7, local[:, 1] + local[:, 2] * 0.4, 260)
        return np.asarray(colour * (1 + grain * tone)[:, None], np.float32)

    return pattern


def bands(base: Pattern, edges: list[tuple[float, float, Floats]]) -> Pattern:
    """Return `base` with coloured bands between heights (low, high, colour)."""

    def pattern(local: Floats, normal: Floats) -> Floats:
        colour = base(local, normal)
        for low, high, band in edges:
            colour[(local[:, 1] > low) & (local[:, 1] < high)] = band
        return colour

    return pattern


def printed(
    base: Pattern, rng: np.random.Generator, height: float, low: float, high: float, paper: Floats
) -> Pattern:
    """Return `base` with a paper label round a bottle: lines of print, a coloured field."""
    ink = random_colour(rng)
    rows = rng.random(64) < 0.6
    start = rng.uniform(0, 6.28)
    middle = rng.uniform(0.35, 0.7)

    def pattern(local: Floats, normal: Floats) -> Floats:
        colour = base(local, normal)
        share = local[:, 1] / height
        inside = (share > low) & (share < high)
        level = (share - low) / (high - low)
        angle = np.arctan2(local[:, 2], local[:, 0]) + start
        text = (
            rows[np.clip((level * 18).astype(int), 0, 63)]
            & (np.abs(np.sin(angle)) < 0.8)
            & (level > 0.08)
            & (level < middle - 0.06)
            & (noise_at(angle * 0.3, np.floor(level * 18) * 0.13, 300) > -0.25)
        )
        colour[inside] = paper
        colour[inside & (level > middle)] = ink
        colour[inside & text & ((level * 18) % 1 < 0.6)] = paper * 0.25
        return colour

    return pattern


def carton(rng: np.random.Generator, width: float, height: float) -> Pattern:
    """Return cardboard with tape over the top, a shipping label and prints."""
    shade = linear(196, 154, 108) * np.float32(rng.uniform(0.6, 1.15))
    if rng.random() < 0.25:
        shade = np.asarray(np.clip(random_colour(rng), 0.02, 0.8), np.float32)
    tape = shade * rng.choice((0.72, 1.25)) * floats([1.0, 0.95, 0.85])
    has_tape, has_label, has_print = rng.random(3) < (0.7, 0.55, 0.5)
    label_x, label_y = rng.uniform(-0.25, 0.05) * width, rng.uniform(0.3, 0.55) * height
    label_w, label_h = rng.uniform(0.25, 0.45) * width, rng.uniform(0.2, 0.4) * height
    print_x, print_y = rng.uniform(-0.4, 0.1) * width, rng.uniform(0.1, 0.3) * height
    ink = random_colour(rng) * 0.6

    def pattern(local: Floats, normal: Floats) -> Floats:
        x, y, z = local.T
        tone = noise_at(x * 0.6 + z, y + z * 0.3, 150) * 0.09 + noise_at(x * 4, y * 0.4, 90) * 0.05
        colour = shade * (1 + tone)[:, None]
        front = normal[:, 2] < -0.6
        if has_tape:
            strip = (np.abs(x) < 0.045) & ((normal[:, 1] > 0.6) | (front & (y > height * 0.78)))
            colour[strip] = tape
        seam = (normal[:, 1] > 0.6) & (np.abs(x) < 0.004)
        colour[seam] *= 0.4
        if has_print:
            mark = front & (np.abs(x - print_x) < 0.07) & (np.abs(y - print_y) < 0.05)
            colour[mark & (noise_at(x, y, 900) > -0.1)] = ink
        if has_label:
            u, v = (x - label_x) / label_w, (y - label_y) / label_h
            label = front & (u > 0) & (u < 1) & (v > 0) & (v < 1)
            colour[label] = 0.72
            bars = label & (v < 0.4) & (v > 0.1) & (u > 0.1) & (u < 0.9)
            colour[bars & (noise_at(u, np.zeros_like(u), 170) > 0.0)] = 0.03
            lines = label & (v > 0.5) & (u > 0.1) & (u < 0.75) & ((v * 9) % 1 < 0.45)
            colour[lines] = 0.12
        return np.asarray(colour, np.float32)

    return pattern


def cover(rng: np.random.Generator, height: float) -> Pattern:
    """Return a book's or a binder's cover: stripes and a title on the spine, white pages on top."""
    base = random_colour(rng)
    title = base * 0.2 if base.mean() > 0.3 else floats([0.7, 0.65, 0.5])
    low, high = sorted(rng.uniform(0.15, 0.85, 2))
    stripe = random_colour(rng)
    at = rng.uniform(0.05, 0.9)

    def pattern(local: Floats, normal: Floats) -> Floats:
        x, y, z = local.T
        share = y / height
        colour = base * (1 + 0.05 * noise_at(x + z, y, 200))[:, None]
        colour[(share > at) & (share < at + 0.06)] = stripe
        text = (share > low) & (share < high) & (np.abs(x) < 0.012) & (normal[:, 2] < -0.6)
        colour[text & (noise_at(share * 3, np.zeros_like(y), 60) > -0.3)] = title
        pages = normal[:, 1] > 0.6
        colour[pages] = (
            floats([0.62, 0.58, 0.48]) * (1 - 0.25 * ((x[pages] * 160) % 1 > 0.5))[:, None]
        )
        return np.asarray(colour, np.float32)

    return pattern


def wound(rng: np.random.Generator, colour: Floats) -> Pattern:
    """Return wire or thread wound on a core: fine ridges along the y axis."""
    turns = rng.uniform(45, 90)

    def pattern(local: Floats, _normal: Floats) -> Floats:
        ridge = 0.72 + 0.28 * np.sin(local[:, 1] * turns * 6.28)
        return np.asarray(colour * ridge[:, None], np.float32)

    return pattern


def fabric(rng: np.random.Generator, colour: Floats) -> Pattern:
    """Return cloth: a weave, creases, now and then stripes."""
    stripe = random_colour(rng) if rng.random() < 0.35 else colour
    pitch = rng.uniform(0.08, 0.2)

    def pattern(local: Floats, _normal: Floats) -> Floats:
        x, y, z = local.T
        tone = 0.12 * noise_at(x + z * 0.5, y + z * 0.5, 420) + 0.2 * noise_at(x, y + z, 90)
        base = np.where(((x / pitch) % 1 < 0.22)[:, None], stripe, colour)
        return np.asarray(base * np.clip(1 + tone, 0.4, 1.6)[:, None], np.float32)

    return pattern


def wood(rng: np.random.Generator, colour: Floats) -> Pattern:
    """Return wood with its grain along x."""
    offset = rng.uniform(0, 9)

    def pattern(local: Floats, _normal: Floats) -> Floats:
        x, y, z = local.T
        across = y + z + offset
        grain = (
            noise_at(x * 0.12, across * 1.6, 230) * 0.28 + noise_at(x * 0.5, across * 7, 200) * 0.1
        )
        return np.asarray(colour * np.clip(1 + grain, 0.4, 1.5)[:, None], np.float32)

    return pattern
