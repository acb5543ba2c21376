"""Power cuts while changes are recorded: what `record` came back from is on the disk.

A machine of its own (user-mode Linux) runs the real journal on an ext4 disk and tells the
host what was recorded, after it was. Its power is cut at a random moment, it starts again
on the same disk, and what it finds is compared with what it had said.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.amount import amount, report
from tests.chaos.disks import make_ext4
from tests.chaos.machine import DISK, LINUX, Machine

REPOSITORY = Path(__file__).parents[2]
START_DEADLINE_S = 60.0  # it takes 2.5 s; a busy machine takes longer
LONGEST_RUN_S = 1.0  # of recording, before the power is cut: about 600 transactions
CUTS_PER_DISK = 10
WHILE_STARTING = 0.2  # share of the cuts; the recovery from a cut is cut short, too
START_S = (0.5, 2.5)  # when these come, after the start
SYNC = "synchronous = FULL"

pytestmark = pytest.mark.skipif(
    LINUX is None,
    reason="needs user-mode Linux (Debian: apt-get install user-mode-linux)",
)

Event = list[Any]  # seq, slot, before, after, at, how many were recorded together


@dataclass
class Witness:
    """What the machine said of one disk, over all its starts."""

    events: dict[int, Event] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    topics: set[str] = field(default_factory=set)  # that the ledger took
    lost: list[int] = field(default_factory=list)  # seqs that were recorded and are not there
    kernel: list[str] = field(default_factory=list)  # what else the machine printed

    def hear(self, line: str) -> bool:
        """Take a line; return whether the machine now begins to record."""
        if not line.startswith("witness "):
            self.kernel.append(line)
            return False
        words = json.loads(line.removeprefix("witness "))
        if "events" in words:
            self._compare(words)
        for event in words.get("recorded", ()):
            assert event[0] > max(self.events, default=0), f"seq {event[0]} was used before"
            self.events[event[0]] = event
        self.acknowledged.update(words.get("acknowledged", ()))
        self.topics.update([words["noted"]] if "noted" in words else ())
        return "ready" in words

    def _compare(self, found: dict[str, Any]) -> None:
        """Compare a disk after a start with everything that was said before."""
        events = {event[0]: event for event in found["events"]}
        self.lost += sorted(self.events.keys() - events.keys())
        if self.lost:
            return
        assert not [name for name in found["files"] if "corrupt" in name]
        assert found["integrity"] == "ok"

        assert {seq: events[seq] for seq in self.events} == self.events
        # Committed, but the power was gone before it could be said: whole transactions.
        unsaid = [event for seq, event in events.items() if seq not in self.events]
        for _, together in groupby(unsaid, key=lambda event: event[4:]):
            changes = list(together)
            assert len(changes) == changes[0][5]
        self.events = events

        assert not self.acknowledged & set(found["waiting"]), "an acknowledgement was forgotten"
        assert self.topics <= set(found["topics"])
        newest = {event[1]: event for event in events.values()}
        assert found["slots"] == {
            slot_id: [seq, after, at] for slot_id, (seq, _, _, after, at, _) in newest.items()
        }


class Cabinet:
    """A machine with one disk, which is started again and again."""

    def __init__(self, folder: Path, repository: Path = REPOSITORY) -> None:
        self.witness = Witness()
        self._folder = folder
        self._disk = folder / "disk"
        self._command = [
            sys.executable,
            str(Path(__file__).with_name("power_guest.py")),
            str(repository),
            DISK,
        ]
        make_ext4(self._disk, megabytes=48)

    def record(self, for_s: float) -> None:
        """Start, compare the disk with what was said, record for a while, cut the power."""
        assert self.start(START_DEADLINE_S, for_s), "\n".join(self.witness.kernel)

    def start(self, within_s: float, for_s: float = 0.0) -> bool:
        """Do the same, with a deadline for the start; return whether recording began."""
        self.witness.kernel.clear()
        machine = Machine(self._folder, self._disk, self._command)
        try:
            is_ready = any(map(self.witness.hear, machine.lines(within_s)))
            if is_ready:
                for line in machine.lines(for_s):
                    self.witness.hear(line)
        finally:
            rest = machine.cut_power()
        for line in rest:
            is_ready |= self.witness.hear(line)
        return is_ready


@pytest.mark.timeout(1800)
def test_no_recorded_change_is_lost_by_a_power_cut(tmp_path: Path) -> None:
    chance = random.Random()
    cuts, while_starting, events = amount(100), 0, 0
    for first in range(0, cuts, CUTS_PER_DISK):
        cabinet = Cabinet(tmp_path)
        for _ in range(min(CUTS_PER_DISK, cuts - first)):
            if chance.random() < WHILE_STARTING:
                while_starting += not cabinet.start(chance.uniform(*START_S))
            else:
                cabinet.record(chance.uniform(0.0, LONGEST_RUN_S))
        cabinet.record(0.0)
        assert cabinet.witness.lost == []
        events += len(cabinet.witness.events)
    report(
        f"{cuts} power cuts ({while_starting} while starting), {events} recorded changes, "
        "0 lost, 0 journals set aside"
    )


def test_changes_that_were_not_synced_are_found_missing(tmp_path: Path) -> None:
    # Without this, cuts that take nothing away would look like a journal that loses nothing.
    shutil.copytree(REPOSITORY / "edge", tmp_path / "edge")
    synced = [path for path in (tmp_path / "edge").glob("*.py") if SYNC in path.read_text("utf-8")]
    assert synced, f"no file says {SYNC!r} any more"
    for path in synced:
        path.write_text(path.read_text("utf-8").replace(SYNC, "synchronous = OFF"), "utf-8")
    cabinet = Cabinet(tmp_path, tmp_path)
    cabinet.record(LONGEST_RUN_S)
    recorded = len(cabinet.witness.events)
    cabinet.record(0.0)
    assert len(cabinet.witness.lost) > 0
    report(f"a power cut without synchronous: {len(cabinet.witness.lost)} of {recorded} lost")
