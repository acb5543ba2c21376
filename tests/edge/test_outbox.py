"""What is sent next, without a network: windows, refusals, disks that fail."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.journal import Journal
from edge.sinks.event_stream import JOURNAL_RETRY_S
from edge.sinks.outbox import RETRY_AFTER_S, WINDOW, Message, Outbox
from edge.sinks.packet_limit import BLAMED_AFTER, LARGE_BYTES, TRIED_AGAIN_AFTER_S
from edge.types import SlotMemory, State, Transition

AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


@pytest.fixture
def outbox(journal: Journal) -> Outbox:
    return Outbox("status", "events", journal, clock=lambda: AT)


def record(journal: Journal, count: int, at: datetime = AT) -> list[int]:
    event = Transition("A1", State.EMPTY, State.OCCUPIED, 0.9, None, at)
    changes = [(replace(event, slot_id=f"A{number}"), SlotMemory()) for number in range(count)]
    return [transition.seq for transition, _ in journal.record(changes)]


def send_all(outbox: Outbox, now_s: float = 0.0, first_id: int = 1) -> dict[int, Message]:
    """Send whatever the outbox wants sent; return it by packet id."""
    sent: dict[int, Message] = {}
    while (message := outbox.next(now_s)) is not None:
        packet_id = first_id + len(sent)
        outbox.sent(packet_id, message)
        sent[packet_id] = message
    return sent


def accept(outbox: Outbox, sent: dict[int, Message], now_s: float = 0.0) -> None:
    for packet_id in sent:
        outbox.settle(packet_id, None, now_s)
    outbox.commit(now_s)


def topics(sent: dict[int, Message]) -> list[str]:
    return [message.topic for message in sent.values()]


def test_connection_sends_states_then_status_then_events(outbox: Outbox, journal: Journal) -> None:
    outbox.keep("slots/A1", b"1")
    seqs = record(journal, 2)
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    outbox.keep("slots/A2", b"2")
    sent = send_all(outbox)
    assert topics(sent) == ["slots/A1", "status", "slots/A2", "events", "events"]
    assert [message.seq for message in sent.values() if message.seq] == seqs
    assert [message.is_retained for message in sent.values()] == [True] * 3 + [False] * 2


def test_no_more_is_on_its_way_than_the_broker_allows(outbox: Outbox, journal: Journal) -> None:
    seqs = record(journal, 50)
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    sent = send_all(outbox)
    assert len(sent) == 20
    accept(outbox, sent)
    assert [message.seq for message in send_all(outbox, first_id=100).values()] == seqs[19:39]


def test_no_more_is_on_its_way_than_the_window(outbox: Outbox, journal: Journal) -> None:
    record(journal, 3 * WINDOW)
    outbox.begin(b"online", receive_maximum=65_535, now_s=0.0)
    assert len(send_all(outbox)) == WINDOW


def test_value_that_changes_on_its_way_is_sent_once_more_and_only_the_newest(
    outbox: Outbox,
) -> None:
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    accept(outbox, send_all(outbox))
    outbox.keep("slots/A1", b"1")
    first = send_all(outbox)
    for number in range(2, 10):
        outbox.keep("slots/A1", b"%d" % number)
    assert send_all(outbox, first_id=50) == {}
    accept(outbox, first)
    assert [message.payload for message in send_all(outbox, first_id=60).values()] == [b"9"]


def test_new_connection_sends_unanswered_events_again_and_answered_ones_not(
    outbox: Outbox, journal: Journal
) -> None:
    seqs = record(journal, 3)
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    sent = send_all(outbox)
    answered = next(packet_id for packet_id, message in sent.items() if message.seq == seqs[0])
    accept(outbox, {answered: sent[answered]})
    outbox.begin(b"online", receive_maximum=20, now_s=1.0)
    assert [message.seq for message in send_all(outbox).values() if message.seq] == seqs[1:]


def test_replay_of_a_backlog_is_written_down_in_large_pieces_and_to_the_end(
    outbox: Outbox, journal: Journal
) -> None:
    record(journal, 2 * WINDOW + 30)
    outbox.begin(b"online", receive_maximum=10, now_s=0.0)
    depths = {journal.depth()}
    sent = send_all(outbox)
    while sent:
        accept(outbox, sent)
        depths.add(journal.depth())
        sent = send_all(outbox)
    assert journal.depth() == 0
    assert len(depths) <= 5


def test_acknowledgements_of_a_broken_replay_are_not_forgotten(
    outbox: Outbox, journal: Journal
) -> None:
    seqs = record(journal, 30)
    outbox.begin(b"online", receive_maximum=11, now_s=0.0)
    accept(outbox, send_all(outbox))
    outbox.begin(b"online", receive_maximum=100, now_s=0.0)
    again = [message.seq for message in send_all(outbox).values() if message.seq]
    assert again == seqs[10:]


def test_event_of_an_earlier_run_is_history_when_it_is_old_at_sending(journal: Journal) -> None:
    record(journal, 1, at=AT - timedelta(seconds=11))
    record(journal, 1, at=AT - timedelta(seconds=9))
    outbox = Outbox("status", "events", journal, clock=lambda: AT)
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    events = [json.loads(message.payload) for message in send_all(outbox).values() if message.seq]
    assert [event["historical"] for event in events] == [True, False]


def test_refused_event_is_not_overtaken_and_offered_again_later(
    outbox: Outbox, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    seqs = record(journal, 2)
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    sent = send_all(outbox)
    for packet_id, message in sent.items():
        outbox.settle(packet_id, "Quota exceeded" if message.seq else None, 0.0)
    seqs += record(journal, 1)
    outbox.expect_event(journal.since(seqs[-1] - 1, 1)[0])
    assert send_all(outbox, RETRY_AFTER_S - 1) == {}
    assert journal.depth() == 3

    again = send_all(outbox, RETRY_AFTER_S + 1)
    assert [message.seq for message in again.values()] == seqs
    accept(outbox, again, RETRY_AFTER_S + 1)
    assert journal.depth() == 0
    assert [record.getMessage() for record in caplog.records] == [
        "MQTT: the broker refuses events (Quota exceeded); allow this device to publish there",
        "MQTT: the broker takes events again",
    ]


def test_refused_state_is_offered_again_with_its_newest_value(outbox: Outbox) -> None:
    outbox.keep("slots/A1", b"1")
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    for packet_id, message in send_all(outbox).items():
        outbox.settle(packet_id, None if message.topic == "status" else "Not authorized", 0.0)
    assert send_all(outbox, RETRY_AFTER_S - 1) == {}
    again = send_all(outbox, RETRY_AFTER_S + 1)
    assert [(message.topic, message.payload) for message in again.values()] == [("slots/A1", b"1")]


def test_acknowledgement_that_the_disk_refuses_is_written_later(
    outbox: Outbox, journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record(journal, 2)
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    sent = send_all(outbox)
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    accept(outbox, sent, now_s=0.0)
    other.execute("ROLLBACK")
    other.close()
    assert journal.depth() == 2
    outbox.commit(now_s=JOURNAL_RETRY_S + 1)
    assert journal.depth() == 0
    [said] = [record.getMessage() for record in caplog.records]
    assert "cannot acknowledge events: database is locked" in said


def test_idle_means_that_everything_was_answered(outbox: Outbox, journal: Journal) -> None:
    record(journal, 1)
    outbox.begin(b"online", receive_maximum=20, now_s=0.0)
    assert not outbox.is_idle()
    sent = send_all(outbox)
    assert not outbox.is_idle()
    assert not outbox.is_settled("status")
    accept(outbox, sent)
    send_all(outbox)
    assert outbox.is_settled("status")
    assert outbox.is_idle()


def test_message_too_large_for_the_broker_is_left_out_and_said_once(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.keep("homeassistant/device/a/config", b"x" * 10_000)
    outbox.keep("slots/A1", b"1")
    for _ in range(2):
        outbox.begin(b"online", 20, 0.0, largest_packet_bytes=8000)
        assert topics(send_all(outbox)) == ["slots/A1", "status"]
    assert [record.getMessage() for record in caplog.records] == [
        "MQTT: homeassistant/device/a/config has 10000 bytes and is left out: this broker takes "
        "8000 bytes at most; raise the broker's largest packet size, or set "
        "mqtt.home_assistant: false"
    ]
    outbox.begin(b"online", 20, 0.0, largest_packet_bytes=20_000)
    assert "homeassistant/device/a/config" in topics(send_all(outbox))


def test_message_that_the_broker_hangs_up_on_is_left_out_for_a_while(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.keep("info", b"x" * LARGE_BYTES)
    for _ in range(BLAMED_AFTER):
        outbox.begin(b"online", 20, 0.0)
        sent = send_all(outbox)
        assert topics(sent) == ["info", "status"]
        outbox.settle(2, None, 0.0)  # everything else is taken
    outbox.begin(b"online", 20, 0.0)
    assert topics(send_all(outbox)) == ["status"]
    assert "the broker hangs up on it, time after time" in caplog.text
    outbox.begin(b"online", 20, TRIED_AGAIN_AFTER_S + 1)
    assert topics(send_all(outbox, TRIED_AGAIN_AFTER_S + 1)) == ["info", "status"]
