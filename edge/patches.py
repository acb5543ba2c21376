"""Small patches of the reference picture, and how they lie in a frame.

Runs in the inference thread; pure. Everything happens on a grey picture of at most
`WORK_PX` and in its coordinates, counted from the centres of pixels; `edge.align` converts.
A pose is a similarity, float64 (2, 3), from the reference to the frame.

Most of a cabinet's picture may change rightfully: things come and go, shadows move. So
no likeness of whole pictures decides, but how many small patches, each normalized for
its own light, lie where a pose says. A fifth of them by chance at one pose is next to
impossible, however the other ones look (the a-contrario argument of Desolneux, Moisan
and Morel, "Meaningful Alignments", IJCV 2000).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from edge.types import ImageRGB, PolygonPx

Pose = npt.NDArray[np.float64]  # (2, 3)
Grey = npt.NDArray[np.uint8]  # (height, width)
Floats = npt.NDArray[np.float32]

IDENTITY: Pose = np.eye(2, 3)
IDENTITY.setflags(write=False)  # shared by every picture that has not moved

# Half of 1280: patches still show a tenth of a pixel, and a look takes a millisecond.
WORK_PX = 640
PATCH_PX = 17  # odd, so that a patch has a middle; wider than a rim, narrower than a slot
PATCHES = 160  # enough that a tenth of them is no accident; the cost of a look grows with them
LEAST_PATCHES = 24  # with fewer, a share says nothing: the picture is too plain to be aligned
# The middle of a slot changes with what lies in it, its rim less: corners are taken outside
# of each region shrunk to this share of its width and height.
_CONTENT_SHARE = 0.5
_LEAST_CORNER = 0.01  # of the strongest corner's strength (cv2.goodFeaturesToTrack)

# A patch agrees when it correlates so well and lies so near, in work pixels. Wrong pictures
# of other cameras have at most 8 % of such patches, right ones 17 % even half covered.
_AGREEING_CORRELATION = 0.7
_AGREEING_PX = 0.5
# Wider while a pose is still being refined: as far as one step of Lucas and Kanade reaches.
_NEAR_CORRELATION = 0.6
_NEAR_PX = 2.0
_POLISH_STEPS = 3

_POLISH_INLIER_PX = 0.5
_LEAST_INLIERS = 10  # on fewer, any picture finds some pose to agree on
_RANSAC_ROUNDS = 500  # finds the pose of a tenth of the patches with 99 %
COARSE_PX = 128  # of the small picture in which a pose is searched for


@dataclass(frozen=True, eq=False)
class Patches:
    """The reference picture as small patches, prepared once."""

    work_wh: tuple[int, int]
    coarse: Grey  # the whole reference, at most COARSE_PX
    centres: Floats  # (n, 2)
    pictures: Grey  # (n, PATCH_PX, PATCH_PX)
    normalized: Floats  # (n, PATCH_PX**2), zero mean, length 1
    # (n, 2, PATCH_PX**2): turns a difference of normalized pictures into a displacement.
    solvers: Floats


@dataclass(frozen=True, eq=False)
class Match:
    """How the patches lie in a frame at one pose."""

    correlation: Floats  # (n,), -1..1
    displacement: Floats  # (n, 2), of the frame's picture, in the reference's axes
    inside: npt.NDArray[np.bool_]  # (n,), wholly in the frame

    @property
    def agreeing(self) -> npt.NDArray[np.bool_]:
        """Which patches lie where the pose says, bool (n,)."""
        near = np.hypot(self.displacement[:, 0], self.displacement[:, 1]) < _AGREEING_PX
        return self.inside & (self.correlation > _AGREEING_CORRELATION) & near

    @property
    def recognised(self) -> npt.NDArray[np.bool_]:
        """Which patches are seen about where the pose says, bool (n,)."""
        near = np.abs(self.displacement).max(axis=1) < _NEAR_PX
        return np.asarray(self.inside & near & (self.correlation > _NEAR_CORRELATION))

    @property
    def share(self) -> float:
        """The share 0..1 of agreeing patches; of all of them when few lie in the frame."""
        return float(self.agreeing.sum() / max(self.inside.sum(), LEAST_PATCHES))


_OFFSETS: Floats = np.stack(
    np.meshgrid(*(2 * [np.arange(PATCH_PX) - PATCH_PX // 2])), axis=-1, dtype=np.float32
).reshape(1, -1, 2)


def work_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Return the width and height at which a picture of this size is compared."""
    scale = min(1.0, WORK_PX / max(width_px, height_px))
    return round(width_px * scale), round(height_px * scale)


