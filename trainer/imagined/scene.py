"""The two pictures of a pair: a place under a lamp, and the same with a thing in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import ImageRGB
from trainer.imagined.light import (
    Light,
    any_light,
    cast_shadow,
    contact_shadow,
    floor_shadow,
    lit,
)
from trainer.imagined.places import Place, any_place
from trainer.imagined.pose import laid
from trainer.imagined.sheet import Field, Random, Sheet, blurred, pick, polygon, stroke, turned
from trainer.imagined.standing import STANDING
from trainer.imagined.things import LYING, Thing
from trainer.imagined.tools import TOOLS
from trainer.progress import progress_bar

_MARGIN = 1.15  # the scene is drawn larger than the crop, which is a tilted view into it
_SMALLEST_PX = 24  # side of a slot in the pictures of a far camera
_LARGEST_OFFSET = 0.25  # of a thing from the middle

Picture = npt.NDArray[np.float32]  # (size, size, 3), 0..1 and above


def imagined_pair(size_px: int, random: np.random.Generator) -> tuple[ImageRGB, ImageRGB]:
    """Return the same place EMPTY and OCCUPIED, each uint8 (size_px, size_px, 3).

    Light, neighbours and marks are the same in both; the camera may have moved a hair.
    """
    scene_px = round(size_px * _MARGIN)
    place, light = any_place(scene_px, random), any_light(random)
    thing = _placed(_any_thing(place, random), place, random)
    veil = _any_veil(scene_px, random)
    neighbours = _neighbours(place, random)

    ground = lit(place.sheet, light)
    occupied = ground.copy()
    _put(occupied, thing, place, light)
    for neighbour in neighbours:
        _put(ground, neighbour, place, light)
        _put(occupied, neighbour, place, light)

    view = _any_view(scene_px, random)
    seen_px = _any_resolution(size_px, random)
    shift_px = random.normal(0, 0.004, (2, 2)) * scene_px
    pictures = (ground, occupied)
    first, second = (
        _seen(
            picture * veil.factor[:, :, None] + veil.glare[:, :, None],
            view + shift,
            seen_px,
            size_px,
        )
        for picture, shift in zip(pictures, shift_px, strict=True)
    )
    return first, second


def imagined_crops(
    size_px: int, count: int, seed: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return crops, uint8 (count, size_px, size_px, 3), and whether each is occupied.

    Pair after pair, EMPTY first; an odd count leaves out the last OCCUPIED. The same seed
    gives the same crops, and the first of a longer series.
    """
    crops_rgb = np.empty((count, size_px, size_px, 3), np.uint8)
    for first in progress_bar(range(0, count, 2), "drawing imagined slots"):
        pair = imagined_pair(size_px, np.random.default_rng([seed, first]))
        for number, crop_rgb in enumerate(pair[: count - first], start=first):
            crops_rgb[number] = crop_rgb
    return crops_rgb, np.arange(count) % 2 == 1


def _any_thing(place: Place, random: Random) -> Sheet:
    kinds: tuple[Thing, ...]
    if place.view == "from above":
        kinds = TOOLS if random.random() < 0.3 else LYING
        if random.random() < 0.1:
            kinds = STANDING  # it was laid down, or is seen on a shelf without depth
    elif random.random() < 0.7:
        kinds = STANDING
    else:
        kinds = TOOLS + LYING
    thing = pick(random, kinds)(place.sheet.size_px, random)
    kind = random.random()
    if kind < 0.08:
        # The colour of the place itself: only its light and shadow tell.
        mean = place.sheet.albedo_rgb.mean(axis=(0, 1))
        thing.albedo_rgb += 0.85 * (mean - thing.albedo_rgb)
    elif kind < 0.16:
        thing.albedo_rgb *= random.uniform(0.05, 0.3)
    elif kind < 0.24:
        thing.albedo_rgb += random.uniform(0.5, 0.9) * (1 - thing.albedo_rgb)
    return thing


