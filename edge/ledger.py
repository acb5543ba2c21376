"""What was ever published and retained, so that nothing of it outlives its meaning.

A broker keeps what it was told to retain until it is told otherwise, also what this device has
long forgotten: a slot that was removed while the daemon was off, a topic below a former name.
So every retained topic is noted here before it is first sent. What was cleared is remembered
for a while, because a broker may come back from an older copy of its memory.

Lies in the journal's file; the MQTT thread writes it, others may read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from edge.journal_file import JournalFile

REMEMBER_DAYS = 30  # what was cleared,
REMEMBER_TOPICS = 1000  # at most so many of them

LEDGER_SCHEMA = "CREATE TABLE IF NOT EXISTS topics (topic TEXT PRIMARY KEY, cleared_at TEXT);"


class Ledger:
    """The retained topics of this device."""

    def __init__(self, file: JournalFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    @property
    def generation(self) -> int:
        """A number that changes when the journal's file is replaced, and the ledger with it."""
        return self._file.generation

    def topics(self) -> dict[str, bool]:
        """Return every topic that was published, and whether it was cleared since.

        Raises:
            JournalError: the file cannot be read.
        """
        return dict(
            self._file.rows(
                "SELECT topic, cleared_at IS NOT NULL FROM topics ORDER BY topic",
                parse=lambda row: (str(row[0]), bool(row[1])),
            )
        )

    def note(self, topics: Collection[str]) -> None:
        """Take that these are about to be published.

        Raises:
            JournalError: nothing was noted.
        """
        with self._file.transaction("note what is published") as connection:
            connection.executemany(
                "INSERT INTO topics (topic) VALUES (?)"
                " ON CONFLICT (topic) DO UPDATE SET cleared_at = NULL",
                [(topic,) for topic in topics],
            )

    def clear(self, topics: Collection[str]) -> None:
        """Take that the broker has cleared these.

        Raises:
            JournalError: they count as published still.
        """
        if not topics:
            return
        now = self._clock().astimezone(UTC)
        with self._file.transaction("note what was cleared") as connection:
            connection.executemany(
                "UPDATE topics SET cleared_at = ? WHERE topic = ?",
                [(now.isoformat(timespec="seconds"), topic) for topic in topics],
            )
            oldest = (now - timedelta(days=REMEMBER_DAYS)).isoformat(timespec="seconds")
            connection.execute("DELETE FROM topics WHERE cleared_at < ?", (oldest,))
            connection.execute(
                "DELETE FROM topics WHERE cleared_at IS NOT NULL AND topic NOT IN"
                " (SELECT topic FROM topics WHERE cleared_at IS NOT NULL"
                " ORDER BY cleared_at DESC LIMIT ?)",
                (REMEMBER_TOPICS,),
            )

    def forget(self, topics: Collection[str]) -> None:
        """Take that these are nothing to this device any more.

        Raises:
            JournalError: they are remembered still.
        """
        if not topics:
            return
        with self._file.transaction("forget what was published") as connection:
            connection.executemany(
                "DELETE FROM topics WHERE topic = ?", [(topic,) for topic in topics]
            )
