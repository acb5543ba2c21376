"""Slots come, go and change their names, with SIGKILLs between: what is retained is what is set."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.broker import Mosquitto, eventually, retained
from tests.chaos.amount import amount, report
from tests.chaos.device import PREFIX, Device, devices, lasting_memory, pass_time

NAME = "edited"
MOST_SLOTS = 12
LOOK_EVERY = 10  # edits between two looks at what is retained
SETTLED_WITHIN_S = 60.0  # the device's longest wait for a reconnect
BROKERS = ("lasting", "from an old copy")


class Slots:
    """A technician's changing mind: additions, renames and removals, by chance."""

    def __init__(self, boxes: Mapping[str, list[int]], rng: random.Random) -> None:
        self._random = rng
        self._places = list(boxes.values())
        self.current = dict(boxes)

    def edit(self) -> None:
        """Add, rename or remove one; names that are gone come back at times."""
        kinds = [self._add] if len(self.current) < MOST_SLOTS else []
        kinds += [self._rename, *([self._remove] if len(self.current) > 1 else [])]
        self._random.choice(kinds)()

    def _add(self) -> None:
        self.current[self._free_name()] = self._random.choice(self._places)

    def _rename(self) -> None:
        before, after = self._random.choice(list(self.current)), self._free_name()
        self.current = {
            after if slot == before else slot: box for slot, box in self.current.items()
        }

    def _remove(self) -> None:
        del self.current[self._random.choice(list(self.current))]

    def _free_name(self) -> str:
        names = [f"S{number}" for number in range(5 * MOST_SLOTS)]
        return self._random.choice([name for name in names if name not in self.current])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", BROKERS)
def test_edited_slots_leave_no_ghost(tmp_path, drawn, kind):
    edits = amount(1000) // len(BROKERS)
    rng = random.Random(kind)
    broker = Mosquitto(tmp_path, lasting_memory(tmp_path))
    copies: list[Path] = []
    kills, longest_s = 0, 0.0
    try:
        with devices(tmp_path, (NAME,), broker.port, drawn) as (cabinet,):
            slots = Slots(drawn.boxes, rng)
            cabinet.start()
            for number in range(1, edits + 1):
                kills += _edit(cabinet, slots, rng)
                if number % LOOK_EVERY:
                    continue
                if kind == BROKERS[1] and copies:
                    kills += _restore(broker, tmp_path, rng.choice(copies), cabinet, rng)
                longest_s = max(longest_s, _settle(broker, cabinet, slots))
                copies.append(_copy(tmp_path, number))
            told = json.loads(retained(broker)[f"{cabinet.topics}/info"])["slots"]
            assert [slot["id"] for slot in told] == list(slots.current)
            cabinet.stop()
            assert _told(broker, cabinet) == _wanted(cabinet, slots)
    finally:
        broker.close()
    report(
        f"{edits} edits of the slots with {kills} SIGKILLs of the daemon, broker {kind}"
        f"{f' {len(copies) - 1} times' if kind == BROKERS[1] else ''}: 0 ghosts in "
        f"{len(copies)} looks, settled after at most {longest_s:.1f} s"
    )


def _edit(cabinet: Device, slots: Slots, rng: random.Random) -> int:
    """Edit the slots file at a random point of a daemon's life; return how often it was killed."""
    way = rng.random()
    if way < 0.25:  # while the daemon is down
        is_killed = way < 0.15 or not cabinet.is_connected()
        (cabinet.kill if is_killed else cabinet.stop)()
        slots.edit()
        cabinet.write_slots(slots.current)
        cabinet.start()
        return int(is_killed)
    slots.edit()
    cabinet.write_slots(slots.current)
    if rng.random() < 0.7 and cabinet.is_connected():
        cabinet.daemon.process.send_signal(signal.SIGHUP)  # look now, not within a second
    pass_time(rng, 0.3)
    if way < 0.6:
        return 0
    cabinet.kill()
    pass_time(rng, 0.1)
    cabinet.start()
    return 1


def _copy(folder: Path, number: int) -> Path:
    """Keep the broker's memory as it is now."""
    copy = folder / f"copy-{number}"
    eventually((folder / "mosquitto.db").exists)
    shutil.copy(folder / "mosquitto.db", copy)
    return copy


def _restore(
    broker: Mosquitto, folder: Path, copy: Path, cabinet: Device, rng: random.Random
) -> int:
    """Have the broker come back with an older memory; return how often the daemon was killed."""
    is_daemon_killed = rng.random() < 0.5
    if is_daemon_killed:
        cabinet.kill()
    broker.kill()
    shutil.copy(copy, folder / "mosquitto.db")
    broker.start()
    if is_daemon_killed:
        cabinet.start()
    return int(is_daemon_killed)


def _settle(broker: Mosquitto, cabinet: Device, slots: Slots) -> float:
    """Wait until the retained topics are those of the settings; return how long it took."""
    start_s = time.monotonic()
    eventually(
        lambda: _told(broker, cabinet) == _wanted(cabinet, slots),
        SETTLED_WITHIN_S,
        lambda: (
            f"ghosts {sorted(_told(broker, cabinet) - _wanted(cabinet, slots))}, missing "
            f"{sorted(_wanted(cabinet, slots) - _told(broker, cabinet))}\n{cabinet.log()}"
        ),
    )
    return time.monotonic() - start_s


def _told(broker: Mosquitto, cabinet: Device) -> set[str]:
    # A busy machine may be slow, and health is told two seconds after a start.
    optional = {f"{cabinet.topics}/alerts/inference_slow", f"{cabinet.topics}/health"}
    return set(retained(broker, f"{PREFIX}/#")) - optional


def _wanted(cabinet: Device, slots: Slots) -> set[str]:
    topics = ("status", "info", *(f"slots/{slot}" for slot in slots.current))
    return {f"{cabinet.topics}/{topic}" for topic in topics}
