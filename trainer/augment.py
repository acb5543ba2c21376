"""What a fixed camera's picture of a slot can go through without changing the answer.

Crops come from `edge.preprocess`; they are warped and recoloured here at the same size,
never rescaled. Pictures are uint8 RGB (size, size, 3). What shows no slot is in
`edge.garbage`; a view must stay on this side of it: whoever looks at it can still tell.
"""

from __future__ import annotations

import cv2
import numpy as np

from edge.types import ImageRGB
from trainer.light import Light, Random, change_light

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
    light = change_light(light, random)
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
