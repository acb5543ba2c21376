"""The journal's events on their way to the broker: live ones, and those asked for again.

Live events go out in the order of `seq`. Who asks for events again gets them in order too, and
the live ones wait meanwhile: nothing is missing between the last event of a replay and the next
live one.

Threads: `expect` may be called from any; the rest belongs to the thread that owns the connection.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from edge.desk import Reply
from edge.journal import Journal, JournalError
from edge.sinks.payloads import HISTORICAL_AFTER_S, event_payload, is_historical
from edge.types import Transition

BATCH = 100  # events read from the journal at once
JOURNAL_RETRY_S = 5.0
MOST_REPLAYS = 8  # waiting for their turn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outgoing:
    """One event to send."""

    payload: Mapping[str, Any]
    seq: int  # to be acknowledged in the journal; 0: it was asked for again


@dataclass
class Replay:
    """Events that somebody asked for again."""

    since: int
    limit: int | None  # at most so many events
    done: Reply
    up_to: int | None = None  # what comes after it goes out live; None: not begun
    is_complete: bool = True
    count: int = 0
    last: int = 0
    events: deque[Transition] = field(default_factory=deque)  # read, not yet sent


class EventStream:
    """What of the journal is still to be sent on this connection."""

    def __init__(self, journal: Journal, clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        # When the newest events of this run happened, by seq, on the monotonic clock: the
        # other one may jump before they are sent.
        self._recent: dict[int, float] = {}
        self._first_seq: int | None = None  # of this run
        self._newest_seq = 0  # of this run, as told
        self._may_have_events = True
        # From here on: the connection's thread only.
        self._events: deque[Transition] = deque()  # read from the journal, not yet sent
        self._read_seq = 0  # the journal was read up to here
        self._landed: list[int] = []  # acknowledged by the broker, not yet in the journal
        self._retry_s = 0.0
        self._is_failing = False
        self._replays: deque[Replay] = deque()
        self._is_live_turn = False  # a replay is over: what waited goes before the next one

    def start(self) -> None:
        """Take that what is recorded from now on is told here."""
        self._first_seq = self._journal.newest_seq + 1

    def expect(self, transition: Transition, now_s: float) -> None:
        """Take that the journal holds a new event."""
        age_s = max(0.0, (self._clock() - transition.at).total_seconds())
        with self._lock:
            self._recent[transition.seq] = now_s - age_s
            self._newest_seq = transition.seq
            self._drop_old(now_s)
        self._may_have_events = True

    def begin(self, now_s: float) -> None:
        """Start over for a new connection: whatever was not acknowledged is sent again."""
        self._acknowledge(now_s)
        self.read_anew()
        # Who asked has lost the connection too, or asks again when it reads `online`.
        self.give_up_replays("the connection to the broker broke; ask again")

    def read_anew(self) -> None:
        """Read the outbox from its beginning."""
        self._events.clear()
        self._read_seq = 0
        self._may_have_events = True

    def replay(self, replay: Replay) -> bool:
        """Put a replay in the queue; return False when too many wait."""
        if len(self._replays) >= MOST_REPLAYS:
            return False
        self._replays.append(replay)
        return True

    def refuse(self, refusal: str) -> None:
        """Take that the broker does not take events: what follows must not overtake."""
        self._events.clear()
        self.give_up_replays(f"the broker refuses this device's events ({refusal})")

    def next(self, now_s: float) -> Outgoing | None:
        """Return the next event to send, None when there is none; `now_s` is monotonic."""
        if now_s >= self._retry_s:
            while self._replays and not self._is_live_turn:
                outgoing = self._next_replayed(self._replays[0], now_s)
                if outgoing is not None:
                    return outgoing
                if now_s < self._retry_s:
                    return None
            if not self._events and self._may_have_events:
                self._read(now_s)
            if not self._events and self._is_live_turn:
                self._is_live_turn = False
                return self.next(now_s)
        if not self._events:
            return None
        transition = self._events.popleft()
        self._is_live_turn = bool(self._events) and self._is_live_turn
        is_old = self._is_historical(transition, now_s)
        return Outgoing(event_payload(transition, is_old), transition.seq)

    def landed(self, seq: int) -> None:
        """Take that the broker has an event."""
        self._landed.append(seq)

    def commit(self, now_s: float) -> None:
        """Take what the broker acknowledged out of the journal, many in one transaction."""
        # While a backlog is replayed, every write to the disk shall be worth it.
        is_busy = bool(self._events) and len(self._landed) < BATCH
        if not is_busy and now_s >= self._retry_s:
            self._acknowledge(now_s)

    def is_idle(self) -> bool:
        """Return whether everything was handed out."""
        return not (self._may_have_events or self._events or self._replays)

    # -- live events ---------------------------------------------------------------------

    def _read(self, now_s: float) -> None:
        # Cleared before the look, so that an event recorded during it is not overlooked.
        self._may_have_events = False
        try:
            self._events.extend(self._journal.unacknowledged(self._read_seq, BATCH))
        except JournalError as error:
            self._may_have_events = True
            self._fail(error, now_s)
            return
        self._is_failing = False
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
            self._fail(error, now_s)
        else:
            self._landed.clear()
            self._is_failing = False

    def _fail(self, error: JournalError, now_s: float) -> None:
        self._retry_s = now_s + JOURNAL_RETRY_S
        if not self._is_failing:
            self._is_failing = True
            log.error("MQTT: %s", error)

    def _is_historical(self, transition: Transition, now_s: float) -> bool:
        if self._first_seq is None or transition.seq < self._first_seq:
            return is_historical(transition, self._clock())
        with self._lock:
            if transition.seq > self._newest_seq:
                return False  # Recorded this moment, and about to be told.
            happened_s = self._recent.get(transition.seq)
        return happened_s is None or now_s - happened_s > HISTORICAL_AFTER_S

    def _drop_old(self, now_s: float) -> None:
        while now_s - self._recent[seq := next(iter(self._recent))] > HISTORICAL_AFTER_S:
            del self._recent[seq]
            if not self._recent:
                return

    # -- events asked for again ----------------------------------------------------------

    def _next_replayed(self, replay: Replay, now_s: float) -> Outgoing | None:
        """Return the replay's next event; None when it is over, or the journal fails."""
        try:
            if replay.up_to is None:
                self._begin_replay(replay, now_s)
            if not replay.events and replay.up_to is not None:
                left = BATCH if replay.limit is None else min(BATCH, replay.limit - replay.count)
                replay.events.extend(self._journal.since(replay.last, left, replay.up_to))
        except JournalError as error:
            self._fail(error, now_s)
            self._replays.remove(replay)
            replay.done(None, str(error))
            return None
        if not replay.events:
            self._is_live_turn = True
            self._replays.remove(replay)
            replay.done(self._summary(replay), None)
            return None
        transition = replay.events.popleft()
        payload = event_payload(transition, historical=True, previous=replay.last)
        replay.count += 1
        replay.last = transition.seq
        return Outgoing(payload, 0)

    def _begin_replay(self, replay: Replay, now_s: float) -> None:
        # Before the look at the live ones: what is recorded in between is not history.
        newest_seq = self._journal.newest_seq
        if not self._events:
            self._read(now_s)
        # What has not gone out yet goes out by itself.
        replay.up_to = self._events[0].seq - 1 if self._events else newest_seq
        replay.is_complete = self._journal.is_complete_since(replay.since)
        replay.last = replay.since

    def _summary(self, replay: Replay) -> dict[str, Any]:
        return {
            "since": replay.since,
            "count": replay.count,
            "last": replay.last,
            "more": replay.last < (replay.up_to or 0) and replay.count == replay.limit,
            "complete": replay.is_complete,
        }

    def give_up_replays(self, why: str) -> None:
        """Tell those who asked why there is nothing more."""
        while self._replays:
            self._replays.popleft().done(None, why)
