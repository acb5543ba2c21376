"""What the broker is still to be told, and in which order; no network in here.

Three kinds of messages, three promises:
- a retained value is the truth: the newest one wins, nothing queues, and every one of
  them is sent again on every connection, because brokers forget;
- an event is history: each one goes out in the order of `seq` and leaves the journal only
  when the broker said that it took it (`edge.sinks.event_stream`);
- an answer to a request goes out once, or once more when the connection broke meanwhile.

Nothing is ever left to paho's own queue, which lives in memory and stops at 65,535.

Threads: `keep`, `clear`, `renew`, `respond` and `expect_event` may be called from any; the
rest belongs to the thread that owns the connection.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from edge.journal import Journal
from edge.sinks.event_stream import EventStream, Replay
from edge.sinks.packet_limit import LARGE_BYTES, PacketLimit
from edge.sinks.payloads import encode
from edge.sinks.published import Published
from edge.types import Transition

WINDOW = 100  # messages on their way without an acknowledgement, at most
RETRY_AFTER_S = 60.0  # what the broker refused is offered again after this long
# Answers that wait to be sent, where the broker does not hold back a flood of requests before,
MOST_ANSWERS = 256
MOST_ANSWER_BYTES = 8 << 20
MOST_FLYING_BYTES = 4 << 20  # and of those on their way: a picture may have a megabyte

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """One PUBLISH, always with QoS 1."""

    topic: str
    payload: bytes  # empty: the retained value is cleared
    is_retained: bool
    seq: int = 0  # of the event it carries, when the journal waits for its acknowledgement
    request_id: int = 0  # packet id of the request it answers; 0: none


class Outbox:
    """Retained values, events and answers, on their way to one broker."""

    def __init__(
        self,
        status_topic: str,
        events_topic: str,
        journal: Journal,
        clock: Callable[[], datetime],
        own: tuple[str, ...] = ("",),
        presumed: tuple[str, ...] = (),
    ) -> None:
        """Begin empty; for `own` and `presumed` topics see `Published`."""
        self._status_topic = status_topic
        self._events_topic = events_topic
        self._stream = EventStream(journal, clock)
        self._published = Published(journal.ledger, own, presumed)
        self.packet_limit = PacketLimit()
        self._lock = threading.Lock()
        # A cleared topic stays, with an empty value: a broker that comes back from an old
        # copy of its memory would otherwise show the ghost again.
        self._retained: dict[str, bytes] = {}
        self._pending: dict[str, None] = {}  # topics to send, in this order
        self._answers: deque[Message] = deque()
        self.connection = 0  # which one this is, counted from 1
        # From here on: the connection's thread only.
        self._window = WINDOW
        self._flying: dict[int, Message] = {}  # by packet id
        self._flying_topics: set[str] = set()
        self._flying_events = 0
        self._refused: set[str] = set()
        self._retry_s: float | None = None  # when refused messages are offered again

    # -- from any thread -----------------------------------------------------------------

    def start(self) -> None:
        """Take that events are told from now on."""
        self._stream.start()

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

    def renew(self) -> int:
        """Have every retained value sent again; return how many there are."""
        with self._lock:
            self._pend_all()
            return sum(1 for payload in self._retained.values() if payload)

    def respond(self, topic: str, payload: bytes, request_id: int = 0, connection: int = 0) -> None:
        """Take the answer to a request; `request_id` is 0 where the broker waits for none.

        Without the broker's flow control answers beyond MOST_ANSWERS are dropped.
        """
        with self._lock:
            if connection != self.connection:
                request_id = 0  # The broker does not wait for it any more.
            waiting_bytes = sum(len(message.payload) for message in self._answers)
            is_room = len(self._answers) < MOST_ANSWERS and waiting_bytes < MOST_ANSWER_BYTES
            if request_id or is_room:
                self._answers.append(Message(topic, payload, False, request_id=request_id))

    def expect_event(self, transition: Transition) -> None:
        """Take that the journal holds a new event."""
        self._stream.expect(transition, time.monotonic())

    # -- from the connection's thread ----------------------------------------------------

    def begin(
        self,
        status: bytes,
        receive_maximum: int,
        now_s: float,
        largest_packet_bytes: int | None = None,
    ) -> None:
        """Start over for a new connection: everything again, the status after all else.

        `receive_maximum` is how many unacknowledged messages the broker allows, and
        `largest_packet_bytes` the size of one, as far as it says so.
        """
        self._stream.begin(now_s)
        unsettled = [(m.topic, len(m.payload)) for m in self._flying.values() if m.is_retained]
        self.packet_limit.begin(largest_packet_bytes, unsettled, now_s)
        self._window = min(WINDOW, receive_maximum)
        # A large one may be why the connection ended, and the broker numbers requests anew.
        unanswered = [
            replace(message, request_id=0)
            for message in self._flying.values()
            if message.request_id and len(message.payload) < LARGE_BYTES
        ]
        self._flying.clear()
        self._flying_topics.clear()
        self._flying_events = 0
        self._refused.clear()
        self._retry_s = None
        ghosts = self._published.topics(now_s)
        self._pend_ghosts(ghosts)
        with self._lock:
            self.connection += 1
            waiting = [replace(message, request_id=0) for message in self._answers]
            self._answers = deque([*unanswered, *waiting])
            self._retained[self._status_topic] = status
            self._pend_all()

    def replay(self, replay: Replay) -> bool:
        """Send events of the journal again; return False when too many such requests wait."""
        return self._stream.replay(replay)

    def give_up_replays(self) -> None:
        """Tell those who asked for events again that no more will come."""
        self._stream.give_up_replays("the device stops, or starts over; ask again")

    def next(self, now_s: float) -> Message | None:
        """Return what to send now, None when there is nothing or too much is on its way.

        `now_s` is monotonic. The caller sends it and calls `sent`.
        """
        if self._retry_s is not None and now_s >= self._retry_s:
            self._offer_refused_again()
        if len(self._flying) >= self._window:
            return None
        while (message := self._next_retained(now_s) or self._next_answer()) is not None:
            if self.packet_limit.allows(message.topic, len(message.payload), now_s):
                return message
        if self._retry_s is not None and self._events_topic in self._refused:
            return None  # Later events must not overtake the refused one.
        outgoing = self._stream.next(now_s)
        if outgoing is None:
            return self._next_answer()  # to what asked for events again, and has them now
        return Message(self._events_topic, encode(outgoing.payload), False, outgoing.seq)

    def sent(self, packet_id: int, message: Message) -> None:
        """Take that the message is on its way."""
        self._flying[packet_id] = message
        if message.is_retained:
            self._flying_topics.add(message.topic)
        elif message.topic == self._events_topic:
            self._flying_events += 1

    def settle(self, packet_id: int, refusal: str | None, now_s: float) -> None:
        """Take the broker's answer: `refusal` is its reason, None when it took the message."""
        message = self._flying.pop(packet_id, None)
        if message is None:
            return
        self.packet_limit.settled(message.topic)
        if message.is_retained:
            self._flying_topics.discard(message.topic)
        elif message.topic == self._events_topic:
            self._flying_events -= 1
        if refusal is not None:
            self._refuse(message, refusal, now_s)
            return
        # Events behind a refused one say nothing of it: it is read and offered again.
        is_awaited = message.topic == self._events_topic and self._retry_s is not None
        if message.topic in self._refused and not is_awaited:
            self._refused.discard(message.topic)
            log.warning("MQTT: the broker takes %s again", message.topic)
        if message.seq:
            self._stream.landed(message.seq)
        elif message.is_retained and not message.payload:
            self._published.cleared(message.topic)

    def commit(self, now_s: float) -> None:
        """Write down what the broker acknowledged, many messages in one transaction."""
        self._stream.commit(now_s)
        if not self._published.are_told:
            self._pend_ghosts(self._published.topics(now_s))
        if not self._published.landed:
            return
        with self._lock:
            if self._pending:
                return  # More is about to land.
            unwanted = {t for t in self._published.landed if not self._retained.get(t)}
        former = self._published.commit(unwanted, now_s)
        with self._lock:
            for topic in former:
                self._retained.pop(topic, None)
                self._pending.pop(topic, None)

    def is_settled(self, topic: str) -> bool:
        """Return whether the broker answered to the topic's newest retained value."""
        with self._lock:
            return topic not in self._pending and topic not in self._flying_topics

    def is_idle(self) -> bool:
        """Return whether the broker has been told everything, and answered."""
        with self._lock:
            has_news = bool(self._pending or self._answers)
        return not (has_news or self._flying) and self._stream.is_idle()

    # -- what is next --------------------------------------------------------------------

    def _pend_ghosts(self, topics: Iterable[str]) -> None:
        """Clear these, unless they have a value."""
        with self._lock:
            for topic in topics:
                if topic not in self._retained:
                    self._retained[topic] = b""
                    self._pending[topic] = None

    def _pend_all(self) -> None:
        # A dashboard that reads the status first finds true slots behind it.
        self._pending = dict.fromkeys(t for t in self._retained if t != self._status_topic)
        if self._status_topic in self._retained:
            self._pending[self._status_topic] = None

    def _next_retained(self, now_s: float) -> Message | None:
        with self._lock:
            for topic in self._pending:
                # One value of a topic at a time: a frozen broker is not fed every change.
                if topic not in self._flying_topics:
                    break
            else:
                return None
            is_new = bool(self._retained[topic]) and not self._published.is_noted(topic)
            published = [t for t, payload in self._retained.items() if payload] if is_new else ()
        if published:
            self._published.note(published, now_s)
        with self._lock:
            del self._pending[topic]
            return Message(topic, self._retained[topic], is_retained=True)

    def _next_answer(self) -> Message | None:
        with self._lock:
            if not self._answers:
                return None
            flying = (m.payload for m in self._flying.values() if not m.is_retained)
            if sum(map(len, flying)) > MOST_FLYING_BYTES:
                return None
            return self._answers.popleft()

    # -- refusals ------------------------------------------------------------------------

    def _refuse(self, message: Message, refusal: str, now_s: float) -> None:
        # An access list speaks of branches: one line says it for all slots.
        branch = message.topic.rpartition("/")[0]
        if not any(topic.rpartition("/")[0] == branch for topic in self._refused):
            log.error(
                "MQTT: the broker refuses %s (%s); allow this device to publish there",
                message.topic,
                refusal,
            )
        self._refused.add(message.topic)
        if message.topic == self._events_topic:
            self._stream.refuse(refusal)
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
            self._stream.read_anew()
