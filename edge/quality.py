"""Frame -> usable, or the reason why not: the first gate of a frame.

A classifier answers a black, torn or blurred picture with confidence. A frame that does not
show the cabinet must therefore never reach it; each slot becomes UNKNOWN with the reason
instead. Runs in the inference thread.

The limits were chosen on chess games 2, 4 and 5, five days of a car park, an aerial video,
photos of screws and the simulator; `benchmarks/damaged_frames.py` shows them on others. What
only the frame before gives away is in `edge/tear.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from edge.look import Look, fingerprint_of, is_large_enough, likeness, look_at
from edge.tear import TearMemory, watch_tear
from edge.types import ImageRGB, Reason

# The limits are far outside what a working camera gives, night pictures included: this gate
# must not refuse a usable frame. Brightness is 0..255.
DARK_P99 = 24.0  # even the brightest hundredth of the picture is this dark
BRIGHT_P1 = 244.0  # even the darkest hundredth is this bright
FLAT_SPREAD = 6.0  # p99 - p1: a covered lens, a dead sensor, one colour all over
# Named instead of FRAME_UNLIKE where most of the picture is clipped: that is why.
CLIPPED_SHARE = 0.4

# A stuck driver may go round its buffers (4 in V4L2).
FROZEN_AMONG = 4

# Sharpness (`edge.look.Look`): real frames had 0.067 to 0.36, at least 0.61 of their
# reference's; a Gaussian blur of 0.5 % of the width leaves at most 0.17 of it, one of 1 %
# at most 0.008 in all.
BLURRED_OF_REFERENCE = 0.25
BLURRED_SHARPNESS = 0.01
NOISE_SHARPNESS = 0.6  # no scene is that rough: the picture is lost in noise
# Beside the reference, in both directions. With 30 levels of noise, which make slots read wrong,
# frames had at least 2.1 times its sharpness and 0.22 more; undamaged frames of fixed cameras at
# most 1.4 times and 0.05, of a phone held in the hand 2.0 times and 0.19.
NOISE_OF_REFERENCE = 2.0
NOISE_GAIN = 0.2

# Of the 90 lines looked at, in one run; real frames repeated none.
TORN_LINES = 6
TORN_LOST_COLOUR = 0.02  # share of the picture; real frames had 0
# Levels that a band's colour may grow from its reference's: the weather made 19. Losing
# colour is what cameras do at night.
TORN_CHROMA = 45.0
TORN_BAND_LIKENESS = 0.0  # of one band, while the whole is alike; real frames had 0.13
# Likeness of the whole: the same scene had 0.33 or more over hours, hands and months, another
# at most 0.13. A shift of 5 % of the width still gives 0.34: what lies between is for
# `edge.align` to follow.
UNLIKE_LIKENESS = 0.2
# Over a day the light can make a scene unlike its reference; what is as like the newest
# accepted frame as this still shows it. A camera that turns away is unlike both at once.
STILL_LIKENESS = 0.5  # whole
STILL_BAND_LIKENESS = 0.2  # each band

# Roughly 10,000 pixels tell as much as two million, in a hundredth of the time.
_SAMPLE_PIXELS = 10_000


@dataclass(frozen=True)
class GateMemory:
    """What the gate remembers between the frames of one camera."""

    fingerprints: tuple[int, ...] = ()  # of the newest pictures, the last one last
    repeats: int = 0  # frames in a row that were one of those before
    # The newest frame that nothing was wrong with: it was like the reference or still like it,
    # where there is one.
    accepted: Look | None = None
    tear: TearMemory = field(default_factory=TearMemory)  # beside the accepted one
    nearest: int = 0  # which of the references the newest picture was most like,
    likeness: float = 1.0  # and how much: as a whole, -1..1


@dataclass(frozen=True)
class _Brightness:
    """How a picture's brightness is spread, levels 0..255 and shares 0..1."""

    p1: float
    p99: float
    dark_share: float  # as dark as a dark picture
    bright_share: float  # as bright as a bright one