def shrink(image_rgb: ImageRGB, work_wh: tuple[int, int]) -> Grey:
    """Return the picture in grey at work size, a little smoothed against noise."""
    if image_rgb.shape[1::-1] != work_wh:
        image_rgb = cv2.resize(image_rgb, work_wh, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    smooth: Grey = cv2.GaussianBlur(grey, (3, 3), 0)
    return smooth


def cut_patches(work: Grey, regions: Sequence[PolygonPx]) -> Patches | None:
    """Return the reference's patches, or None when it shows too few corners.

    `regions` are the slots' polygons in work pixels.
    """
    height_px, width_px = work.shape
    margin_px = PATCH_PX // 2 + 2
    allowed = np.zeros_like(work)
    allowed[margin_px:-margin_px, margin_px:-margin_px] = 255
    for region in regions:
        middle = region.mean(axis=0)
        content = middle + (region - middle) * _CONTENT_SHARE
        cv2.fillConvexPoly(allowed, np.round(content).astype(np.int32), 0)
    # Spread over the picture: a pose from one corner of it would swing at the other.
    distance_px = max(8.0, 0.63 * math.sqrt(width_px * height_px / PATCHES))
    corners = cv2.goodFeaturesToTrack(
        work, PATCHES, _LEAST_CORNER, distance_px, mask=allowed, blockSize=9
    )
    if corners is None or len(corners) < LEAST_PATCHES:
        return None
    centres = np.round(corners.reshape(-1, 2)).astype(np.float32)
    pictures = _sample(work, centres, IDENTITY)
    normalized = _normalize(pictures)
    square = normalized.reshape(-1, PATCH_PX, PATCH_PX)
    across, down = np.gradient(square, axis=2), np.gradient(square, axis=1)
    slopes = np.stack([across, down], axis=-1).reshape(len(square), -1, 2)
    scale = COARSE_PX / max(width_px, height_px)
    coarse_wh = (round(width_px * scale), round(height_px * scale))
    return Patches(
        (width_px, height_px),
        cv2.resize(work, coarse_wh, interpolation=cv2.INTER_AREA),
        centres,
        pictures.reshape(-1, PATCH_PX, PATCH_PX),
        normalized,
        np.linalg.pinv(slopes).astype(np.float32),
    )


def match(patches: Patches, work: Grey, pose: Pose) -> Match:
    """Return how the patches lie in the frame: one step of Lucas and Kanade (1981) for each."""
    seen = _normalize(_sample(work, patches.centres, pose))
    correlation = np.einsum("ij,ij->i", seen, patches.normalized)
    displacement = np.einsum("ikj,ij->ik", patches.solvers, patches.normalized - seen)
    middles = cv2.transform(patches.centres[:, None], pose)[:, 0]
    margin_px = PATCH_PX // 2
    inside = (middles >= margin_px) & (middles < np.array(patches.work_wh) - margin_px)
    return Match(correlation, displacement, inside.all(axis=1))


def _sample(work: Grey, centres: Floats, pose: Pose) -> Grey:
    """Return the patches around the centres as the pose moves them, uint8 (n, PATCH_PX**2)."""
    if np.array_equal(pose, IDENTITY):
        # Whole pixels, and all of them inside: cut out in a tenth of the time.
        lefts, tops = (centres.astype(np.intp) - PATCH_PX // 2).T
        windows = sliding_window_view(work, (PATCH_PX, PATCH_PX))
        return np.asarray(windows[tops, lefts].reshape(len(centres), -1))
    places = cv2.transform(centres[:, None] + _OFFSETS, pose)
    sampled: Grey = cv2.remap(
        work,
        places[..., 0],
        places[..., 1],
        interpolation=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return sampled


def _normalize(pictures: Grey) -> Floats:
    centred = pictures - pictures.mean(axis=1, keepdims=True, dtype=np.float32)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(lengths, 1e-6), np.float32)


def step(patches: Patches, seen: Match) -> Pose | None:
    """Return the correction that a match's near patches ask for, in the reference's axes."""
    return fit(patches.centres, seen.displacement, seen.recognised, _POLISH_INLIER_PX)


def polish(patches: Patches, work: Grey, pose: Pose) -> Pose | None:
    """Return the pose moved by fractions of a pixel to where the patches lie, None if lost."""
    for _ in range(_POLISH_STEPS):
        correction = step(patches, match(patches, work, pose))
        if correction is None:
            return None
        pose = compose(pose, correction)
    return pose


def compose(second: Pose, first: Pose) -> Pose:
    """Return the pose that applies `first`, then `second`."""
    return np.asarray(second @ np.vstack([first, (0.0, 0.0, 1.0)]))


def fit(
    centres: Floats, displacement: Floats, chosen: npt.NDArray[np.bool_], inlier_px: float
) -> Pose | None:
    """Return the similarity most of the chosen patches agree on, None when few do."""
    start = centres[chosen]
    if len(start) < _LEAST_INLIERS:
        return None
    pose, inliers = cv2.estimateAffinePartial2D(
        start,
        start + displacement[chosen],
        ransacReprojThreshold=inlier_px,
        maxIters=_RANSAC_ROUNDS,
        confidence=0.995,
    )
    if pose is None or inliers.sum() < _LEAST_INLIERS:
        return None
    return np.asarray(pose, dtype=np.float64)


def distance(first: Pose, second: Pose, points: Floats) -> float:
    """Return how far apart the two poses put one of the points (n, 2) at most, in pixels."""
    apart = cv2.transform(points[:, None], first) - cv2.transform(points[:, None], second)
    return float(np.linalg.norm(apart, axis=-1).max())
