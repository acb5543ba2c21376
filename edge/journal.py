"""What must survive a restart: events until the broker has them, and the slots' states.

An event and the state it led to are written in one transaction, and nothing is written while
nothing changes. Beside them lies what was ever published (`edge.ledger`).

Threads: the inference thread records, the MQTT thread reads and acknowledges, the main
thread asks for the depth.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.files import write_durably
from edge.journal_file import JournalError, JournalFile
from edge.ledger import LEDGER_SCHEMA, Ledger
from edge.types import Reason, SlotMemory, State, Transition, utc_now

__all__ = ["Journal", "JournalError"]

KEEP_DAYS = 30  # acknowledged events stay this long for those who missed them,
KEEP_EVENTS = 100_000  # at most so many of them,
MAX_UNACKNOWLEDGED = 500_000  # and unsent events at most so many: about 60 MB
PRUNE_EVERY = 256  # events recorded between two looks at these bounds
FIRST_TIME = datetime(2026, 1, 1, tzinfo=UTC)  # of any event that is dated right
RESERVE = 4096  # numbers kept ready for a file that has lost its newest events

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  slot TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
  probability REAL, reason TEXT, at TEXT NOT NULL,
  acknowledged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS outbox ON events(seq) WHERE acknowledged = 0;
CREATE TABLE IF NOT EXISTS slots (
  slot TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT, since TEXT,
  probability REAL, last_known TEXT, seq INTEGER NOT NULL, region TEXT NOT NULL
);
"""
_EVENT = "seq, slot, before, after, probability, reason, at"

log = logging.getLogger(__name__)


