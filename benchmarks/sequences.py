"""What the whole pipeline makes of real sequences, beside what is wanted of it.

    python -m benchmarks.sequences ../shared/data            what limits are chosen on
    python -m benchmarks.sequences ../shared/data --final    the day and game kept for the end
    ... --model models/default --model chess=FOLDER          a bundle that never saw the boards

Each sequence is read with nothing but the model (`alone`), beside a picture of the cabinet
(`picture`) or its pictures in several lights (`lights`), beside these and the slots' own
empties (`empties`), as `slotwatch reference` would have left them, and beside all these and what
`slotwatch learn` made of a few sorted crops (`labels`; --labels says how many of each label, drawn
by --seed among those that are no empties). The car park's pictures, empties and crops are of other
days, the chess boards' empties and crops of another game, the screws' empties of one photo; the
video shows no slot both empty and occupied and has none.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.recorded import Recording, aerial, car_park, chess, screws
from benchmarks.transitions import Comparison, Reported, compare
from edge.bundle import read_bundle
from edge.classifier import Classifier, open_classifier
from edge.commands import count_of
from edge.inference import build_watch
from edge.learned_head import write_head
from edge.learning import Learner
from edge.lesson import MOST_CROPS, Labelled, Lesson, teach
from edge.pipeline import Pipeline, region_key
from edge.preprocess import apply_plan, plan_crop
from edge.references import CabinetPicture, Empty, References, write_references
from edge.scores import balanced_accuracy
from edge.site import Site
from edge.types import CameraSettings, Reading, Settings, State

IN_TIME_FRAMES = 2  # after the first frame that shows a change
REFERENCES = ("alone", "picture", "lights", "empties")
BESIDE = (*REFERENCES, "labels")


@dataclass(frozen=True)
class Outcome:
    """What the pipeline said of one sequence."""

    recording: Recording
    readings: tuple[tuple[Reading, ...], ...]  # of each frame, in the order of the slots
    confirmed: tuple[Mapping[str, State], ...]  # after each frame, by slot
    reported: Mapping[str, tuple[Reported, ...]]  # every transition, by slot
    lesson: Lesson | None = None  # what labelled crops had taught before


@dataclass(frozen=True)
class Drawing:
    """How labelled crops are drawn."""

    count: int  # of each label, or as many as there are and `slotwatch learn` takes
    seed: int


def references_of(recording: Recording, beside: str, size_px: int) -> References:
    """Return what the device is shown of a cabinet before the sequence begins."""
    if beside == "alone" or not recording.references:
        return References()
    keys = {slot.id: region_key(slot) for slot in recording.slots}
    begun_at = recording.shots[0].captured_at
    references = References()
    for read in recording.references[: 1 if beside == "picture" else None]:
        references = references.with_cabinet(CabinetPicture(read(), keys, begun_at))
    if beside not in {"empties", "labels"}:
        return references
    plans = {slot.id: plan_crop(slot, size_px, recording.frame_wh) for slot in recording.slots}
    for shot, states in recording.known:
        image_rgb = shot.read()
        for slot_id, state in states.items():
            if state is State.EMPTY:
                crop_rgb = apply_plan(image_rgb, plans[slot_id])
                empty = Empty(crop_rgb, keys[slot_id], shot.captured_at, is_asked=True)
                references = references.with_empty(slot_id, empty)
    return references


def labelled_of(
    recording: Recording, references: References, size_px: int, drawing: Drawing
) -> list[Labelled]:
    """Return the crops a technician sorts before the sequence begins, drawn of all that is known.

    Those that the device has as empties are left out, as docs/cabinet.md asks.
    """
    plans = {slot.id: plan_crop(slot, size_px, recording.frame_wh) for slot in recording.slots}
    shown = {empty.crop_rgb.tobytes() for of in references.empties.values() for empty in of}
    random = np.random.default_rng(drawing.seed)
    of_label: dict[State, list[Labelled]] = {State.EMPTY: [], State.OCCUPIED: []}
    for shot, states in recording.known:
        image_rgb = shot.read()
        for slot_id, state in states.items():
            crop_rgb = apply_plan(image_rgb, plans[slot_id])
            if crop_rgb.tobytes() not in shown:
                is_occupied = state is State.OCCUPIED
                labelled = Labelled(Path(shot.name), slot_id, is_occupied, crop_rgb)
                of_label[state].append(labelled)
    count = min(drawing.count, MOST_CROPS // len(of_label))
    return [of[i] for of in of_label.values() for i in random.permutation(len(of))[:count]]


def learn(
    recording: Recording,
    references: References,
    classifier: Classifier,
    storage: Path,
    drawing: Drawing,
) -> Lesson:
    """Return what crops drawn of a recording teach, kept in the storage as the command would."""
    site = Site(classifier, recording.slots, references)
    labelled = labelled_of(recording, references, classifier.bundle.input_size_px, drawing)
    lesson = teach(labelled, site, classifier)
    if lesson.head is not None:
        write_head(storage, lesson.head, classifier.bundle.model_sha256)
    return lesson


def watch_of(
    recording: Recording, classifier: Classifier, storage: Path
) -> tuple[Pipeline, Learner]:
    """Return the daemon's own pipeline, whose storage holds the references, and what learns."""
    settings = Settings(
        device="benchmark",
        camera=CameraSettings("folder"),
        slots=recording.slots,
        frame_wh=recording.frame_wh,
        model=classifier.bundle.path,
        slots_path=storage / "slots.yaml",
        config_path=storage / "config.yaml",
        storage=storage,
        decision=replace(
            recording.decision,
            occupied_at=classifier.bundle.occupied_at,
            empty_at=classifier.bundle.empty_at,
        ),
    )
    return build_watch(settings, classifier)


