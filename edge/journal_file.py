"""One SQLite file that outlives power cuts and its own damage.

WAL and `synchronous=FULL`: measured, it lost nothing in power cuts, NORMAL did. A file that
SQLite cannot read is set aside and a new one is begun, at the start or whenever the damage is
met. One lock guards the one connection: any thread may call.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from edge.types import SlotwatchError
from edge.write_ahead_log import has_lost_commits, newest_left

KEEP_CORRUPT = 3  # files set aside; a dying card must not fill up with them
LOCKED_TIMEOUT_S = 1.0  # another program has the file open: do not hold up the cabinet

_PARTS = ("", "-wal", "-shm")  # of one database
# No mistake in a file that a person edits: it may pass.
_PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY)
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free space on this disk",
    sqlite3.SQLITE_IOERR_SHMSIZE: "free space on this disk",
    sqlite3.SQLITE_READONLY: "make the folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make the folder exist and writable for this user",
    sqlite3.SQLITE_BUSY: "another program holds the file: end it, or give it its own `storage`",
    sqlite3.SQLITE_IOERR: "the disk fails: replace it",
    sqlite3.SQLITE_CORRUPT: "a new journal begins; replace the disk if this happens again",
    sqlite3.SQLITE_NOTADB: "a new journal begins; replace the disk if this happens again",
}

Row = TypeVar("Row")

log = logging.getLogger(__name__)


class JournalError(SlotwatchError):
    """The disk did not take it: nothing of the call was kept, the same call may be tried again."""


class JournalFile:
    """The one connection to the file, or to a database in memory when `path` is None."""

    def __init__(
        self,
        path: Path | None,
        prepare: Callable[[sqlite3.Connection, bool], None],
        clock: Callable[[], datetime],
        is_patient: bool = False,
    ) -> None:
        """Open or create the file.

        With `is_patient` a disk that is full or fails does not matter yet: each transaction
        tries to open the file again.

        `prepare` makes what is missing of the tables, also in a file that was just begun; it is
        told whether the newest of what was committed is lost.

        Raises:
            JournalError: the file can neither be opened nor created.
        """
        self.path = path
        self._prepare = prepare
        self._clock = clock
        self._lock = threading.Lock()
        self.generation = 0  # grows when a damaged file is replaced
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = self._open()
        except JournalError as error:
            cause = error.__cause__
            if not (is_patient and isinstance(cause, sqlite3.Error) and _code(cause) in _PASSING):
                raise
            log.error("%s", error)

    @contextmanager
    def transaction(self, purpose: str) -> Iterator[sqlite3.Connection]:
        """Commit what the block does, or nothing of it.

        Raises:
            JournalError: nothing was kept; it names the `purpose`, the cause and the remedy.
        """
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.execute("BEGIN")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                if self.path is not None and _is_corruption(error):
                    self._replace_file(self.path, error)
                raise JournalError(
                    f"{self.path}: cannot {purpose}: {error}; {_remedy(error)}"
                ) from error
            except BaseException:
                self._roll_back()
                raise

    def rows(
        self,
        statement: str,
        values: tuple[int, ...] = (),
        parse: Callable[[Any], Row] = lambda row: row,
    ) -> list[Row]:
        """Return what a SELECT finds, each row as `parse` makes it.

        Raises:
            JournalError: the file cannot be read, or holds what `parse` refuses with a
                ValueError or TypeError: then it is damaged.
        """
        with self.transaction("read") as connection:
            rows = connection.execute(statement, values).fetchall()
            try:
                return [parse(row) for row in rows]
            except (ValueError, TypeError) as error:
                # No page has a checksum: changed bytes inside of a row pass `quick_check`.
                raise Damaged(f"a row cannot be read: {error}") from error

    def damaged(self) -> tuple[Path, ...]:
        """Return the damaged files that were set aside and lie there still, newest first."""
        if self.path is None:
            return ()
        return tuple(sorted(self.path.parent.glob(f"{self.path.name}.corrupt-*Z"), reverse=True))

    def close(self) -> None:
        """Close the file; everything committed is already on the disk."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _roll_back(self) -> None:
        # Some errors (a full disk) end the transaction by themselves, others leave it open.
        with suppress(sqlite3.Error):
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.Error as error:
            if self.path is None or not _is_corruption(error):
                raise JournalError(
                    f"{self.path}: cannot open the journal: {error}; {_remedy(error)}"
                ) from error
            self._move_aside(self.path, error)
        try:
            return self._connect()
        except sqlite3.Error as error:
            raise JournalError(
                f"{self.path}: cannot begin a new journal: {error}; {_remedy(error)}"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        left = None if self.path is None else newest_left(self.path)
        connection = sqlite3.connect(
            ":memory:" if self.path is None else self.path,
            timeout=LOCKED_TIMEOUT_S,
            isolation_level=None,  # transactions are opened and closed by `transaction`
            check_same_thread=False,
        )
        try:
            if self.path is not None:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                # Damage is better met here than in the middle of the night.
                verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if verdict != "ok":
                    raise Damaged(verdict)
            has_lost = self.path is not None and has_lost_commits(connection, self.path, left)
            self._prepare(connection, has_lost)
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
        self.generation += 1
        at = self._clock().astimezone(UTC)
        while (aside := path.with_name(f"{path.name}.corrupt-{at:%Y%m%dT%H%M%SZ}")).exists():
            at += timedelta(seconds=1)
        for suffix in _PARTS:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        log.warning(
            "%s: the journal is damaged (%s); it is kept as %s and a new one begins",
            path,
            cause,
            aside.name,
        )
        # Not by the clock alone: it may say that the newest is the oldest.
        others = [path for path in self.damaged() if path != aside]
        for old in others[KEEP_CORRUPT - 1 :]:
            for suffix in _PARTS:
                old.with_name(old.name + suffix).unlink(missing_ok=True)


class Damaged(sqlite3.DatabaseError):
    """The file holds what was never written."""


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF  # without the extended part


def _is_corruption(error: sqlite3.Error) -> bool:
    # Python's own: a text that is none has no code.
    is_no_text = str(error).startswith("Could not decode to UTF-8")
    return isinstance(error, Damaged) or is_no_text or _code(error) in _CORRUPT


def _remedy(error: sqlite3.Error) -> str:
    extended = getattr(error, "sqlite_errorcode", 0)
    fallback = _REMEDIES.get(_code(error), "check the disk; the daemon goes on and tries again")
    return _REMEDIES.get(extended, fallback)
