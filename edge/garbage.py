"""Pictures that say nothing about a slot: their probability of OCCUPIED should be 0.5.

The trainer teaches and tries its models with them, the device what it learns of a site.

An empty slot may be almost as plain as a covered lens. Of 6,289 real crops the flattest still
spans 23 grey levels once its grain is blurred away; garbage is either plainer than that or
shows what no slot shows. All pictures are RGB uint8 (size, size, 3), the same for the same state
of the generator. Kinds that are a spoilt crop take any crop, else a drawn scene.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import ImageRGB

Random = np.random.Generator
_LEAST_STRUCTURE = 12.0  # spread of a row's values, 0..255
Field = npt.NDArray[np.float32]  # (size, size), any range
Colour = npt.NDArray[np.float32]  # (3,), RGB 0..255


class Draw(Protocol):
    """Draws one kind of garbage."""

    def __call__(self, size_px: int, random: Random, crop_rgb: ImageRGB | None = None) -> ImageRGB:
        """Return a picture of this kind; `crop_rgb`, of the same size, is never changed."""
        ...


def garbage(size_px: int, random: Random, crop_rgb: ImageRGB | None = None) -> ImageRGB:
    """Return garbage of any kind; `crop_rgb` is what a spoilt picture once showed."""
    kinds = list(GARBAGE.values())
    return kinds[int(random.integers(len(kinds)))](size_px, random, crop_rgb)


def black(size_px: int, random: Random) -> ImageRGB:
    """Return a night without a lamp, or a covered lens."""
    return _plain(size_px, random, np.full(3, random.uniform(0, 6)))


def white(size_px: int, random: Random) -> ImageRGB:
    """Return an overexposed picture."""
    return _plain(size_px, random, np.full(3, random.uniform(250, 255)))


def grey(size_px: int, random: Random) -> ImageRGB:
    """Return a plain grey: a decoder that lost its picture."""
    return _plain(size_px, random, random.uniform(15, 245) + random.normal(0, 2, 3))


def plain(size_px: int, random: Random) -> ImageRGB:
    """Return one colour: a lid before the lens, a test picture."""
    return _plain(size_px, random, random.uniform(0, 255, 3))


def _plain(size_px: int, random: Random, colour: npt.NDArray[np.floating]) -> ImageRGB:
    picture = np.broadcast_to(colour.astype(np.float32), (size_px, size_px, 3))
    if random.random() < 0.7:
        picture = picture + _grain(size_px, random, random.uniform(0, 3))
    return _as_picture(picture)


def noise(size_px: int, random: Random) -> ImageRGB:
    """Return noise of any grain: a broken cable, a sensor at its limit."""
    cells = max(2, int(size_px / random.choice([1, 1, 2, 4, 8])))
    # Lines, as an analogue camera without a signal shows them, or specks.
    shape = (cells, random.choice([cells, cells, 1]), random.choice([1, 3]))
    if random.random() < 0.5:
        field = random.integers(0, 256, shape).astype(np.float32)
    else:
        field = random.uniform(40, 215) + random.uniform(35, 90) * random.standard_normal(
            shape, dtype=np.float32
        )
    rows, columns = np.arange(size_px) * cells // size_px, np.arange(size_px) * shape[1] // size_px
    return _as_picture(np.broadcast_to(field[rows][:, columns], (size_px, size_px, 3)))


def cloth(size_px: int, random: Random) -> ImageRGB:
    """Return a sleeve, a curtain, a cloth right before the slot: soft folds, a weave, no edges."""
    picture = _folds(size_px, random) * _colour(random)
    if random.random() < 0.4:
        across, _ = _turned_grid(size_px, random)
        threads = np.sin(across * random.uniform(20, 200))
        if random.random() < 0.5:
            threads = np.sign(threads)
        picture = picture * (1 + np.float32(random.uniform(0.05, 0.25)) * threads[:, :, None])
    return _as_picture(picture + _grain(size_px, random, random.uniform(1, 5)))


def hand(scene_rgb: ImageRGB, random: Random) -> ImageRGB:
    """Return the scene behind a hand that leaves less than a third of it to be seen."""
    size_px = len(scene_rgb)
    along, across = _turned_grid(size_px, random)
    width = random.uniform(0.18, 0.4)
    position = across / np.float32(width) + np.float32(random.random() + 8)
    finger = position.astype(np.int64)
    # Fingers are round: bright along the middle, dark where they touch.
    roundness = np.sqrt((1 - (2 * (position - finger) - 1) ** 2).clip(0, 1))
    tip = random.uniform(0.3, 0.7, 20).astype(np.float32)[finger]
    is_hand = along < tip - np.float32(width / 2) * (1 - roundness)
    palm_end = random.uniform(-0.6, 0.2)
    gaps = (1 - roundness) * ((along - np.float32(palm_end)) * 8).clip(0, 1)
    skin = np.array([224, 172, 145], np.float32) * np.float32(random.uniform(0.3, 1.1))
    skin = skin * np.exp(random.normal(0, 0.08, 3)).astype(np.float32)
    shade = _folds(size_px, random) * (1 - np.float32(0.6) * gaps[:, :, None])
    mask = cv2.GaussianBlur(is_hand.astype(np.float32), (0, 0), max(0.5, size_px / 128))
    mask = mask[:, :, None]
    return _as_picture(skin * shade * mask + scene_rgb * (1 - mask))


def blur(scene_rgb: ImageRGB, random: Random) -> ImageRGB:
    """Return the scene so far out of focus that colours are left and no form.

    The standard deviation is a sixth to a third of the side.
    """
    side = int(len(scene_rgb) * random.uniform(1 / 3, 2 / 3)) | 1
    picture_rgb = scene_rgb
    # Three boxes come within 3 % of a Gaussian of half their side (Wells 1986), at any
    # side in the same time.
    for _ in range(3):
        picture_rgb = cv2.blur(picture_rgb, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(picture_rgb, dtype=np.uint8)


def torn(scene_rgb: ImageRGB, random: Random) -> ImageRGB:
    """Return what a decoder shows of a broken frame: a strip of it at most, then nothing.

    Nothing is grey or green (a decoder's start value), or the last row smeared downwards.
    """
    size_px = len(scene_rgb)
    block_px = max(2, size_px // int(random.choice([4, 8, 16])))
    end_px = int(random.uniform(0, 0.3) * size_px) // block_px * block_px
    picture_rgb = scene_rgb.copy()
    # A plain row smeared would be a plain surface, which many an empty slot is.
    has_structure = float(picture_rgb[end_px].std(axis=0).max()) > _LEAST_STRUCTURE
    if random.random() < 0.35 and has_structure:
        picture_rgb[end_px:] = picture_rgb[end_px]
    else:
        picture_rgb[end_px:] = (128, 128, 128) if random.random() < 0.7 else (0, 135, 0)
    # A row of blocks still arrived in part.
    arrived_px = int(random.integers(size_px)) // block_px * block_px
    row = slice(end_px, end_px + block_px)
    picture_rgb[row, :arrived_px] = scene_rgb[row, :arrived_px]
    return picture_rgb


def patch(scene_rgb: ImageRGB, random: Random) -> ImageRGB:
    """Return a spot of the scene, enlarged 7 to 20 times: a region of a few pixels."""
    size_px = len(scene_rgb)
    side_px = max(2, int(size_px / random.uniform(7, 20)))
    left, top = (int(v) for v in random.integers(0, size_px - side_px, 2))
    spot = scene_rgb[top : top + side_px, left : left + side_px]
    interpolation = cv2.INTER_CUBIC if random.random() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(
        cv2.resize(spot, (size_px, size_px), interpolation=interpolation), dtype=np.uint8
    )


def texture(size_px: int, random: Random) -> ImageRGB:
    """Return a region that lies somewhere else: a curtain, a hedge, tiles, a shelf of odds."""
    return TEXTURES[int(random.integers(len(TEXTURES)))](size_px, random)


def _gradient(size_px: int, random: Random) -> ImageRGB:
    along, across = _turned_grid(size_px, random)
    share = along + 0.5 if random.random() < 0.5 else 2 * np.hypot(along, across)
    return _mixed(share.clip(0, 1), random)


def _stripes(size_px: int, random: Random) -> ImageRGB:
    along, _ = _turned_grid(size_px, random)
    wave = np.sin(along * random.uniform(15, 200) + random.uniform(0, 7))
    return _mixed(wave > random.uniform(-0.7, 0.7), random)


def _checks(size_px: int, random: Random) -> ImageRGB:
    along, across = _turned_grid(size_px, random)
    cycles = random.uniform(12, 60)
    return _mixed(np.sin(along * cycles) * np.sin(across * cycles) > 0, random)


def _foliage(size_px: int, random: Random) -> ImageRGB:
    field = np.zeros((size_px, size_px), np.float32)
    cells = int(random.integers(3, 10))
    while cells < size_px:
        octave = random.random((cells, cells), dtype=np.float32)
        field += cv2.resize(octave, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
        cells *= 3
    low, high = np.quantile(field[::4, ::4], [0.1, 0.9])
    return _mixed(((field - low) / (high - low)).clip(0, 1), random)


def clutter(size_px: int, random: Random) -> ImageRGB:
    """Return a heap of shapes over all of the picture, none larger than a third of it."""
    picture_rgb = np.full((size_px, size_px, 3), _colour(random), np.uint8)
    scale = random.uniform(0.4, 1)
    for _ in range(int(45 / scale)):
        x, y = (int(v) for v in random.integers(0, size_px, 2))
        width, height = (int(v) for v in random.uniform(0.03, 0.16, 2) * scale * size_px)
        colour = [int(v) for v in random.integers(0, 256, 3)]
        angle = float(random.uniform(0, 180))
        if random.random() < 0.5:
            cv2.ellipse(picture_rgb, (x, y), (width, height), angle, 0, 360, colour, -1)
        else:
            box = cv2.boxPoints(((x, y), (2 * width, 2 * height), angle)).astype(np.int32)
            cv2.fillConvexPoly(picture_rgb, box, colour)
    return picture_rgb


TEXTURES: tuple[Callable[[int, Random], ImageRGB], ...] = (
    _gradient,
    _stripes,
    _checks,
    _foliage,
    clutter,
)


def _mixed(share: npt.NDArray[np.floating | np.bool_], random: Random) -> ImageRGB:
    """Return two colours at least 80 levels apart, mixed by shares 0..1 (size, size)."""
    first = _colour(random)
    second = _colour(random)
    while np.abs(first - second).max() < 80:
        second = _colour(random)
    part = share.astype(np.float32)[:, :, None]
    picture = first * (1 - part) + second * part
    return _as_picture(picture + _grain(len(share), random, random.uniform(0, 6)))


def _colour(random: Random) -> Colour:
    """Return any colour, every other time a grey."""
    if random.random() < 0.5:
        return np.full(3, random.uniform(10, 245), np.float32)
    return random.uniform(10, 245, 3).astype(np.float32)


def _grain(size_px: int, random: Random, sigma: float) -> npt.NDArray[np.float32]:
    grain = random.standard_normal((size_px, size_px, 1), dtype=np.float32)
    return np.asarray(grain * np.float32(sigma))


def _folds(size_px: int, random: Random) -> npt.NDArray[np.float32]:
    """Return soft light and shade, about 0.5 to 1.2, shape (size, size, 1)."""
    folds = random.random((int(random.integers(2, 5)), int(random.integers(2, 5))))
    shade = cv2.resize(folds.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(0.55 + 0.6 * shade[:, :, None], dtype=np.float32)


def _turned_grid(size_px: int, random: Random) -> tuple[Field, Field]:
    """Return coordinates along and across a random direction, -0.7..0.7 each."""
    side = np.arange(size_px, dtype=np.float32) / np.float32(size_px) - np.float32(0.5)
    x, y = side[None, :], side[:, None]
    angle = random.uniform(0, 2 * np.pi)
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _as_picture(picture: npt.NDArray[np.floating]) -> ImageRGB:
    return np.ascontiguousarray(picture.clip(0, 255).astype(np.uint8))


def _drawn(draw: Callable[[int, Random], ImageRGB]) -> Draw:
    def kind(size_px: int, random: Random, crop_rgb: ImageRGB | None = None) -> ImageRGB:  # noqa: ARG001
        return draw(size_px, random)

    return kind


def _spoilt(spoil: Callable[[ImageRGB, Random], ImageRGB]) -> Draw:
    def kind(size_px: int, random: Random, crop_rgb: ImageRGB | None = None) -> ImageRGB:
        return spoil(clutter(size_px, random) if crop_rgb is None else crop_rgb, random)

    return kind


GARBAGE: dict[str, Draw] = {
    "black": _drawn(black),
    "white": _drawn(white),
    "grey": _drawn(grey),
    "plain": _drawn(plain),
    "noise": _drawn(noise),
    "blur": _spoilt(blur),
    "hand": _spoilt(hand),
    "cloth": _drawn(cloth),
    "torn": _spoilt(torn),
    "texture": _drawn(texture),
    "patch": _spoilt(patch),
}
