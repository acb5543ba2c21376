"""The first two sentences of a report: what the model is worth, for anybody."""

from __future__ import annotations

from trainer.intervals import Ratio, clusters_of, interval
from trainer.metrics import is_answered
from trainer.report import Report
from trainer.words import counted, percent_range

# The roundest number that does not round a fault away.
_BASES = (100, 1000, 10_000, 100_000)


def verdict(report: Report) -> tuple[str, str]:
    """Return what becomes of a hundred crops of the first part, and how far that carries."""
    part = report.parts[0]
    answered = is_answered(part.probability, report.empty_at, report.occupied_at)
    is_right = answered & ((part.probability >= 0.5) == part.occupied)
    total = len(part.samples)
    base, answers, right = _rounded(total, int(answered.sum()), int(is_right.sum()))
    rest = base - answers
    unknown = "none reads UNKNOWN"
    if rest:
        unknown = f"the other {rest:,} {'reads' if rest == 1 else 'read'} UNKNOWN"
    first = (
        f"On {part.subject} ({part.title}: {counted(total, 'crop')}), of {base:,} crops it answers "
        f"{answers:,} and of these {right:,} are right; {unknown}."
    )
    if not answered.any():
        return first, "It is of no use as it is: train it on more crops, or for longer."
    clusters = clusters_of(part.samples)
    _, range_of_right = interval([Ratio(is_right, answered)], clusters.keys)
    if range_of_right is None:
        return first, (
            f"All of them are of one {clusters.unit}: what it does on another, they cannot say."
        )
    return first, (
        f"With other {clusters.unit}s like these, expect {percent_range(range_of_right)} of its "
        f"answers to be right (95% interval over {counted(range_of_right.groups, clusters.unit)})."
    )


def _rounded(total: int, answered: int, right: int) -> tuple[int, int, int]:
    """Return the three numbers out of a round number of crops."""
    for base in _BASES:
        if base >= total:
            break
        answers, hits = round(base * answered / total), round(base * right / total)
        if (answers < base or answered == total) and (hits < answers or right == answered):
            return base, answers, hits
    return total, answered, right
