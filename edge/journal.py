"""What must survive a restart: events until the broker has them, and the slots' states.

One SQLite file (WAL, `synchronous=FULL`: measured, it lost nothing in power cuts, NORMAL
did). An event and the state it led to are written in one transaction, and nothing is
written while nothing changes.

Threads: the inference thread records, the MQTT thread reads and acknowledges, the main
thread asks for the depth. One lock guards the one connection.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.types import Reason, SlotMemory, SlotwatchError, State, Transition, utc_now

KEEP_DAYS = 30  # acknowledged events stay this long for those who missed them,
KEEP_EVENTS = 100_000  # at most so many of them,
MAX_UNACKNOWLEDGED = 500_000  # and unsent events at most so many: about 60 MB
PRUNE_EVERY = 256  # events recorded between two looks at these bounds
KEEP_CORRUPT = 3  # files set aside; a dying card must not fill up with them
LOCKED_TIMEOUT_S = 1.0  # another program has the file open: do not hold up the cabinet

_SCHEMA = """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  slot TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
  probability REAL, reason TEXT, at TEXT NOT NULL,
  acknowledged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX outbox ON events(seq) WHERE acknowledged = 0;
CREATE TABLE slots (
  slot TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT, since TEXT,
  probability REAL, last_known TEXT, seq INTEGER NOT NULL, region TEXT NOT NULL
);
"""
_EVENT = "seq, slot, before, after, probability, reason, at"
_PARTS = ("", "-wal", "-shm")  # of one database
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free space on this disk",
    sqlite3.SQLITE_READONLY: "make the folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make the folder exist and writable for this user",
    sqlite3.SQLITE_BUSY: "another program holds the file: end it, or give it its own `storage`",
    sqlite3.SQLITE_IOERR: "the disk fails: replace it",
    sqlite3.SQLITE_CORRUPT: "a new journal begins; replace the disk if this happens again",
    sqlite3.SQLITE_NOTADB: "a new journal begins; replace the disk if this happens again",
}

log = logging.getLogger(__name__)


class JournalError(SlotwatchError):
    """The disk did not take it: nothing of the call was kept, the same call may be tried again."""


class Journal:
    """The events and the slots' last states, on disk; in memory when `path` is None.

    `seq` grows by one per event and never repeats, although a file may be damaged or a
    memory card replaced: a new file counts on from the Unix time of its first opening,
    which no cabinet with less than one event a second ever reaches. In memory it counts
    from 1.

    A file that SQLite cannot read is set aside as `<name>.corrupt-<time>` and a new one
    is begun, at the start or whenever the damage is met; `set_aside` then names it.

    Attributes:
        set_aside: the newest damaged file that was replaced, None if there was none.
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
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Open or create the file.

        `has_outbox=False` is for a device that sends to no broker: nobody will ever
        acknowledge, so events count as acknowledged from the start.

        Raises:
            JournalError: the file can neither be opened nor created.
        """
        self._path = path
        self._has_outbox = has_outbox
        self._keep_days = keep_days
        self._keep_events = keep_events
        self._max_unacknowledged = max_unacknowledged
        self._clock = clock
        self._lock = threading.Lock()
        self._recorded_since_prune = PRUNE_EVERY  # the first record of a run looks, too
        self._newest_seq = 0
        self.set_aside: Path | None = None
        self.dropped = 0
        self._connection: sqlite3.Connection | None = self._open()

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
        with self._transaction("record events") as connection:
            for transition, memory in changes:
                seq = self._insert_event(connection, transition)
                memory = replace(memory, seq=seq)
                self._upsert_slot(
                    connection, transition.slot_id, memory, regions.get(transition.slot_id, "")
                )
                recorded.append((replace(transition, seq=seq), memory))
            self._newest_seq = seq
            self._recorded_since_prune += len(changes)
            if self._recorded_since_prune >= PRUNE_EVERY:
                self._prune(connection, seq)
                self._recorded_since_prune = 0
        return recorded

    def unacknowledged(self, after_seq: int, limit: int) -> list[Transition]:
        """Return events that wait for the broker's acknowledgement, oldest first.

        Raises:
            JournalError: the file cannot be read.
        """
        return self._events("acknowledged = 0 AND seq > ?", after_seq, limit)

    def since(self, seq: int, limit: int) -> list[Transition]:
        """Return kept events that came after `seq`, acknowledged or not, oldest first.

        Raises:
            JournalError: the file cannot be read.
        """
        return self._events("seq > ?", seq, limit)

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """Take the events out of the outbox, in one transaction.

        Raises:
            JournalError: they stay in the outbox and will be sent once more.
        """
        rows = [(seq,) for seq in seqs]
        if not rows:
            return
        with self._transaction("acknowledge events") as connection:
            connection.executemany("UPDATE events SET acknowledged = 1 WHERE seq = ?", rows)

    def depth(self) -> int:
        """Return how many events wait for an acknowledgement.

        Raises:
            JournalError: the file cannot be read.
        """
        row = self._rows("SELECT count(*) FROM events WHERE acknowledged = 0", ())[0]
        return int(row[0])

    def slots(self) -> dict[str, tuple[SlotMemory, str]]:
        """Return each slot's last recorded state and the region it was seen in, by slot id.

        Raises:
            JournalError: the file cannot be read.
        """
        rows = self._rows(
            "SELECT slot, state, reason, since, probability, last_known, seq, region FROM slots", ()
        )
        return {row[0]: (_memory(row[1:7]), row[7]) for row in rows}

    def forget(self, slot_id: str) -> None:
        """Drop the slot's last state; its events stay.

        Raises:
            JournalError: the state is still there.
        """
        with self._transaction("forget a slot") as connection:
            connection.execute("DELETE FROM slots WHERE slot = ?", (slot_id,))

    def close(self) -> None:
        """Close the file; everything recorded is already on the disk."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    # -- reading and writing -------------------------------------------------------------

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
                0 if self._has_outbox else 1,
            ),
        )
        assert cursor.lastrowid is not None  # noqa: S101  -- an INSERT always has one
        return cursor.lastrowid

    def _upsert_slot(
        self, connection: sqlite3.Connection, slot_id: str, memory: SlotMemory, region: str
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

    def _prune(self, connection: sqlite3.Connection, newest_seq: int) -> None:
        connection.execute(
            "DELETE FROM events WHERE acknowledged = 1 AND (seq <= ? OR at < ?)",
            (
                newest_seq - self._keep_events,
                _text(self._clock() - timedelta(days=self._keep_days)),
            ),
        )
        # `seq` grows by one, so whatever is this far behind is beyond the bound.
        dropped = connection.execute(
            "DELETE FROM events WHERE acknowledged = 0 AND seq <= ?",
            (newest_seq - self._max_unacknowledged,),
        ).rowcount
        if dropped > 0 and self.dropped == 0:
            log.error(
                "journal: more than %d events wait for the broker; the oldest are given up",
                self._max_unacknowledged,
            )
        self.dropped += max(dropped, 0)

    def _events(self, condition: str, after_seq: int, limit: int) -> list[Transition]:
        rows = self._rows(
            f"SELECT {_EVENT} FROM events WHERE {condition} ORDER BY seq LIMIT ?",  # noqa: S608
            (after_seq, limit),
        )
        return [_transition(row) for row in rows]

    def _rows(self, statement: str, values: tuple[int, ...]) -> list[Any]:
        with self._transaction("read") as connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self, purpose: str) -> Iterator[sqlite3.Connection]:
        """Commit what the block does, or nothing of it."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.execute("BEGIN")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                if self._path is not None and _is_corruption(error):
                    self._replace_file(self._path, error)
                raise JournalError(
                    f"{self._path}: cannot {purpose}: {error}; {_remedy(error)}"
                ) from error
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        # Some errors (a full disk) end the transaction by themselves, others leave it open.
        with suppress(sqlite3.Error):
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    # -- the file ------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.Error as error:
            if self._path is None or not _is_corruption(error):
                raise JournalError(
                    f"{self._path}: cannot open the journal: {error}; {_remedy(error)}"
                ) from error
            self._move_aside(self._path, error)
        try:
            return self._connect()
        except sqlite3.Error as error:
            raise JournalError(
                f"{self._path}: cannot begin a new journal: {error}; {_remedy(error)}"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            ":memory:" if self._path is None else self._path,
            timeout=LOCKED_TIMEOUT_S,
            isolation_level=None,  # transactions are opened and closed by `_transaction`
            check_same_thread=False,
        )
        try:
            is_new = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if self._path is not None:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                # Damage is better met here than in the middle of the night.
                verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if verdict != "ok":
                    raise _Damaged(verdict)
            if is_new:
                connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
                if self._path is not None:
                    first = max(self._newest_seq, int(self._clock().timestamp()))
                    connection.execute(
                        "INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (first,)
                    )
        except BaseException:
            connection.close()
            raise
        return connection

    def _replace_file(self, path: Path, cause: sqlite3.Error) -> None:
        """Make way for a new file, which the next transaction begins."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        try:
            self._move_aside(path, cause)
        except OSError as error:
            log.error("%s: the damaged journal cannot be set aside: %s", path, error)

    def _move_aside(self, path: Path, cause: sqlite3.Error) -> None:
        stamp = self._clock().astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = path.with_name(f"{path.name}.corrupt-{stamp}")
        for suffix in _PARTS:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        self.set_aside = aside
        log.warning(
            "%s: the journal is damaged (%s); it is kept as %s and a new one begins",
            path,
            cause,
            aside.name,
        )
        kept = sorted(path.parent.glob(f"{path.name}.corrupt-*Z"), reverse=True)
        for old in kept[KEEP_CORRUPT:]:
            for suffix in _PARTS:
                old.with_name(old.name + suffix).unlink(missing_ok=True)


class _Damaged(sqlite3.DatabaseError):
    """What `quick_check` found."""


def _is_corruption(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    return isinstance(error, _Damaged) or code in _CORRUPT


def _remedy(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _REMEDIES.get(code, "check the disk; the daemon goes on and tries again")


def _text(moment: datetime) -> str:
    """Return the time as UTC text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _transition(row: Any) -> Transition:
    seq, slot_id, before, after, probability, reason, at = row
    return Transition(
        slot_id=slot_id,
        before=State(before),
        after=State(after),
        probability=probability,
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
        probability=probability,
        last_known=None if last_known is None else State(last_known),
        seq=seq,
    )
