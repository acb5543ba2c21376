"""The commands of `slotwatch`, one file each, and what they share."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("config.yaml"),
        metavar="FILE",
        help="the device's settings (default: config.yaml)",
    )


def set_up_logging(is_verbose: bool = False) -> None:
    """Log to standard error; under systemd without times, which the journal adds itself."""
    is_service = not sys.stderr.isatty()
    logging.basicConfig(
        level=logging.DEBUG if is_verbose else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s"
        if is_service
        else "%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )


class Progress:
    """A line on standard error that says how far long work is; silent when not a terminal.

    It is cleared at the end of the `with` block, whatever ends it.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self._what = what
        self._total = total
        self._is_shown = sys.stderr.isatty()
        self._done = 0

    def advance(self) -> None:
        """Count one piece of work as done."""
        self._done += 1
        if self._is_shown and (self._done % 4 == 0 or self._done == self._total):
            of_total = f"/{self._total}" if self._total else ""
            print(f"\r{self._what} {self._done}{of_total} ", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def count_of(text: str) -> int:
    """Return an argument that is a number of things, at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