class Journal:
    """The events and the slots' last states, on disk; in memory when `path` is None.

    `seq` grows by one per event and never repeats, although a file may be damaged or a
    memory card replaced. A new file counts on from the milliseconds since 1970, which no cabinet
    with less than a thousand events a second ever reaches, and from above every number reserved
    in the small file beside it, whatever the clock says. In memory it counts from 1.

    Attributes:
        has_outbox: whether a broker will acknowledge what is recorded from now on.
        ledger: what was ever published, in the same file.
        dropped: events that were given up unsent since the start, because more than
            `max_unacknowledged` were waiting.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        has_outbox: bool = True,
        keep_days: int = KEEP_DAYS,
        keep_events: int = KEEP_EVENTS,
        max_unacknowledged: int = MAX_UNACKNOWLEDGED,
        is_patient: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Open or create the file; with `is_patient` also later, when the disk is full now.

        `has_outbox=False` is for a device that sends to no broker: nobody will ever
        acknowledge, so events count as acknowledged from the start.

        Raises:
            JournalError: the file can neither be opened nor created.
        """
        self.has_outbox = has_outbox
        self._keep_days = keep_days
        self._keep_events = keep_events
        self._max_unacknowledged = max_unacknowledged
        self._clock = clock
        self._recorded_since_prune = PRUNE_EVERY  # the first record of a run looks, too
        self._reserved = _Reserved(path)
        self._newest_seq = 0
        self.dropped = 0
        self._file = JournalFile(path, self._prepare, clock, is_patient)
        self._reserved.reach(self._newest_seq)
        self.ledger = Ledger(self._file, clock)

    @property
    def newest_seq(self) -> int:
        """The number of the newest event, also of one that is no longer kept; 0 without any."""
        return self._newest_seq

    @property
    def max_unacknowledged(self) -> int:
        """How many unsent events are kept at most."""
        return self._max_unacknowledged

    def record(
        self,
        changes: Sequence[tuple[Transition, SlotMemory]],
        regions: Mapping[str, str] = MappingProxyType({}),
    ) -> list[tuple[Transition, SlotMemory]]:
        """Write the changes in one transaction; return them with their `seq` filled in.

        `regions` holds a text by slot id that names where the slot was seen; `slots()`
        gives it back, so that a slot that moved during a restart is recognised.

        Raises:
            JournalError: nothing was written.
        """
        if not changes:
            return []
        recorded: list[tuple[Transition, SlotMemory]] = []
        dropped = 0
        is_due = self._recorded_since_prune + len(changes) >= PRUNE_EVERY
        with self._file.transaction("record events") as connection:
            for transition, memory in changes:
                seq = self._insert_event(connection, transition)
                memory = replace(memory, seq=seq)
                region = regions.get(transition.slot_id, "")
                _upsert_slot(connection, transition.slot_id, memory, region)
                recorded.append((replace(transition, seq=seq), memory))
            if is_due:
                dropped = self._prune(connection, seq)
        # Only now: what was rolled back has not happened.
        self._newest_seq = seq
        self._recorded_since_prune = 0 if is_due else self._recorded_since_prune + len(changes)
        self._count_dropped(dropped)
        self._reserved.reach(seq)
        return recorded

    def unacknowledged(self, after_seq: int, limit: int) -> list[Transition]:
        """Return events that wait for the broker's acknowledgement, oldest first.

        Raises:
            JournalError: the file cannot be read.
        """
        return self._events("acknowledged = 0 AND seq > ?", (after_seq,), limit)

    def since(self, seq: int, limit: int, up_to: int | None = None) -> list[Transition]:
        """Return kept events that came after `seq`, acknowledged or not, oldest first.

        Those after `up_to` are left out.

        Raises:
            JournalError: the file cannot be read.
        """
        if up_to is None:
            return self._events("seq > ?", (seq,), limit)
        return self._events("seq > ? AND seq <= ?", (seq, up_to), limit)

    def is_complete_since(self, seq: int) -> bool:
        """Return whether every event after `seq` is still kept.

        Raises:
            JournalError: the file cannot be read.
        """
        statement = "SELECT count(*) FROM events WHERE seq > ?"
        if seq > self._newest_seq:
            return False  # Whoever asks knows more than this journal: it is another one.
        (kept,) = self._file.rows(statement, (seq,), parse=lambda row: int(row[0]))
        # Numbers grow by one: where there are fewer, some are gone.
        return kept >= self._newest_seq - seq

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Take the events out of the outbox, in one transaction.

        Raises:
            JournalError: they stay in the outbox and will be sent once more.
        """
        rows = [(seq,) for seq in seqs]
        if not rows:
            return
        with self._file.transaction("acknowledge events") as connection:
            connection.executemany("UPDATE events SET acknowledged = 1 WHERE seq = ?", rows)

    def depth(self) -> int:
        """Return how many events wait for an acknowledgement.

        Raises:
            JournalError: the file cannot be read.
        """
        statement = "SELECT count(*) FROM events WHERE acknowledged = 0"
        (depth,) = self._file.rows(statement, parse=lambda row: int(row[0]))
        return depth

    def slots(self) -> dict[str, tuple[SlotMemory, str]]:
        """Return each slot's last recorded state and the region it was seen in, by slot id.

        Raises:
            JournalError: the file cannot be read.
        """
        rows = self._file.rows(
            "SELECT slot, state, reason, since, probability, last_known, seq, region FROM slots",
            parse=lambda row: (str(row[0]), (_memory(row[1:7]), str(row[7]))),
        )
        return dict(rows)

    def forget(self, slot_id: str) -> None:
        """Drop the slot's last state; its events stay.

        Raises:
            JournalError: the state is still there.
        """
        with self._file.transaction("forget a slot") as connection:
            connection.execute("DELETE FROM slots WHERE slot = ?", (slot_id,))

    def probe(self) -> None:
        """Write something that changes nothing, to see whether the disk takes it.

        Raises:
            JournalError: it does not.
        """
        with self._file.transaction("write") as connection:
            # SQLite leaves out writing what is there already, but not this.
            connection.execute("PRAGMA user_version = 1")

    def damaged(self) -> tuple[Path, ...]:
        """Return the damaged files that were replaced and lie there still, newest first."""
        return self._file.damaged()

    def close(self) -> None:
        """Close the file; everything recorded is already on the disk."""
        self._file.close()

    def _prepare(self, connection: sqlite3.Connection, has_lost_events: bool) -> None:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master").fetchall()
        }
        if not {"events", "slots", "topics"} <= tables:
            connection.executescript(f"BEGIN; {_SCHEMA} {LEDGER_SCHEMA} COMMIT;")
        newest = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        row = newest.fetchone()
        if row is None and self._reserved.path is not None:
            # Also when a kill came between the tables and this.
            row = (
                max(self._newest_seq, self._reserved.up_to, int(1000 * self._clock().timestamp())),
            )
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", row)
        elif row is not None and has_lost_events:
            # Their numbers may be out in the world.
            log.warning("journal: the newest events are lost to damage of the disk")
            row = (max(row[0], self._reserved.up_to),)
            connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'events'", row)
        self._newest_seq = row[0] if row is not None else 0

    def _insert_event(self, connection: sqlite3.Connection, transition: Transition) -> int:
        cursor = connection.execute(
            "INSERT INTO events (slot, before, after, probability, reason, at, acknowledged)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                transition.slot_id,
                transition.before,
                transition.after,
                transition.probability,
                transition.reason,
                _text(transition.at),
                0 if self.has_outbox else 1,
            ),
        )
        assert cursor.lastrowid is not None  # noqa: S101  -- an INSERT always has one
        return cursor.lastrowid

    def _prune(self, connection: sqlite3.Connection, newest_seq: int) -> int:
        """Delete what is beyond the bounds; return how many unsent events were."""
        connection.execute(
            # A time before this program's is that of a clock that was wrong.
            "DELETE FROM events WHERE acknowledged = 1 AND (seq <= ? OR at BETWEEN ? AND ?)",
            (
                newest_seq - self._keep_events,
                _text(FIRST_TIME),
                _text(self._clock() - timedelta(days=self._keep_days)),
            ),
        )
        # `seq` grows by one, so whatever is this far behind is beyond the bound.
        return connection.execute(
            "DELETE FROM events WHERE acknowledged = 0 AND seq <= ?",
            (newest_seq - self._max_unacknowledged,),
        ).rowcount

    def _count_dropped(self, dropped: int) -> None:
        if dropped > 0 and self.dropped == 0:
            log.error(
                "journal: more than %d events wait for the broker; the oldest are given up",
                self._max_unacknowledged,
            )
        self.dropped += dropped

    def _events(self, condition: str, values: tuple[int, ...], limit: int) -> list[Transition]:
        return self._file.rows(
            f"SELECT {_EVENT} FROM events WHERE {condition} ORDER BY seq LIMIT ?",  # noqa: S608
            (*values, limit),
            _transition,
        )


class _Reserved:
    """A number beside the journal that no event has reached, for a file that lost its newest.

    A new file could count on from the clock alone, if clocks were right: a device without a
    battery for its clock may start in 1970, or have numbered its events from a year to come.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = None if path is None else path.with_name(f"{path.name}.seq")
        self.up_to = 0
        if self.path is not None:
            try:
                self.up_to = int(self.path.read_bytes()[:20])
            except FileNotFoundError:
                pass
            except (OSError, ValueError) as error:
                log.warning("%s: cannot be read (%s); a new one is written", self.path, error)

    def reach(self, seq: int) -> None:
        """Reserve more numbers when half of them are used up."""
        if self.path is None or seq <= self.up_to - RESERVE // 2:
            return
        try:
            write_durably(self.path, b"%d" % (seq + RESERVE))
        except OSError as error:
            # There is room for many events still before it matters.
            log.warning("%s: cannot be written (%s)", self.path, error.strerror)
        self.up_to = seq + RESERVE


def _upsert_slot(
    connection: sqlite3.Connection, slot_id: str, memory: SlotMemory, region: str
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO slots"
        " (slot, state, reason, since, probability, last_known, seq, region)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            slot_id,
            memory.state,
            memory.reason,
            None if memory.since is None else _text(memory.since),
            memory.probability,
            memory.last_known,
            memory.seq,
            region,
        ),
    )


def _text(moment: datetime) -> str:
    """Return the time as UTC text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _transition(row: Any) -> Transition:
    seq, slot_id, before, after, probability, reason, at = row
    return Transition(
        slot_id=slot_id,
        before=State(before),
        after=State(after),
        probability=None if probability is None else float(probability),
        reason=None if reason is None else Reason(reason),
        at=datetime.fromisoformat(at),
        seq=seq,
    )


def _memory(row: Any) -> SlotMemory:
    state, reason, since, probability, last_known, seq = row
    return SlotMemory(
        state=State(state),
        reason=None if reason is None else Reason(reason),
        since=None if since is None else datetime.fromisoformat(since),
        probability=None if probability is None else float(probability),
        last_known=None if last_known is None else State(last_known),
        seq=seq,
    )
