"""`slotwatch replay`: the whole pipeline over recorded pictures, as fast as it goes, no MQTT."""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from edge.bundle import read_bundle
from edge.cameras import Camera, camera_kind, open_camera
from edge.classifier import open_classifier
from edge.commands import Progress, add_config_argument, count_of
from edge.inference import build_pipeline
from edge.journal import Journal
from edge.pipeline import Pipeline
from edge.scores import area_under_roc, balanced_accuracy
from edge.settings import read_settings
from edge.sinks.payloads import event_payload, rounded
from edge.types import ConfigurationError, Frame, Reading, SlotMemory, State, rfc3339


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    parser.add_argument(
        "--source",
        required=True,
        metavar="PATH",
        help="a folder of pictures, one picture, a video file (one frame per camera.every of its "
        "own time), or simulator with --frames",
    )
    parser.add_argument(
        "--frames",
        type=count_of,
        metavar="N",
        help="stop after so many frames; the simulator has no end",
    )
    parser.add_argument(
        "--readings",
        type=Path,
        metavar="FILE",
        help="write one JSON object per frame and slot: what the frame alone says (reading) and "
        "what is confirmed (state)",
    )
    parser.add_argument(
        "--events", type=Path, metavar="FILE", help="write one JSON object per change of state"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="CSV with columns frame,slot,label (EMPTY or OCCUPIED): also say how right it was",
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay; one frame counts as `camera.every` of time (a video: its own time)."""
    settings = read_settings(arguments.config)
    settings = replace(settings, camera=replace(settings.camera, source=arguments.source))
    if camera_kind(arguments.source) == "simulator" and arguments.frames is None:
        raise ConfigurationError("the simulator has no end; say how many frames with --frames")
    labels = _read_labels(arguments.labels) if arguments.labels else None
    with ExitStack() as stack:
        readings_file = _open(stack, arguments.readings)
        events_file = _open(stack, arguments.events)
        classifier = open_classifier(read_bundle(settings.model))
        camera = open_camera(settings.camera, once=True)
        stack.callback(camera.close)
        pipeline = build_pipeline(settings, classifier)
        tally = _Tally(labels)
        frames = islice(_frames(camera), arguments.frames)
        _replay(frames, pipeline, readings_file, events_file, tally)
    print(tally.summary())
    return 0


def _open(stack: ExitStack, path: Path | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return stack.enter_context(path.open("w", encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error


def _frames(camera: Camera) -> Iterator[Frame]:
    while (frame := camera.read()) is not None:
        yield frame


def _replay(
    frames: Iterable[Frame],
    pipeline: Pipeline,
    readings_file: TextIO | None,
    events_file: TextIO | None,
    tally: _Tally,
) -> None:
    journal = Journal(None)
    with Progress("frame", None) as progress:
        for frame in frames:
            start_s = time.perf_counter()
            result = pipeline.process(frame)
            recorded = journal.record(result.changes)
            pipeline.commit(recorded)
            tally.cost_s += time.perf_counter() - start_s
            name = frame.name or str(frame.sequence)
            tally.frames += 1
            tally.transitions += len(recorded)
            for reading in result.readings:
                memory = pipeline.memories[reading.slot_id]
                tally.add(name, reading.slot_id, reading.probability, reading.state, memory.state)
                if readings_file is not None:
                    line = _reading_line(name, frame.captured_at, reading, memory)
                    _write_line(readings_file, line)
            if events_file is not None:
                for transition, _ in recorded:
                    _write_line(events_file, event_payload(transition, historical=True))
            progress.advance()
    journal.close()


def _reading_line(
    name: str, captured_at: datetime, reading: Reading, memory: SlotMemory
) -> dict[str, Any]:
    return {
        "frame": name,
        "at": rfc3339(captured_at),
        "slot": reading.slot_id,
        "probability": rounded(reading.probability),
        "reading": reading.state,
        "state": memory.state,
        "reason": reading.reason if memory.state is not State.UNKNOWN else memory.reason,
    }


def _write_line(file: TextIO, payload: object) -> None:
    file.write(json.dumps(payload, separators=(",", ":"), ensure_ascii=False) + "\n")


def _read_labels(path: Path) -> dict[tuple[str, str], bool]:
    """Return (frame, slot) -> is OCCUPIED; other labels are left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error})") from error
    missing = {"frame", "slot", "label"} - set(rows[0] if rows else ())
    if missing:
        raise ConfigurationError(
            f"{path}:1: columns {', '.join(sorted(missing))} are missing; "
            "the first line must name frame,slot,label"
        )
    return {
        (row["frame"], row["slot"]): row["label"].upper() == State.OCCUPIED
        for row in rows
        if (row["label"] or "").upper() in (State.OCCUPIED, State.EMPTY)  # a short line has none
    }


class _Tally:
    """Counts what was replayed, and how right it was where labels tell."""

    def __init__(self, labels: dict[tuple[str, str], bool] | None) -> None:
        self.frames = self.transitions = 0
        self.cost_s = 0.0
        self._labels = labels
        self._rows: list[tuple[bool, float | None, State, State]] = []
        self._readings = 0

    def add(
        self, frame: str, slot: str, probability: float | None, reading: State, state: State
    ) -> None:
        """Take one reading of one slot."""
        self._readings += 1
        if self._labels is not None and (frame, slot) in self._labels:
            self._rows.append((self._labels[frame, slot], probability, reading, state))

    def summary(self) -> str:
        """Return the lines to print."""
        per_slot_ms = 1000 * self.cost_s / max(1, self._readings)
        lines = [
            f"{self.frames} frames, {self._readings} readings, {self.transitions} transitions, "
            f"{per_slot_ms:.2f} ms per slot"
        ]
        if self._labels is not None:
            lines += self._scores()
        return "\n".join(lines)

    def _scores(self) -> list[str]:
        if not self._rows:
            return ["no label fits a frame and slot of this replay; compare the names in the CSV"]
        labels = np.array([row[0] for row in self._rows])
        seen = np.array([row[1] is not None for row in self._rows])
        scores = np.array([0.5 if row[1] is None else row[1] for row in self._rows])
        lines = [
            f"{len(labels)} labelled readings ({int(labels.sum())} OCCUPIED)",
            f"  readings, p >= 0.5:  balanced accuracy "
            f"{_figure(balanced_accuracy(labels, scores >= 0.5))}, "
            f"AUC {_figure(area_under_roc(labels, scores))}"
            + ("" if seen.all() else f", {int((~seen).sum())} without a probability"),
        ]
        for title, column in (("readings, answered", 2), ("states, confirmed", 3)):
            states: list[Any] = [row[column] for row in self._rows]
            answered = np.array([state is not State.UNKNOWN for state in states])
            occupied = np.array([state is State.OCCUPIED for state in states])
            accuracy = balanced_accuracy(labels[answered], occupied[answered])
            errors = int((occupied[answered] != labels[answered]).sum())
            lines.append(
                f"  {title + ':':<20} balanced accuracy {_figure(accuracy)} at coverage "
                f"{answered.mean():.4f}, {errors} wrong"
            )
        return lines


def _figure(value: float | None) -> str:
    return "none (one label is missing)" if value is None else f"{value:.4f}"