def watch(
    recording: Recording,
    classifier: Classifier,
    beside: str,
    drawing: Drawing,
    is_each_anew: bool = False,
) -> Outcome:
    """Return what the pipeline says of a sequence; `is_each_anew`: of each frame by itself."""
    lesson = None
    readings: list[tuple[Reading, ...]] = []
    confirmed: list[Mapping[str, State]] = []
    reported: dict[str, list[Reported]] = {slot.id: [] for slot in recording.slots}
    with tempfile.TemporaryDirectory() as folder:
        storage = Path(folder)
        references = references_of(recording, beside, classifier.bundle.input_size_px)
        write_references(storage, references)
        if beside == "labels":
            lesson = learn(recording, references, classifier, storage, drawing)
        pipeline, learner = watch_of(recording, classifier, storage)
        for frame in recording.frames():
            if is_each_anew:
                pipeline, learner = watch_of(recording, classifier, storage)
            result = pipeline.process(frame)
            pipeline.commit(result.changes)
            learner.look(frame, pipeline, result.readings)
            readings.append(result.readings)
            confirmed.append({key: memory.state for key, memory in pipeline.memories.items()})
            for transition, _ in result.changes:
                reported[transition.slot_id].append((frame.sequence, transition.after))
    return Outcome(
        recording,
        tuple(readings),
        tuple(confirmed),
        {slot_id: tuple(row) for slot_id, row in reported.items()},
        lesson,
    )


@dataclass(frozen=True)
class Line:
    """One figure of the table, beside what is wanted of it."""

    subject: str
    measured: str
    wanted: str = ""


