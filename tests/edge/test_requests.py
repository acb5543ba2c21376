"""What may be asked over MQTT, what is refused, and how many may ask at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.desk import BURST, MOST_WAITING, PACES_S, Allowance, Desk
from edge.requests import (
    COMMANDS,
    LIMIT_BYTES,
    LIMIT_TRANSACTION,
    Request,
    RequestRefused,
    answer,
    read_request,
)


def read(command: str, fields: Any, is_retained: bool = False) -> Request:
    return read_request(command, json.dumps(fields).encode(), is_retained)


def test_every_command_is_paced() -> None:
    assert PACES_S.keys() == COMMANDS.keys()


def test_missing_arguments_have_their_defaults() -> None:
    assert read("snapshot", {"transaction": "7"}) == Request(
        "snapshot", "7", {"width": 960, "annotated": True}
    )
    assert read("snapshot", {"width": 200.0}).arguments["width"] == 200
    assert read("events", {"since": 0}) == Request("events", None, {"since": 0, "limit": None})


@pytest.mark.parametrize(
    ("command", "fields", "message"),
    [
        ("snapshot", {"widht": 200}, "'widht': unknown argument; did you mean width?"),
        ("reload", {"now": 1}, "'now': unknown argument; known are none"),
        ("snapshot", {"width": 159}, "width: expected a number of pixels from 160 to 1920"),
        ("snapshot", {"width": True}, "width: expected a number of pixels from 160 to 1920"),
        ("snapshot", {"annotated": 1}, "annotated: expected true or false"),
        ("recheck", {"slots": ["../x"]}, "slots: expected a list of slot ids"),
        ("recheck", {"slots": []}, "slots: expected a list of slot ids"),
        ("events", {}, "since: missing; expected the seq of the newest event you have, 0 for all"),
        ("events", {"since": -1}, "since: expected the seq of the newest event you have"),
        ("events", {"since": 2**63}, "since: expected the seq of the newest event you have"),
        ("events", {"since": 0, "limit": 0}, "limit: expected a number of events from 1 to 100000"),
        ("open_door", {}, "there is no request 'open_door'; there are snapshot, recheck"),
        (
            "reference",
            {"empty": True, "slot": ["A1"]},
            "empty means every slot; leave out slot, or leave out empty",
        ),
    ],
)
def test_wrong_request_is_refused_with_its_transaction(
    command: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        read(command, {"transaction": "mine", **fields})
    assert str(refused.value).startswith(message)
    assert refused.value.transaction == "mine"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "the request is no JSON in UTF-8"),
        (b"\xff", "the request is no JSON in UTF-8"),
        (b"[" * 60_000, "the request is nested too deep"),
        (b'{"since": ' + b"9" * 5000 + b"}", "the request is nested too deep, or has a number of"),
        (b'{"since": NaN}', "the request is no JSON in UTF-8 (NaN is no JSON)"),
        (b"7", "the request is no JSON object"),
        (b'{"transaction": 7}', "transaction: expected text of at most 256 characters"),
        (b'{"transaction": "\\ud800"}', "transaction: this text is no Unicode"),
        (b"{}" + b" " * LIMIT_BYTES, "the request has 65538 bytes; at most 65536 are read"),
    ],
)
def test_what_is_no_request_is_refused(payload: bytes, message: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_request("events", payload, False)
    assert str(refused.value).startswith(message)
    assert refused.value.transaction is None


def test_request_of_the_largest_size_is_read() -> None:
    payload = b'{"since":1}'
    assert read_request("events", payload.ljust(LIMIT_BYTES), False).arguments["since"] == 1
    assert read("reload", {"transaction": "x" * LIMIT_TRANSACTION}).command == "reload"


def test_retained_request_is_refused() -> None:
    with pytest.raises(RequestRefused, match="retained requests are refused") as refused:
        read("reload", {"transaction": "old"}, is_retained=True)
    assert refused.value.transaction == "old"


def test_answer_is_data_or_an_error() -> None:
    assert answer("1", {"topics": 3})["status"] == "ok"
    refused = answer(None, None, "busy; ask again")
    assert refused == {
        "transaction": None,
        "status": "error",
        "data": None,
        "error": "busy; ask again",
    }


def test_desk_holds_a_few_and_wakes_whoever_answers() -> None:
    woken = []
    desk = Desk()
    desk.notify(lambda: woken.append(1))
    for _ in range(MOST_WAITING):
        desk.submit(read("reload", {}), lambda data, error: None)
    with pytest.raises(RequestRefused, match="busy: too many requests wait"):
        desk.submit(read("reload", {}), lambda data, error: None)
    assert len(woken) == MOST_WAITING
    assert desk.take(lambda waiting: waiting.since_s < 0) == []
    assert len(desk.take()) == MOST_WAITING
    assert desk.is_empty()


def test_requests_of_one_kind_are_spread_over_time() -> None:
    now_s = 100.0
    allowance = Allowance(lambda: now_s)
    for _ in range(BURST):
        allowance.admit("rebirth")
    with pytest.raises(RequestRefused, match="too many rebirth requests; ask again in 5 s"):
        allowance.admit("rebirth")
    allowance.admit("snapshot")  # another kind has its own
    now_s += PACES_S["rebirth"]
    allowance.admit("rebirth")
    with pytest.raises(RequestRefused):
        allowance.admit("rebirth")
