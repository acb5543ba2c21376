"""What every format of annotations comes down to: pictures with named boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Outline = npt.NDArray[np.float64]  # (points, 2): x, y

# Pixels: more than any picture has. Far larger numbers would overflow in OpenCV.
LARGEST_NUMBER = 1e6


@dataclass(frozen=True, eq=False)
class Box:
    """One box in a picture, upright or not."""

    class_name: str
    outline: Outline  # four points or more, no number beyond LARGEST_NUMBER
    place: str  # where it stands in which file, for messages
    slot: str = ""  # its name, where the annotation has one


@dataclass(frozen=True, eq=False)
class AnnotatedPicture:
    """A picture and its boxes."""

    file: Path
    boxes: tuple[Box, ...]
    # What the outlines count in: the picture's width and height when it was annotated, (1, 1)
    # where they are shares of it; None where nothing says, which means its pixels.
    units_wh: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Annotations:
    """Everything a folder's annotation files say."""

    pictures: list[AnnotatedPicture] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # somebody has to correct these
    skipped: list[str] = field(default_factory=list)  # pictures that are not there


def is_usable(number: float) -> bool:
    """Return whether an outline may hold this number."""
    return abs(number) <= LARGEST_NUMBER  # False where it is no number at all


def are_lengths(size_wh: Sequence[float]) -> bool:
    """Return whether these could be the width and height of a picture, in pixels."""
    return all(1 <= length <= LARGEST_NUMBER for length in size_wh)


def upright_outline(left: float, top: float, right: float, bottom: float) -> Outline:
    """Return an upright box, clockwise from its top-left; sides may be given in either order."""
    (left, right), (top, bottom) = sorted((left, right)), sorted((top, bottom))
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def turned_outline(
    middle: tuple[float, float], width: float, height: float, degrees: float
) -> Outline:
    """Return a box that was turned clockwise around its middle, from its own top-left on."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    half = np.array([width, height]) / 2
    outline: Outline = upright_outline(*-half, *half) @ turn + middle
    return outline


def corners_of(outline: Outline) -> Outline:
    """Return four corners, clockwise from the one nearest the top left.

    An outline with four convex corners keeps them, in whatever order it came; around any
    other, the smallest rectangle is taken, upright or not.
    """
    points: Outline = cv2.convexHull(outline.astype(np.float32)).reshape(-1, 2)
    if len(points) != 4:
        points = cv2.boxPoints(cv2.minAreaRect(points))
    points = points.astype(np.float64)
    offset = points - points.mean(axis=0)
    # y points down, so growing angles run clockwise on the screen.
    clockwise = points[np.argsort(np.arctan2(offset[:, 1], offset[:, 0]))]
    return np.roll(clockwise, -int(np.argmin(clockwise.sum(axis=1))), axis=0)


def pairs(numbers: Sequence[float]) -> Outline:
    """Return x, y, x, y ... as points."""
    return np.array(numbers, np.float64).reshape(-1, 2)
