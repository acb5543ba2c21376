"""A whole real day that no model was trained on, end to end."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from functools import partial

import pytest

from benchmarks.pklot import DAY, write_files
from edge.cameras.names import time_in_name
from edge.types import rfc3339
from tests.broker import eventually, retained, subscriber
from tests.daemon import MODEL, REPOSITORY, running_daemon

DATA = REPOSITORY.parent / "shared" / "data" / "03_pklot_ufpr05"
FRAMES = 132
PREFIX = "slotwatch/car-park"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs ../shared/data/03_pklot_ufpr05, which is not in the repository"
)


def replay(tmp_path, config):
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "edge", "replay", "--config", config),
            *("--source", DATA / DAY / "frames", "--labels", DATA / DAY / "labels.csv"),
            *("--readings", tmp_path / "readings.jsonl", "--events", tmp_path / "events.jsonl"),
        ],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# What the shipped model was measured at (0.9472 and 0.9856), less a hair; docs/benchmarks.md has
# the figures, the ones that were wanted (0.97 and 0.995), and those of the model before, which
# was slower by half, knew this car park better and every other place worse.
LEAST_BALANCED_ACCURACY = 0.945
LEAST_AREA = 0.984


@pytest.mark.timeout(300)
def test_single_readings_are_right_on_a_day_never_trained_on(tmp_path):
    printed = replay(tmp_path, write_files(DATA, tmp_path, MODEL))
    accuracy, area = map(
        float, re.search(r"p >= 0.5:  balanced accuracy ([\d.]+), AUC ([\d.]+)", printed).groups()
    )
    assert accuracy >= LEAST_BALANCED_ACCURACY, printed
    assert area >= LEAST_AREA, printed
    readings = read_lines(tmp_path / "readings.jsonl")
    with (DATA / DAY / "labels.csv").open() as file:
        assert len(readings) == len(list(csv.DictReader(file)))


@pytest.mark.timeout(300)
def test_the_daemon_publishes_what_replay_says(tmp_path, broker):
    config = write_files(DATA, tmp_path, MODEL, mqtt={"host": broker.host, "port": broker.port})
    settings = json.loads(config.read_text())
    settings["camera"] |= {"source": "uploads", "every": "50ms"}
    config.write_text(json.dumps(settings))
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    replay(tmp_path, config)
    expected = [
        {key: event[key] for key in ("slot", "before", "after", "probability", "at")}
        for event in read_lines(tmp_path / "events.jsonl")
    ]
    assert len(expected) > 150  # 40 slots find their state; the day has 216 changes
    with subscriber(broker, f"{PREFIX}/#") as listener, running_daemon(config) as daemon:

        def has_heard(count):
            return len(listener.of(f"{PREFIX}/events")) >= count

        for frame in sorted((DATA / DAY / "frames").iterdir()):
            shutil.copyfile(frame, uploads / f".{frame.name}")
            (uploads / f".{frame.name}").rename(uploads / frame.name)
            # A watched folder is one that pictures come into, not a recording.
            shown = rfc3339(time_in_name(frame.name))
            wanted = sum(event["at"] <= shown for event in expected)
            eventually(partial(has_heard, wanted), 60.0, daemon.log)
        heard = [json.loads(payload) for payload in listener.of(f"{PREFIX}/events")]
        sequence = [event["seq"] for event in heard]
        assert sequence == list(range(sequence[0], sequence[0] + len(expected)))
        assert [{key: event[key] for key in expected[0]} for event in heard] == expected

        # A subscriber that comes late sees the same truth at once.
        last = {event["slot"]: (event["after"], event["seq"]) for event in heard}
        found = {
            topic.rpartition("/")[2]: json.loads(payload)
            for topic, payload in retained(broker, f"{PREFIX}/slots/+").items()
        }
        assert len(found) == 40
        assert {key: (slot["state"], slot["seq"]) for key, slot in found.items()} == last

        daemon.stop(signal.SIGKILL)
        eventually(lambda: retained(broker)[f"{PREFIX}/status"] == b"lost", 30.0)
    with running_daemon(config) as daemon:
        eventually(lambda: retained(broker)[f"{PREFIX}/status"] == b"online", 30.0, daemon.log)
        assert daemon.stop() == 0
        assert retained(broker)[f"{PREFIX}/status"] == b"offline"
