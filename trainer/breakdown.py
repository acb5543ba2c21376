"""The figures of each source, camera or slot, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.scores import Bools, Floats
from trainer.dataset import Sample
from trainer.intervals import Interval, balanced_ratios, clusters_of, interval
from trainer.metrics import is_answered


@dataclass(frozen=True)
class Row:
    """How well one source, camera or slot is told, or several together."""

    name: str
    empty_count: int
    occupied_count: int
    groups: int
    unit: str  # of the groups: camera, day, slot or block
    right: float  # balanced accuracy; the only label's accuracy where there is one
    right_interval: Interval | None
    answered: float
    wrong: int  # crops that were answered, and wrongly


def breakdown(
    samples: Sequence[Sample],
    probability: Floats,
    keys: Sequence[str],
    empty_at: float,
    occupied_at: float,
    shown: int,
    plural: str,
) -> tuple[Row, ...]:
    """Return a row for each distinct key, worst first; one for all the others if they are many.

    More than `shown` are many: then the others are those beyond them and those without a
    fault. `keys` names each sample's source, camera or slot; `plural` is the word for the last row.
    """
    occupied = np.array([s.is_occupied for s in samples], bool)
    is_right = (probability >= 0.5) == occupied
    answered = is_answered(probability, empty_at, occupied_at)

    def row(name: str, chosen: npt.NDArray[np.intp]) -> Row:
        clusters = clusters_of([samples[i] for i in chosen])
        right, right_interval = interval(
            balanced_ratios(occupied[chosen], is_right[chosen]), clusters.keys
        )
        return Row(
            name,
            int((~occupied[chosen]).sum()),
            int(occupied[chosen].sum()),
            len(set(clusters.keys)),
            clusters.unit,
            float(right or 0.0),
            right_interval,
            float(answered[chosen].mean()),
            int((answered & ~is_right)[chosen].sum()),
        )

    names, index = np.unique(np.array(keys, str), return_inverse=True)
    members = {str(name): np.flatnonzero(index == i) for i, name in enumerate(names)}
    badness = {name: _badness(occupied[i], is_right[i]) for name, i in members.items()}
    worst_first = sorted(members, key=lambda name: (-badness[name], -len(members[name]), name))
    cut = len(worst_first)
    # One left over needs as much room as the line that would stand for it.
    if cut > shown + 1:
        cut = min(shown, sum(bad > 0 for bad in badness.values()))
    rows = [row(name, members[name]) for name in worst_first[:cut]]
    rest = worst_first[cut:]
    if rest:
        rows.append(
            row(f"the other {len(rest)} {plural}", np.concatenate([members[n] for n in rest]))
        )
    return tuple(rows)


def _badness(occupied: Bools, is_right: Bools) -> float:
    """Return one minus the balanced accuracy, of the only label where there is one."""
    return float(
        np.mean([1 - is_right[label].mean() for label in (occupied, ~occupied) if label.any()])
    )