def judge(
    memory: GateMemory,
    image_rgb: ImageRGB,
    references: Sequence[Look],
    frozen_after: int | None,
    shown: npt.NDArray[np.bool_] | None = None,
    look: Look | None = None,
) -> tuple[GateMemory, Reason | None]:
    """Return the new memory, and why the picture shows nothing to classify, None when it does.

    The picture is RGB uint8 (height, width, 3), `look` its `look_at` where that is known already.
    `references` are `look_at` pictures of the cabinet as it should be seen, each in another
    light: the most alike one counts. Without any only what is beyond doubt is refused, and what
    is torn beside the frame before. With others begin with a new memory.
    `frozen_after`: so many equal pictures in a row are a frozen camera; None: they never are.

    FRAME_UNLIKE and, against a reference, FRAME_TORN are also what a bumped camera and
    another light give, unless the new memory's `tear` says that it is one: ask `edge.align`
    before believing them, and judge again from the same memory. `shown`, bool (BANDS,), are the
    bands that it found to show what the reference does; they need not look alike.
    """
    brightness = _measure_brightness(image_rgb)
    reason = _judge_brightness(brightness)
    if not is_large_enough(image_rgb):
        return memory, reason
    look = look_at(image_rgb) if look is None else look
    memory = _remember(memory, look.fingerprint)
    if reason is not None:
        return memory, reason
    if _is_frozen(memory, frozen_after):
        return memory, Reason.FRAME_FROZEN
    reference = None
    if references:
        found = [likeness(look, reference)[0] for reference in references]
        nearest = int(np.argmax(found))
        memory = replace(memory, nearest=nearest, likeness=found[nearest])
        reference = references[nearest]
    reason = _judge_alone(look, reference)
    if reason is not None:
        return memory, reason
    if memory.accepted is not None:
        tear = watch_tear(memory.tear, look.small_rgb, memory.accepted.small_rgb)
        memory = replace(memory, tear=tear)
        if tear.is_torn:
            return memory, Reason.FRAME_TORN
    if reference is not None:
        reason = _judge_beside(look, reference, memory.accepted, brightness, shown)
    if reason is None:
        memory = replace(memory, accepted=look)
    return memory, reason


def judge_still(
    memory: GateMemory, image_rgb: ImageRGB, frozen_after: int | None
) -> tuple[GateMemory, Reason | None]:
    """Return what `judge` does, for a picture that looks like one it found nothing wrong with.

    All that can be wrong with it is that it is that very picture.
    """
    if is_large_enough(image_rgb):
        memory = _remember(memory, fingerprint_of(image_rgb))
    return memory, Reason.FRAME_FROZEN if _is_frozen(memory, frozen_after) else None


def judge_frame(image_rgb: ImageRGB) -> Reason | None:
    """Return why the picture shows nothing to classify, by its brightness alone.

    The picture is RGB uint8 (height, width, 3).
    """
    return _judge_brightness(_measure_brightness(image_rgb))


def fits_slots(image_rgb: ImageRGB, frame_wh: tuple[int, int]) -> bool:
    """Return whether the picture has the shape (within 1 %) the slots were drawn on."""
    height_px, width_px = image_rgb.shape[:2]
    return bool(abs(width_px * frame_wh[1] / (height_px * frame_wh[0]) - 1.0) <= 0.01)


def _measure_brightness(image_rgb: ImageRGB) -> _Brightness:
    height_px, width_px = image_rgb.shape[:2]
    step = max(1, int((height_px * width_px / _SAMPLE_PIXELS) ** 0.5))
    # The green channel is most of what the eye calls brightness, and costs no conversion.
    # From the middle of each step, of which a picture of a few columns may not hold one whole.
    top, left = min(step, height_px) // 2, min(step, width_px) // 2
    sample = image_rgb[top::step, left::step, 1]
    shares = np.cumsum(np.bincount(sample.ravel(), minlength=256)) / sample.size
    p1, p99 = np.searchsorted(shares, (0.01, 0.99))
    return _Brightness(
        float(p1), float(p99), float(shares[int(DARK_P99)]), float(1.0 - shares[int(BRIGHT_P1)])
    )


