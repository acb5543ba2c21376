"""Whether SQLite passed over something in its write-ahead log.

SQLite ends a log without a word before the first page whose checksum is wrong, and writes over
what comes after: right for a transaction that was cut off, and silent about committed ones that
a bad memory card has changed (file format: sqlite.org/fileformat2.html, section 4).
"""

from __future__ import annotations

import functools
import os
import sqlite3
import sys
from pathlib import Path
from typing import BinaryIO

_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24  # then comes one page
_LOG_SALTS = slice(16, 24)  # of its header
_INDEX_BYTES = 48  # of the index's header, which is there twice (sqlite.org/walformat.html)
_INDEX_NEWEST = slice(16, 20)
_INDEX_SALTS = slice(32, 40)
_SALTS = slice(8, 16)  # of a frame's header; older frames of a log that was begun anew differ
_COMMIT = slice(4, 8)  # not zero in the last frame of a transaction


def newest_left(path: Path) -> int | None:
    """Return the number of the newest committed frame by the index that lies beside the log.

    To be called before the database is opened. A process that was killed leaves it exact; after
    a power cut it may be older than the log, or None: there is none, or it is another log's.
    """
    try:
        index = _read_index(path)
        with path.with_name(f"{path.name}-wal").open("rb") as log_file:
            salts = log_file.read(_HEADER_BYTES)[_LOG_SALTS]
    except OSError:
        return None
    first, second = index[:_INDEX_BYTES], index[_INDEX_BYTES:]
    if first != second or len(salts) < 8 or first[_INDEX_SALTS] != salts:
        return None
    return int.from_bytes(first[_INDEX_NEWEST], sys.byteorder)


def has_lost_commits(connection: sqlite3.Connection, path: Path, left: int | None) -> bool:
    """Return whether SQLite leaves out the end of a transaction that was committed.

    `left` is what `newest_left` found. A kill leaves a transaction half written at the end of
    the log, which looks like damage; but then the index does not know of it either. Without it
    the log decides: whether it holds the end of a transaction that is left out, or ends within
    a page, as one that a file system check has cut short. To be called after the first read of
    the connection and before its first write.

    Raises:
        sqlite3.Error: the database cannot be read.
    """
    page_bytes = int(connection.execute("PRAGMA page_size").fetchone()[0])
    try:
        known = _newest_known(path)
        if left is not None and left >= known:
            return left > known
        with path.with_name(f"{path.name}-wal").open("rb") as log_file:
            size_bytes = os.fstat(log_file.fileno()).st_size
            frames, rest_bytes = divmod(
                size_bytes - _HEADER_BYTES, _FRAME_HEADER_BYTES + page_bytes
            )
            if size_bytes <= _HEADER_BYTES or rest_bytes:
                return size_bytes > _HEADER_BYTES
            return _newest_commit(log_file, frames, page_bytes) > known
    except FileNotFoundError:
        return False
    except OSError:
        return True  # What cannot be read may hold anything.


def _newest_known(path: Path) -> int:
    """Return the number of the last frame that SQLite takes to be valid and committed.

    The connection's first read has brought the index up to date. A PRAGMA says the same, but
    writes to the disk, which may be full (`mxFrame` in sqlite.org/walformat.html).
    """
    return int.from_bytes(_read_index(path)[_INDEX_NEWEST], sys.byteorder)


def _read_index(path: Path) -> bytes:
    """Return the index's header, both copies."""
    index = path.with_name(f"{path.name}-shm")
    return os.pread(_index_descriptor(index, index.stat().st_ino), 2 * _INDEX_BYTES, 0)


@functools.cache
def _index_descriptor(index: Path, inode: int) -> int:  # noqa: ARG001 -- a new file, a new one
    """Return a descriptor that is never closed.

    Closing any descriptor of a file ends every lock that the process holds on it, SQLite's too:
    the next program to open the database would cut the index off below this one, which ends a
    process by SIGBUS (sqlite.org/howtocorrupt.html, 2.2).
    """
    return os.open(index, os.O_RDONLY | os.O_CLOEXEC)


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
