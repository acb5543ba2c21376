"""SIGKILL for the broker, with and without a memory of its own, while the cabinet changes."""

from __future__ import annotations

import json
import random
import time
from contextlib import closing

import pytest

from tests.broker import Mosquitto, eventually, retained
from tests.chaos.amount import amount, report
from tests.chaos.device import (
    Device,
    devices,
    events,
    lasting_memory,
    newest_seq,
    pass_time,
    slot_states,
    told_states,
)
from tests.chaos.recorder import recorders

NAME = "watched"
LONGEST_LIFE_S = 1.5
# Longer than the device's first wait for a reconnect, so that it finds the broker absent: one that
# is there at every try, and ends every connection, looks like a second device of the same name.
SHORTEST_ABSENCE_S = 1.1
LONGEST_ABSENCE_S = 2.0
BACK_WITHIN_S = 60.0
RIGHT_WITHIN_S = 5.0
CATCH_UP_S = 45.0  # a consumer that nobody tells anything asks after the next P/health, 30 s
MEMORIES = ("none", "file")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("memory", MEMORIES)
def test_a_killed_broker_is_told_the_truth_again_and_its_consumers_miss_nothing(
    tmp_path, drawn, memory
):
    kills = amount(200) // len(MEMORIES)
    broker = Mosquitto(tmp_path, lasting_memory(tmp_path) if memory == "file" else ())
    rng = random.Random(memory)
    waits_s, heals_s = [], []
    try:
        with (
            recorders(broker.port, [tmp_path / "handled.db"], [NAME]) as (consumer,),
            devices(tmp_path, (NAME,), broker.port, drawn) as (cabinet,),
        ):
            cabinet.start()
            cabinet.wait_until_connected()
            _wait_for_truth(cabinet, broker, {}, BACK_WITHIN_S)
            for _ in range(kills):
                pass_time(rng, LONGEST_LIFE_S)
                broker.kill()
                pass_time(rng, LONGEST_ABSENCE_S, SHORTEST_ABSENCE_S)
                wait_s, heal_s = _bring_back(broker, cabinet)
                waits_s.append(wait_s)
                heals_s.append(heal_s)
            cabinet.camera.pause()

            def is_all_seen() -> bool:
                with closing(cabinet.journal()) as journal:
                    return consumer.seen(NAME) == newest_seq(journal)

            eventually(is_all_seen, CATCH_UP_S, lambda: f"seen {consumer.seen(NAME)}")
            cabinet.stop()
            with cabinet.journal_left() as journal:
                kept = events(journal)
            eventually(lambda: consumer.handled(NAME) == kept)
    finally:
        broker.close()
    report(
        f"{kills} SIGKILLs of a broker with memory {memory!r}: back after at most "
        f"{max(waits_s):.1f} s, every retained topic right within {max(heals_s):.2f} s of that; "
        f"{len(kept)} changes, each handled once and in order"
    )


def _bring_back(broker: Mosquitto, cabinet: Device) -> tuple[float, float]:
    """Start the broker; return the seconds to the device's reconnect, and from there to truth."""
    accepted = f" as slotwatch-{NAME} "
    before = broker.log().count(accepted)
    start_s = time.monotonic()
    broker.start()
    eventually(lambda: broker.log().count(accepted) > before, BACK_WITHIN_S, cabinet.log)
    back_s = time.monotonic()
    with closing(cabinet.journal()) as journal:
        known = slot_states(journal)
    _wait_for_truth(cabinet, broker, known, RIGHT_WITHIN_S)
    return back_s - start_s, time.monotonic() - back_s


def _wait_for_truth(
    cabinet: Device, broker: Mosquitto, known: dict[str, tuple[str, int]], within_s: float
) -> None:
    """Return as soon as nothing is wrong, see `_what_is_wrong`."""
    eventually(
        lambda: not _what_is_wrong(cabinet, broker, known),
        within_s,
        lambda: f"{_what_is_wrong(cabinet, broker, known)}\n{cabinet.log()[-2000:]}",
    )


def _what_is_wrong(
    cabinet: Device, broker: Mosquitto, known: dict[str, tuple[str, int]]
) -> list[str]:
    """Return what a late subscriber is told that is not true.

    A slot's state is true when it is what the journal says of its `seq`, and no older than in
    `known`: the cabinet changes meanwhile.
    """
    told = retained(broker, f"{cabinet.topics}/#")
    with closing(cabinet.journal()) as journal:
        recorded = {(slot, seq): after for seq, slot, _, after, _ in events(journal)}
        slots = set(slot_states(journal))
    told_slots = told_states({topic: told.pop(topic) for topic in list(told) if "/slots/" in topic})
    found = [
        f"{slot}: {state} of {seq}, which the journal does not say"
        for slot, (state, seq) in told_slots.items()
        if recorded.get((slot, seq)) != state
    ]
    found += [
        f"{slot}: {told_slots[slot]} is older than {known[slot]}"
        for slot in told_slots.keys() & known.keys()
        if told_slots[slot][1] < known[slot][1]
    ]
    if set(told_slots) != slots:
        found.append(f"slots {sorted(told_slots)} instead of {sorted(slots)}")
    told.pop(f"{cabinet.topics}/alerts/inference_slow", None)  # true on a busy machine
    wanted = {f"{cabinet.topics}/{topic}" for topic in ("status", "health", "info")}
    if set(told) != wanted:
        found.append(f"topics {sorted(told)} instead of {sorted(wanted)}")
    elif told[f"{cabinet.topics}/status"] != b"online":
        found.append(f"the status is {told[f'{cabinet.topics}/status']!r}")
    elif len(json.loads(told[f"{cabinet.topics}/info"])["slots"]) != len(slots):
        found.append("the info is of other slots")
    return found
