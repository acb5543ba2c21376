"""What is wrong in a file a technician edits: collected, not raised one at a time.

Used while settings are read, in the main thread.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edge.types import ConfigurationError

_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Problem:
    """One thing a person has to change; `str()` is the line a technician reads."""

    path: Path
    line: int  # from 1; 0 when the file as a whole is meant
    setting: str  # dotted name or slot id; empty when no setting is meant
    what: str  # what is wrong
    remedy: str  # what to do

    def __str__(self) -> str:
        """Return `file:line: setting: what is wrong; what to do`."""
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        parts = [place, self.setting, self.what] if self.setting else [place, self.what]
        return ": ".join(parts) + (f"; {self.remedy}" if self.remedy else "")


class SettingsInvalid(ConfigurationError):
    """The files hold problems: all of them, in the order of files and lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Unfit(Exception):
    """A value does not fit its setting; whoever knows the setting's place reports it."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}; {remedy}")


@dataclass
class Report:
    """The problems of one file, while it is read."""

    path: Path
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, setting: str, what: str, remedy: str) -> None:
        """Record a problem."""
        self.problems.append(
            Problem(self.path, line, plain(setting), _printable(what), _printable(remedy))
        )

    def add_unfit(self, line: int, setting: str, unfit: Unfit) -> None:
        """Record a value that does not fit."""
        self.add(line, setting, unfit.what, unfit.remedy)


def plain(text: str) -> str:
    """Return the text fit for one line of a terminal: short, nothing unprintable in it."""
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 1] + "…"
    return _printable(text)


def _printable(text: str) -> str:
    # What a file holds must not steer the terminal that shows it.
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shown(text: str) -> str:
    """Return the text in quotes, fit for one line of a terminal."""
    return f"'{plain(text)}'"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word a person most likely meant."""
    if len(word) > _SHOWN_CHARACTERS:
        return None
    matches = difflib.get_close_matches(word.lower().replace("-", "_"), list(known), 1, 0.6)
    return matches[0] if matches else None
