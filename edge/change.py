"""Which slots look as they did at their last confident reading: those need no other one.

Each slot's pixels are compared with its own picture at that reading, never with the frame
before, so that what changes slowly adds up until it is seen. What all pixels of a slot have in
common, a little brighter or of a little more contrast, is light. Whatever is in doubt has
changed: an unneeded reading costs a millisecond, a missed change is a wrong cabinet.

The same pictures judge readings: a thing that is put into a slot, or taken out, changes what the
slot's pixels are to each other. A reading that turns a confirmed state round without that, or
from a burnt-out picture, is the model's mistake about the light (see `find_doubtful`). Runs in
the thread that owns the pipeline; pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.halvings import Halvings, halved_wh
from edge.types import PolygonPx, Slot

# Even a slot that looks the same is read again after so long: at a frame per second that is
# less than a hundredth of what reading every slot in every frame would cost.
LONGEST_AGE_S = 120.0

# Across a slot's shorter side at least so many samples, each the mean of its square: a key or a
# card fills some of them, and noise averages out.
_SAMPLES_ACROSS = 12
_MOST_HALVINGS = 3
# A slot may lie so far from where its samples do: the alignment wavers by less in a still picture.
MOST_MOVED_SAMPLES = 0.5

# Levels of 0..255.
CHANGED_LEVELS = 8.0  # of one sample beyond the light, in any colour channel
# Root mean square over the slot: many samples that changed a little are no noise either.
CHANGED_RMS_LEVELS = 2.0
LIGHT_LEVELS = 8.0  # a larger common shift may be a thing that fills the slot
COLOUR_LEVELS = 3.0  # by which the shifts of the channels may differ: light is nearly white
LIGHT_GAINS = (0.9, 1.1)  # of the contrast; outside of them something has hidden it

# In the other direction: a slot looks the same, in whatever light, while a line (gain and offset of
# each channel, cut off at black and white) tells all but so many samples, from the picture at its
# last confident reading. Of true changes on chess boards and in the simulator the least left 17 %
# untold; of 165 readings that a jump of the exposure turned round 120 at most 4 %, and 39 others
# were burnt out (docs/decisions/0013).
SAME_SHARE = 0.03
UNTOLD_LEVELS = 12.0  # by which a sample differs then; less in the dark, where all levels are near,
_LEAST_UNTOLD_LEVELS = 5.0  # but more than a small slot's noise
UNTOLD_ENERGY = 0.2  # of the contrast at most; a slot without any cannot be told by its picture
_LEAST_CONTRAST = 4.0  # levels, root mean square
_GAINS = (1 / 16, 16.0)
_DARK, _BRIGHT = 4.0, 248.0  # a sample beyond is cut off: it may have been anything there
# Of a slot's samples white in every channel. Undamaged slots had at most 16 %. Paper may be white:
# only where half of the other slots became so much brighter it is the light.
BURNT_SHARE = 0.3
LIT_UP_LEVELS = 25.0
_LEAST_LIT = 4  # others; of fewer, half may have been filled at once

Mask = npt.NDArray[np.bool_]  # (slots,)
Samples = npt.NDArray[np.float32]  # (3, slots, samples), levels 0..255


@dataclass(frozen=True, eq=False)
class ChangePlan:
    """Where the slots' samples lie, worked out once per slots and picture size."""

    levels: tuple[int, ...]  # how often the pictures are halved that samples are taken from
    # (slots, samples): places in those pictures, put one behind the other pixel by pixel. A slot
    # with fewer samples than the largest repeats its own.
    places: npt.NDArray[np.intp]
    counts: tuple[int, ...]  # of each slot's own samples
    frame_wh: tuple[int, int]
    polygons_px: tuple[PolygonPx, ...]
    tolerances_px: tuple[float, ...]  # by which each slot may have moved


@dataclass(frozen=True, eq=False)
class ChangeMemory:
    """How each slot looked at its last confident reading."""

    samples: Samples  # less `means`
    means: npt.NDArray[np.float32]  # (3, slots)
    has_look: Mask  # where there is such a reading
    read_s: npt.NDArray[np.float64]  # (slots,), monotonic; minus infinity: to be read again


