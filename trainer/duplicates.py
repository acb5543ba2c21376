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
from dataclasses import dataclass
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
_BLOCK = 256  # hashes compared with all others at a time
_PART = 16  # thumbnails compared at a time


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
    prints, others = _prints(crops_rgb), _prints(others_rgb)
    found = {}
    for start in range(0, len(crops_rgb), _BLOCK):
        alike = _alike(prints.hashes[start : start + _BLOCK], others.hashes)
        for row in np.flatnonzero(alike.any(axis=1)):
            index = start + int(row)
            other = _first_near(prints.thumbnails[index], others, np.flatnonzero(alike[row]))
            if other is not None:
                found[index] = other
    return found


def distinct_count(crops_rgb: Crops) -> int:
    """Return how many crops are left when each that nearly equals an earlier one is not counted."""
    prints = _prints(crops_rgb)
    is_counted = np.zeros(len(crops_rgb), bool)
    for start in range(0, len(crops_rgb), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(crops_rgb)))
        earlier = np.concatenate([np.flatnonzero(is_counted), block])
        alike = _alike(prints.hashes[block], prints.hashes[earlier])
        for index, is_alike in zip(block, alike, strict=True):
            # Of its own block, those that were counted meanwhile.
            counted = earlier[is_alike][is_counted[earlier[is_alike]]]
            is_counted[index] = _first_near(prints.thumbnails[index], prints, counted) is None
    return int(is_counted.sum())


def perceptual_hash(thumbnail_rgb: ImageRGB) -> npt.NDArray[np.float32]:
    """Return 64 bits as -1 and 1, shape (64,): the signs of the lowest frequencies.

    After Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
    (2010), section 3.2.1: each of 8 x 8 cosine coefficients against their median.
    """
    grey = cv2.cvtColor(thumbnail_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    lowest = cv2.dct(grey)[:8, :8].ravel()
    # The first coefficient is the brightness, far from all others.
    return np.where(lowest > np.median(lowest[1:]), 1, -1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Prints:
    """What crops are recognized by."""

    thumbnails: Crops  # (count, 32, 32, 3)
    hashes: npt.NDArray[np.float32]  # (count, 64), -1 or 1


def _prints(crops_rgb: Crops) -> _Prints:
    thumbnails = np.zeros((len(crops_rgb), _THUMBNAIL_PX, _THUMBNAIL_PX, 3), np.uint8)
    hashes = np.zeros((len(crops_rgb), 64), np.float32)
    for index, crop_rgb in enumerate(crops_rgb):
        thumbnails[index] = crop_whole(crop_rgb, _THUMBNAIL_PX)
        hashes[index] = perceptual_hash(thumbnails[index])
    return _Prints(thumbnails, hashes)


def _alike(
    hashes: npt.NDArray[np.float32], others: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Return which hashes differ from which others by few bits, shape (hashes, others)."""
    # The product of two hashes of -1 and 1 is 64 less twice the bits that differ.
    return np.asarray(hashes @ others.T >= 64 - 2 * NEAR_BITS)


def _first_near(
    thumbnail_rgb: ImageRGB, prints: _Prints, candidates: npt.NDArray[np.intp]
) -> int | None:
    """Return a candidate that differs from the thumbnail too little to be seen."""
    # In parts: where a whole day looks alike, the first part has one already.
    for start in range(0, len(candidates), _PART):
        part = candidates[start : start + _PART]
        difference = np.abs(prints.thumbnails[part] - thumbnail_rgb.astype(np.int16))
        means = difference.mean(axis=(1, 2, 3))
        if means.min() <= NEAR_DIFFERENCE:
            return int(part[np.argmin(means)])
    return None
