"""10,000 damaged frames made of real ones: what the frame gate names, what it lets through.

    python -m benchmarks.damaged_frames ../shared/data [--held-out] [--model models/default]

Every trial is one undamaged frame and three damaged ones after it, of a real sequence. The
limits of `edge/quality.py` were chosen on the sequences printed without --held-out, and are
shown on the others. With a model, frames that were not named are read slot by slot: a wrong
reading is one that is sure of the opposite of what the undamaged frame reads.
Without PyAV (`pip install av`) the H.264 frames are drawn.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks import damage
from benchmarks.damage import DAMAGES, FROZEN
from edge.bundle import read_bundle
from edge.cameras.folder import read_picture
from edge.cameras.simulator.options import simulation_of
from edge.classifier import open_classifier
from edge.decide import read_probability
from edge.look import Look, look_at
from edge.preprocess import apply_plan, plan_crop, rectangle_polygon
from edge.quality import GateMemory, judge
from edge.types import DecisionSettings, ImageRGB, Reason, Slot, State

FRAMES_IN_A_ROW = 3  # a damage must be named within so many
SLOTS_READ = 40  # of one frame at most: of 396 as much is learnt from every tenth
AERIAL_EVERY = 10  # frames of the video, which has 30 a second
SIMULATED_FRAMES = 40


@dataclass(frozen=True)
class Recording:
    """Frames of one camera in the order of time; the first one is the reference."""

    name: str
    images: tuple[Callable[[], ImageRGB], ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Trial:
    """What became of one damage that lasted three frames."""

    is_beyond: bool  # all of its frames are beyond the limit
    reasons: tuple[Reason | None, ...]  # of each frame; FRAME_TORN where nothing was decoded
    wrong: int  # readings of the unnamed frames that are sure and wrong
    read: int  # readings of the unnamed frames


def _pictures(folder: Path) -> tuple[Callable[[], ImageRGB], ...]:
    return tuple(
        (lambda path=path: read_picture(path)) for path in sorted((folder / "frames").iterdir())
    )


def _slots(path: Path) -> tuple[Slot, ...]:
    """Return every so many slots of a file, upright boxes around their polygons."""
    entries = json.loads(path.read_text("utf-8"))
    step = -(-len(entries) // SLOTS_READ)
    boxes = [
        (entry["id"], cv2.boundingRect(np.array(entry["polygon"], np.float32)))
        for entry in entries[::step]
    ]
    return tuple(Slot(slot_id, rectangle_polygon(*box)) for slot_id, box in boxes)


def _kept(images: Sequence[ImageRGB]) -> tuple[Callable[[], ImageRGB], ...]:
    return tuple((lambda image=image: image) for image in images)


def _aerial(folder: Path) -> Recording:
    video, images = cv2.VideoCapture(str(folder / "carPark.mp4")), []
    while video.grab():
        if int(video.get(cv2.CAP_PROP_POS_FRAMES)) % AERIAL_EVERY == 0:
            images.append(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB))
    return Recording("aerial", _kept(images), _slots(folder / "slots_1280x720.json"))


def _simulated() -> Recording:
    simulation = simulation_of("simulator?activity=0.1&day=300", 5.0)
    images = [simulation.step().image_rgb for _ in range(SIMULATED_FRAMES)]
    return Recording("simulator", _kept([image for image in images if image is not None]), ())


def read_sequences(data: Path, is_held_out: bool) -> Iterator[Recording]:
    """Yield the sequences the limits were chosen on, or those held out."""
    chess, car_park = data / "02_chess_fixedcam", data / "03_pklot_ufpr05"
    for game in ("game7",) if is_held_out else ("game2", "game4", "game5"):
        yield Recording(game, _pictures(chess / game), _slots(chess / "slots.json"))
    day = "day_2013-04-15" if is_held_out else "other_days"
    yield Recording(day, _pictures(car_park / day), _slots(car_park / "slots.json"))
    if not is_held_out:
        yield _aerial(data / "05_aerial_parking")
        yield _simulated()


def refused(sequence: Recording, reference: Look | None) -> Counter[Reason]:
    """Return how many undamaged frames of a sequence are refused, by reason."""
    memory, counted = GateMemory(), Counter[Reason]()
    for image in sequence.images:
        memory, reason = judge(memory, image(), reference, frozen_after=3)
        if reason is not None:
            counted[reason] += 1
    return counted


class Reader:
    """Reads slots with a model, to see what a frame that was let through leads to."""

    def __init__(self, model: Path) -> None:
        self._bundle = read_bundle(model)
        self._classifier = open_classifier(self._bundle)

    def states(self, image_rgb: ImageRGB, slots: Sequence[Slot]) -> list[State]:
        """Return what each slot reads in this one picture."""
        size_px, wh = self._bundle.input_size_px, (image_rgb.shape[1], image_rgb.shape[0])
        decision = DecisionSettings(self._bundle.occupied_at, self._bundle.empty_at)
        return [
            read_probability(
                slot,
                self._classifier.probability(apply_plan(image_rgb, plan_crop(slot, size_px, wh))),
                0,
                decision,
            ).state
            for slot in slots
        ]

    def count(
        self, damaged_rgb: ImageRGB, image_rgb: ImageRGB, slots: Sequence[Slot]
    ) -> tuple[int, int]:
        """Return how many readings are sure of the opposite, and how many were made."""
        opposite = {State.EMPTY: State.OCCUPIED, State.OCCUPIED: State.EMPTY}
        pairs = zip(self.states(damaged_rgb, slots), self.states(image_rgb, slots), strict=True)
        return sum(opposite.get(before) is after for after, before in pairs), len(slots)


def try_damage(
    kind: str,
    sequence: Recording,
    reference: Look,
    reader: Reader | None,
    rng: np.random.Generator,
) -> Trial:
    """Return what became of one damage to three frames of a sequence."""
    start = int(rng.integers(len(sequence.images) - FRAMES_IN_A_ROW))
    before, *images = (image() for image in sequence.images[start : start + FRAMES_IN_A_ROW + 1])
    if kind == FROZEN:
        images = images[:1] * FRAMES_IN_A_ROW
    memory, _ = judge(GateMemory(), before, reference, frozen_after=3)
    reasons: list[Reason | None] = []
    is_beyond, wrong, read = True, 0, 0
    for image in images:
        damaged, badness = DAMAGES[kind].make(image, rng)
        is_beyond &= badness >= DAMAGES[kind].limit
        reason: Reason | None = Reason.FRAME_TORN
        if damaged is not None:
            memory, reason = judge(memory, damaged, reference, frozen_after=3)
            if reason is None and reader is not None:
                counts = reader.count(damaged, image, sequence.slots)
                wrong, read = wrong + counts[0], read + counts[1]
        reasons.append(reason)
    return Trial(is_beyond, tuple(reasons), wrong, read)


def report(kind: str, trials: Sequence[Trial]) -> str:
    """Return one line of the table."""
    beyond = [trial for trial in trials if trial.is_beyond]
    named = sum(any(trial.reasons) for trial in beyond)
    reasons = Counter(reason.value for trial in trials for reason in trial.reasons if reason)
    unnamed = sum(reason is None for trial in trials for reason in trial.reasons)
    limit = f"{DAMAGES[kind].limit:g} {DAMAGES[kind].unit}" if DAMAGES[kind].unit else "always"
    wrong, read = sum(trial.wrong for trial in trials), sum(trial.read for trial in trials)
    common = ", ".join(f"{name} {count}" for name, count in reasons.most_common(3))
    return (
        f"{kind:12} {limit:28} {named:5}/{len(beyond):<5} {unnamed:6} {wrong:6}/{read:<7} {common}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with 02_chess_fixedcam and so on")
    parser.add_argument("--held-out", action="store_true", help="the sequences not chosen on")
    parser.add_argument("--model", type=Path, help="a bundle that reads the unnamed frames")
    parser.add_argument("--count", type=int, default=10_000, help="damaged frames in all")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sequences = tuple(read_sequences(arguments.data, arguments.held_out))
    references = [look_at(sequence.images[0]()) for sequence in sequences]
    print("undamaged frames refused: with the first frame as reference | without a reference")
    for sequence, reference in zip(sequences, references, strict=True):
        beside, alone = refused(sequence, reference), refused(sequence, None)
        print(
            f"{sequence.name:16} {beside.total():3} | {alone.total():3} of {len(sequence.images)}"
            f" {dict(beside + alone) or ''}"
        )
    reader = None if arguments.model is None else Reader(arguments.model)
    rng = np.random.default_rng(arguments.seed)
    trials = max(1, arguments.count // (len(DAMAGES) * FRAMES_IN_A_ROW))
    print(f"H.264: {'drawn alike' if damage.av is None else 'encoded and damaged by PyAV'}")
    print(f"{'kind':12} {'must be named from':28} {'named':>11} {'unseen':>6} {'wrong/read':14}")
    for kind in DAMAGES:
        chosen = rng.integers(len(sequences), size=trials)
        results = [
            try_damage(kind, sequences[index], references[index], reader, rng) for index in chosen
        ]
        print(report(kind, results), flush=True)


if __name__ == "__main__":
    main()