def plan_changes(slots: Sequence[Slot], frame_wh: tuple[int, int]) -> ChangePlan:
    """Return where to look, for slots in the pixels of pictures of this size."""
    wanted = [halvings_of(slot.polygon_px) for slot in slots]
    levels = tuple(sorted(set(wanted)))
    sizes_wh = [halved_wh(frame_wh, level) for level in levels]
    starts = np.cumsum([0, *(width_px * height_px for width_px, height_px in sizes_wh)])
    found = []
    for slot, level in zip(slots, wanted, strict=True):
        number = levels.index(level)
        found.append(_pixels_of(slot.polygon_px / 2**level, sizes_wh[number]) + starts[number])
    most = max((len(pixels) for pixels in found), default=0)
    places = np.array([np.resize(pixels, most) for pixels in found], np.intp)
    counts = tuple(len(pixels) for pixels in found)
    return ChangePlan(
        levels,
        places.reshape(len(slots), most),
        counts,
        frame_wh,
        tuple(slot.polygon_px for slot in slots),
        tuple(MOST_MOVED_SAMPLES * 2**level for level in wanted),
    )


def still_fits(plan: ChangePlan, slots: Sequence[Slot], frame_wh: tuple[int, int]) -> bool:
    """Return whether the plan's slots lie where the plan was made for, but for a nudge."""
    if frame_wh != plan.frame_wh or len(slots) != len(plan.polygons_px):
        return False
    return all(
        np.abs(slot.polygon_px - planned_px).max() <= tolerance_px
        for slot, planned_px, tolerance_px in zip(
            slots, plan.polygons_px, plan.tolerances_px, strict=True
        )
    )


def halvings_of(polygon_px: PolygonPx) -> int:
    """Return how often a picture may be halved that a slot (in its pixels) is compared in."""
    # Its mean width: that of an upright rectangle is its shorter side.
    edges_px = np.linalg.norm(np.roll(polygon_px, -1, axis=0) - polygon_px, axis=1)
    width_px = cv2.contourArea(polygon_px) / max(float(edges_px.max()), 1.0)
    halvings = np.log2(max(width_px, 1.0) / _SAMPLES_ACROSS)
    return int(np.clip(np.floor(halvings), 0, _MOST_HALVINGS))


