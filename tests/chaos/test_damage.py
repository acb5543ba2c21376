"""A journal whose bytes change under it: while it is open, and between two runs.

Whatever was damaged, each call works after one error at most, no error is of another kind,
and numbers go on above all that there were. A damaged file is set aside when it is noticed.
Two kinds of damage are not: a letter that makes another valid word, for pages have no
checksum, and a damaged log, which SQLite takes for one that ends there.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from edge.journal import Journal, JournalError
from edge.types import Reason, SlotMemory, State, Transition
from tests.chaos.amount import amount, report

AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
EVENTS = 1500
SLOTS = 16
Answer = TypeVar("Answer")


def change(number: int) -> tuple[Transition, SlotMemory]:
    """Return a change that its number alone decides."""
    after = (State.OCCUPIED, State.EMPTY, State.UNKNOWN)[number % 3]
    reason = Reason.CAMERA_LOST if after is State.UNKNOWN else None
    at = AT + timedelta(seconds=number)
    transition = Transition(f"A{number % SLOTS}", State.EMPTY, after, 0.5, reason, at)
    return transition, SlotMemory(after, reason, at, 0.5, State.EMPTY)


@dataclass(frozen=True)
class Storage:
    """A journal's files as a kill left them: a part in the database, a part in its log."""

    folder: Path
    events: dict[int, Transition]

    def copy_to(self, folder: Path) -> Path:
        shutil.copytree(self.folder, folder)
        return folder / "journal.db"


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder / "journal.db", clock=lambda: AT)
    events: dict[int, Transition] = {}
    for first in range(0, EVENTS, 3):
        recorded = journal.record([change(number) for number in range(first, first + 3)])
        events.update((transition.seq, transition) for transition, _ in recorded)
    copied = tmp_path_factory.mktemp("killed") / "copy"
    shutil.copytree(folder, copied)
    journal.close()
    assert (copied / "journal.db-wal").stat().st_size > 100_000
    assert (copied / "journal.db").stat().st_size > 50_000
    return Storage(copied, events)


def overwrite(path: Path, chance: random.Random) -> str:
    """Change bytes of the file in place; return how."""
    size = path.stat().st_size
    length = chance.choice([1, 4, 64, 512, 4096, 20_000])
    at = chance.randrange(max(1, size - length))
    kind = chance.choice(["zeros", "ones", "noise", "flip", "cut"])
    with path.open("r+b") as file:
        if kind == "cut":
            file.truncate(at)
            return f"{path.name}: cut at {at} of {size}"
        file.seek(at)
        data = file.read(length)
        file.seek(at)
        damaged = {
            "zeros": bytes(len(data)),
            "ones": b"\xff" * len(data),
            "noise": chance.randbytes(len(data)),
            "flip": bytes(byte ^ 1 << chance.randrange(8) for byte in data),
        }
        file.write(damaged[kind])
    return f"{path.name}: {kind}, {length} bytes at {at} of {size}"


class Run:
    """One opening of a journal, used as a daemon uses it."""

    def __init__(self, path: Path, events: dict[int, Transition]) -> None:
        """`events` are those that were recorded before; new ones are added."""
        self.journal = Journal(path, clock=lambda: AT)
        self.errors = 0
        self.changed = 0  # events that were handed out otherwise than they were recorded
        self.missing = 0  # events that are not there any more
        self._path = path
        self._events = events

    def use(self) -> None:
        """Record, acknowledge and read; a number must not come twice."""
        for _ in range(10):
            first = len(self._events)
            changes = [change(number) for number in range(first, first + 3)]
            for transition, _ in self._call(self.journal.record, changes):
                assert transition.seq > max(self._events), "a number was used again"
                self._events[transition.seq] = transition
            self._call(self.journal.acknowledge, [max(self._events)])
        read = self._call(self.journal.since, 0, 10**6)
        self.changed = sum(self._events.get(event.seq) != event for event in read)
        self.missing = len(self._events.keys() - {event.seq for event in read})
        self._call(self.journal.unacknowledged, 0, 10**6)
        self._call(self.journal.depth)
        self._call(self.journal.slots)
        self._call(self.journal.ledger.topics)

    def end(self, is_killed: bool) -> Path:
        """Close the file, or leave it as a kill would; return where it lies then."""
        if not is_killed:
            self.journal.close()
            return self._path
        left = self._path.parent.with_name("killed")
        shutil.copytree(self._path.parent, left)
        self.journal.close()
        return left / self._path.name

    def _call(self, method: Callable[..., Answer], *words: Any) -> Answer:
        try:
            return method(*words)
        except JournalError:
            self.errors += 1
            return method(*words)  # a new file begins


def try_variant(killed: Storage, folder: Path, chance: random.Random, while_open: bool) -> str:
    """Damage a copy and go on with it; return what became of it."""
    path = killed.copy_to(folder / "storage")
    name = chance.choice(("journal.db", "journal.db-wal"))
    events = dict(killed.events)
    errors = 0
    how = ""
    try:
        if not while_open:
            how = overwrite(path.with_name(name), chance)
        for number in range(2):
            run = Run(path, events)
            run.use()
            if while_open and number == 0:
                how = overwrite(path.with_name(name), chance)
                run.use()
            errors += run.errors
            damaged = run.journal.damaged()
            path = run.end(is_killed=number == 0 and chance.random() < 0.5)
    except BaseException as error:
        error.add_note(f"after {how}")
        raise
    if damaged:
        return "set aside"
    assert errors == 0
    if run.changed:
        return "read with changed words"
    return "went on without its newest events" if run.missing else "went on with everything"


@pytest.mark.parametrize("while_open", [False, True], ids=["between runs", "while open"])
def test_damage_neither_stops_the_journal_nor_repeats_a_number(
    killed: Storage, tmp_path: Path, while_open: bool
) -> None:
    count = amount(100)
    became: Counter[str] = Counter()
    for variant in range(count):
        folder = tmp_path / str(variant)
        became[try_variant(killed, folder, random.Random(variant), while_open)] += 1
        shutil.rmtree(folder)
    figures = ", ".join(f"{number} {what}" for what, number in became.most_common())
    report(f"{count} journals damaged {'while open' if while_open else 'between runs'}: {figures}")
