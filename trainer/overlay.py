"""A heat map laid over a crop: where the model looked."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import ImageRGB

# Dark blue over grey to yellow, made to look the same to colour-blind people and to print in
# grey (Nunez, Anderton and Renslow 2018).
_COLOURS = cv2.COLORMAP_CIVIDIS


def overlay(crop_rgb: ImageRGB, heat: npt.NDArray[np.floating], opacity: float = 0.5) -> ImageRGB:
    """Return the crop under its heat map: dark blue where the least was seen, yellow the most.

    `heat` is (rows, columns) in any range; it is stretched from its least to its greatest value
    and smoothly to the crop's size, uint8 (height, width, 3). A heat map of one value all over
    is dark blue. `opacity` 0 gives the crop alone, 1 the heat alone.
    """
    height_px, width_px = crop_rgb.shape[:2]
    low, high = float(heat.min()), float(heat.max())
    stretched = (heat - low) / ((high - low) or 1.0)
    # Cubic interpolation swings a little beyond the values it passes through.
    smooth = cv2.resize(
        stretched.astype(np.float32), (width_px, height_px), interpolation=cv2.INTER_CUBIC
    ).clip(0, 1)
    colours_bgr = cv2.applyColorMap((smooth * 255).round().astype(np.uint8), _COLOURS)
    colours_rgb = cv2.cvtColor(colours_bgr, cv2.COLOR_BGR2RGB)
    mixed = crop_rgb * (1 - opacity) + colours_rgb * opacity
    return np.asarray(mixed.round(), dtype=np.uint8)