def _judge_brightness(brightness: _Brightness) -> Reason | None:
    if brightness.p99 <= DARK_P99:
        return Reason.FRAME_DARK
    if brightness.p1 >= BRIGHT_P1:
        return Reason.FRAME_BRIGHT
    if brightness.p99 - brightness.p1 <= FLAT_SPREAD:
        return Reason.FRAME_FLAT
    return None


def _remember(memory: GateMemory, fingerprint: int) -> GateMemory:
    is_known = fingerprint in memory.fingerprints
    return replace(
        memory,
        fingerprints=(*memory.fingerprints, fingerprint)[-FROZEN_AMONG:],
        repeats=memory.repeats + 1 if is_known else 0,
    )


def _is_frozen(memory: GateMemory, frozen_after: int | None) -> bool:
    return frozen_after is not None and memory.repeats + 1 >= frozen_after


def _judge_alone(look: Look, reference: Look | None) -> Reason | None:
    """Return what is wrong with a picture beyond doubt, whatever it should show."""
    # A bar that a recorder draws for its captions is in the reference as well.
    repeats = look.repeats if reference is None else look.repeats & ~reference.repeats
    if look.lost_colour >= TORN_LOST_COLOUR or _is_filled(repeats):
        return Reason.FRAME_TORN
    if look.sharpness.min() >= NOISE_SHARPNESS:
        return Reason.FRAME_TORN
    if look.sharpness.max() <= BLURRED_SHARPNESS:
        return Reason.FRAME_BLURRED
    return None


def _is_filled(repeats: npt.NDArray[np.bool_]) -> bool:
    """Return whether a part of the picture is filled with one line or one colour.

    A picture whose lines repeat in several places was drawn; no decoder does that.
    """
    starts = np.flatnonzero(np.diff(repeats.astype(np.int8), prepend=0) == 1)
    return len(starts) == 1 and int(np.count_nonzero(repeats)) >= TORN_LINES


def _judge_beside(
    look: Look,
    reference: Look,
    accepted: Look | None,
    brightness: _Brightness,
    shown: npt.NDArray[np.bool_] | None,
) -> Reason | None:
    """Return what is wrong with a picture that should show what the reference shows."""
    if (look.sharpness <= BLURRED_OF_REFERENCE * reference.sharpness).any():
        return Reason.FRAME_BLURRED
    rough = NOISE_OF_REFERENCE * reference.sharpness
    if (look.sharpness >= np.maximum(rough, reference.sharpness + NOISE_GAIN)).all():
        return Reason.FRAME_TORN
    colour, reference_colour = (np.hypot(*each.chroma.T) for each in (look, reference))
    if (colour - reference_colour).max() >= TORN_CHROMA:
        return Reason.FRAME_TORN
    whole, bands = likeness(look, reference)
    if whole >= UNLIKE_LIKENESS and bands.min() >= TORN_BAND_LIKENESS:
        return None
    if shown is not None and (shown | (bands >= UNLIKE_LIKENESS)).all():
        return None
    if accepted is not None:
        still, still_bands = likeness(look, accepted)
        if still >= STILL_LIKENESS and still_bands.min() >= STILL_BAND_LIKENESS:
            return None
    if brightness.bright_share >= CLIPPED_SHARE:
        return Reason.FRAME_BRIGHT
    if brightness.dark_share >= CLIPPED_SHARE:
        return Reason.FRAME_DARK
    return Reason.FRAME_TORN if whole >= UNLIKE_LIKENESS else Reason.FRAME_UNLIKE
