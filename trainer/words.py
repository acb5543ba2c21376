"""Numbers as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from trainer.intervals import Interval

DASH = "\N{EN DASH}"
NOTHING = DASH  # where there is no figure


def percent(share: float | None) -> str:
    """Return 0.98126 as "98.1%"; never "100%" for less than all, nor "0%" for more than none."""
    if share is None:
        return NOTHING
    if share in (0, 1):
        return f"{share:.0%}"
    for digits in (1, 2):
        text = f"{share:.{digits}%}"
        if float(text[:-1]) not in (0.0, 100.0):
            return text
    return "> 99.99%" if share > 0.5 else "< 0.01%"


def percent_range(interval: Interval | None) -> str:
    """Return "93.1-99.2%" with a dash for a range, rounded outwards; "" without an interval."""
    if interval is None:
        return ""
    # A hair's breadth more, or 0.93 would be floored to 92.9%.
    low, high = floor(interval.low * 1000 + 1e-6) / 10, ceil(interval.high * 1000 - 1e-6) / 10
    return f"{low:.3g}{DASH}{high:.3g}%"


def three_digits(value: float | None) -> str:
    """Return 0.99283 as "0.993"."""
    return NOTHING if value is None else f"{value:.3f}"


def counted(count: int, word: str, plural: str | None = None) -> str:
    """Return "1 crop" or "1,703 crops"."""
    return f"{count:,} {word if count == 1 else plural or word + 's'}"


def enumerated(words: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
