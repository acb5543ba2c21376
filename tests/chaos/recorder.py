"""A consumer that may be killed: python -m tests.chaos.recorder PORT FILE DEVICE...

The example's `Consumer`; what it handles and the `seq` it remembers go into one SQLite
file, in one transaction, as `examples/consumer.py` advises.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from examples.consumer import Consumer
from tests.chaos.device import PREFIX, Event
from tests.daemon import REPOSITORY

_SCHEMA = """
CREATE TABLE IF NOT EXISTS handled (
  device TEXT, seq INTEGER, slot TEXT, before TEXT, after TEXT, reason TEXT
);
CREATE TABLE IF NOT EXISTS seen (device TEXT PRIMARY KEY, seq INTEGER);
"""


class Recorder:
    """The process, and what it has handled."""

    def __init__(self, port: int, path: Path, devices: Sequence[str]) -> None:
        self._words = [str(port), str(path), *devices]
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it; it goes on from what it has seen."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.recorder", *self._words], cwd=REPOSITORY
        )

    def kill(self) -> None:
        """SIGKILL; it must not have ended before."""
        assert self._process is not None
        self._process.kill()
        assert self._process.wait(10) == -signal.SIGKILL
        self._process = None

    def close(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def handled(self, device: str) -> list[Event]:
        """Return the events of a device in the order in which they were handled."""
        return self._rows(
            "SELECT seq, slot, before, after, reason FROM handled WHERE device = ? ORDER BY rowid",
            device,
        )

    def seen(self, device: str) -> int:
        """Return the highest `seq` it remembers of a device, 0 when there is none."""
        rows = self._rows("SELECT seq FROM seen WHERE device = ?", device)
        return int(rows[0][0]) if rows else 0

    def _rows(self, statement: str, device: str) -> list[Any]:
        with closing(open_file(self._path)) as connection:
            return connection.execute(statement, (device,)).fetchall()


@contextmanager
def recorders(port: int, paths: Sequence[Path], devices: Sequence[str]) -> Iterator[list[Recorder]]:
    """Yield a running recorder per file; they follow the devices from the first event on."""
    made: list[Recorder] = []
    try:
        for path in paths:
            made.append(Recorder(port, path, devices))
        yield made
    finally:
        for recorder in made:
            recorder.close()


def open_file(path: Path) -> sqlite3.Connection:
    """Return a connection to the recorder's file, which is made when missing."""
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")  # processes are killed here, not machines
    connection.executescript(_SCHEMA)
    return connection


def main(port: int, path: Path, devices: Sequence[str]) -> None:
    """Record from the first event on, until killed."""
    connection = open_file(path)
    seen = dict.fromkeys(devices, 0) | dict(connection.execute("SELECT device, seq FROM seen"))

    def handle(device: str, event: dict[str, Any]) -> None:
        row = (event[name] for name in ("seq", "slot", "before", "after", "reason"))
        connection.execute("BEGIN")
        connection.execute("INSERT INTO handled VALUES (?, ?, ?, ?, ?, ?)", (device, *row))
        connection.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (device, event["seq"]))
        connection.execute("COMMIT")

    # A name of its own: a broker with a memory keeps the session of whoever it lost when it was
    # killed, and queues for it, until one of that name begins anew.
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=path.name, protocol=paho.MQTTv5)
    client.reconnect_delay_set(1, 1)
    Consumer(client, seen, handle, PREFIX)
    client.connect("127.0.0.1", port)
    client.loop_forever(retry_first_connection=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
