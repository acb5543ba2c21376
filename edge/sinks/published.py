"""The ledger as the outbox uses it: noted before it is sent, in as few writes as possible.

A disk that fails does not keep the truth from being published: what could not be noted is
noted later. Belongs to the thread that owns the connection.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from edge.journal import JournalError
from edge.ledger import Ledger

RETRY_S = 5.0

log = logging.getLogger(__name__)


class Published:
    """What the broker retains of this device, as far as the ledger knows."""

    def __init__(
        self, ledger: Ledger, own: tuple[str, ...], presumed: tuple[str, ...] = ()
    ) -> None:
        """Topics that begin with one of `own` are this device's, any other a former name's.

        `presumed` may be published although the ledger does not know: a disk may have failed.
        """
        self._ledger = ledger
        self._own = own
        self._presumed = presumed
        self._is_cleared: dict[str, bool] = {}  # by topic, as the ledger has it
        self._landed: set[str] = set()  # cleared by the broker, not yet in the ledger
        self._generation: int | None = None  # of the journal's file it was read from
        self._retry_s = 0.0
        self._is_failing = False

    def topics(self, now_s: float) -> list[str]:
        """Return every topic that may be retained by some broker."""
        if not self.are_told and now_s >= self._retry_s:
            try:
                self._is_cleared = self._ledger.topics()
                self._generation = self._ledger.generation
                self._is_failing = False
            except JournalError as error:
                self._fail(error, now_s)
        known = self._is_cleared.items() if self.are_told else ()
        # A former name's were cleared by whoever bore it: they may be another device's by now.
        ours = (topic for topic, is_cleared in known if not is_cleared or self._is_own(topic))
        return [*self._presumed, *ours]

    @property
    def are_told(self) -> bool:
        """Whether `topics` has read this ledger; one whose file was damaged has a successor."""
        return self._generation == self._ledger.generation

    def is_noted(self, topic: str) -> bool:
        """Return whether the ledger knows that the topic is published."""
        return self.are_told and self._is_cleared.get(topic) is False

    def note(self, topics: Iterable[str], now_s: float) -> None:
        """Have these noted before they are sent."""
        if not self.are_told or now_s < self._retry_s:
            return
        new = [topic for topic in topics if not self.is_noted(topic)]
        try:
            self._ledger.note(new)
        except JournalError as error:
            self._fail(error, now_s)
            return
        self._is_cleared.update(dict.fromkeys(new, False))
        self._is_failing = False

    def cleared(self, topic: str) -> None:
        """Take that the broker has cleared a topic."""
        if self.is_noted(topic):
            self._landed.add(topic)

    @property
    def landed(self) -> Collection[str]:
        """The topics that the broker has cleared and the ledger does not know of yet."""
        return self._landed

    def commit(self, unwanted: set[str], now_s: float) -> set[str]:
        """Write down what was cleared; return what nobody needs to think of any more.

        `unwanted` are those of `landed` that still are to be empty.
        """
        if now_s < self._retry_s or not self.are_told:
            return set()
        # A former name may be another device's tomorrow: its topics are cleared once.
        former = {topic for topic in unwanted if not self._is_own(topic)}
        try:
            self._ledger.clear(unwanted - former)
            self._ledger.forget(former)
        except JournalError as error:
            self._fail(error, now_s)
            return set()
        self._is_failing = False
        self._landed.clear()
        self._is_cleared.update(dict.fromkeys(unwanted - former, True))
        for topic in former:
            self._is_cleared.pop(topic, None)
        return former

    def _is_own(self, topic: str) -> bool:
        return topic.startswith(self._own)

    def _fail(self, error: JournalError, now_s: float) -> None:
        self._retry_s = now_s + RETRY_S
        if not self._is_failing:
            self._is_failing = True
            log.error("MQTT: %s", error)
