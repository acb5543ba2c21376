"""Reported transitions beside the true ones.

Only what a slot was last known to hold counts: EMPTY, UNKNOWN, OCCUPIED is one change, and
EMPTY, UNKNOWN, EMPTY none; both are counted apart as times of not knowing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.types import State

Reported = tuple[int, State]  # in which frame, which state


@dataclass(frozen=True)
class Change:
    """One change of the truth, or one that was reported and never was."""

    frame: int
    after: State


@dataclass(frozen=True)
class Comparison:
    """What became of one slot's true changes."""

    true: tuple[Change, ...]
    lasting: tuple[Change, ...]  # of these what a reader without error would report
    delays: tuple[int, ...]  # of the lasting ones reported, in frames after the first to show it
    brief: int  # reported ones that did not last
    missed: tuple[Change, ...]  # of the lasting ones
    false: tuple[Change, ...]  # reported, and no change of the truth; the way back counts again
    is_first_wrong: bool  # the first state that was reported
    unknown: int  # how often a known state became UNKNOWN


def compare(
    labels: Sequence[State | None], reported: Sequence[Reported], confirm: int
) -> Comparison:
    """Return how the transitions reported of a slot, in order, agree with its labels.

    A frame without a label shows what the one before it did. A report is of the true change
    that led to what its frame shows; a second report of the same one is false.
    """
    runs = _runs(labels)
    known: State | None = None
    delays: dict[int, int] = {}
    false: list[Change] = []
    is_first_wrong, unknown = False, 0
    for frame, after in reported:
        if after is State.UNKNOWN:
            unknown += 1
            continue
        if after is known:
            continue
        number = _run_of(runs, frame)
        is_true = runs[number].after is after
        if known is None:
            is_first_wrong = not is_true
        elif is_true and number > 0 and number not in delays:
            delays[number] = frame - runs[number].frame
        else:
            false.append(Change(frame, after))
        known = after
    lasting = _lasting(runs, len(labels), confirm)
    return Comparison(
        tuple(runs[1:]),
        tuple(runs[number] for number in lasting),
        tuple(delays[number] for number in lasting if number in delays),
        len(delays.keys() - set(lasting)),
        tuple(runs[number] for number in lasting if number not in delays),
        tuple(false),
        is_first_wrong,
        unknown,
    )


def _runs(labels: Sequence[State | None]) -> list[Change]:
    """Return each run of equal labels: its first frame, and what it shows."""
    runs: list[Change] = []
    for frame, label in enumerate(labels):
        if label is not None and (not runs or runs[-1].after is not label):
            # Frames before the first label show what it does.
            runs.append(Change(frame if runs else 0, label))
    return runs


def _run_of(runs: Sequence[Change], frame: int) -> int:
    return max(number for number, run in enumerate(runs) if run.frame <= frame)


def _lasting(runs: Sequence[Change], frames: int, confirm: int) -> list[int]:
    """Return the runs, by number, that are long enough to be confirmed and change the state."""
    ends = [*(run.frame for run in runs[1:]), frames]
    lasting: list[int] = []
    state: State | None = None
    for number, (run, end) in enumerate(zip(runs, ends, strict=True)):
        if end - run.frame >= confirm and run.after is not state:
            if state is not None:
                lasting.append(number)
            state = run.after
    return lasting
