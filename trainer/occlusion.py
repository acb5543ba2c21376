"""Occlusion sensitivity: cover a part of the crop and see what becomes of the answer."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from edge.classifier import Classifier
from edge.types import ImageRGB

_PATCH_SHARE = 1 / 6  # of the crop's side
_BLUR_SHARE = 1 / 6  # of the crop's side, as a standard deviation: no form is left
_POSITIONS = 11  # along each side: neighbours overlap by half
_LEAST = 1e-6  # keeps the logit of a sure answer finite


def occlusion_sensitivity(classifier: Classifier, crop_rgb: ImageRGB) -> npt.NDArray[np.float32]:
    """Return how much each pixel speaks for OCCUPIED, float32 (size, size).

    A patch moves over the crop (Zeiler and Fergus 2014); a pixel gets the mean fall of the
    logit over the patches that covered it. Negative where covering makes the slot look more
    OCCUPIED. Under the patch the crop is blurred (Fong and Vedaldi 2017): a plain patch on a
    plain surface is a thing by itself. Costs 121 inferences.
    """
    size_px = len(crop_rgb)
    patch_px = math.ceil(size_px * _PATCH_SHARE)
    starts_px = np.linspace(0, size_px - patch_px, _POSITIONS).round().astype(int)
    blurred_rgb = cv2.GaussianBlur(
        crop_rgb, (0, 0), size_px * _BLUR_SHARE, borderType=cv2.BORDER_REPLICATE
    )
    whole = _logit(classifier.probability(crop_rgb))
    fall, covered = np.zeros((2, size_px, size_px), np.float32)
    for top in starts_px:
        for left in starts_px:
            patch = (slice(top, top + patch_px), slice(left, left + patch_px))
            covered_rgb = crop_rgb.copy()
            covered_rgb[patch] = blurred_rgb[patch]
            fall[patch] += whole - _logit(classifier.probability(covered_rgb))
            covered[patch] += 1
    return fall / covered


def _logit(probability: float) -> float:
    bounded = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(bounded / (1 - bounded))
