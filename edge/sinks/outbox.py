"""What the broker is still to be told, and in which order; no network in here.

Two kinds of messages, two promises:
- a retained value is the truth: the newest one wins, nothing queues, and every one of
  them is sent again on every connection, because brokers forget;
- an event is history: each one goes out in the order of `seq` and leaves the journal only
  when the broker said that it took it.

Nothing is ever left to paho's own queue, which lives in memory and stops at 65,535.

Threads: `keep` and `expect_events` may be called from any; the rest belongs to the thread
that owns the connection.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from edge.journal import Journal, JournalError
from edge.sinks.payloads import encode, event_payload, is_historical
from edge.types import Transition

WINDOW = 100  # messages on their way without an acknowledgement, at most
RETRY_AFTER_S = 60.0  # what the broker refused is offered again after this long
JOURNAL_RETRY_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """One PUBLISH, always with QoS 1."""

    topic: str
    payload: bytes  # empty: the retained value is cleared
    is_retained: bool
    seq: int = 0  # of the event it carries; 0 for a retained value


class Outbox:
    """Retained values, and events from the journal, on their way to one broker."""

    def __init__(
        self,
        status_topic: str,
        events_topic: str,
        journal: Journal,
        clock: Callable[[], datetime],
    ) -> None:
        self._status_topic = status_topic
        self._events_topic = events_topic
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        # A cleared topic stays, with an empty value: a broker that comes back from an old
        # copy of its memory would otherwise show the ghost again.
        self._retained: dict[str, bytes] = {}
        self._pending: dict[str, None] = {}  # topics to send, in this order
        self._may_have_events = True
        # From here on: the connection's thread only.
        self._window = WINDOW
        self._flying: dict[int, Message] = {}  # by packet id
        self._flying_topics: set[str] = set()
        self._flying_events = 0
        self._events: deque[Transition] = deque()  # read from the journal, not yet sent
        self._read_seq = 0  # the journal was read up to here
        self._landed: list[int] = []  # acknowledged by the broker, not yet in the journal
        self._refused: set[str] = set()
        self._retry_s: float | None = None  # when refused messages are offered again
        self._journal_retry_s = 0.0
        self._is_journal_failing = False

    # -- from any thread -----------------------------------------------------------------

    def keep(self, topic: str, payload: bytes) -> None:
        """Take the newest retained value of a topic; an empty one clears it."""
        with self._lock:
            if self._retained.get(topic) != payload:
                self._retained[topic] = payload
                self._pending[topic] = None

    def clear(self) -> None:
        """Have every retained value cleared."""
        with self._lock:
            self._retained = dict.fromkeys(self._retained, b"")
            self._pending = dict.fromkeys(self._retained)

    def expect_events(self) -> None:
        """Take that the journal holds new events."""
        self._may_have_events = True

    # -- from the connection's thread ----------------------------------------------------

    def begin(self, status: bytes, receive_maximum: int, now_s: float) -> None:
        """Start over for a new connection: everything again, the status after all else.

        `receive_maximum` is how many unacknowledged messages the broker allows.
        """
        self._acknowledge(now_s)
        self._window = min(WINDOW, receive_maximum)
        self._flying.clear()
        self._flying_topics.clear()
        self._refused.clear()
        self._retry_s = None
        with self._lock:
            self._retained[self._status_topic] = status
            self._pending = dict.fromkeys(self._retained)
            # A dashboard that reads the status first finds true slots behind it.
            del self._pending[self._status_topic]
            self._pending[self._status_topic] = None
        self._read_journal_anew()

    def next(self, now_s: float) -> Message | None:
        """Return what to send now, None when there is nothing or too much is on its way.

        `now_s` is monotonic. The caller sends it and calls `sent`.
        """
        if self._retry_s is not None and now_s >= self._retry_s:
            self._offer_refused_again()
        if len(self._flying) >= self._window:
            return None
        with self._lock:
            for topic in self._pending:
                # One value of a topic at a time: a frozen broker is not fed every change.
                if topic not in self._flying_topics:
                    del self._pending[topic]
                    return Message(topic, self._retained[topic], is_retained=True)
        transition = self._next_event(now_s)
        if transition is None:
            return None
        payload = event_payload(transition, is_historical(transition, self._clock()))
        return Message(self._events_topic, encode(payload), False, transition.seq)

    def sent(self, packet_id: int, message: Message) -> None:
        """Take that the message is on its way."""
        self._flying[packet_id] = message
        if message.is_retained:
            self._flying_topics.add(message.topic)
        else:
            self._flying_events += 1

    def settle(self, packet_id: int, refusal: str | None, now_s: float) -> None:
        """Take the broker's answer: `refusal` is its reason, None when it took the message."""
        message = self._flying.pop(packet_id, None)
        if message is None:
            return
        if message.is_retained:
            self._flying_topics.discard(message.topic)
        else:
            self._flying_events -= 1
        if refusal is not None:
            self._refuse(message, refusal, now_s)
            return
        if message.topic in self._refused:
            self._refused.discard(message.topic)
            log.warning("MQTT: the broker takes %s again", message.topic)
        if not message.is_retained:
            self._landed.append(message.seq)

    def commit(self, now_s: float) -> None:
        """Take what the broker acknowledged out of the journal, many in one transaction."""
        # While a backlog is replayed, every write to the disk shall be worth it.
        is_replaying = bool(self._events) and len(self._landed) < WINDOW
        if not is_replaying and now_s >= self._journal_retry_s:
            self._acknowledge(now_s)

    def is_settled(self, topic: str) -> bool:
        """Return whether the broker answered to the topic's newest retained value."""
        with self._lock:
            return topic not in self._pending and topic not in self._flying_topics

    def is_idle(self) -> bool:
        """Return whether the broker has been told everything, and answered."""
        with self._lock:
            has_news = bool(self._pending) or self._may_have_events
        return not (has_news or self._flying or self._events)

    # -- events --------------------------------------------------------------------------

    def _next_event(self, now_s: float) -> Transition | None:
        if self._retry_s is not None and self._events_topic in self._refused:
            return None  # Later events must not overtake the refused one.
        if not self._events and self._may_have_events and now_s >= self._journal_retry_s:
            self._read_events(now_s)
        return self._events.popleft() if self._events else None

    def _read_events(self, now_s: float) -> None:
        # Cleared before the look, so that an event recorded during it is not overlooked.
        self._may_have_events = False
        try:
            self._events.extend(self._journal.unacknowledged(self._read_seq, WINDOW))
        except JournalError as error:
            self._may_have_events = True
            self._fail_journal(error, now_s)
            return
        self._is_journal_failing = False
        if self._events:
            self._read_seq = self._events[-1].seq
            self._may_have_events = True

    def _acknowledge(self, now_s: float) -> None:
        if not self._landed:
            return
        try:
            self._journal.acknowledge(self._landed)
        except JournalError as error:
            # They stay in the journal, and are sent again if we end before it takes them.
            self._fail_journal(error, now_s)
        else:
            self._landed.clear()
            self._is_journal_failing = False

    def _read_journal_anew(self) -> None:
        self._events.clear()
        self._flying_events = 0
        self._read_seq = 0
        self._may_have_events = True

    def _fail_journal(self, error: JournalError, now_s: float) -> None:
        self._journal_retry_s = now_s + JOURNAL_RETRY_S
        if not self._is_journal_failing:
            self._is_journal_failing = True
            log.error("MQTT: %s", error)

    # -- refusals ------------------------------------------------------------------------

    def _refuse(self, message: Message, refusal: str, now_s: float) -> None:
        if message.topic not in self._refused:
            self._refused.add(message.topic)
            log.error(
                "MQTT: the broker refuses %s (%s); allow this device to publish there",
                message.topic,
                refusal,
            )
        if not message.is_retained:
            self._events.clear()
        if self._retry_s is None:
            self._retry_s = now_s + RETRY_AFTER_S

    def _offer_refused_again(self) -> None:
        if self._flying_events and self._events_topic in self._refused:
            return  # They are in the journal still, and would be read and sent twice.
        self._retry_s = None
        with self._lock:
            for topic in self._refused & self._retained.keys():
                self._pending[topic] = None
        if self._events_topic in self._refused:
            self._read_journal_anew()
