"""Whether SQLite passed over something in its write-ahead log.

SQLite ends a log without a word before the first page whose checksum is wrong, and writes over
what comes after: right for a transaction that was cut off, and silent about committed ones that
a bad memory card has changed (file format: sqlite.org/fileformat2.html, section 4).
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from typing import BinaryIO

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24  # then comes one page
_SALTS = slice(8, 16)  # of a frame's header; older frames of a log that was begun anew differ
_COMMIT = slice(4, 8)  # not zero in the last frame of a transaction


def has_lost_commits(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the database's log holds the end of a transaction that SQLite leaves out.

    Also when the log ends within a page, as one that a file system check has cut short. To be
    called after the first read of the connection and before its first write.

    Raises:
        sqlite3.Error: the database cannot be read.
    """
    page_bytes = int(connection.execute("PRAGMA page_size").fetchone()[0])
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as log_file:
            size_bytes = os.fstat(log_file.fileno()).st_size
            frames, rest_bytes = divmod(
                size_bytes - _HEADER_BYTES, _FRAME_HEADER_BYTES + page_bytes
            )
            if size_bytes <= _HEADER_BYTES or rest_bytes:
                return size_bytes > _HEADER_BYTES
            return _newest_commit(log_file, frames, page_bytes) > _newest_known(path)
    except FileNotFoundError:
        return False


def _newest_known(path: Path) -> int:
    """Return the number of the last frame that SQLite takes to be valid and committed.

    The connection's first read has brought the index up to date. A PRAGMA says the same, but
    writes to the disk, which may be full (`mxFrame` in sqlite.org/walformat.html).
    """
    with path.with_name(f"{path.name}-shm").open("rb") as index:
        return int.from_bytes(index.read(20)[16:], sys.byteorder)


def _newest_commit(log_file: BinaryIO, frames: int, page_bytes: int) -> int:
    """Return the number of the last frame that ends a transaction, from 1; 0 without any."""
    # The log's own and those of its first frame: either may be what is damaged.
    log_file.seek(16)
    salts = {log_file.read(8)}
    newest = 0
    for number in range(1, frames + 1):
        log_file.seek(_HEADER_BYTES + (number - 1) * (_FRAME_HEADER_BYTES + page_bytes))
        header = log_file.read(_FRAME_HEADER_BYTES)
        if number == 1:
            salts.add(header[_SALTS])
        if header[_SALTS] in salts and header[_COMMIT] != bytes(4):
            newest = number
    return newest
