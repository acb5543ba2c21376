"""The schemas of requests and answers, and the AsyncAPI document that ties them to topics."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edge.requests import COMMANDS as COMMANDS_OF_THE_PROGRAM
from edge.requests import RequestRefused, read_request
from edge.sinks.payloads import encode
from tests.schemas import COMMANDS, problems, schema

TRANSACTION = {"transaction": "dashboard 17"}
AT = "2026-11-21T06:30:00.123Z"
IMAGE = base64.b64encode(b"\xff\xd8 a picture \xff\xd9").decode()
PICTURE = {"at": AT, "width": 960, "height": 720, "content_type": "image/jpeg"}
SLOT = {"probability": 0.97, "reading": "OCCUPIED", "reason": None, "state": "EMPTY"}

DATA: dict[str, dict[str, Any]] = {
    "snapshot": {**PICTURE, "image": IMAGE, "unusable": None},
    "recheck": {"at": AT, "unusable": "frame_dark", "slots": {"A1": SLOT}},
    "reload": {"settings_sha256": "07dc"},
    "rebirth": {"topics": 67},
    "reference": {"said": ["the picture of the cabinet was replaced"]},
    "events": {"since": 7, "count": 2, "last": 9, "more": False, "complete": True},
}


@pytest.mark.parametrize("name", ["request", "response"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_schema(name: str, command: str) -> None:
    document = schema(name)
    assert {"$ref": f"#/$defs/{command}"} in document["anyOf"]
    assert document["$defs"][command]["title"] == f"P/{name}/{command}"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("snapshot", {}),
        ("snapshot", {"width": 160, "annotated": False}),
        ("recheck", {"slots": ["A1", "A2"]}),
        ("reload", {"transaction": None}),
        ("rebirth", TRANSACTION),
        ("reference", {"empty": True}),
        ("reference", {"slot": ["A1"], "light": True}),
        ("events", {"since": 0}),
        ("events", {"since": 1795242601, "limit": 100000, **TRANSACTION}),
    ],
)
def test_request_that_a_dashboard_sends_is_right(command: str, arguments: dict[str, Any]) -> None:
    assert problems("request", arguments, command) == []
    assert problems("request", arguments) == []
    assert read_request(command, encode(arguments), is_retained=False).command == command


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("snapshot", {"width": 159}, "$.width: 159 is less than the minimum of 160"),
        ("snapshot", {"width": 1921}, "$.width: 1921 is greater than the maximum of 1920"),
        ("snapshot", {"annotated": "yes"}, "$.annotated: 'yes' is not of type 'boolean'"),
        ("snapshot", {"widht": 960}, "$: Additional properties are not allowed ('widht'"),
        ("recheck", {"slots": "A1"}, "$.slots: 'A1' is not of type 'array'"),
        ("recheck", {"slots": ["A 1"]}, "$.slots[0]: 'A 1' does not match"),
        ("reload", {"transaction": 17}, "$.transaction: 17 is not of type 'string', 'null'"),
        ("rebirth", {"transaction": 257 * "x"}, "$.transaction: 'xxx"),
        ("reference", {"slot": [17]}, "$.slot[0]: 17 is not of type 'string'"),
        ("reference", {"slot": []}, "$.slot: []"),
        ("reference", {"empty": True, "slot": ["A1"]}, "$: {'empty': True, 'slot': ['A1']}"),
        ("events", {}, "$: 'since' is a required property"),
        ("events", {"since": -1}, "$.since: -1 is less than the minimum of 0"),
        ("events", {"since": 0, "limit": 0}, "$.limit: 0 is less than the minimum of 1"),
        ("events", {"since": 0, "limit": 100001}, "$.limit: 100001 is greater than"),
    ],
)
def test_schema_refuses_a_wrong_request(
    command: str, arguments: dict[str, Any], expected: str
) -> None:
    found = problems("request", arguments, command)
    assert len(found) == 1
    assert found[0].startswith(expected)
    with pytest.raises(RequestRefused):
        read_request(command, encode(arguments), is_retained=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_schema_and_program_name_the_same_arguments(command: str) -> None:
    described = schema("request")["$defs"][command]["properties"]
    assert described.keys() - {"transaction"} == COMMANDS_OF_THE_PROGRAM[command].keys()
    defaults = {
        name: argument.default for name, argument in COMMANDS_OF_THE_PROGRAM[command].items()
    }
    assert {name: described[name].get("default") for name in defaults} == defaults


def answer(status: str, data: Any, error: str | None) -> dict[str, Any]:
    return {**TRANSACTION, "status": status, "data": data, "error": error}


@pytest.mark.parametrize("command", COMMANDS)
def test_answer_holds_either_its_data_or_an_error(command: str) -> None:
    data = DATA[command]
    assert problems("response", answer("ok", data, None), command) == []
    assert problems("response", answer("error", None, "busy; ask again in 2 s"), command) == []
    assert problems("response", answer("ok", None, None), command)
    assert problems("response", answer("ok", data, "and yet"), command)
    assert problems("response", answer("error", data, "busy"), command)
    assert problems("response", answer("error", None, None), command)


@pytest.mark.parametrize(
    ("command", "field"), [(command, field) for command in COMMANDS for field in DATA[command]]
)
def test_schema_misses_every_field_of_an_answer(command: str, field: str) -> None:
    data = {name: value for name, value in DATA[command].items() if name != field}
    assert problems("response", answer("ok", data, None), command)


def test_answer_to_an_unknown_command_is_an_error() -> None:
    assert problems("response", answer("error", None, "unknown command"), "refused") == []
    assert problems("response", answer("ok", {}, None), "refused")


@pytest.mark.parametrize(
    "change",
    [
        {"reading": "FULL"},
        {"probability": 1.01},
        {"reason": "tired"},
        {"state": None},
    ],
)
def test_schema_refuses_a_wrong_reading(change: dict[str, Any]) -> None:
    data = DATA["recheck"] | {"slots": {"A1": SLOT | change}}
    assert problems("response", answer("ok", data, None), "recheck")


def test_schemas_name_the_same_reasons_everywhere() -> None:
    in_slot = schema("slot")["properties"]["reason"]["enum"]
    in_event = schema("event")["properties"]["reason"]["enum"]
    definitions = schema("response")["$defs"]
    in_picture = definitions["snapshot_data"]["properties"]["unusable"]["enum"]
    recheck = definitions["recheck_data"]["properties"]
    in_reading = recheck["slots"]["additionalProperties"]["properties"]["reason"]["enum"]
    assert in_slot == in_event == in_picture == in_reading == recheck["unusable"]["enum"]


@pytest.mark.parametrize("name", ["request", "response"])
@pytest.mark.parametrize("command", COMMANDS)
def test_part_is_a_schema(name: str, command: str) -> None:
    Draft202012Validator.check_schema(schema(name)["$defs"][command])
