"""SIGKILL for the daemon, at random moments, again and again, while the cabinet changes."""

from __future__ import annotations

import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.broker import Mosquitto, eventually, retained
from tests.chaos.amount import amount, report
from tests.chaos.device import (
    Device,
    devices,
    events,
    newest_seq,
    pass_time,
    problems_of_journal,
    slot_states,
    told_states,
)
from tests.chaos.recorder import Recorder, recorders

NAMES = ("left", "right")  # two at a time: a start takes one core
LONGEST_LIFE_S = 0.5  # of a daemon that has recorded its first change
LONGEST_START_S = 0.6  # until it does; a quarter of the kills fall into it
START_WITHIN_S = 60.0  # patience: the machine may be busy
LONGEST_FREEZE_S = 1.0  # of the broker: what is recorded meanwhile waits in the outbox
LOOK_EVERY = 10  # kills between two looks at what they left
CATCH_UP_S = 45.0  # a consumer that nobody tells anything asks after the next P/health, 30 s


@pytest.mark.timeout(3600)
def test_a_killed_daemon_loses_repeats_and_invents_no_change(tmp_path, broker, drawn):
    kills_each = amount(2000) // len(NAMES)
    start_s = time.monotonic()
    files = [tmp_path / "steady.db", tmp_path / "killed.db"]
    with (
        recorders(broker.port, files, NAMES) as (steady, killed),
        devices(tmp_path, NAMES, broker.port, drawn) as cabinets,
        ThreadPoolExecutor(len(NAMES)) as pool,
    ):
        torments = [pool.submit(_torment, cabinet, kills_each) for cabinet in cabinets]
        consumer_kills = _disturb(torments, killed, broker)
        most_waiting = max(torment.result() for torment in torments)
        count = 0
        for cabinet in cabinets:
            _settle(cabinet, [steady, killed])
            told = told_states(retained(broker, f"{cabinet.topics}/slots/+"))
            with cabinet.journal_left() as journal:
                assert told == slot_states(journal)
                kept = events(journal)
            count += len(kept)
            for recorder in (steady, killed):
                assert recorder.handled(cabinet.name) == kept
    report(
        f"{kills_each * len(NAMES)} SIGKILLs of the daemon and {consumer_kills} of a consumer in "
        f"{time.monotonic() - start_s:.0f} s: {count} changes, each handled once and in order by "
        f"two consumers; at most {most_waiting} had not been acknowledged"
    )


def _torment(cabinet: Device, kills: int) -> int:
    """Kill a device's daemon so often; return how many events were left unsent, at most."""
    rng = random.Random(cabinet.name)
    most_waiting = 0
    for number in range(kills):
        cabinet.start()
        if rng.random() < 0.25:
            pass_time(rng, LONGEST_START_S)
        else:
            eventually(lambda: " -> " in cabinet.log(), START_WITHIN_S, cabinet.log)
            pass_time(rng, LONGEST_LIFE_S)
        cabinet.kill()
        if number % LOOK_EVERY == LOOK_EVERY - 1:
            with cabinet.journal_left() as journal:
                assert problems_of_journal(journal) == []
                waiting = journal.execute("SELECT count(*) FROM events WHERE acknowledged = 0")
                most_waiting = max(most_waiting, waiting.fetchone()[0])
    return most_waiting


def _disturb(torments: list[Future[int]], consumer: Recorder, broker: Mosquitto) -> int:
    """Kill a consumer and freeze the broker until the daemons' kills are over.

    Returns how often the consumer was killed.
    """
    rng = random.Random("disturb")
    kills = 0
    while not all(torment.done() for torment in torments):
        pass_time(rng, 3.0)
        consumer.kill()
        kills += 1
        pass_time(rng, 0.5)
        consumer.start()
        pass_time(rng, 1.0)
        broker.freeze()
        pass_time(rng, LONGEST_FREEZE_S)
        broker.thaw()
    return kills


def _settle(cabinet: Device, consumers: list[Recorder]) -> None:
    """Let the device live until the consumers have everything, then stop it."""
    cabinet.start()
    cabinet.wait_until_connected()
    cabinet.camera.pause()

    def is_all_seen() -> bool:
        with closing(cabinet.journal()) as journal:
            newest = newest_seq(journal)
        return all(consumer.seen(cabinet.name) == newest for consumer in consumers)

    def what_is_missing() -> str:
        return f"{[consumer.seen(cabinet.name) for consumer in consumers]}"

    eventually(is_all_seen, CATCH_UP_S, what_is_missing)
    cabinet.stop()
    with cabinet.journal_left() as journal:
        assert problems_of_journal(journal) == []
        newest = newest_seq(journal)
    eventually(
        lambda: all(consumer.seen(cabinet.name) == newest for consumer in consumers),
        what=what_is_missing,
    )
