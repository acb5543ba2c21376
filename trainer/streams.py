"""Standard streams that take whatever a command prints, and a terminal that nothing steers."""

from __future__ import annotations

import logging
import os
import sys


def open_closed_streams() -> None:
    """Open the standard streams that were closed, to nowhere.

    Call it before any file is opened: it would get a stream's number, and with it whatever
    native libraries print.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest free number: this one.
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def printable(text: str, encoding: str | None = None) -> str:
    """Return the text with "?" for what would steer a terminal or has no place in the encoding.

    File names may hold both: escape sequences, and bytes that are no text.
    """
    plain = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
    return plain.encode(encoding or "utf-8", errors="replace").decode(encoding or "utf-8")


class PrintableFormatter(logging.Formatter):
    """Makes log messages fit for a terminal; names of files get into them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message, printable."""
        return printable(super().format(record), sys.stderr.encoding)
