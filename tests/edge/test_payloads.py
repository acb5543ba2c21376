"""Frozen values -> what goes out, and the schemas that describe it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edge.sinks.payloads import (
    alert_payload,
    encode,
    event_payload,
    is_historical,
    slot_payload,
)
from edge.types import ALERT_IDS, Alert, Reason, SlotMemory, State, Transition
from tests.schemas import NAMES, problems, schema

AT = datetime(2026, 11, 21, 8, 30, 0, 123987, tzinfo=timezone(timedelta(hours=2)))


def transition(after: State = State.OCCUPIED, reason: Reason | None = None) -> Transition:
    return Transition("A1", State.EMPTY, after, 0.97123456, reason, AT, seq=1042)


def test_slot_is_as_in_the_contract() -> None:
    memory = SlotMemory(State.OCCUPIED, None, AT, 0.97123456, State.OCCUPIED, seq=1042)
    assert encode(slot_payload(memory)) == (
        b'{"state":"OCCUPIED","probability":0.9712,"reason":null,'
        b'"since":"2026-11-21T06:30:00.123Z","last_known":"OCCUPIED","seq":1042}'
    )


def test_slot_before_its_first_state_says_starting() -> None:
    assert slot_payload(SlotMemory()) == {
        "state": "UNKNOWN",
        "probability": None,
        "reason": "starting",
        "since": None,
        "last_known": None,
        "seq": 0,
    }


def test_event_is_as_in_the_contract() -> None:
    assert encode(event_payload(transition())) == (
        b'{"seq":1042,"previous":1041,"slot":"A1","before":"EMPTY","after":"OCCUPIED","probability":0.9712,'
        b'"reason":null,"at":"2026-11-21T06:30:00.123Z","historical":false}'
    )


def test_alert_keeps_its_words_readable() -> None:
    alert = Alert("camera_lost", "no picture for 10 s: prüfe the cable", AT)
    assert (
        encode(alert_payload(alert))
        == (
            '{"id":"camera_lost","message":"no picture for 10 s: prüfe the cable",'
            '"since":"2026-11-21T06:30:00.123Z"}'
        ).encode()
    )


@pytest.mark.parametrize(("age_s", "expected"), [(-3600.0, True), (10.0, False), (10.1, True)])
def test_event_is_history_after_ten_seconds(age_s: float, expected: bool) -> None:
    assert is_historical(transition(), AT + timedelta(seconds=age_s)) is expected


def test_number_that_json_does_not_have_is_refused_here_and_not_at_the_dashboard() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"cpu_percent": math.nan})


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("reason", [*Reason, None])
def test_schemas_know_every_state_and_reason(state: State, reason: Reason | None) -> None:
    is_allowed = (reason is not None) == (state is State.UNKNOWN)
    memory = SlotMemory(state, reason, AT.astimezone(UTC), 0.5)
    assert (problems("slot", slot_payload(memory)) == []) is is_allowed
    assert (problems("event", event_payload(transition(state, reason))) == []) is is_allowed


@pytest.mark.parametrize("alert_id", ALERT_IDS)
def test_schema_knows_every_alert(alert_id: str) -> None:
    assert problems("alert", alert_payload(Alert(alert_id, "…", AT))) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"probability": 1.5}, "$.probability: 1.5 is greater than the maximum of 1"),
        ({"state": "FULL"}, "$.state: 'FULL' is not one of"),
        ({"since": "yesterday"}, "$.since: 'yesterday' does not match"),
        ({"seq": 1.5}, "$.seq: 1.5 is not of type 'integer'"),
    ],
)
def test_schema_refuses_a_wrong_slot(change: dict[str, Any], expected: str) -> None:
    good = json.loads(encode(slot_payload(SlotMemory(State.EMPTY, None, AT, 0.1, State.EMPTY))))
    assert problems("slot", good) == []
    assert any(problem.startswith(expected) for problem in problems("slot", good | change))


@pytest.mark.parametrize(
    "missing", ["seq", "previous", "slot", "before", "after", "at", "historical"]
)
def test_schema_misses_every_field_of_an_event(missing: str) -> None:
    payload = event_payload(transition())
    del payload[missing]
    assert problems("event", payload) == [f"$: '{missing}' is a required property"]
