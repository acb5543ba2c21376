"""What the names of pictures and videos say: their order and their time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

# 2013-04-15_07_00_01, 20130415-070001, 20130415_070001123, 2013-04-15T07:00:01.250Z
_TIME = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)[-_.]?(?P<month>\d\d)[-_.]?(?P<day>\d\d)"
    r"[-_T .]*(?P<hour>\d\d)[-_:.h]?(?P<minute>\d\d)[-_:.m]?(?P<second>\d\d)"
    r"(?:[-_.]?(?P<millisecond>\d{3}))?(?!\d)"
)


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts `frame2` before `frame10`; equal numbers by their spelling."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return (*((int(p), "") if p.isdecimal() else (-1, p) for p in parts), (-1, name))


def recorded_at(path: Path) -> datetime:
    """Return when a picture was taken or a video began, as far as its file tells.

    The time in the file's name counts as UTC, whatever the camera's clock was set to:
    a name knows no time zone, and a replay gives the same times on every machine. A
    file without one has its modification time.

    Raises:
        OSError: the file is gone.
    """
    return time_in_name(path.name) or datetime.fromtimestamp(path.stat().st_mtime, UTC)


def time_in_name(name: str) -> datetime | None:
    """Return the first date and time in a file's name, as UTC."""
    for match in _TIME.finditer(name):
        parts = {unit: int(digits) for unit, digits in match.groupdict(default="0").items()}
        microsecond = parts.pop("millisecond") * 1000
        try:
            return datetime(**parts, microsecond=microsecond, tzinfo=UTC)
        except ValueError:
            continue  # 20131399: digits, not a date
    return None
