"""How much memory some processes take together, each page counted once.

The sum of their resident sizes counts a library's pages once for each process that has it
open; the kernel's proportional size (PSS) divides them by all processes of the machine, also
by those that have nothing to do with these. So pages are looked up: which ones are there, and
for pages of files, which page of which file (proc_pid_pagemap(5); the physical numbers, that
only root may see, are not needed).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PRESENT = np.uint64(1 << 63)
_OF_A_FILE = np.uint64(1 << 61)  # or of shared memory; a private copy of a file's page is neither
_ENTRY_BYTES = 8
# start-end permissions offset device inode
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) (\S+) (\d+)")


def distinct_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of these processes, bytes; what they share counts once.

    A process that is gone counts nothing.
    """
    private_pages = 0
    shared_pages: dict[tuple[str, int], set[int]] = {}
    for pid in pids:
        try:
            mappings = Path(f"/proc/{pid}/maps").read_text().splitlines()
            pagemap_fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            for line in mappings:
                file, entries, first_page = _pages_of(line, pagemap_fd)
                present = (entries & _PRESENT) != 0
                shared = present & ((entries & _OF_A_FILE) != 0)
                private_pages += int(present.sum() - shared.sum())
                numbers = np.flatnonzero(shared) + first_page
                shared_pages.setdefault(file, set()).update(numbers.tolist())
        finally:
            os.close(pagemap_fd)
    return (private_pages + sum(map(len, shared_pages.values()))) * _PAGE_BYTES


def _pages_of(line: str, pagemap_fd: int) -> tuple[tuple[str, int], np.ndarray, int]:
    """Return a mapping's file, the kernel's word on each of its pages, and the first's number."""
    match = _MAPPING.match(line)
    if match is None:
        raise ValueError(f"{line}: is no line of /proc/PID/maps")
    start, end, offset = (int(match[group], 16) // _PAGE_BYTES for group in (1, 2, 3))
    try:
        data = os.pread(pagemap_fd, (end - start) * _ENTRY_BYTES, start * _ENTRY_BYTES)
    except (OSError, OverflowError):
        data = b""  # [vsyscall] lies where no process has memory
    return (match[4], int(match[5])), np.frombuffer(data, np.uint64), offset
