"""Where the reference picture lies in a frame, when it is not where it was.

Runs in the inference thread; pure. A rough pose is searched for among turned and zoomed
small pictures, then refined by the patches (`edge.patches`, whose terms are used here).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np

from edge.patches import (
    PATCH_PX,
    Floats,
    Grey,
    Patches,
    Pose,
    compose,
    distance,
    fit,
    match,
    polish,
)

# The coarse search. Steps of 4 degrees and 6 % leave at most 2 degrees and 3 %, which at the
# rim of the picture is what the first search of patches reaches.
_COARSE_REACH = 0.25  # of the picture's width, beyond what is followed: so "too far" is seen
_COARSE_TURNS_DEG = (0.0, -4.0, 4.0, -8.0, 8.0, -12.0, 12.0, -16.0, 16.0)
_COARSE_ZOOMS = (1.0, 0.94, 1.06, 0.88, 1.13)
_PEAKS_PER_GUESS = 2  # regular cabinets look alike one slot further
_GUESSES = 8  # refined at most, about 10 ms each
_DISTINCT_PX = 6.0  # guesses nearer than this lead to the same pose
_WEAK_GRADIENT = 12.0  # grey levels (Sobel): fainter edges count for less, so noise does not
_SEARCH_RADII_PX = (10, 4)
_SEARCH_CORRELATION = 0.5
_SEARCH_INLIER_PX = 1.5
_ODD_ZOOM = 1.4  # a fit beyond this is no bump but a wrong fit
SURE_SHARE = 0.5  # so many agree in no wrong place: no other guess needs to be tried


def find_pose(patches: Patches, work: Grey) -> tuple[Pose, float] | None:
    """Return the pose on which most patches agree and their share, None when nothing fits.

    Costs 40 to 250 ms, most where nothing fits: for a frame in which the known pose does not hold.
    """
    best: tuple[Pose, float] | None = None
    for guess in _guesses(patches, work):
        pose = _refine(patches, work, guess)
        if pose is None:
            continue
        share = match(patches, work, pose).share
        if best is None or share > best[1]:
            best = (pose, share)
        if share >= SURE_SHARE:
            break
    return best


def _refine(patches: Patches, work: Grey, pose: Pose) -> Pose | None:
    for radius_px in _SEARCH_RADII_PX:
        correction = _search(patches, work, pose, radius_px)
        if correction is None:
            return None
        pose = compose(pose, correction)
        if not 1 / _ODD_ZOOM < math.hypot(pose[0, 0], pose[1, 0]) < _ODD_ZOOM:
            return None
    return polish(patches, work, pose)


def _search(patches: Patches, work: Grey, pose: Pose, radius_px: int) -> Pose | None:
    """Return the correction found by looking for each patch around its place."""
    straight = cv2.warpAffine(
        work,
        pose,
        patches.work_wh,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    straight = np.pad(straight, radius_px, mode="edge")
    middles = cv2.transform(patches.centres[:, None], pose)[:, 0]
    inside = ((middles >= 0) & (middles < np.array(patches.work_wh))).all(axis=1)
    displacement = np.zeros_like(patches.centres)
    correlation = np.zeros(len(patches.centres), np.float32)
    side_px = PATCH_PX + 2 * radius_px
    for index in np.flatnonzero(inside):
        left, top = patches.centres[index].astype(int) - PATCH_PX // 2
        window = straight[top : top + side_px, left : left + side_px]
        scores = cv2.matchTemplate(window, patches.pictures[index], cv2.TM_CCOEFF_NORMED)
        _, correlation[index], _, place = cv2.minMaxLoc(scores)
        displacement[index] = np.subtract(place, radius_px)
    found = inside & (correlation > _SEARCH_CORRELATION)
    return fit(patches.centres, displacement, found, _SEARCH_INLIER_PX)


def _guesses(patches: Patches, work: Grey) -> list[Pose]:
    """Return rough poses, the likeliest first: orientation correlation.

    After Fitch et al., "Orientation Correlation", BMVC 2002: the directions of edges are
    correlated as complex numbers, here for several turns and zooms of the reference.
    """
    height_px, width_px = patches.coarse.shape
    small = cv2.resize(work, (width_px, height_px), interpolation=cv2.INTER_AREA)
    reach_px = round(_COARSE_REACH * width_px)
    # Room for every shift within reach, or it would wrap round to the other side.
    shape = (
        cv2.getOptimalDFTSize(height_px + reach_px),
        cv2.getOptimalDFTSize(width_px + reach_px),
    )
    frame = _spectrum(_directions(small), shape)
    scored: list[tuple[float, Pose]] = []
    for turned, covered, pose in _turned(patches.coarse):
        reference = _spectrum(_directions(turned) * covered[..., None], shape)
        product = cv2.mulSpectrums(frame, reference, 0, conjB=True)
        peaks = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)[..., 0]
        window = 2 * reach_px + 1
        near = np.roll(peaks, (reach_px, reach_px), axis=(0, 1))[:window, :window].copy()
        for _ in range(_PEAKS_PER_GUESS):
            _, score, _, (x, y) = cv2.minMaxLoc(near)
            shifted = pose.copy()
            shifted[:, 2] = (pose[:, 2] + (x - reach_px, y - reach_px)) * (
                patches.work_wh[0] / width_px
            )
            scored.append((score, shifted))
            cv2.circle(near, (x, y), 5, -math.inf, -1)
    scored.sort(key=lambda guess: -guess[0])
    guesses: list[Pose] = []
    for _, pose in scored:
        if all(distance(pose, other, patches.centres) > _DISTINCT_PX for other in guesses):
            guesses.append(pose)
        if len(guesses) == _GUESSES:
            break
    return guesses


def _turned(coarse: Grey) -> Iterator[tuple[Grey, Floats, Pose]]:
    """Yield the reference turned and zoomed, 1 where it covers the picture, and the pose."""
    height_px, width_px = coarse.shape
    middle = ((width_px - 1) / 2, (height_px - 1) / 2)
    # The outermost pixels have no gradient of their own.
    whole = np.pad(np.ones((height_px - 4, width_px - 4), np.float32), 2)
    for turn_deg in _COARSE_TURNS_DEG:
        for zoom in _COARSE_ZOOMS:
            pose = cv2.getRotationMatrix2D(middle, turn_deg, zoom)
            yield (
                cv2.warpAffine(
                    coarse, pose, (width_px, height_px), borderMode=cv2.BORDER_REPLICATE
                ),
                cv2.warpAffine(whole, pose, (width_px, height_px)),
                pose,
            )


def _directions(grey: Grey) -> Floats:
    """Return the directions of edges, float32 (height, width, 2), of length 0..1."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    length = cv2.magnitude(across, down) + _WEAK_GRADIENT
    return np.asarray(np.dstack([across, down]) / length[..., None], np.float32)


def _spectrum(field: Floats, shape: tuple[int, int]) -> Floats:
    padded = np.zeros((*shape, 2), np.float32)
    padded[: field.shape[0], : field.shape[1]] = field
    spectrum: Floats = cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT, nonzeroRows=field.shape[0])
    return spectrum
