"""What a still scene costs, and whether leaving unchanged slots unread ever misses anything.

    python -m benchmarks.still_scene                         the cost alone
    python -m benchmarks.still_scene ../shared/data          and what is missed on real sequences

Cost: the sample cabinet of 64 slots (1280x960) through the daemon's own pipeline, with a sensor's
noise and a reference, a frame per second for four minutes, CPU time of the process. Ungated is
the same with every slot cropped and classified in every frame; every so many frames it is given
one as well, so that both are measured on the same machine at the same time.

Missed: every slot of every frame is classified, and what the gate would have left unread is
compared with that. No slot is read again for its age here, so that nothing but the picture
decides, and a single sure reading counts as confirmed, so that more is left unread than ever
on a device. The limits of `edge/change.py` were chosen on these sequences;
chess game 7 and the car park's 15 April (--final) are kept to show them on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks.recorded import Recording, aerial, car_park, chess
from edge.bundle import read_bundle
from edge.cameras.simulator import Simulation
from edge.change import find_due, first_memory, noted, plan_changes, take_samples
from edge.classifier import Classifier, open_classifier
from edge.decide import read_probability
from edge.halvings import Halvings
from edge.pipeline import Pipeline
from edge.preprocess import apply_plan, plan_crop
from edge.settings import read_settings
from edge.types import DecisionSettings, Frame, ImageRGB, Slot, State

LIMIT_SHARE = 0.05  # of the ungated CPU time
SAMPLE_CONFIG = Path(__file__).parents[1] / "config.yaml"
FRAMES = 240  # two rounds of reading every slot again for its age
SETTLING_FRAMES = 5  # until every state is confirmed
UNGATED_EVERY = 10  # frames: each of them is 64 inferences
NOISE_LEVELS = 2.0  # standard deviation, each pixel and channel by itself
EMPTIES_OF = {"game2": "game5", "game4": "game7", "game5": "game2", "game7": "game4"}


@dataclass(frozen=True)
class Spent:
    """What one frame costs on average."""

    cpu_s: float
    read: float  # slots


def still_frames() -> Iterator[Frame]:
    """Yield one picture a second, each with noise of its own, without end."""
    picture = np.asarray(Simulation(1).step().image_rgb).astype(np.float32)
    random, begun_at = np.random.default_rng(0), datetime(2026, 1, 1, tzinfo=UTC)
    sequence = 0
    while True:
        noise = random.normal(0.0, NOISE_LEVELS, picture.shape).astype(np.float32)
        noisy_rgb = (picture + noise).round().clip(0, 255).astype(np.uint8)
        yield Frame(noisy_rgb, sequence, begun_at + timedelta(seconds=sequence), float(sequence))
        sequence += 1


class Watch:
    """The pipeline of the sample cabinet, and what its frames have cost."""

    def __init__(self, classifier: Classifier, reference_rgb: ImageRGB, is_gated: bool) -> None:
        settings = read_settings(SAMPLE_CONFIG)
        self._classifier = classifier
        self._read = 0
        self._spent: list[Spent] = []
        self._pipeline = Pipeline(
            settings.slots,
            settings.frame_wh,
            settings.decision,
            self._classify,
            classifier.bundle.input_size_px,
            [reference_rgb],
            frozen_after=60,
            skips_unchanged=is_gated,
        )

    def _classify(self, slot_ids: Sequence[str], crops_rgb: Sequence[ImageRGB]) -> list[float]:
        self._read += len(slot_ids)
        predictions = self._classifier.predict_all(crops_rgb, ["probability"])
        return [prediction.probability for prediction in predictions]

    def process(self, frame: Frame) -> None:
        """Give the pipeline a frame; it counts when every state is confirmed."""
        self._read = 0
        begun_s = time.process_time()
        self._pipeline.commit(self._pipeline.process(frame).changes)
        cpu_s = time.process_time() - begun_s
        if frame.sequence >= SETTLING_FRAMES:
            self._spent.append(Spent(cpu_s, self._read))

    def spent(self) -> Spent:
        """Return what a frame has cost on average."""
        return Spent(
            float(np.mean([each.cpu_s for each in self._spent])),
            float(np.mean([each.read for each in self._spent])),
        )


def print_cost(classifier: Classifier) -> None:
    frames = islice(still_frames(), SETTLING_FRAMES + FRAMES)
    first = next(frames)
    # A reference without the frame's noise would be kinder than a real one.
    watch, without_gate = (Watch(classifier, first.image_rgb, gated) for gated in (True, False))
    for frame in chain([first], frames):
        watch.process(frame)
        if frame.sequence % UNGATED_EVERY == 0:
            without_gate.process(frame)
    gated, ungated = watch.spent(), without_gate.spent()
    for name, spent in (("ungated", ungated), ("gated", gated)):
        print(f"{name:8} {spent.cpu_s * 1e3:7.2f} ms a frame, {spent.read:.1f} slots read")
    share = gated.cpu_s / ungated.cpu_s
    verdict = "kept" if share <= LIMIT_SHARE else "NOT KEPT"
    print(f"share    {share:7.1%}, limit {LIMIT_SHARE:.0%}: {verdict}", flush=True)


def print_missed(classifier: Classifier, recording: Recording) -> int:
    """Print what the gate leaves unread of a sequence; return how many changes it missed."""
    size_px = classifier.bundle.input_size_px
    # Some of the video's slots reach over the picture's rim by a pixel.
    slots = [
        replace(slot, polygon_px=slot.polygon_px.clip(0, np.array(recording.frame_wh, np.float32)))
        for slot in recording.slots
    ]
    crops = [plan_crop(slot, size_px, recording.frame_wh) for slot in slots]
    plan = plan_changes(slots, recording.frame_wh)
    memory = first_memory(plan)
    standing = np.full(len(crops), None, object)  # the states last read
    unknown = (None,) * len(recording.shots)
    labels = np.array([recording.labels.get(slot.id, unknown) for slot in slots], object)
    labels_then = np.full(len(crops), None, object)
    unread = opposite = unsure = changed = 0
    for index, frame in enumerate(recording.frames()):
        samples = take_samples(plan, Halvings(frame.image_rgb))
        due = find_due(memory, samples, now_s=0.0)
        states = np.array(
            [
                state_of(classifier.probability, slot, apply_plan(frame.image_rgb, crop))
                for slot, crop in zip(slots, crops, strict=True)
            ],
            object,
        )
        labels_now = labels[:, index]
        both_known = (labels_now != None) & (labels_then != None)  # noqa: E711
        left = ~due
        unread += int(left.sum())
        unsure += int((left & (states == State.UNKNOWN)).sum())
        opposite += int((left & (states != State.UNKNOWN) & (states != standing)).sum())
        changed += int((left & both_known & (labels_now != labels_then)).sum())
        standing, labels_then = (
            np.where(due, now, then)
            for now, then in ((states, standing), (labels_now, labels_then))
        )
        memory = noted(memory, samples, due, states != State.UNKNOWN, now_s=0.0)
    total = len(recording.shots) * len(crops)
    print(
        f"{recording.name:24} {unread / total:6.1%} of {total} readings left out, of which the "
        f"opposite would have been read {opposite} times (limit 0), nothing sure {unsure} times; "
        f"labels that had changed {changed} (limit 0)",
        flush=True,
    )
    return opposite + changed


def state_of(probability: Callable[[ImageRGB], float], slot: Slot, crop_rgb: ImageRGB) -> State:
    return read_probability(slot, probability(crop_rgb), 0, DecisionSettings()).state


def recordings(data: Path, is_final: bool) -> Iterator[Recording]:
    """Yield the sequences that limits were chosen on, or those kept for the final figures."""
    for game in ("game7",) if is_final else ("game2", "game4", "game5"):
        yield chess(data, game, EMPTIES_OF[game])
    yield from car_park(data, is_final)
    if not is_final:
        yield aerial(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="the folder with labelled pictures")
    parser.add_argument("--model", type=Path, default=Path("models/default"))
    parser.add_argument("--final", action="store_true", help="on what no limit was chosen on")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    classifier = open_classifier(read_bundle(arguments.model))
    print_cost(classifier)
    if arguments.data is not None:
        missed = sum(
            print_missed(classifier, each) for each in recordings(arguments.data, arguments.final)
        )
        print(f"missed changes {missed}, limit 0")


if __name__ == "__main__":
    main()
