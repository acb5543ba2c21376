"""Clocks that are wrong and jump: devices without a battery clock, and a time server that errs."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.journal import FIRST_TIME, KEEP_DAYS, PRUNE_EVERY, Journal
from edge.sinks.mqtt import MqttSink
from edge.types import SlotMemory, State, Transition
from tests.broker import Mosquitto, eventually, subscriber
from tests.chaos.amount import amount, report

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
BOOT = datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)
FIVE_YEARS = timedelta(days=5 * 365)
MOMENTS = (BOOT, NOW, NOW + FIVE_YEARS, NOW - FIVE_YEARS)
# What may come next in the life of a journal, and how often.
STEPS = {"record": 8, "jump": 6, "restart": 3, "acknowledge": 2, "damage": 1}


class Clock:
    """A clock that a test sets; it stands still in between."""

    def __init__(self) -> None:
        self.now = BOOT

    def __call__(self) -> datetime:
        return self.now


def change(at: datetime) -> tuple[Transition, SlotMemory]:
    """Return a change of that moment."""
    transition = Transition("A1", State.EMPTY, State.OCCUPIED, 0.9, None, at)
    return transition, SlotMemory(State.OCCUPIED, None, at, 0.9, State.OCCUPIED)


def try_sequence(path: Path, chance: random.Random) -> int:
    """Record, acknowledge, jump and start again; return how many events there were."""
    clock = Clock()
    journal = Journal(path, clock=clock)
    waiting: set[int] = set()
    sent: dict[int, datetime] = {}  # the times of those that are kept for who missed them
    newest = count = 0
    for _ in range(40):
        match chance.choices(list(STEPS), list(STEPS.values()))[0]:
            case "record":
                changes = [change(clock.now)] * chance.choice([1, 2, 3, PRUNE_EVERY])
                seqs = [transition.seq for transition, _ in journal.record(changes)]
                assert seqs[0] > newest, "a number was used again"
                newest, count = seqs[-1], count + len(seqs)
                waiting.update(seqs)
                oldest = clock.now - timedelta(days=KEEP_DAYS)
                # What is older may go now; a time before this program's says nothing.
                sent = {seq: at for seq, at in sent.items() if at >= oldest or at < FIRST_TIME}
            case "acknowledge":
                taken = chance.sample(sorted(waiting), len(waiting) // 2)
                at_of = {event.seq: event.at for event in journal.unacknowledged(0, 10**6)}
                journal.acknowledge(taken)
                waiting -= set(taken)
                sent.update((seq, at_of[seq]) for seq in taken)
            case "jump":
                clock.now = chance.choice(MOMENTS) + timedelta(days=chance.uniform(0, 60))
            case "restart":
                journal.close()
                journal = Journal(path, clock=clock)
            case "damage":
                # Everything is gone but the number beside it.
                journal.close()
                path.write_bytes(b"no database" * 500)
                journal = Journal(path, clock=clock)
                waiting.clear()
                sent.clear()
        assert {event.seq for event in journal.unacknowledged(0, 10**6)} == waiting
        assert {event.seq for event in journal.since(0, 10**6)} >= waiting | sent.keys()
    journal.close()
    return count


def test_no_clock_repeats_a_number_or_takes_an_unsent_event(tmp_path: Path) -> None:
    lives, events = amount(100), 0
    for number in range(lives):
        folder = tmp_path / str(number)
        folder.mkdir()
        events += try_sequence(folder / "journal.db", random.Random(number))
    report(
        f"{lives} journals under a clock that jumps, {events} events: no number twice, "
        "nothing unsent lost"
    )


def test_news_and_history_are_told_apart_whatever_the_clock_says(
    tmp_path: Path, broker: Mosquitto
) -> None:
    clock = Clock()
    expected: dict[int, bool] = {}  # by seq, whether it is history when it is sent

    def told() -> dict[int, bool]:
        events = map(json.loads, listener.of("slotwatch/clocks/events"))
        return {event["seq"]: event["historical"] for event in events}

    with subscriber(broker, "slotwatch/clocks/events") as listener:
        for moment in (BOOT, NOW, NOW + FIVE_YEARS, NOW - FIVE_YEARS, NOW):
            clock.now = moment
            journal = Journal(tmp_path / "journal.db", clock=clock)
            sink = MqttSink(
                device="clocks", host=broker.host, port=broker.port, journal=journal, clock=clock
            )
            sink.start()
            eventually(lambda: told() == expected, what=lambda: f"{told()}, not {expected}")
            # Each of these is sent at once; the clock is set before, and while it is sent.
            for jump in (timedelta(0), FIVE_YEARS, -FIVE_YEARS, timedelta(hours=1)):
                clock.now = max(moment + jump, BOOT)
                [(recorded, _)] = journal.record([change(clock.now)])
                sink.transition(recorded)
                clock.now = moment
                expected[recorded.seq] = False
                eventually(lambda: told() == expected, what=lambda: f"{told()}, not {expected}")
            sink.close()
            # And one that nobody sends before the next start.
            clock.now = moment
            [(left, _)] = journal.record([change(moment)])
            expected[left.seq] = True
            journal.close()
    assert list(expected) == sorted(expected)
    report(f"{len(expected)} events of 5 runs whose clocks are years apart: told apart")
