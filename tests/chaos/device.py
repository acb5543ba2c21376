"""A cabinet under chaos: it changes all the time; its real daemon, and what its journal holds."""

from __future__ import annotations

import getpass
import json
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from tests.broker import eventually
from tests.cabinets import DeviceFiles, Drawn
from tests.daemon import RunningDaemon, write_yaml

PREFIX = "slotwatch"
KEPT_PICTURES = 6  # in the folder: a daemon that starts reads them all
PICTURE_EVERY_S = 0.05  # the shortest `camera.every`

Event = tuple[int, str, str, str, str | None]  # seq, slot, before, after, reason


class Pictures(threading.Thread):
    """Drops a picture into a folder every 50 ms, as a camera with FTP upload does.

    From one to the next half of the slots change; `pause` keeps the cabinet as it is, and
    the pictures go on.
    """

    def __init__(self, folder: Path, drawn: Sequence[Path], seed: int) -> None:
        super().__init__(name="pictures", daemon=True)
        self._folder = folder
        self._drawn = drawn
        self._random = random.Random(seed)
        self._states = 0  # index of a drawn picture
        self._is_paused = threading.Event()
        self._is_over = threading.Event()

    def run(self) -> None:
        """Go on until `close`."""
        shown: list[Path] = []
        while not self._is_over.wait(PICTURE_EVERY_S):
            if not self._is_paused.is_set():
                self._states = self._random.randrange(len(self._drawn))
            now = datetime.now(UTC)
            name = now.strftime("%Y%m%dT%H%M%S") + f"{now.microsecond // 1000:03d}.png"
            # The same file under another name: whole from its first moment on.
            with suppress(FileExistsError):
                os.link(self._drawn[self._states], self._folder / name)
                shown.append(self._folder / name)
            while len(shown) > KEPT_PICTURES:
                shown.pop(0).unlink()

    def pause(self) -> None:
        """Let nothing change any more."""
        self._is_paused.set()

    def close(self) -> None:
        """End, and wait for it."""
        self._is_over.set()
        self.join()


class Device(DeviceFiles):
    """One cabinet with its files, and at most one daemon."""

    def __init__(self, folder: Path, name: str, port: int, drawn: Drawn, seed: int) -> None:
        """`port` is a broker's on this machine."""
        folder.mkdir()
        super().__init__(folder, "127.0.0.1", port, drawn, name)
        self.config["decision"]["confirm"] = 1
        self.write()
        self.name = name
        self.topics = f"{PREFIX}/{name}"
        self._daemon: RunningDaemon | None = None
        self.camera = Pictures(self.pictures, drawn.paths, seed)
        self.camera.start()

    def write_slots(self, slots: Mapping[str, list[int]]) -> None:
        """Replace the slots file, as an editor does that saves by rename."""
        temporary = self.slots_path.with_suffix(".new")
        write_yaml(temporary, {"frame": list(self.frame_wh), "slots": dict(slots)})
        temporary.replace(self.slots_path)

    @property
    def daemon(self) -> RunningDaemon:
        """The running daemon."""
        assert self._daemon is not None, "the daemon is not running"
        return self._daemon

    def start(self) -> None:
        """Start the daemon; return without waiting for it."""
        assert self._daemon is None, "the daemon runs"
        self._daemon = RunningDaemon(self.config_path)

    def wait_until_connected(self) -> None:
        """Return when the daemon said that a broker accepted it."""
        eventually(self.is_connected, 30.0, self.log)

    def is_connected(self) -> bool:
        """Return whether a broker has accepted this daemon."""
        return f" as slotwatch-{self.name}" in self.log()

    def log(self) -> str:
        """Return what the running daemon has said."""
        return self.daemon.log()

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the daemon on purpose."""
        assert self._end(signal.SIGTERM) == 0

    def close(self) -> None:
        """End whatever runs."""
        self.camera.close()
        if self._daemon is not None:
            self._daemon.stop(signal.SIGKILL)

    def _end(self, number: int) -> int:
        daemon = self.daemon
        status = daemon.stop(number)
        said = daemon.log()
        assert "Traceback" not in said, said
        daemon.log_path.unlink()
        self._daemon = None
        return status

    # -- what its journal holds ----------------------------------------------------------

    @contextmanager
    def journal_left(self) -> Iterator[sqlite3.Connection]:
        """Yield a copy of the journal as a kill left it; the daemon finds it untouched."""
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("", "-wal"):
                source = self.storage / f"journal.db{suffix}"
                if source.exists():
                    shutil.copy(source, folder)
            with closing(sqlite3.connect(Path(folder) / "journal.db")) as connection:
                yield connection


def lasting_memory(folder: Path) -> tuple[str, ...]:
    """Return a Mosquitto's settings that save what it knows after every change."""
    return (
        f"user {getpass.getuser()}",  # one started by root otherwise becomes somebody else
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_on_changes true",
        "autosave_interval 1",
    )


@contextmanager
def devices(
    folder: Path, names: tuple[str, ...], port: int, drawn: Drawn
) -> Iterator[list[Device]]:
    """Yield devices whose pictures change already; their daemons are not started."""
    made: list[Device] = []
    try:
        for seed, name in enumerate(names):
            made.append(Device(folder / name, name, port, drawn, seed))
        yield made
    finally:
        for device in made:
            device.close()


def events(journal: sqlite3.Connection) -> list[Event]:
    """Return every event that the journal keeps, in the order of `seq`."""
    return journal.execute(
        "SELECT seq, slot, before, after, reason FROM events ORDER BY seq"
    ).fetchall()


def newest_seq(journal: sqlite3.Connection) -> int:
    """Return the highest `seq` of a kept event, 0 when there is none."""
    return int(journal.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])


def slot_states(journal: sqlite3.Connection) -> dict[str, tuple[str, int]]:
    """Return each slot's state in the journal, and the `seq` that led to it."""
    rows = journal.execute("SELECT slot, state, seq FROM slots")
    return {slot: (state, seq) for slot, state, seq in rows}


def told_states(retained: Mapping[str, bytes]) -> dict[str, tuple[str, int]]:
    """Return the same of a broker's retained topics `P/slots/+`."""
    slots = {topic.rpartition("/")[2]: json.loads(payload) for topic, payload in retained.items()}
    return {slot: (payload["state"], payload["seq"]) for slot, payload in slots.items()}


def problems_of_journal(journal: sqlite3.Connection) -> list[str]:
    """Return what is wrong with a journal: damage, holes, a slot's changes that form no chain."""
    found = [row[0] for row in journal.execute("PRAGMA quick_check") if row[0] != "ok"]
    newest: dict[str, tuple[str, int]] = {}
    before_seq = None
    for seq, slot, before, after, _ in events(journal):
        if before_seq is not None and seq != before_seq + 1:
            found.append(f"seq {seq} follows {before_seq}")
        known = newest.get(slot, ("UNKNOWN", 0))[0]
        if before != known:
            found.append(f"seq {seq}: {slot} was {known}, the event says {before}")
        newest[slot] = (after, seq)
        before_seq = seq
    for slot, state in slot_states(journal).items():
        if state != newest.get(slot, ("UNKNOWN", 0)):
            found.append(f"{slot} is kept as {state}, its events end with {newest.get(slot)}")
    return found


def pass_time(rng: random.Random, longest_s: float, shortest_s: float = 0.0) -> None:
    """Return at a random moment: nothing is waited for."""
    time.sleep(rng.uniform(shortest_s, longest_s))