def _placed(thing: Sheet, place: Place, random: Random) -> Sheet:
    """Return the thing where it lies, hangs or stands in the place."""
    if place.fitting is not None and random.random() < 0.65:
        return place.fitting
    share = max(float(thing.coverage.mean()), 0.02)
    wanted = random.uniform(0.12, 0.75)
    # Thin things would have to be longer than the place to fill their share of it.
    scale = float(np.clip(np.sqrt(wanted / share), 0.45, 0.9))
    largest_offset = min(_LARGEST_OFFSET, 0.55 - scale / 2)
    offset = random.normal(0, 0.08, 2).clip(-largest_offset, largest_offset)
    centre = 0.5 + offset
    if place.view == "from above":
        angle = pick(random, [0, 90, 180, 270, random.uniform(0, 360)])
        stretch = random.uniform(0.85, 1.15)
        return laid(thing, (centre[0], centre[1]), (scale * stretch, scale / stretch), angle)
    if thing.stands:
        # All that stand have their foot at 0.96 of their own sheet.
        scale = min(scale, 1.05 * place.floor)
        return laid(thing, (centre[0], place.floor - 0.46 * scale), scale, random.normal(0, 1))
    flat = random.uniform(0.4, 0.8)
    # It lies on the floor, whose near part is the lower half of the picture.
    at = random.uniform(0.5, max(0.55, place.floor - 0.45 * scale * flat))
    return laid(thing, (centre[0], at), (scale, scale * flat), random.uniform(0, 360))


def _put(picture: Picture, thing: Sheet, place: Place, light: Light) -> None:
    """Draw a thing and its shadows into a picture of the place."""
    upright = thing.stands and place.view != "from above"
    shadow = contact_shadow(thing.coverage, light)
    if upright:
        # The foot touches the ground, the rest stands before the wall.
        rows = np.arange(thing.size_px, dtype=np.float32)[:, None] / thing.size_px
        shadow *= np.clip((rows - place.floor + 0.12) * 10, 0.15, 1)
        lamp = floor_shadow(thing.coverage, light)
        if place.view == "front":
            lamp = np.maximum(lamp, 0.6 * cast_shadow(thing.coverage, 0.06, light))
    else:
        lamp = cast_shadow(thing.coverage, thing.rise, light)
    picture *= ((1 - shadow) * (1 - lamp))[:, :, None]
    shape = lit(thing, light)
    if thing.opacity < 1:
        shape = _seen_through(picture, thing, shape)
    picture += thing.coverage[:, :, None] * (shape - picture)