def learnt(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Yield what labelled crops taught, where there were any."""
    for outcome in outcomes:
        if outcome.lesson is None:
            continue
        is_occupied, trial = outcome.lesson.crops.is_occupied, outcome.lesson.trial
        counts = f"{(~is_occupied).sum()} EMPTY, {is_occupied.sum()} OCCUPIED"
        became = "not kept" if outcome.lesson.head is None else "kept"
        losses = f"loss {trial.loss_before:.3f} -> {trial.loss_after:.3f}"
        yield Line("labelled crops of others", f"{counts}; {losses}, {became}")


def changes_told(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Yield how the transitions of sequences agree with their labels."""
    found = [(outcome, _compared(outcome)) for outcome in outcomes]
    compared = [comparison for _, of_slots in found for comparison in of_slots.values()]
    true = sum(len(c.true) for c in compared)
    lasting = sum(len(c.lasting) for c in compared)
    delays = Counter(delay for c in compared for delay in c.delays)
    in_time = sum(count for delay, count in delays.items() if delay <= IN_TIME_FRAMES)
    confirm = outcomes[0].recording.decision.confirm
    yield Line(f"true changes that last {confirm} frames", f"{lasting} of {true}")
    if lasting:
        yield Line(
            f"of the lasting, reported by the frame +{IN_TIME_FRAMES}",
            f"{in_time} = {in_time / lasting:.1%}",
            ">= 98 %",
        )
        listed = ", ".join(f"+{delay}: {count}" for delay, count in sorted(delays.items()))
        yield Line("reported how many frames later", listed)
        yield Line("lasting and never reported", str(sum(len(c.missed) for c in compared)))
        yield Line("reported although they did not last", str(sum(c.brief for c in compared)))
    yield Line("false transitions", str(sum(len(c.false) for c in compared)))
    yield Line("first states that are wrong", str(sum(c.is_first_wrong for c in compared)))
    yield Line("transitions to UNKNOWN", str(sum(c.unknown for c in compared)))
    yield from _confirmed_states(outcomes)
    yield from _single_readings(outcomes)


def _compared(outcome: Outcome) -> dict[str, Comparison]:
    recording = outcome.recording
    return {
        slot_id: compare(row, outcome.reported[slot_id], recording.decision.confirm)
        for slot_id, row in recording.labels.items()
        if any(label is not None for label in row)
    }


def _confirmed_states(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    states = [
        (label, confirmed[slot_id])
        for outcome in outcomes
        for slot_id, row in outcome.recording.labels.items()
        for label, confirmed in zip(row, outcome.confirmed, strict=True)
        if label is not None
    ]
    known = [(label, state) for label, state in states if state is not State.UNKNOWN]
    yield Line("coverage: confirmed state known", f"{len(known) / len(states):.1%}")
    right = sum(label is state for label, state in known)
    yield Line("confirmed states that are right", f"{right / max(1, len(known)):.2%}")


def _single_readings(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Yield how right each frame alone is: of all that was classified, and of the sure."""
    labelled = [
        (label, reading)
        for outcome in outcomes
        for frame, readings in enumerate(outcome.readings)
        for reading in readings
        if (label := _label(outcome.recording, reading.slot_id, frame)) is not None
    ]
    read = [(label, reading) for label, reading in labelled if reading.probability is not None]
    sure = [(label, reading) for label, reading in read if reading.state is not State.UNKNOWN]
    occupied, of_sure = (
        np.array([label is State.OCCUPIED for label, _ in of], bool) for of in (read, sure)
    )
    everything = np.array([(reading.probability or 0.0) >= 0.5 for _, reading in read], bool)
    answered = np.array([reading.state is State.OCCUPIED for _, reading in sure], bool)
    yield Line("readings: balanced accuracy", _share(balanced_accuracy(occupied, everything)))
    yield Line("readings: that of the answered", _share(balanced_accuracy(of_sure, answered)))
    yield Line("readings: coverage", f"{len(sure) / len(labelled):.1%}")
    reasons = Counter(reading.reason for _, reading in labelled if reading.reason is not None)
    listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    yield Line(f"of {len(labelled)} readings not answered", listed or "none")


def _label(recording: Recording, slot_id: str, frame: int) -> State | None:
    labels = recording.labels.get(slot_id)
    return None if labels is None else labels[frame]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def nothing_told(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Yield what was reported of a scene in which nothing changes."""
    for outcome in outcomes:
        labels = outcome.recording.labels
        after_first = {slot_id: row[1:] for slot_id, row in outcome.reported.items()}
        told = [row for slot_id, row in after_first.items() if slot_id in labels]
        yield Line(
            f"transitions after the first, {len(labels)} labelled slots",
            str(sum(map(len, told))),
            "0",
        )
        to_unknown = sum(state is State.UNKNOWN for row in told for _, state in row)
        yield Line("of these to UNKNOWN", str(to_unknown))
        others = [row for slot_id, row in after_first.items() if slot_id not in labels]
        yield Line(f"the same, {len(others)} other slots", str(sum(map(len, others))))
        first_wrong = sum(c.is_first_wrong for c in _compared(outcome).values())
        yield Line("first states that are wrong", str(first_wrong))
    yield from _confirmed_states(outcomes)
    yield from _single_readings(outcomes)


@dataclass(frozen=True)
class Part:
    """Sequences that make one part of the table."""

    read: Callable[[Path, bool], list[Recording]]
    tell: Callable[[Sequence[Outcome]], Iterator[Line]]
    beside: tuple[str, ...] = BESIDE
    wanted: Mapping[str, str] = field(default_factory=dict)  # of a figure of this part alone
    is_each_anew: bool = False  # the camera stands elsewhere in each picture


def _games(data: Path, is_final: bool) -> list[Recording]:
    # The two boards by themselves; a game's empties are of the other one on its board.
    pairs = [("game7", "game4")] if is_final else [("game2", "game5"), ("game5", "game2")]
    return [chess(data, game, empties_of) for game, empties_of in pairs]


PARTS = {
    "car-park": Part(car_park, changes_told, wanted={"false transitions": "<= 5"}),
    "chess": Part(_games, changes_told, wanted={"false transitions": "0"}),
    "aerial": Part(lambda data, _: [aerial(data)], nothing_told, ("alone", "picture")),
    "screws": Part(lambda data, _: [screws(data)], _single_readings, REFERENCES, is_each_anew=True),
}


def tell_each(outcome: Outcome) -> None:
    """Print every false and every missed transition, to look at."""
    shots = outcome.recording.shots
    for slot_id, comparison in _compared(outcome).items():
        for word, changes in (("false", comparison.false), ("missed", comparison.missed)):
            for change in changes:
                print(f"    {word:6} {slot_id} {change.after} {shots[change.frame].name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with 02_chess_fixedcam and so on")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[PART=]FOLDER",
        help="a bundle for all parts, or for one (default: models/default)",
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one")
    parser.add_argument("--beside", action="append", choices=BESIDE, help="only this one")
    parser.add_argument(
        "--labels", type=count_of, default=10, help="crops of each label for `labels` (default: 10)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the drawing (default: 1)")
    parser.add_argument("--final", action="store_true", help="the day and the game never chosen on")
    parser.add_argument("--each", action="store_true", help="also list what was false or missed")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    drawing = Drawing(arguments.labels, arguments.seed)
    models = {name: Path("models/default") for name in PARTS}
    for text in arguments.model:
        name, _, folder = text.rpartition("=")
        models.update({key: Path(folder) for key in ([name] if name else PARTS)})
    for name in arguments.part or PARTS:
        part = PARTS[name]
        recordings = part.read(arguments.data, arguments.final)
        classifier = open_classifier(read_bundle(models[name]))
        has_lights = any(len(recording.references) > 1 for recording in recordings)
        known = [beside for beside in part.beside if beside != "lights" or has_lights]
        for beside in known:
            if arguments.beside and beside not in arguments.beside:
                continue
            outcomes = [
                watch(r, classifier, beside, drawing, part.is_each_anew) for r in recordings
            ]
            title = ", ".join(recording.name for recording in recordings)
            print(f"\n{title}; {classifier.bundle.name}; {beside}", flush=True)
            for line in (*learnt(outcomes), *part.tell(outcomes)):
                wanted = part.wanted.get(line.subject, line.wanted)
                print(f"  {line.subject:44} {line.measured:40} {wanted}".rstrip(), flush=True)
            if arguments.each:
                for outcome in outcomes:
                    tell_each(outcome)


if __name__ == "__main__":
    main()
