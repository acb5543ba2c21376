"""What runs inside the machine whose power is cut: a cabinet that changes without a pause.

`power_guest.py REPOSITORY STORAGE`. Says on its output what the journal holds, then, line
by line, what `record`, `acknowledge` and the ledger's `note` came back from.
The host believes these lines and nothing else.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SLOTS = 12
MOST_CHANGES = 6  # in one transaction


def say(**words: Any) -> None:
    """Hand a line to the host at once; one write, so that it arrives whole or cut short."""
    os.write(1, b"witness " + json.dumps(words, separators=(",", ":")).encode() + b"\n")


def main(repository: str, storage: str) -> None:
    sys.path.insert(0, repository)
    from edge.journal import Journal
    from edge.types import Reason, SlotMemory, State, Transition

    def line(event: Transition) -> list[Any]:
        at = event.at.isoformat()
        return [event.seq, event.slot_id, event.before, event.after, at, event.probability]

    path = Path(storage) / "journal.db"
    journal = Journal(path)
    other = sqlite3.connect(path)
    verdict = other.execute("PRAGMA integrity_check").fetchone()[0]
    other.close()
    say(
        files=sorted(file.name for file in Path(storage).iterdir()),
        integrity=verdict,
        events=[line(event) for event in journal.since(0, 10**9)],
        waiting=[event.seq for event in journal.unacknowledged(0, 10**9)],
        slots={
            slot_id: [memory.seq, memory.state, region]
            for slot_id, (memory, region) in journal.slots().items()
        },
        topics=list(journal.ledger.topics()),
    )

    chance = random.Random()
    states = {slot_id: memory.state for slot_id, (memory, _) in journal.slots().items()}
    waiting = [event.seq for event in journal.unacknowledged(0, 10**9)]
    moment = datetime.now(UTC)
    say(ready=True)
    while True:
        moment += timedelta(milliseconds=chance.randrange(1, 1000))
        changes = []
        count = chance.randint(1, MOST_CHANGES)
        for number in chance.sample(range(SLOTS), count):
            slot_id = f"A{number}"
            before = states.get(slot_id, State.UNKNOWN)
            after = chance.choice([state for state in State if state is not before])
            reason = Reason.SLOT_COVERED if after is State.UNKNOWN else None
            changes.append(
                (
                    # Each says, in place of a probability, how many are recorded together.
                    Transition(slot_id, before, after, count, reason, moment),
                    SlotMemory(after, reason, moment, count),
                )
            )
        regions = {transition.slot_id: moment.isoformat() for transition, _ in changes}
        recorded = [transition for transition, _ in journal.record(changes, regions)]
        say(recorded=[line(event) for event in recorded])
        states.update((event.slot_id, event.after) for event in recorded)
        waiting += [event.seq for event in recorded]
        if chance.random() < 0.3:
            # Not all, and not in order: as a broker that refuses some.
            taken = chance.sample(waiting, len(waiting) // 2)
            journal.acknowledge(taken)
            say(acknowledged=taken)
            waiting = [seq for seq in waiting if seq not in set(taken)]
        if chance.random() < 0.1:
            topic = f"slotwatch/cabinet/slots/{recorded[0].seq}"
            journal.ledger.note([topic])
            say(noted=topic)


if __name__ == "__main__":
    main(*sys.argv[1:])
