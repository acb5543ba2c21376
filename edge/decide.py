"""(memory, reading, now) -> (memory, transition or None): when a reading becomes a state.

A state changes after `confirm` equal readings in a row that span `confirm_for_s`. A reading
that is not sure breaks the row: it neither counts for a change nor leaves the count standing.
Only where something is in front of the slot does the row wait: the slot itself said nothing.
A slot whose state no sure reading has borne out for `unknown_after_s` becomes UNKNOWN with the
next one that is not sure, and with its reason.
A confirmed state is upheld by readings just short of its threshold (hysteresis), so that a
probability that wavers about a threshold does not make the state waver.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from edge.types import (
    DecisionSettings,
    Reading,
    Reason,
    Slot,
    SlotMemory,
    State,
    Transition,
)

# Share of the span between the two thresholds. Small: what shows no slot at all reads near the
# middle, and must not uphold anything.
HYSTERESIS_SHARE = 0.2


def read_probability(
    slot: Slot, probability: float, sequence: int, decision: DecisionSettings
) -> Reading:
    """Return what one probability of OCCUPIED (0..1) alone says about the slot."""
    occupied_at = decision.occupied_at if slot.occupied_at is None else slot.occupied_at
    empty_at = decision.empty_at if slot.empty_at is None else slot.empty_at
    if probability >= occupied_at:
        return Reading(slot.id, probability, State.OCCUPIED, None, sequence)
    if probability <= empty_at:
        return Reading(slot.id, probability, State.EMPTY, None, sequence)
    margin = HYSTERESIS_SHARE * (occupied_at - empty_at)
    upholds = None
    if probability >= occupied_at - margin:
        upholds = State.OCCUPIED
    elif probability <= empty_at + margin:
        upholds = State.EMPTY
    return Reading(slot.id, probability, State.UNKNOWN, Reason.LOW_CONFIDENCE, sequence, upholds)


def unusable(slot: Slot, reason: Reason, sequence: int) -> Reading:
    """Return the reading of a slot that could not be seen."""
    return Reading(slot.id, None, State.UNKNOWN, reason, sequence)


def doubted(reading: Reading) -> Reading:
    """Return a sure reading as one that is not: there is reason to doubt it."""
    return replace(reading, state=State.UNKNOWN, reason=Reason.LOW_CONFIDENCE)


def covered(reading: Reading) -> Reading:
    """Return a sure reading as one of what is in front of the slot, not of what is in it."""
    return replace(reading, state=State.UNKNOWN, reason=Reason.SLOT_COVERED)


def decide(
    memory: SlotMemory,
    reading: Reading,
    now_s: float,
    at: datetime,
    decision: DecisionSettings,
) -> tuple[SlotMemory, Transition | None]:
    """Return the new memory, and the transition when the confirmed state changed.

    `now_s` is monotonic, in seconds; `at` is the wall clock of the same moment.
    """
    is_upheld = reading.upholds is not None and reading.upholds is memory.state
    if reading.state is State.UNKNOWN and not is_upheld:
        return _not_sure(memory, reading, now_s, at, decision)
    if is_upheld or reading.state is memory.state:
        # The way of nearly every reading: `replace` would take more than twice as long.
        return SlotMemory(
            state=memory.state,
            reason=memory.reason,
            since=memory.since,
            probability=reading.probability,
            last_known=memory.last_known,
            confident_monotonic_s=now_s,
            seq=memory.seq,
        ), None
    if memory.state is State.UNKNOWN or memory.confident_monotonic_s is None:
        # Otherwise a reading against the state does not keep it alive: it may never be confirmed.
        memory = replace(memory, confident_monotonic_s=now_s)
    agreed, first_s = 1, now_s
    if reading.state is memory.candidate and memory.candidate_monotonic_s is not None:
        agreed, first_s = memory.agreed + 1, memory.candidate_monotonic_s
    if agreed < decision.confirm or now_s - first_s < decision.confirm_for_s:
        return replace(
            memory, candidate=reading.state, agreed=agreed, candidate_monotonic_s=first_s
        ), None
    confirmed = replace(memory, confident_monotonic_s=now_s)
    return _change(confirmed, reading.state, reading.probability, None, reading.slot_id, at)


def _without_candidate(memory: SlotMemory) -> SlotMemory:
    return replace(memory, candidate=None, agreed=0, candidate_monotonic_s=None)


def _not_sure(
    memory: SlotMemory,
    reading: Reading,
    now_s: float,
    at: datetime,
    decision: DecisionSettings,
) -> tuple[SlotMemory, Transition | None]:
    is_unseen = reading.reason is Reason.SLOT_COVERED and reading.probability is None
    broken = memory if is_unseen else _without_candidate(memory)
    if memory.state is State.UNKNOWN:
        # The newest reason is the one a person can act on.
        return replace(broken, reason=reading.reason, probability=reading.probability), None
    if memory.confident_monotonic_s is None:
        # A state remembered from before a restart: its time starts now.
        return replace(broken, confident_monotonic_s=now_s), None
    if now_s - memory.confident_monotonic_s < decision.unknown_after_s:
        return broken, None
    return _change(broken, State.UNKNOWN, reading.probability, reading.reason, reading.slot_id, at)


def lose_sight(
    memory: SlotMemory, slot_id: str, reason: Reason, at: datetime
) -> tuple[SlotMemory, Transition | None]:
    """Return the slot as UNKNOWN at once, for a reason that leaves no doubt (camera lost)."""
    if memory.state is State.UNKNOWN:
        return replace(_without_candidate(memory), reason=reason, probability=None), None
    return _change(memory, State.UNKNOWN, None, reason, slot_id, at)


def _change(
    memory: SlotMemory,
    after: State,
    probability: float | None,
    reason: Reason | None,
    slot_id: str,
    at: datetime,
) -> tuple[SlotMemory, Transition]:
    transition = Transition(slot_id, memory.state, after, probability, reason, at)
    changed = replace(
        _without_candidate(memory),
        state=after,
        reason=reason,
        since=at,
        probability=probability,
        last_known=memory.last_known if after is State.UNKNOWN else after,
    )
    return changed, transition
