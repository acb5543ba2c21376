"""Pictures that are there more than once: the same, or so alike that no eye tells them apart.

A crop in training that nearly equals one held out makes the figures too good. Alike in
outline is not enough: plain surfaces (asphalt, an empty square of a chess board) hash alike
and are different slots, so what the hashes select must also agree in its pixels.

Measured on 6,289 crops of five sources, thumbnails of 32 px: saved again as JPEG of quality
70, a crop differs by 1.1 to 2.8 on average and by at most 4 of 64 bits; the most alike crops
of two different slots differ by 4.5 and more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from edge.preprocess import crop_whole
from edge.types import ImageRGB

if TYPE_CHECKING:
    from trainer.dataset import Crops

NEAR_BITS = 8  # of 64 may differ
NEAR_DIFFERENCE = 4.0  # mean of the absolute differences of the thumbnails, 0..255
_THUMBNAIL_PX = 32
_PART = 64  # thumbnails compared at a time


def same_pictures(
    digests: Sequence[bytes], labels: Sequence[bool]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return repeated pictures, and those under both labels: index -> index of another copy.

    Of a repeated picture the first copy is not listed; of one under both labels, all are.
    """
    copies: dict[bytes, list[int]] = defaultdict(list)
    for index, digest in enumerate(digests):
        copies[digest].append(index)
    repeated, conflicting = {}, {}
    for indexes in copies.values():
        first = indexes[0]
        other = next((i for i in indexes if labels[i] != labels[first]), None)
        if other is None:
            repeated.update(dict.fromkeys(indexes[1:], first))
        else:
            conflicting.update({i: first if labels[i] == labels[other] else other for i in indexes})
    return repeated, conflicting


def near_duplicates(crops_rgb: Crops, others_rgb: Crops) -> dict[int, int]:
    """Return the crops that nearly equal one of the others: index -> index of that one."""
    others = _Seen(len(others_rgb))
    for crop_rgb in others_rgb:
        others.add(_thumbnail(crop_rgb))
    found = ((index, others.nearly(_thumbnail(crop))) for index, crop in enumerate(crops_rgb))
    return {index: other for index, other in found if other is not None}


def distinct_count(crops_rgb: Crops) -> int:
    """Return how many crops are left when each that nearly equals an earlier one is not counted."""
    seen = _Seen(len(crops_rgb))
    for crop_rgb in crops_rgb:
        thumbnail = _thumbnail(crop_rgb)
        if seen.nearly(thumbnail) is None:
            seen.add(thumbnail)
    return seen.count


def _thumbnail(crop_rgb: ImageRGB) -> ImageRGB:
    return crop_whole(crop_rgb, _THUMBNAIL_PX)


def perceptual_hash(thumbnail_rgb: ImageRGB) -> npt.NDArray[np.float32]:
    """Return 64 bits as -1 and 1, shape (64,): the signs of the lowest frequencies.

    After Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
    (2010), section 3.2.1: each of 8 x 8 cosine coefficients against their median.
    """
    grey = cv2.cvtColor(thumbnail_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    lowest = cv2.dct(grey)[:8, :8].ravel()
    # The first coefficient is the brightness, far from all others.
    return np.where(lowest > np.median(lowest[1:]), 1, -1).astype(np.float32)


class _Seen:
    """Thumbnails with their hashes, searched all at once; room for `capacity` of them."""

    def __init__(self, capacity: int) -> None:
        self.count = 0
        self._hashes = np.zeros((capacity, 64), np.float32)
        self._thumbnails = np.zeros((capacity, _THUMBNAIL_PX, _THUMBNAIL_PX, 3), np.uint8)

    def add(self, thumbnail_rgb: ImageRGB) -> None:
        self._hashes[self.count] = perceptual_hash(thumbnail_rgb)
        self._thumbnails[self.count] = thumbnail_rgb
        self.count += 1

    def nearly(self, thumbnail_rgb: ImageRGB) -> int | None:
        """Return the index of one that differs invisibly, None when there is none."""
        # The product of two hashes of -1 and 1 is 64 less twice the bits that differ.
        products = self._hashes[: self.count] @ perceptual_hash(thumbnail_rgb)
        selected = np.flatnonzero(products >= 64 - 2 * NEAR_BITS)
        # In parts: where a whole day looks alike, the first part has one already.
        for start in range(0, len(selected), _PART):
            part = selected[start : start + _PART]
            difference = np.abs(self._thumbnails[part] - thumbnail_rgb.astype(np.int16))
            means = difference.mean(axis=(1, 2, 3))
            if means.min() <= NEAR_DIFFERENCE:
                return int(part[np.argmin(means)])
        return None
