"""Where a thing lies: moving, turning and scaling a finished sheet."""

from __future__ import annotations

import copy

import cv2
import numpy as np

from trainer.imagined.sheet import Sheet


def laid(
    sheet: Sheet,
    centre: tuple[float, float],
    scale: float | tuple[float, float],
    angle_deg: float,
) -> Sheet:
    """Return a copy whose middle lies at `centre`, scaled (across, down) after the turn."""
    size_px = sheet.size_px
    across, down = scale if isinstance(scale, tuple) else (scale, scale)
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    matrix = np.array([[across * cosine, -across * sine], [down * sine, down * cosine]])
    middle = (size_px - 1) / 2
    target = np.array(centre) * size_px - 0.5
    shift = target - matrix @ np.array([middle, middle])
    full = np.concatenate([matrix, shift[:, None]], axis=1)
    result = copy.copy(sheet)
    # The colour beyond the outline is repeated, so that edges do not get a dark fringe.
    result.albedo_rgb = cv2.warpAffine(
        sheet.albedo_rgb, full, (size_px, size_px), borderMode=cv2.BORDER_REPLICATE
    )
    both = cv2.merge([sheet.coverage, sheet.height])
    both = cv2.warpAffine(both, full, (size_px, size_px), borderMode=cv2.BORDER_CONSTANT)
    result.coverage = np.ascontiguousarray(both[:, :, 0])
    mean_scale = float(np.sqrt(abs(across * down)))
    result.height = both[:, :, 1] * np.float32(mean_scale)
    result.rise = sheet.rise * mean_scale
    return result
