"""The whole way of a frame beside the bare interpreter, and how threads share the work.

Machines are noisy, so the figures that count are ratios of two things measured in turn in
the same run: the way of a frame (gates, crops, inferences, decisions) beside as many
inferences of the bare interpreter: one crop after the other, with one thread.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import cv2

from edge.cameras import CameraError, open_camera
from edge.change import LONGEST_AGE_S
from edge.classifier import OUTPUTS, Classifier, Crops, Prediction
from edge.inference import build_pipeline
from edge.pipeline import Pipeline
from edge.preprocess import crop_slot, scale_slots
from edge.still import STILL_LEVELS
from edge.types import Bundle, Frame, ImageRGB, Settings, Slot, SlotwatchError

SIZES = (1, 4, 16, 64, 256)  # slots
MOST_THREADS = 4
WARM_UP_FRAMES = 2  # plans and caches
IN_A_ROW = 64  # inferences per measurement of the threads, as in a frame of the sample cabinet
# Every other frame is so much lighter, in levels of 0..255: no frame is still.
_LIGHTER = STILL_LEVELS + 4


@dataclass(frozen=True)
class FrameCost:
    """What a frame of so many slots costs; medians of the rounds."""

    slots: int
    frame_ms: float  # the whole way: gates, crops, inferences, decisions
    bare_ms: float  # as many inferences of one crop
    ratio: float  # median of the rounds' own ratios
    cpu_ratio: float  # the same of processor time, which other programs disturb less


@dataclass(frozen=True)
class ThreadCost:
    """What a crop costs the model alone; medians of the rounds."""

    threads: int  # interpreters at work at the same time
    wall_ms: float
    cpu_ms: float  # of all threads together


class _CountingClassifier(Classifier):
    """A classifier that counts what it is asked."""

    asked = 0

    def predict_all(
        self, crops_rgb: Crops, names: Collection[str] = OUTPUTS
    ) -> Iterator[Prediction]:
        """Yield outputs for each crop, and count the crops."""
        self.asked += len(crops_rgb)
        return super().predict_all(crops_rgb, names)


def measure_sizes(
    settings: Settings,
    classifier: Classifier,
    sizes: Sequence[int],
    rounds: int,
    advance: Callable[[], None] = lambda: None,
) -> tuple[FrameCost, ...]:
    """Return the cost of a frame for each number of slots; `advance` is called after each round.

    Raises:
        CameraError: the camera gives no picture.
        SlotwatchError: its picture cannot be read, so that there is nothing to measure.
    """
    picture = first_frame(settings)
    counting = _CountingClassifier(classifier.bundle, classifier.threads)
    bare = one_by_one(
        classifier.bundle, _first_crop(picture, settings, classifier.bundle.input_size_px)
    )
    return tuple(
        _measure_size(settings, counting, bare, picture, size, rounds, advance) for size in sizes
    )


def one_by_one(bundle: Bundle, crop_rgb: ImageRGB) -> Callable[[], None]:
    """Return an inference of this crop by the bare interpreter, which every ratio is to."""
    return Classifier(bundle, threads=1).bare_invoke(crop_rgb)


def _measure_size(
    settings: Settings,
    classifier: _CountingClassifier,
    invoke: Callable[[], None],
    picture: Frame,
    size: int,
    rounds: int,
    advance: Callable[[], None],
) -> FrameCost:
    slots = repeat_slots(settings.slots, size)
    pipeline = build_pipeline(replace(settings, slots=slots), classifier)
    whole: list[_Time] = []
    bare: list[_Time] = []
    for index, frame in enumerate(moving_frames(picture, rounds + WARM_UP_FRAMES)):
        with _timed(whole):
            _process_all(pipeline, classifier, frame, size)
        with _timed(bare):
            for _ in range(size):
                invoke()
        if index < WARM_UP_FRAMES:
            whole.clear()
            bare.clear()
        advance()
    pairs = list(zip(whole, bare, strict=True))
    return FrameCost(
        size,
        statistics.median(taken.wall_ms for taken in whole),
        statistics.median(taken.wall_ms for taken in bare),
        statistics.median(one.wall_ms / other.wall_ms for one, other in pairs),
        statistics.median(one.cpu_ms / other.cpu_ms for one, other in pairs),
    )


@dataclass(frozen=True)
class _Time:
    wall_ms: float
    cpu_ms: float  # of all threads


@contextmanager
def _timed(times: list[_Time]) -> Iterator[None]:
    """Add how long the block took."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    yield
    cpu_ms = 1000 * (time.process_time() - cpu_s)
    times.append(_Time(1000 * (time.perf_counter() - wall_s), cpu_ms))