def _pixels_of(polygon: PolygonPx, wh: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Return the numbers of the pixels that a polygon touches, at least one."""
    # Slots count from the edges of pixels, drawing from their centres.
    corners = np.round(polygon - 0.5).clip(0, (wh[0] - 1, wh[1] - 1)).astype(np.int32)
    left, top = corners.min(axis=0)
    columns, rows = corners.max(axis=0) + 1 - (left, top)
    mask = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(mask, [corners - (left, top)], 1)
    y, x = np.nonzero(mask)
    return np.asarray((y + top) * wh[0] + x + left, np.intp)


def take_samples(plan: ChangePlan, halvings: Halvings) -> Samples:
    """Return how the slots look in a picture of the size the plan was made for."""
    pictures = [halvings.at(level) for level in plan.levels]
    if not pictures:
        return np.zeros((3, 0, 0), np.float32)
    channels = zip(*(cv2.split(picture) for picture in pictures), strict=True)
    flat = np.stack([np.concatenate([part.ravel() for part in parts]) for parts in channels])
    return flat.take(plan.places, axis=1).astype(np.float32)


def first_memory(plan: ChangePlan) -> ChangeMemory:
    """Return the memory of slots of which none was read yet: all of them are to be read."""
    count, most = plan.places.shape
    return ChangeMemory(
        np.zeros((3, count, most), np.float32),
        np.zeros((3, count), np.float32),
        np.zeros(count, np.bool_),
        np.full(count, -np.inf),
    )


def read_again(memory: ChangeMemory) -> ChangeMemory:
    """Return the memory with every slot due; how they looked is still known."""
    return replace(memory, read_s=np.full_like(memory.read_s, -np.inf))


def find_due(memory: ChangeMemory, samples: Samples, now_s: float) -> Mask:
    """Return which slots are to be read: changed, never read with confidence, or too long ago.

    `now_s` is monotonic, in seconds.
    """
    return _is_old(memory.read_s, now_s) | _has_changed(memory, samples)


def _is_old(read_s: npt.NDArray[np.float64], now_s: float) -> Mask:
    """Return which slots' turn has come since they were read.

    Each has its own moment in a round of `LONGEST_AGE_S`: slots that were all read in the
    first frame do not come due in one frame again.
    """
    turns = np.arange(len(read_s)) / max(len(read_s), 1)
    return np.floor(now_s / LONGEST_AGE_S + turns) > np.floor(read_s / LONGEST_AGE_S + turns)


def _has_changed(memory: ChangeMemory, samples: Samples) -> Mask:
    if not samples.size:
        return np.zeros(samples.shape[1], np.bool_)
    means = samples.mean(axis=2)
    centred = samples - means[..., None]
    shift = means - memory.means
    # The gain that explains most of the difference (least squares over the three channels); a
    # plain slot has no contrast to tell it by and is given one level of it.
    agreement = np.einsum("csp,csp->s", centred, memory.samples)
    energy = np.einsum("csp,csp->s", memory.samples, memory.samples)
    least = np.float32(3 * samples.shape[2])
    gain = ((agreement + least) / (energy + least)).clip(*LIGHT_GAINS)
    beyond = centred - gain[:, None] * memory.samples
    largest = np.maximum(beyond.max(axis=2), -beyond.min(axis=2)).max(axis=0)
    rms = np.sqrt(np.einsum("csp,csp->cs", beyond, beyond).max(axis=0) / samples.shape[2])
    return np.asarray(
        (largest > CHANGED_LEVELS)
        | (rms > CHANGED_RMS_LEVELS)
        | (np.abs(shift).max(axis=0) > LIGHT_LEVELS)
        | (np.ptp(shift, axis=0) > COLOUR_LEVELS)
    )


def find_doubtful(
    plan: ChangePlan, memory: ChangeMemory, samples: Samples, slots: Sequence[int]
) -> frozenset[int]:
    """Return which of these slots' pictures are no reason to believe that they changed.

    They look as they did at the last confident reading, light aside, or were burnt out by the
    light. Slots are their numbers in the plan; of one that was never read nothing is doubted.
    """
    known = [number for number in slots if memory.has_look[number]]
    if not known:
        return frozenset()
    brighter = (samples.mean(axis=2) - memory.means).min(axis=0)
    found = set()
    for numbers in _of_one_size(plan.counts, known):
        # A smaller one repeats some of its own.
        own = max(plan.counts[number] for number in numbers)
        now, before = samples[:, numbers, :own], memory.samples[:, numbers, :own]
        is_same = _looks_the_same(before, now)
        is_burnt = (now >= _BRIGHT).all(axis=0).mean(axis=1) > BURNT_SHARE
        for number, same, burnt in zip(numbers, is_same, is_burnt, strict=True):
            others = brighter[memory.has_look & (np.arange(len(brighter)) != number)]
            if same or (burnt and _are_lit_up(others)):
                found.add(number)
    return frozenset(found)


def _of_one_size(counts: Sequence[int], slots: Sequence[int]) -> list[list[int]]:
    """Return the slots in groups to be compared at once, none twice as large as another."""
    groups: list[list[int]] = []
    for number in sorted(slots, key=lambda slot: counts[slot]):
        if not groups or counts[number] >= 2 * counts[groups[-1][0]]:
            groups.append([])
        groups[-1].append(number)
    return groups


def _are_lit_up(brighter: npt.NDArray[np.float32]) -> bool:
    return len(brighter) >= _LEAST_LIT and bool(np.median(brighter) >= LIT_UP_LEVELS)


def _looks_the_same(before: Samples, now: Samples) -> Mask:
    """Return which slots' samples are the others in another light."""
    weights = ((now > _DARK) & (now < _BRIGHT)).astype(np.float32)
    count = weights.sum(axis=2, keepdims=True) + 1e-6

    def mean(values: Samples) -> npt.NDArray[np.float32]:
        return np.asarray(np.einsum("csp,csp->cs", weights, values)[..., None] / count)

    middle = mean(now)
    x, y = before - mean(before), now - middle
    gain = ((mean(x * y) + 1) / (mean(x**2) + 1)).clip(*_GAINS)
    untold = now - (gain * x + middle).clip(0.0, 255.0)
    levels = np.maximum(UNTOLD_LEVELS * np.minimum(gain, 1.0), _LEAST_UNTOLD_LEVELS)
    is_told = (np.abs(untold) <= levels).all(axis=0).mean(axis=1) >= 1 - SAME_SHARE
    of_before, of_now, of_untold = (mean(each**2).sum(axis=(0, 2)) for each in (x, y, untold))
    return np.asarray(
        is_told & (of_before >= len(x) * _LEAST_CONTRAST**2) & (of_untold <= UNTOLD_ENERGY * of_now)
    )


def noted(
    memory: ChangeMemory, samples: Samples, was_read: Mask, is_sure: Mask, now_s: float
) -> ChangeMemory:
    """Return the memory after a frame's readings.

    `was_read` are the slots that were looked at in this frame, also those that were covered or
    failed; `is_sure` are those whose reading was the confirmed state. The others that were
    read are forgotten, and so read again in the next frame.
    """
    if not was_read.any():
        return memory
    kept = was_read & is_sure
    means = samples[:, kept].mean(axis=2)
    looks, look_means = memory.samples.copy(), memory.means.copy()
    looks[:, kept], look_means[:, kept] = samples[:, kept] - means[..., None], means
    return ChangeMemory(
        looks,
        look_means,
        memory.has_look | kept,
        np.where(kept, now_s, np.where(was_read, -np.inf, memory.read_s)),
    )
