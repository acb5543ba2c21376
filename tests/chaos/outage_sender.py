"""A device without a broker: python -m tests.chaos.outage_sender PORT FOLDER COUNT BOUND

Records COUNT changes through the real journal, which keeps BOUND unsent ones, while the real
sink looks for its broker; says in one line of JSON what it has, and goes on until killed.
"""

from __future__ import annotations

import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.types import SlotMemory, State, Transition, utc_now

DEVICE = "outage"
SLOTS = 16
BATCH = 100  # changes in one transaction: a frame of a large cabinet


def main(port: int, folder: Path, count: int, bound: int) -> None:
    """Fill the outbox, then wait for the end."""
    journal = Journal(folder / "journal.db", max_unacknowledged=bound)
    sink = MqttSink(device=DEVICE, host="127.0.0.1", port=port, journal=journal)
    sink.start()
    at, first_seq = utc_now(), 0
    states = [State.EMPTY, State.OCCUPIED]
    for start in range(0, count, BATCH):
        changes = []
        for number in range(start, min(start + BATCH, count)):
            turn = number // SLOTS % 2
            moment = at + timedelta(milliseconds=number)
            memory = SlotMemory(states[turn], since=moment, probability=float(turn))
            slot_id = f"S{number % SLOTS}"
            change = Transition(slot_id, states[not turn], states[turn], turn, None, moment)
            changes.append((change, memory))
        for transition, memory in journal.record(changes):
            first_seq = first_seq or transition.seq
            sink.slot(transition.slot_id, memory)
            sink.transition(transition)
    figures = {"first": first_seq, "depth": journal.depth(), "dropped": journal.dropped}
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
