"""How much of it: all under `make chaos`, a tenth of it under `make test`."""

from __future__ import annotations

import os
import sys

IS_FULL = os.environ.get("SLOTWATCH_CHAOS") == "full"


def amount(full: int) -> int:
    """Return how often to do it, of so many times in full."""
    return full if IS_FULL else max(1, full // 10)


def report(figures: str) -> None:
    """Say what was done and found, past pytest's capture: the figures are the result."""
    print(f"\nchaos: {figures}", file=sys.__stdout__, flush=True)
