"""How much of it: all under `make chaos`, a tenth of it under `make test`."""

from __future__ import annotations

import os

IS_FULL = os.environ.get("SLOTWATCH_CHAOS") == "full"


def amount(full: int) -> int:
    """Return how often to do it, of so many times in full."""
    return full if IS_FULL else max(1, full // 10)


FIGURES: list[str] = []  # the last lines of a run show them


def report(figures: str) -> None:
    """Say what was done and found: the figures are the result."""
    FIGURES.append(figures)
