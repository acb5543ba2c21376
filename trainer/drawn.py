"""Simple drawn crops: a surface, or a thing on a surface. No licence, no file."""

from __future__ import annotations

import cv2
import numpy as np

from edge.types import ImageRGB


def drawn_crop(size_px: int, is_occupied: bool, seed: int) -> ImageRGB:
    """Return a drawn slot, uint8 (size_px, size_px, 3), the same for the same seed."""
    random = np.random.default_rng([seed, int(is_occupied)])
    slope = np.linspace(random.uniform(-25, 0), random.uniform(0, 25), size_px)
    surface = random.uniform(70, 190) + random.normal(0, 8, 3) + slope[:, None, None]
    picture = surface + random.normal(0, 3, (size_px, size_px, 3))
    picture_rgb = picture.clip(0, 255).astype(np.uint8)
    if not is_occupied:
        return picture_rgb
    middle = (random.uniform(0.42, 0.58, 2) * size_px).astype(int)
    half = (random.uniform(0.22, 0.36, 2) * size_px).astype(int)
    colour = [int(c) for c in random.integers(0, 256, 3)]
    shade = [c // 3 for c in colour]
    low, high = middle - half, middle + half
    offset = max(1, size_px // 20)
    corners = [[int(v) for v in corner] for corner in (low, high, low + offset, high + offset)]
    cv2.rectangle(picture_rgb, corners[2], corners[3], [40, 40, 45], -1)
    cv2.rectangle(picture_rgb, corners[0], corners[1], colour, -1)
    cv2.rectangle(picture_rgb, corners[0], corners[1], shade, max(1, size_px // 40))
    cv2.circle(picture_rgb, [int(v) for v in middle], max(2, size_px // 10), shade, -1)
    return picture_rgb
