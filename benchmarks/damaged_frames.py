"""10,000 damaged frames made of real ones: what the gates name, what becomes of the rest.

    python -m benchmarks.damaged_frames ../shared/data [--held-out] [--model models/default]

Every trial shows the daemon's own pipeline one real frame until its slots are confirmed, and
then three damaged ones: a transition between EMPTY and OCCUPIED is false. The limits of
`edge/quality.py` were chosen on the sequences printed without --held-out, and are shown on
the others. Without a model every slot reads empty.
Without PyAV (`pip install av`) the H.264 frames are drawn.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from benchmarks import damage
from benchmarks.damage import DAMAGES, FROZEN
from edge.bundle import read_bundle
from edge.cameras.folder import read_picture
from edge.cameras.simulator.options import simulation_of
from edge.classifier import open_classifier
from edge.pipeline import Classify, Pipeline
from edge.preprocess import rectangle_polygon
from edge.scene import Scene
from edge.types import DecisionSettings, Frame, ImageRGB, Reason, Slot, State

FRAMES_IN_A_ROW = 3  # a damage must be named within so many
SLOTS_READ = 40  # of one frame at most: of 396 as much is learnt from every tenth
AERIAL_EVERY = 10  # frames of the video, which has 30 a second
SIMULATED_FRAMES = 40
FROZEN_AFTER = 3  # equal pictures
CONFIRM = 2  # equal readings
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Recording:
    """Frames of one camera in the order of time."""

    name: str
    images: tuple[Callable[[], ImageRGB], ...]
    slots: tuple[Slot, ...]
    reference: int = 0  # which of them a technician would have kept


@dataclass(frozen=True)
class Trial:
    """What became of one damage that lasted three frames."""

    is_beyond: bool  # all of its frames are beyond the limit
    reasons: tuple[Reason | None, ...]  # of each frame; FRAME_TORN where nothing was decoded
    false: int  # transitions between EMPTY and OCCUPIED
    read: int  # readings that were sure


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
    return Recording(
        "simulator", _kept([image for image in images if image is not None]), simulation.slots()
    )


def read_sequences(data: Path, is_held_out: bool) -> Iterator[Recording]:
    """Yield the sequences the limits were chosen on, or those held out."""
    chess, car_park = data / "02_chess_fixedcam", data / "03_pklot_ufpr05"
    for game in ("game7",) if is_held_out else ("game2", "game4", "game5"):
        yield Recording(game, _pictures(chess / game), _slots(chess / "slots.json"))
    day = "day_2013-04-15" if is_held_out else "other_days"
    yield Recording(day, _pictures(car_park / day), _slots(car_park / "slots.json"))
    if not is_held_out:
        yield _aerial(data / "05_aerial_parking")
        photos = data / "06_screws_4slots"
        empty = 9  # "010.jpg": no screw in any hole
        yield Recording("screws", _pictures(photos), _slots(photos / "slots.json"), empty)
        yield _simulated()


def refused(sequence: Recording, reference: int | None) -> Counter[Reason]:
    """Return how many undamaged frames of a sequence are refused, by reason."""
    references_rgb = [] if reference is None else [sequence.images[reference]()]
    scene = Scene(sequence.slots, _size(sequence.images[0]()), references_rgb, FROZEN_AFTER)
    counted = Counter[Reason]()
    for number, image in enumerate(sequence.images):
        reason = scene.see(_frame(image(), number)).reason
        if reason is not None:
            counted[reason] += 1
    return counted


def _size(image_rgb: ImageRGB) -> tuple[int, int]:
    return image_rgb.shape[1], image_rgb.shape[0]


def _frame(image_rgb: ImageRGB, number: int) -> Frame:
    return Frame(image_rgb, number, _START + timedelta(seconds=number), float(number))


@dataclass(frozen=True)
class Model:
    """What reads the crops; without a bundle every slot reads empty."""

    classify: Classify = lambda slot_ids, _crops_rgb: [0.0] * len(slot_ids)
    input_size_px: int = 32
    decision: DecisionSettings = field(default_factory=lambda: DecisionSettings(confirm=2))


def open_model(folder: Path) -> Model:
    """Return the bundle in the folder, ready to read crops."""
    bundle = read_bundle(folder)
    classifier = open_classifier(bundle)
    decision = DecisionSettings(
        occupied_at=bundle.occupied_at, empty_at=bundle.empty_at, confirm=CONFIRM
    )
    return Model(
        lambda _ids, crops_rgb: [
            p.probability for p in classifier.predict_all(crops_rgb, ["probability"])
        ],
        bundle.input_size_px,
        decision,
    )


def try_damage(
    kind: str, sequence: Recording, reference_rgb: ImageRGB, model: Model, rng: np.random.Generator
) -> Trial:
    """Return what became of one damage to three frames of a scene that does not change."""
    image_rgb = sequence.images[int(rng.integers(len(sequence.images)))]()
    pipeline = Pipeline(
        sequence.slots,
        _size(image_rgb),
        model.decision,
        model.classify,
        model.input_size_px,
        [reference_rgb],
        FROZEN_AFTER,
    )
    for number in range(CONFIRM):
        seen_rgb = with_sensor_noise(image_rgb, rng)
        pipeline.commit(pipeline.process(_frame(seen_rgb, number)).changes)
    reasons: list[Reason | None] = []
    is_beyond, false, read = True, 0, 0
    for number in range(CONFIRM, CONFIRM + FRAMES_IN_A_ROW):
        # The last picture once more is what a frozen camera gives.
        source_rgb = seen_rgb if kind == FROZEN else with_sensor_noise(image_rgb, rng)
        damaged_rgb, badness = DAMAGES[kind].make(source_rgb, rng)
        is_beyond &= badness >= DAMAGES[kind].limit
        if damaged_rgb is None:
            reasons.append(Reason.FRAME_TORN)
            continue
        result = pipeline.process(_frame(damaged_rgb, number))
        pipeline.commit(result.changes)
        reasons.append(result.unusable)
        read += sum(reading.state is not State.UNKNOWN for reading in result.readings)
        false += sum(
            {transition.before, transition.after} == {State.EMPTY, State.OCCUPIED}
            for transition, _ in result.changes
        )
    return Trial(is_beyond, tuple(reasons), false, read)


def with_sensor_noise(image_rgb: ImageRGB, rng: np.random.Generator) -> ImageRGB:
    """Return the same scene as the next frame shows it: no two are equal bit by bit."""
    noisy_rgb = image_rgb.copy()
    lines = noisy_rgb[:: rng.integers(3, 6)]
    lines ^= rng.integers(0, 2, lines.shape, np.uint8)
    return noisy_rgb


def report(kind: str, trials: Sequence[Trial]) -> str:
    """Return one line of the table."""
    beyond = [trial for trial in trials if trial.is_beyond]
    named = sum(any(trial.reasons) for trial in beyond)
    reasons = Counter(reason.value for trial in trials for reason in trial.reasons if reason)
    unnamed = sum(reason is None for trial in trials for reason in trial.reasons)
    limit = f"{DAMAGES[kind].limit:g} {DAMAGES[kind].unit}" if DAMAGES[kind].unit else "always"
    false, read = sum(trial.false for trial in trials), sum(trial.read for trial in trials)
    common = ", ".join(f"{name} {count}" for name, count in reasons.most_common(3))
    return (
        f"{kind:12} {limit:28} {named:5}/{len(beyond):<5} {unnamed:6} {read:7} {false:5}  {common}"
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
    print("undamaged frames refused: reference the usual one | the one in the middle | none")
    for sequence in sequences:
        references = (sequence.reference, len(sequence.images) // 2, None)
        counts = [refused(sequence, reference) for reference in references]
        listed = " | ".join(f"{counted.total():3}" for counted in counts)
        found = dict(sum(counts, Counter[Reason]()))
        print(f"{sequence.name:16} {listed} of {len(sequence.images)} {found or ''}", flush=True)
    model = Model() if arguments.model is None else open_model(arguments.model)
    pictures = [sequence.images[sequence.reference]() for sequence in sequences]
    rng = np.random.default_rng(arguments.seed)
    trials = max(1, arguments.count // (len(DAMAGES) * FRAMES_IN_A_ROW))
    print(f"H.264: {'encoded and damaged by PyAV' if damage.HAS_PYAV else 'drawn alike'}")
    print(f"{'kind':12} {'must be named from':28} {'named':>11} {'unseen':>6} {'read':>7} false")
    for kind in DAMAGES:
        chosen = rng.integers(len(sequences), size=trials)
        results = [try_damage(kind, sequences[k], pictures[k], model, rng) for k in chosen]
        print(report(kind, results), flush=True)


if __name__ == "__main__":
    main()
