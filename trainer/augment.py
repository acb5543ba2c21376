"""What a fixed camera's picture of a slot can go through, and pictures that show no slot.

Crops come from `edge.preprocess`; they are warped and recoloured here at the same size,
never rescaled. All functions take uint8 RGB (size, size, 3) and return the same.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import ImageRGB

Random = np.random.Generator
Mask = npt.NDArray[np.float32]  # (size, size), 0..1
Light = npt.NDArray[np.float32]  # (size, size, 3), 0..1, beyond 1 where it will be clipped

DARKEST = 0.07  # mean of a crop that may still be taken for a label


# A slot has a top: things stand on its floor, and light comes from above. Mirror images
# would teach what a device never sees, so they are rare.
MIRROR_CHANCE = 0.25
UPSIDE_DOWN_CHANCE = 0.03


def augment(crop_rgb: ImageRGB, random: Random, neighbour_rgb: ImageRGB | None = None) -> ImageRGB:
    """Return the crop as another hour, another season or a slightly moved camera would show it.

    `neighbour_rgb`, any other crop, may lean in from one edge as the thing in the next slot does.
    """
    picture_rgb = crop_rgb
    if neighbour_rgb is not None and random.random() < 0.2:
        picture_rgb = lean_in(picture_rgb, neighbour_rgb, random)
    light: Light = np.divide(move(picture_rgb, random), 255, dtype=np.float32)
    if random.random() < 0.6:
        for _ in range(random.integers(1, 3)):
            light = cast_shadow(light, random)
    if random.random() < 0.75:
        light = relight(light, random)
    if random.random() < 0.1:
        light = cover_edge(light, random)
    light = worsen(light, random)
    picture_rgb = (light.clip(0, 1) * 255).astype(np.uint8)
    if random.random() < 0.3:
        picture_rgb = recompress(picture_rgb, random)
    return picture_rgb


def move(crop_rgb: ImageRGB, random: Random) -> ImageRGB:
    """Flip, and shift, turn, scale and tilt a little: regions are drawn by hand, cabinets sag.

    Little enough that a flat thing along the lower edge stays in the picture.
    """
    size_px = len(crop_rgb)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) - 0.5
    angle = random.normal(0, np.deg2rad(3))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    target = corners @ turn.T * random.uniform(0.94, 1.05)
    target = target + random.normal(0, 0.018, 2) + random.normal(0, 0.012, (4, 2))
    if random.random() < MIRROR_CHANCE:
        target[:, 0] = -target[:, 0]
    if random.random() < UPSIDE_DOWN_CHANCE:
        target[:, 1] = -target[:, 1]
    matrix = cv2.getPerspectiveTransform(
        (corners + 0.5) * size_px - 0.5, ((target + 0.5) * size_px - 0.5).astype(np.float32)
    )
    moved = cv2.warpPerspective(
        crop_rgb, matrix, (size_px, size_px), borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, dtype=np.uint8)


def lean_in(crop_rgb: ImageRGB, neighbour_rgb: ImageRGB, random: Random) -> ImageRGB:
    """Show part of the neighbour along one edge: tall things reach into the next region."""
    size_px = len(crop_rgb)
    depth_px = int(size_px * random.uniform(0.05, 0.22))
    turns = int(random.integers(4))
    turned, neighbour = np.rot90(crop_rgb, turns).copy(), np.rot90(neighbour_rgb, turns)
    # A slanted border: seen from above and aside, edges of neighbours are not parallel.
    reach_px = np.linspace(1, random.uniform(0.2, 1.0), size_px) * depth_px
    if random.random() < 0.5:
        reach_px = reach_px[::-1]
    is_neighbour = np.arange(size_px)[:, None] < reach_px[None, :]
    shifted = np.roll(neighbour, depth_px - size_px // 2, axis=0)
    turned[is_neighbour] = shifted[is_neighbour]
    return np.ascontiguousarray(np.rot90(turned, -turns))


def cast_shadow(light: Light, random: Random) -> Light:
    """Part the crop into sun and shadow.

    Shadows are slightly bluish, as the sky fills them. Either the shadow is darker than
    the crop was, or, where the crop was taken under clouds, the sunny part is brighter.
    """
    size_px = len(light)
    mask = SHADOWS[int(random.integers(len(SHADOWS)))](size_px, random)
    mask = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.3, 4.0) * size_px / 128)
    if random.random() < 0.5:
        mask = 1 - mask
    bluish = np.array([-1, 0, 1], np.float32) * np.float32(random.uniform(0, 0.1))
    depth = random.uniform(0.25, 0.75)
    # How much of the contrast goes into the sunny part: 0 none, 1 all.
    sunny_share = random.choice([0.0, random.uniform(0.3, 1.0)])
    sun = np.float32(depth**-sunny_share) * (1 - bluish / 2)
    shadow = np.float32(depth ** (1 - sunny_share)) * (1 + bluish)
    factor = sun + mask[:, :, None] * (shadow - sun)
    return np.asarray(light * factor, dtype=np.float32)


def _edge_shadow(size_px: int, random: Random) -> Mask:
    """A roof or a wall: everything on one side of a line."""
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px - 0.5
    angle, offset = random.uniform(0, 2 * np.pi), random.uniform(-0.4, 0.4)
    return np.asarray(x * np.cos(angle) + y * np.sin(angle) > offset, np.float32)


def _stripe_shadow(size_px: int, random: Random) -> Mask:
    """A pole, a wire, a fence: one stripe or many."""
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px - 0.5
    angle, phase = random.uniform(0, 2 * np.pi), random.uniform(0, 1)
    across = x * np.cos(angle) + y * np.sin(angle)
    if random.random() < 0.5:
        return np.asarray(np.abs(across - phase + 0.5) < random.uniform(0.02, 0.15), np.float32)
    cycles = across * random.uniform(2, 6) + phase
    return np.asarray(cycles % 1 < random.uniform(0.2, 0.6), np.float32)


def _foliage_shadow(size_px: int, random: Random) -> Mask:
    """Leaves: blotches of one or two sizes."""
    cells = int(random.integers(3, 12))
    noise = random.random((cells, cells)).astype(np.float32)
    if random.random() < 0.5:
        fine = random.random((cells * 3, cells * 3)).astype(np.float32)
        noise = cv2.resize(noise, (cells * 3, cells * 3), interpolation=cv2.INTER_CUBIC) + fine / 2
    field = cv2.resize(noise, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field > np.quantile(field, random.uniform(0.3, 0.7)), np.float32)


def _outline_shadow(size_px: int, random: Random) -> Mask:
    """The thing in the next slot: a polygon that comes in from outside."""
    mask = np.zeros((size_px, size_px), np.float32)
    angle = random.uniform(0, 2 * np.pi)
    middle = np.array([np.cos(angle), np.sin(angle)]) * random.uniform(0.3, 0.7)
    corners = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(4, 9))))
    reach = random.uniform(0.2, 0.6, len(corners))
    points = middle + np.stack([np.cos(corners), np.sin(corners)], 1) * reach[:, None]
    cv2.fillPoly(mask, [((points + 0.5) * size_px).astype(np.int32)], 1.0)
    return mask


SHADOWS: tuple[Callable[[int, Random], Mask], ...] = (
    _edge_shadow,
    _stripe_shadow,
    _foliage_shadow,
    _outline_shadow,
)


def relight(light: Light, random: Random) -> Light:
    """Change exposure, contrast, gamma, colour temperature, saturation; now and then dusk."""
    gain = np.exp(random.normal(0.05, 0.3))
    if random.random() < 0.06:
        gain *= random.uniform(0.2, 0.6)
    # Darker than this is garbage, which has another answer.
    gain = max(gain, DARKEST / max(float(light.mean()), 1e-3))
    warmth = random.normal(0, 0.1)
    gains = gain * np.exp(np.array([warmth, random.normal(0, 0.03), -warmth]))
    light = light * gains.astype(np.float32)
    grey = light.mean(axis=2, keepdims=True)
    light = grey + (light - grey) * np.float32(random.uniform(0.4, 1.4))
    middle = light.mean()
    light = middle + (light - middle) * np.float32(np.exp(random.normal(0, 0.2)))
    if random.random() < 0.15:
        # Haze, or a lamp in the lens.
        light = light + np.float32(random.uniform(0, 0.25)) * (1 - light)
    gamma = np.exp(random.normal(0, 0.2))
    return np.asarray(cv2.pow(light.clip(0, 1), gamma), dtype=np.float32)


def cover_edge(light: Light, random: Random) -> Light:
    """Lay a plain patch over one edge or corner, at most a sixth of the crop."""
    size_px = len(light)
    mask = np.zeros((size_px, size_px), np.float32)
    angle = random.uniform(0, 2 * np.pi)
    middle = (np.array([np.cos(angle), np.sin(angle)]) * 0.6 + 0.5) * size_px
    axes = random.uniform(0.08, 0.25, 2) * size_px
    cv2.ellipse(
        mask,
        (int(middle[0]), int(middle[1])),
        (int(axes[0]), int(axes[1])),
        float(random.uniform(0, 180)),
        0,
        360,
        1.0,
        -1,
    )
    colour = random.random(3).astype(np.float32)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.0)[:, :, None]
    return np.asarray(light * (1 - mask) + colour * mask, dtype=np.float32)


def worsen(light: Light, random: Random) -> Light:
    """Blur, smear and add noise as cheap cameras do."""
    size_px = len(light)
    choice = random.random()
    if choice < 0.15:
        light = cv2.GaussianBlur(light, (0, 0), random.uniform(0.4, 2.5) * size_px / 128)
    elif choice < 0.2:
        length = int(random.integers(3, 8))
        kernel = np.zeros((length, length), np.float32)
        end = int(random.integers(length))
        cv2.line(kernel, (0, end), (length - 1, length - 1 - end), 1.0)
        light = cv2.filter2D(light, -1, kernel / kernel.sum())
    if random.random() < 0.35:
        sigma = abs(random.normal(0, 0.03))
        grain = random.standard_normal(light.shape, dtype=np.float32) * np.float32(sigma)
        if random.random() < 0.5:
            # Sensors' grain is seldom finer than their pixels are after demosaicing.
            grain = cv2.GaussianBlur(grain, (0, 0), 0.8)
        light = light + grain
    return np.asarray(light, dtype=np.float32)


def recompress(crop_rgb: ImageRGB, random: Random) -> ImageRGB:
    """Return what JPEG leaves of the crop."""
    quality = int(random.integers(25, 92))
    _, data = cv2.imencode(".jpg", crop_rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
    # The channel order does not matter: it is the same on both ways.
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def _plain(size_px: int, random: Random, low: float, high: float) -> ImageRGB:
    colour = random.uniform(low, high) + random.normal(0, 2, 3)
    noise = random.normal(0, random.uniform(0, 3), (size_px, size_px, 3))
    return (colour + noise).clip(0, 255).astype(np.uint8)


def black(size_px: int, random: Random) -> ImageRGB:
    """Return a night without a lamp, or a covered lens."""
    return _plain(size_px, random, 0, 6)


def white(size_px: int, random: Random) -> ImageRGB:
    """Return an overexposed picture."""
    return _plain(size_px, random, 250, 255)


def grey(size_px: int, random: Random) -> ImageRGB:
    """Return a plain grey: a decoder that lost its picture."""
    middle = random.uniform(20, 235)
    return _plain(size_px, random, middle, middle)


def noise(size_px: int, random: Random) -> ImageRGB:
    """Return noise of any grain: a broken cable, a sensor at its limit."""
    cells = int(size_px / random.choice([1, 1, 2, 4, 8]))
    field = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return np.kron(field, np.ones((-(-size_px // cells),) * 2 + (1,), np.uint8))[:size_px, :size_px]


def cloth(size_px: int, random: Random) -> ImageRGB:
    """Return a hand, a sleeve or a cloth right before the slot: soft folds, no edges."""
    folds = random.random((int(random.integers(2, 5)), int(random.integers(2, 5))))
    shade = cv2.resize(folds.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    skin = np.array([205, 150, 125]) * random.uniform(0.35, 1.15)
    colour = skin if random.random() < 0.5 else random.uniform(20, 230, 3)
    weave = random.normal(0, random.uniform(1, 5), (size_px, size_px, 1))
    picture = colour * (0.55 + 0.6 * shade[:, :, None]) + weave
    return np.asarray(picture.clip(0, 255), dtype=np.uint8)


GARBAGE: dict[str, Callable[[int, Random], ImageRGB]] = {
    "black": black,
    "white": white,
    "grey": grey,
    "noise": noise,
    "cloth": cloth,
}


def garbage(size_px: int, random: Random) -> ImageRGB:
    """Return a picture that says nothing about a slot; its probability should be 0.5."""
    names = list(GARBAGE)
    return GARBAGE[names[int(random.integers(len(names)))]](size_px, random)
