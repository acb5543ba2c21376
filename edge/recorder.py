"""From a frame's changes to everybody who is to know: the journal first, then the sinks.

What the disk does not take is not claimed. Belongs to the inference thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge.alerts import Alerts, Fanout
from edge.journal import Journal, JournalError
from edge.pipeline import Change, Pipeline
from edge.types import Reason, SlotMemory, State

log = logging.getLogger(__name__)

PROBE_STORAGE_EVERY_S = 5.0


class Recorder:
    """What was recorded and told of one cabinet's slots."""

    def __init__(self, journal: Journal, sinks: Fanout, alerts: Alerts) -> None:
        self._journal = journal
        self._sinks = sinks
        self._alerts = alerts
        self._pipeline: Pipeline | None = None
        self._regions: Mapping[str, str] = {}
        self._unrecorded: tuple[Change, ...] = ()  # what an edit changed, while the disk is full
        self._withheld: frozenset[str] = frozenset()  # slots with a change the disk does not take
        self._probe_due_s: float | None = None  # while the disk fails: when to try it again

    def remembered(self) -> Mapping[str, tuple[SlotMemory, str]]:
        """Return each slot's last recorded state and region; nothing when the disk fails."""
        try:
            return self._journal.slots()
        except JournalError as error:
            # Without a memory, then: better than not to watch.
            self._fail_storage(error)
            return {}

    def follow(
        self, pipeline: Pipeline, regions: Mapping[str, str], changes: Sequence[Change]
    ) -> None:
        """Record from now on what this pipeline proposes, and first what an edit changed.

        `regions` holds each slot's `region_key`.
        """
        self._pipeline = pipeline
        self._regions = regions
        # No frame proposes these again; they are kept until the disk takes them.
        unrecorded = (*self._unrecorded, *changes)
        self._unrecorded = tuple(c for c in unrecorded if c[0].slot_id in regions)
        self.record(())

    def record(self, changes: Sequence[Change]) -> None:
        """Write the changes down, let them take effect, and tell every sink."""
        changes = (*self._unrecorded, *changes)
        if not changes:
            self._withhold(())
            self._probe_storage()
            return
        try:
            recorded = self._journal.record(changes, self._regions)
        except JournalError as error:
            # Not committed: the next frame proposes its changes again.
            self._fail_storage(error)
            self._withhold(changes)
            return
        self._unrecorded = ()
        self._end_storage_alert()
        if self._pipeline is not None:
            self._pipeline.commit(recorded)
        self._withhold(())
        for transition, _ in recorded:
            log.info(
                "%s: %s -> %s%s",
                transition.slot_id,
                transition.before,
                transition.after,
                f" ({transition.reason})" if transition.reason else "",
            )
            self._sinks.each(lambda sink, event=transition: sink.transition(event))  # type: ignore[misc]
            self.tell_slot(transition.slot_id)

    def tell_slot(self, slot_id: str) -> None:
        """Tell every sink what is known of a slot."""
        if self._pipeline is None or slot_id not in self._pipeline.memories:
            return
        memory = self._pipeline.memories[slot_id]
        if slot_id in self._withheld and memory.state is not State.UNKNOWN:
            memory = replace(memory, state=State.UNKNOWN, reason=Reason.STORAGE_FULL)
        self._sinks.each(lambda sink: sink.slot(slot_id, memory))

    def forget(self, slot_id: str) -> None:
        """Take that a slot was removed."""
        try:
            self._journal.forget(slot_id)
        except JournalError as error:
            # It is forgotten at the next start: the journal still knows it then.
            self._fail_storage(error)
        self._sinks.each(lambda sink: sink.forget_slot(slot_id))

    def _withhold(self, changes: Sequence[Change]) -> None:
        """Say of these slots, and of no others, that their state is not known for sure.

        The state before is not true any more, and the one after cannot be claimed.
        """
        before = self._withheld
        self._withheld = frozenset(transition.slot_id for transition, _ in changes)
        for slot_id in before ^ self._withheld:
            self.tell_slot(slot_id)

    # -- the disk ------------------------------------------------------------------------

    def _fail_storage(self, error: JournalError) -> None:
        self._alerts.begin("storage_full", str(error))
        self._probe_due_s = time.monotonic() + PROBE_STORAGE_EVERY_S

    def _end_storage_alert(self) -> None:
        self._probe_due_s = None
        self._alerts.end("storage_full")

    def _probe_storage(self) -> None:
        """See whether the fault is over although there is nothing to record."""
        if self._probe_due_s is None or time.monotonic() < self._probe_due_s:
            return
        try:
            self._journal.probe()
        except JournalError as error:
            self._fail_storage(error)
        else:
            self._end_storage_alert()
