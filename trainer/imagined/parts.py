"""What several things and places share: metal, labels, bar codes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainer.imagined.sheet import (
    Colour,
    Field,
    Random,
    Sheet,
    any_colour,
    box,
    ellipse,
    lettering,
    near,
    pick,
    polygon,
    stroke,
)

Thing = Callable[[int, Random], Sheet]  # draws one on a sheet of this many pixels

MIDDLE = (0.5, 0.5)
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
