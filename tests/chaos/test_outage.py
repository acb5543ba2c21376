"""A broker that is away for so long that hundreds of thousands of changes wait for it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.journal import MAX_UNACKNOWLEDGED, Journal
from tests.broker import Mosquitto, Subscriber, eventually, retained, subscriber
from tests.chaos.amount import amount, report
from tests.chaos.device import devices
from tests.chaos.memory import memory_mb
from tests.chaos.outage_sender import DEVICE
from tests.daemon import REPOSITORY

P = f"slotwatch/{DEVICE}"
LONGEST_RECONNECT_S = 61.0
REPLAY_WITHIN_S = 60.0
MAY_GROW_MB = 10.0


@dataclass(frozen=True)
class Sender:
    """A device that has filled its outbox."""

    pid: int
    first: int  # seq of the first change that was recorded
    depth: int  # how many wait
    dropped: int


@contextmanager
def sender(port: int, folder: Path, count: int, bound: int) -> Iterator[Sender]:
    """Yield a device once it has recorded so many changes."""
    words = [str(port), str(folder), str(count), str(bound)]
    command = [sys.executable, "-m", "tests.chaos.outage_sender", *words]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Sender(process.pid, **json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that is away, and that forgets nothing for a slow subscriber."""
    mosquitto = Mosquitto(tmp_path, ("max_queued_messages 0",))
    mosquitto.terminate()
    yield mosquitto
    mosquitto.close()


@contextmanager
def broker_back(broker: Mosquitto, device: Sender) -> Iterator[Subscriber]:
    """Start the broker; yield a subscriber who was there before the device."""
    os.kill(device.pid, signal.SIGSTOP)
    broker.start()
    with subscriber(broker, f"{P}/#") as listener:
        os.kill(device.pid, signal.SIGCONT)
        yield listener


def wait_for_replay(listener: Subscriber, count: int) -> tuple[list[int], float]:
    """Return the `seq` of each event in the order of arrival, and how long they took."""
    eventually(lambda: listener.of(f"{P}/status"), LONGEST_RECONNECT_S)
    start_s = time.monotonic()
    topic = f"{P}/events"
    # First the cheap question: counting a long list again and again slows the subscriber down.
    eventually(
        lambda: len(listener.heard) > count and len(listener.of(topic)) >= count,
        2 * REPLAY_WITHIN_S,
        lambda: f"{len(listener.of(topic))} of {count} came",
    )
    took_s = time.monotonic() - start_s
    return [json.loads(payload)["seq"] for payload in listener.of(topic)], took_s


@pytest.mark.timeout(600)
def test_a_long_outage_is_replayed_in_order_in_a_minute_and_in_little_memory(tmp_path, broker):
    count = amount(200_000)
    with sender(broker.port, tmp_path, count, bound=count) as device:
        assert (device.depth, device.dropped) == (count, 0)
        # From here on the kernel notes the highest value anew.
        Path(f"/proc/{device.pid}/clear_refs").write_text("5")
        before_mb = memory_mb(device.pid)
        with broker_back(broker, device) as listener:
            heard, took_s = wait_for_replay(listener, count)
        grown_mb = memory_mb(device.pid, "VmHWM") - before_mb
        assert heard == list(range(device.first, device.first + count))
        assert took_s < REPLAY_WITHIN_S
        assert grown_mb <= MAY_GROW_MB
    report(
        f"an outage with {count} queued changes: replayed in order in {took_s:.1f} s "
        f"({count / took_s:.0f}/s), memory grew by {grown_mb:.1f} MiB "
        f"from {before_mb:.0f}"
    )


def test_beyond_the_bound_the_oldest_changes_go_and_are_counted(tmp_path, broker):
    count, bound = amount(200_000), amount(20_000)
    with sender(broker.port, tmp_path, count, bound) as device:
        # The bound is looked at every 256 changes, or once in a larger transaction.
        assert bound <= device.depth < bound + 400
        assert device.dropped == count - device.depth
        with broker_back(broker, device) as listener:
            heard, _ = wait_for_replay(listener, device.depth)
        newest = device.first + count - 1
        assert heard == list(range(newest - device.depth + 1, newest + 1))
    report(
        f"an outage with {count} changes, {bound} of them kept: {device.dropped} of the oldest "
        f"given up and counted, the other {device.depth} replayed in order"
    )


def fill_up(storage: Path) -> None:
    """Leave a journal as an outage leaves it that just reached the bound of unsent changes."""
    storage.mkdir()
    Journal(storage / "journal.db").close()
    with closing(sqlite3.connect(storage / "journal.db")) as connection, connection:
        connection.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT ?)"
            " INSERT INTO events (slot, before, after, at) SELECT 'S', 'EMPTY', 'OCCUPIED', ?"
            " FROM numbers",
            (MAX_UNACKNOWLEDGED, datetime.now(UTC).isoformat(timespec="microseconds")),
        )


def test_a_device_says_that_it_had_to_give_up_changes(tmp_path, broker, drawn):
    with devices(tmp_path, ("full",), broker.port, drawn) as (cabinet,):
        fill_up(cabinet.storage)
        cabinet.start()
        eventually(lambda: "the oldest are given up" in cabinet.log(), 60.0, cabinet.log)
        cabinet.camera.pause()
        broker.start()
        topic = f"{cabinet.topics}/alerts/journal_overflow"
        payload = eventually(
            lambda: retained(broker, topic).get(topic), LONGEST_RECONNECT_S, cabinet.log
        )
        alert = json.loads(payload)
        assert alert["message"].startswith(
            f"events were given up, because more than {MAX_UNACKNOWLEDGED} waited for the broker; "
            "see that it can be reached"
        )
        health = json.loads(retained(broker)[f"{cabinet.topics}/health"])
        assert health["events_dropped"] > 0
