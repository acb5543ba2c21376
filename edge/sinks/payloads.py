"""What goes out: frozen values -> the JSON of the MQTT contract, the same for every sink.

A JSON Schema of each payload lies in `edge/schemas/`. Fields may be added in later
versions; a field that is there keeps its name and meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edge.types import Alert, SlotMemory, Transition, rfc3339

HISTORICAL_AFTER_S = 10.0  # an event this old when sent is history, not news


def slot_payload(memory: SlotMemory) -> dict[str, Any]:
    """Return the payload of `P/slots/<id>`."""
    return {
        "state": memory.state.value,
        "probability": rounded(memory.probability),
        "reason": None if memory.reason is None else memory.reason.value,
        "since": None if memory.since is None else rfc3339(memory.since),
        "last_known": None if memory.last_known is None else memory.last_known.value,
        "seq": memory.seq,
    }


def event_payload(
    transition: Transition, historical: bool = False, previous: int | None = None
) -> dict[str, Any]:
    """Return the payload of `P/events`, also one line of an events file.

    `previous` is the seq that this event follows for whoever asked for it again.
    """
    return {
        "seq": transition.seq,
        "previous": max(0, transition.seq - 1) if previous is None else previous,
        "slot": transition.slot_id,
        "before": transition.before.value,
        "after": transition.after.value,
        "probability": rounded(transition.probability),
        "reason": None if transition.reason is None else transition.reason.value,
        "at": rfc3339(transition.at),
        "historical": historical,
    }


def is_historical(transition: Transition, now: datetime) -> bool:
    """Return whether the event may be older than 10 s, so that nobody takes it for news.

    One from a time to come is: the clock was wrong then, or is now.
    """
    return not 0 <= (now - transition.at).total_seconds() <= HISTORICAL_AFTER_S


def alert_payload(alert: Alert) -> dict[str, Any]:
    """Return the payload of `P/alerts/<id>`."""
    return {"id": alert.id, "message": alert.message, "since": rfc3339(alert.since)}


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return the payload as compact UTF-8 JSON, the keys in the contract's order."""
    return json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def rounded(probability: float | None) -> float | None:
    """Return a probability as payloads carry it, to four digits."""
    return None if probability is None else round(float(probability), 4)
