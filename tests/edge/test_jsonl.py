"""Events as lines of JSON: bounded, whole, and quiet about a disk that fails."""

from __future__ import annotations

import io
import json
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.sinks.jsonl import JsonLinesSink
from edge.types import Alert, SlotMemory, State, Transition
from tests.schemas import problems

EVENT = Transition(
    "A1", State.EMPTY, State.OCCUPIED, 0.97, None, datetime(2026, 11, 21, tzinfo=UTC), seq=7
)


def test_every_event_is_one_line_as_on_mqtt(tmp_path: Path) -> None:
    path = tmp_path / "made" / "events.jsonl"
    sink = JsonLinesSink(path)
    sink.start()
    sink.transition(EVENT)
    sink.slot("A1", SlotMemory())
    sink.alert(Alert("camera_lost", "…", EVENT.at))
    sink.transition(EVENT)
    sink.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["seq"] for line in lines] == [7, 7]
    assert problems("event", lines[0]) == []


def test_stream_gets_the_same_lines_and_stays_open() -> None:
    stream = io.StringIO()
    sink = JsonLinesSink(stream)
    sink.transition(EVENT)
    sink.close()
    assert json.loads(stream.getvalue())["slot"] == "A1"


def test_file_is_bounded_and_the_one_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonLinesSink(path, max_bytes=1000)
    for _ in range(100):
        sink.transition(EVENT)
    assert {file.name for file in tmp_path.iterdir()} == {"events.jsonl", "events.jsonl.1"}
    for file in tmp_path.iterdir():
        assert file.stat().st_size <= 1200
        assert all(json.loads(line) for line in file.read_text().splitlines())


def test_full_disk_is_said_once_and_leaves_no_half_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonLinesSink(path)
    sink.transition(EVENT)
    size = path.stat().st_size
    # The system's bound on the size of a file stands in for the disk's: a short write,
    # then an error. (Python ignores the signal that comes with it.)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
    try:
        sink.transition(EVENT)
        sink.transition(EVENT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == size
    sink.transition(EVENT)
    assert path.stat().st_size == 2 * size
    begins, ends = [record.getMessage() for record in caplog.records]
    assert begins.startswith(f"{path}: events cannot be written (no space left for the whole line)")
    assert ends == f"{path}: written again; 2 events are missing"


def test_folder_that_cannot_be_made_does_not_stop_the_daemon(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    sink = JsonLinesSink(tmp_path / "file" / "events.jsonl")
    sink.transition(EVENT)
    assert "events cannot be written" in caplog.text
