"""What a lesson's trial says to the person who sorted the crops. Computes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.lesson import Labelled
from edge.site_head import Trial
from edge.types import DecisionSettings, State

MOST_NAMED = 10  # crops; who has sorted more wrongly sorts again


@dataclass(frozen=True)
class _Answers:
    """How labelled crops read by the cabinet's thresholds."""

    states: tuple[State, ...]  # one of each crop
    right: int
    wrong: int

    def counts(self) -> str:
        """Return how many are right, wrong and unsure, in words."""
        unknown = len(self.states) - self.right - self.wrong
        return f"{self.right} right, {self.wrong} wrong, {unknown} UNKNOWN"


def _answers(
    probability: npt.NDArray[np.float64], labelled: Sequence[Labelled], decision: DecisionSettings
) -> _Answers:
    states = tuple(_state(float(p), decision) for p in probability)
    right = sum(state is _label(one) for state, one in zip(states, labelled, strict=True))
    return _Answers(states, right, len(states) - right - states.count(State.UNKNOWN))


def _state(probability: float, decision: DecisionSettings) -> State:
    if probability >= decision.occupied_at:
        return State.OCCUPIED
    return State.EMPTY if probability <= decision.empty_at else State.UNKNOWN


def _label(one: Labelled) -> State:
    return State.OCCUPIED if one.is_occupied else State.EMPTY


def is_for_loss_alone(
    trial: Trial, labelled: Sequence[Labelled], decision: DecisionSettings
) -> bool:
    """Return whether the lesson makes no more crops right and no fewer wrong."""
    before = _answers(trial.before, labelled, decision)
    after = _answers(trial.after, labelled, decision)
    return after.right <= before.right and after.wrong >= before.wrong


def trial_words(
    trial: Trial, labelled: Sequence[Labelled], decision: DecisionSettings
) -> list[str]:
    """Return what came of the trial, in lines: counts, and the crops to look at again."""
    before = _answers(trial.before, labelled, decision)
    after = _answers(trial.after, labelled, decision)
    occupied = sum(one.is_occupied for one in labelled)
    each = "slot" if trial.is_by_slot else "crop"
    return [
        f"{len(labelled) - occupied} crops EMPTY, {occupied} OCCUPIED",
        f"before, by the model and its references alone: {before.counts()} "
        f"(loss {trial.loss_before:.3f})",
        f"learnt, each {each} judged without its own labels: {after.counts()} "
        f"(loss {trial.loss_after:.3f})",
        *_contradicting(trial, labelled, before, after),
    ]


def _contradicting(
    trial: Trial, labelled: Sequence[Labelled], before: _Answers, after: _Answers
) -> list[str]:
    """Return the crops that read the opposite of their labels, the surest first."""
    signs = np.array([-1 if one.is_occupied else 1 for one in labelled])
    found = []
    # By both answers: a crop that was sorted wrongly contradicts both, one that was mended not.
    against = signs * (trial.before + trial.after - 1)
    for index in np.argsort(-against, kind="stable"):
        one, states = labelled[index], (before.states[index], after.states[index])
        if (State.EMPTY if one.is_occupied else State.OCCUPIED) in states:
            found.append(
                f"  {one.path.name}: labelled {_label(one)}, "
                f"reads {states[0]} before ({trial.before[index]:.2f}), "
                f"{states[1]} as learnt ({trial.after[index]:.2f})"
            )
    if not found:
        return []
    more = [f"  ... and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return [
        "these contradict their labels, before or as learnt (in brackets the probability of "
        "OCCUPIED); look whether they lie in the right folder:",
        *found[:MOST_NAMED],
        *more,
    ]