def _seen_through(behind: Picture, thing: Sheet, shape: Picture) -> Picture:
    """Return a clear thing: what lies behind it, bent by its slopes, under its own lights."""
    size_px = thing.size_px
    bend = thing.height * np.float32(0.25 * size_px)
    rows, columns = np.indices((size_px, size_px), dtype=np.float32)
    map_x = columns + bend * np.float32(0.6) * np.sign(size_px / 2 - columns)
    map_y = rows + bend * np.float32(0.6) * np.sign(size_px / 2 - rows)
    bent = cv2.remap(behind, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # Lights on the surface stay as they are, its colour is thin.
    own = np.maximum(thing.opacity, np.clip(shape.mean(axis=2) - 0.9, 0, 1))[:, :, None]
    seen: Picture = bent * (1 - own) * (0.75 + 0.25 * thing.albedo_rgb) + shape * own
    return seen


def _neighbours(place: Place, random: Random) -> list[Sheet]:
    """Return things of the next slots that reach a little over the edges, in a third of places."""
    count = int(random.choice([0, 1, 2], p=[0.65, 0.25, 0.1]))
    neighbours = []
    for _ in range(count):
        kinds = STANDING if place.view == "front" else LYING
        thing = pick(random, kinds)(place.sheet.size_px, random)
        columns = np.flatnonzero(thing.coverage.max(axis=0) > 0.5)
        scale = random.uniform(0.6, 1.1)
        half = (columns[-1] - columns[0]) / thing.size_px / 2 * scale if len(columns) else 0.5
        # Part of the scene's edge is cut off by the view.
        inside = random.uniform(0.06, 0.2)
        away = 0.5 + half - inside
        if place.view == "front":
            side = pick(random, [-1, 1])
            centre = (0.5 + side * away, place.floor - 0.46 * scale)
            neighbours.append(laid(thing, centre, scale, 0))
        else:
            x, y = turned([(away, random.uniform(-0.3, 0.3))], 90 * int(random.integers(4)))[0]
            neighbours.append(laid(thing, (0.5 + x, 0.5 + y), scale, 0))
    return neighbours


@dataclass(frozen=True, eq=False)
class _Veil:
    """What lies over the whole scene, with or without a thing in it."""

    factor: Field  # light left by the shadow of something outside, a lamp's fall-off
    glare: Field  # light of a reflection


def _any_veil(size_px: int, random: Random) -> _Veil:
    ramp = np.linspace(-0.5, 0.5, size_px, dtype=np.float32)
    slope = random.normal(0, 0.2, 2)
    factor = np.clip(1 + slope[0] * ramp[None, :] + slope[1] * ramp[:, None], 0.3, 1.7)
    glare = np.zeros((size_px, size_px), np.float32)
    if random.random() < 0.35:
        centre, turn = random.uniform(0, 1, 2), random.uniform(0, 360)
        reach = random.uniform(0.1, 0.5)
        outline = turned([(-2, -reach), (2, -reach), (2, reach), (-2, reach)], turn)
        if random.random() < 0.5:
            outline = turned(random.uniform(-0.5, 0.5, (5, 2)), turn)
        shadow = blurred(polygon(size_px, outline + centre), pick(random, [0.006, 0.03, 0.1]))
        factor = factor * (1 - random.uniform(0.2, 0.65) * shadow)
    if random.random() < 0.2:
        centre, turn = random.uniform(0.1, 0.9, 2), random.uniform(0, 180)
        ends = turned([(-random.uniform(0, 0.5), 0), (random.uniform(0, 0.5), 0)], turn)
        streak = stroke(size_px, ends + centre, random.uniform(0.02, 0.15))
        glare = blurred(streak, random.uniform(0.01, 0.06)) * np.float32(random.uniform(0.2, 0.9))
    return _Veil(factor.astype(np.float32), glare)


def _any_view(scene_px: int, random: Random) -> npt.NDArray[np.float32]:
    """Return the corners of the crop within the scene, (4, 2) pixels, top-left first."""
    inset = random.uniform(0.01, 0.14, (4, 2))
    if random.random() < 0.4:
        inset = np.full((4, 2), random.uniform(0.02, 0.1))
    low = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    corners = np.where(low == 0, inset, 1 - inset) * scene_px - 0.5
    return corners.astype(np.float32)


def _any_resolution(size_px: int, random: Random) -> int:
    """Return how many pixels the camera spends on the side of the slot."""
    if random.random() < 0.35:
        return size_px
    smallest = min(_SMALLEST_PX, size_px)
    return round(float(np.exp(random.uniform(np.log(smallest), np.log(size_px)))))


def _seen(
    picture: Picture, corners: npt.NDArray[np.float32], seen_px: int, size_px: int
) -> ImageRGB:
    """Return the crop of a camera that has `seen_px` pixels for it, scaled to the wanted size."""
    target = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * size_px - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    crop = cv2.warpPerspective(
        picture, matrix, (size_px, size_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    crop_rgb: ImageRGB = (crop * 255).clip(0, 255).astype(np.uint8)
    if seen_px < size_px:
        crop_rgb = cv2.resize(crop_rgb, (seen_px, seen_px), interpolation=cv2.INTER_AREA)
        crop_rgb = cv2.resize(crop_rgb, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return crop_rgb
