"""Live events and those asked for again, for a consumer that remembers one number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge.journal import PRUNE_EVERY, Journal
from edge.sinks.event_stream import MOST_REPLAYS, EventStream, Replay
from edge.types import SlotMemory, State, Transition

AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


@pytest.fixture
def journal() -> Iterator[Journal]:
    opened = Journal(None, max_unacknowledged=PRUNE_EVERY)  # counts from 1
    yield opened
    opened.close()


class Answers:
    """What whoever asked was told."""

    def __init__(self) -> None:
        self.data: list[Mapping[str, Any] | None] = []
        self.errors: list[str | None] = []

    def __call__(self, data: Mapping[str, Any] | None, error: str | None) -> None:
        self.data.append(data)
        self.errors.append(error)


def record(journal: Journal, count: int, at: datetime = AT) -> list[Transition]:
    event = Transition("A1", State.EMPTY, State.OCCUPIED, 0.9, None, at)
    changes = [(replace(event, slot_id=f"A{number}"), SlotMemory()) for number in range(count)]
    return [transition for transition, _ in journal.record(changes)]


def begun(journal: Journal, now: datetime = AT) -> EventStream:
    stream = EventStream(journal, clock=lambda: now)
    stream.start()
    stream.begin(0.0)
    return stream


def sent(stream: EventStream, most: int = 1000) -> list[tuple[int, int, bool]]:
    """Send what there is; return (previous, seq, historical) and have the broker take it."""
    heard = []
    while len(heard) < most and (outgoing := stream.next(0.0)) is not None:
        payload = outgoing.payload
        heard.append((payload["previous"], payload["seq"], payload["historical"]))
        if outgoing.seq:
            stream.landed(outgoing.seq)
    stream.commit(0.0)
    return heard


def test_live_events_are_a_chain(journal: Journal) -> None:
    record(journal, 3)
    assert sent(begun(journal)) == [(0, 1, False), (1, 2, False), (2, 3, False)]


def test_events_are_sent_again_in_order_and_live_ones_follow(journal: Journal) -> None:
    record(journal, 4)
    stream, answers = begun(journal), Answers()
    sent(stream)
    assert stream.replay(Replay(1, None, answers))
    assert sent(stream, 1) == [(1, 2, True)]
    for event in record(journal, 2):
        stream.expect(event, 0.0)
    # The new ones wait, so that nothing is missing between the last of these and the first.
    assert sent(stream) == [(2, 3, True), (3, 4, True), (4, 5, False), (5, 6, False)]
    assert answers.data == [{"since": 1, "count": 3, "last": 4, "more": False, "complete": True}]


def test_page_by_page(journal: Journal) -> None:
    record(journal, 5)
    stream, answers = begun(journal), Answers()
    sent(stream)
    stream.replay(Replay(0, 2, answers))
    assert sent(stream) == [(0, 1, True), (1, 2, True)]
    stream.replay(Replay(2, 3, answers))
    assert sent(stream) == [(2, 3, True), (3, 4, True), (4, 5, True)]
    assert [data and (data["last"], data["more"]) for data in answers.data] == [
        (2, True),
        (5, False),
    ]


def test_event_that_has_not_gone_out_yet_goes_out_once(journal: Journal) -> None:
    record(journal, 3)
    stream, answers = begun(journal), Answers()
    stream.replay(Replay(0, None, answers))
    assert sent(stream) == [(0, 1, False), (1, 2, False), (2, 3, False)]
    assert answers.data[0] == {"since": 0, "count": 0, "last": 0, "more": False, "complete": True}


def test_what_is_no_longer_kept_is_said_and_does_not_break_the_chain(journal: Journal) -> None:
    for _ in range(3):
        record(journal, PRUNE_EVERY)  # nobody takes them: the oldest are given up
    oldest = journal.since(0, 1)[0].seq
    assert oldest > 10
    stream, answers = begun(journal), Answers()
    sent(stream)
    stream.replay(Replay(7, 1, answers))
    # Who has 7 takes it, because nothing better comes.
    assert sent(stream) == [(7, oldest, True)]
    assert answers.data[0] is not None
    assert answers.data[0]["complete"] is False


def test_live_events_are_not_starved_by_those_who_ask(journal: Journal) -> None:
    record(journal, 4)
    stream, answers = begun(journal), Answers()
    sent(stream)
    stream.replay(Replay(0, None, answers))
    sent(stream, 1)
    record(journal, 1)
    for event in journal.since(4, 1):
        stream.expect(event, 0.0)
    stream.replay(Replay(0, None, answers))
    heard = sent(stream)
    assert heard.index((4, 5, False)) == 3  # after the first replay, before the second
    assert len(answers.data) == 2


def test_few_may_ask_at_once(journal: Journal) -> None:
    stream, answers = begun(journal), Answers()
    for _ in range(MOST_REPLAYS):
        assert stream.replay(Replay(0, None, answers))
    assert not stream.replay(Replay(0, None, answers))
    assert sent(stream) == []
    assert len(answers.data) == MOST_REPLAYS


def test_who_asked_is_told_when_the_connection_breaks(journal: Journal) -> None:
    stream, answers = begun(journal), Answers()
    stream.replay(Replay(0, None, answers))
    stream.begin(1.0)
    assert answers.errors == ["the connection to the broker broke; ask again"]


def test_disk_that_fails_is_told_to_who_asked(journal: Journal) -> None:
    stream, answers = begun(journal), Answers()
    sent(stream)
    stream.replay(Replay(0, None, answers))
    journal.close()
    assert stream.next(0.0) is None
    assert "cannot read" in str(answers.errors[0])


@pytest.mark.parametrize("jump", [timedelta(days=-5 * 365), timedelta(days=5 * 365)])
def test_clock_that_jumps_makes_no_news_old_and_no_old_news(
    journal: Journal, jump: timedelta
) -> None:
    now = AT
    stream = EventStream(journal, clock=lambda: now)
    stream.start()
    stream.begin(0.0)
    for event in record(journal, 1):
        stream.expect(event, 0.0)
    now += jump
    assert sent(stream) == [(0, 1, False)]
    for event in record(journal, 1, at=now):
        stream.expect(event, 100.0)
    now -= jump
    late = stream.next(111.0)
    assert late is not None
    assert late.payload["historical"] is True


def test_changes_of_one_frame_are_all_news(journal: Journal) -> None:
    stream = begun(journal, AT + timedelta(days=1))  # pictures may be dated by a wrong clock
    recorded = record(journal, 3)
    # The connection's thread may be quicker than the one that tells of the second change.
    stream.expect(replace(recorded[0], at=AT + timedelta(days=1)), 0.0)
    assert [historical for _, _, historical in sent(stream)] == [False] * 3


def test_event_of_an_earlier_run_is_history_by_the_clock(journal: Journal) -> None:
    record(journal, 1, at=AT)
    assert sent(begun(journal, AT + timedelta(seconds=9))) == [(0, 1, False)]
    record(journal, 1, at=AT)
    assert sent(begun(journal, AT + timedelta(seconds=11))) == [(1, 2, True)]
    record(journal, 1, at=AT)
    assert sent(begun(journal, AT - timedelta(seconds=1))) == [(2, 3, True)]