def _process_all(
    pipeline: Pipeline, classifier: _CountingClassifier, frame: Frame, size: int
) -> None:
    before = classifier.asked
    result = pipeline.process(frame)
    pipeline.commit(result.changes)
    if classifier.asked - before < size:
        # A gate that leaves slots out would flatter every figure.
        why = result.unusable or "a gate left the others out"
        raise SlotwatchError(
            f"only {classifier.asked - before} of {size} slots were classified ({why}); "
            "measure with a picture that shows the cabinet"
        )


def repeat_slots(slots: Sequence[Slot], size: int) -> tuple[Slot, ...]:
    """Return so many enabled slots: the first ones, and all of them again as often as needed."""
    enabled = [slot for slot in slots if slot.enabled]
    if not enabled:
        raise SlotwatchError("no slot is enabled: there is nothing to measure")
    return tuple(
        replace(enabled[number % len(enabled)], id=f"{number}") if number >= len(enabled) else slot
        for number, slot in enumerate((enabled * (size // len(enabled) + 1))[:size])
    )


def moving_frames(picture: Frame, count: int) -> list[Frame]:
    """Return frames of one picture, each of whose slots is to be read anew.

    The light of every other frame differs, so that none is still and each is looked at
    closely; and a change gate has no rest, for the monotonic times lie further apart than a
    reading may be old. The times for people follow each other by a second.
    """
    lighter_rgb = cv2.add(picture.image_rgb, (_LIGHTER,) * 3)
    return [
        replace(
            picture,
            image_rgb=lighter_rgb if number % 2 else picture.image_rgb,
            sequence=number,
            captured_at=picture.captured_at + timedelta(seconds=number),
            monotonic_s=number * 2 * LONGEST_AGE_S,
        )
        for number in range(count)
    ]


def measure_threads(
    classifier: Classifier, crop_rgb: ImageRGB, rounds: int
) -> tuple[ThreadCost, ...]:
    """Return what a crop costs with 1, 2 and 4 interpreters at work, as far as there are cores."""
    cores = len(os.sched_getaffinity(0))
    counts = [count for count in (1, 2, MOST_THREADS) if count == 1 or count <= cores]
    classifiers = [Classifier(classifier.bundle, count) for count in counts]
    times: list[list[_Time]] = [[] for _ in counts]
    for _ in range(rounds + 1):
        for each, taken in zip(classifiers, times, strict=True):
            with _timed(taken):
                list(each.predict_all([crop_rgb] * IN_A_ROW, ["probability"]))
    return tuple(
        # The first round warms up.
        ThreadCost(
            count,
            statistics.median(one.wall_ms for one in taken[1:]) / IN_A_ROW,
            statistics.median(one.cpu_ms for one in taken[1:]) / IN_A_ROW,
        )
        for count, taken in zip(counts, times, strict=True)
    )


def first_frame(settings: Settings) -> Frame:
    """Return one picture of the camera.

    Raises:
        CameraError: there is none.
    """
    camera = open_camera(settings.camera, once=True)
    try:
        frame = camera.read()
    finally:
        camera.close()
    if frame is None:
        raise CameraError(f"{settings.camera.source}: no picture in it")
    return frame


def first_crop(settings: Settings, size_px: int) -> ImageRGB:
    """Return the first slot's crop of the camera's picture: a real input for an interpreter."""
    return _first_crop(first_frame(settings), settings, size_px)


def _first_crop(frame: Frame, settings: Settings, size_px: int) -> ImageRGB:
    height_px, width_px = frame.image_rgb.shape[:2]
    slot = scale_slots(settings.slots[:1], settings.frame_wh, (width_px, height_px))[0]
    return crop_slot(frame, slot, size_px).image_rgb
