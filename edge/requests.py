"""What may be asked of the device over MQTT: bytes -> a request, or the reason why not.

Nothing here keeps state or waits; `edge.desk` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.problems import closest, shown
from edge.setting_kinds import NAME_PATTERN
from edge.types import SlotwatchError

LIMIT_BYTES = 64 * 1024  # of a request
LIMIT_TRANSACTION = 256  # characters
LIMIT_SLOTS = 4096  # named in one request
WIDTHS_PX = (160, 1920)  # of a snapshot
DEFAULT_WIDTH_PX = 960


class RequestRefused(SlotwatchError):
    """The request changes nothing; the message says what is wrong and what to do.

    Attributes:
        transaction: of the request, None where it has none that can be read.
    """

    def __init__(self, message: str, transaction: str | None = None) -> None:
        super().__init__(message)
        self.transaction = transaction


@dataclass(frozen=True)
class Request:
    """A request that can be answered."""

    command: str  # one of COMMANDS
    transaction: str | None  # the sender's own mark, given back with the answer
    arguments: Mapping[str, Any]  # every argument of the command, with its default where missing


@dataclass(frozen=True)
class Argument:
    """One argument of a command."""

    words: str  # what it has to be
    accepts: Callable[[Any], bool]
    default: Any = None
    is_required: bool = False


def _is_whole(value: Any, low: int, high: int) -> bool:
    # JSON's true is an int in Python, and its 7.0 is a whole number in JSON.
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return is_whole and not isinstance(value, bool) and low <= value <= high


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_slot_ids(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= LIMIT_SLOTS
        and all(isinstance(item, str) and NAME_PATTERN.fullmatch(item) for item in value)
    )


_SLOTS = Argument("a list of slot ids", _are_slot_ids)
_LARGEST_SEQ = 2**63 - 1

COMMANDS: dict[str, dict[str, Argument]] = {
    "snapshot": {
        "width": Argument(
            f"a number of pixels from {WIDTHS_PX[0]} to {WIDTHS_PX[1]}",
            lambda value: _is_whole(value, *WIDTHS_PX),
            DEFAULT_WIDTH_PX,
        ),
        "annotated": Argument("true or false", _is_flag, True),
    },
    "recheck": {"slots": _SLOTS},
    "reload": {},
    "rebirth": {},
    "reference": {
        "empty": Argument("true or false", _is_flag, False),
        "slot": _SLOTS,
        "light": Argument("true or false", _is_flag, False),
    },
    "events": {
        "since": Argument(
            "the seq of the newest event you have, 0 for all",
            lambda value: _is_whole(value, 0, _LARGEST_SEQ),
            is_required=True,
        ),
        "limit": Argument(
            "a number of events from 1 to 100000", lambda value: _is_whole(value, 1, 100_000)
        ),
    },
}


def read_request(command: str, payload: bytes, is_retained: bool) -> Request:
    """Return what is asked.

    Raises:
        RequestRefused: it cannot be answered.
    """
    fields: Any = {}
    problem = None
    if len(payload) > LIMIT_BYTES:
        problem = f"the request has {len(payload)} bytes; at most {LIMIT_BYTES} are read"
    else:
        try:
            fields = json.loads(payload.decode(), parse_constant=_refuse_constant)
        except (json.JSONDecodeError, _NoConstant, UnicodeDecodeError) as error:
            problem = f"the request is no JSON in UTF-8 ({error}); send an object like {{}}"
        except (ValueError, RecursionError):
            problem = "the request is nested too deep, or has a number of too many digits"
    if problem is None and not isinstance(fields, dict):
        problem = 'the request is no JSON object; send one like {"transaction": "1"}'
    if problem is not None:
        raise RequestRefused(problem)
    transaction = _transaction(fields)
    try:
        return Request(command, transaction, _arguments(command, fields, is_retained))
    except RequestRefused as refused:
        raise RequestRefused(str(refused), transaction) from None


class _NoConstant(ValueError):
    """NaN or Infinity, which Python would read."""


def _refuse_constant(word: str) -> Any:
    raise _NoConstant(f"{word} is no JSON")


def _transaction(fields: Mapping[str, Any]) -> str | None:
    transaction = fields.get("transaction")
    if transaction is None:
        return None
    if not isinstance(transaction, str) or len(transaction) > LIMIT_TRANSACTION:
        raise RequestRefused(
            f"transaction: expected text of at most {LIMIT_TRANSACTION} characters"
        )
    try:
        transaction.encode()
    except UnicodeEncodeError:
        # Half of a pair of surrogates can be written in JSON, but not sent back in UTF-8.
        raise RequestRefused("transaction: this text is no Unicode; send another") from None
    return transaction


def _arguments(command: str, fields: Mapping[str, Any], is_retained: bool) -> dict[str, Any]:
    if is_retained:
        # The broker would repeat it at every connection: a command must not act twice.
        raise RequestRefused("retained requests are refused; send it again without retain")
    known = COMMANDS.get(command)
    if known is None:
        raise RequestRefused(
            f"there is no request {shown(command)}; there are {', '.join(COMMANDS)}"
        )
    for name in fields:
        if name not in known and name != "transaction":
            meant = closest(name, tuple(known))
            hint = f"did you mean {meant}?" if meant else f"known are {', '.join(known) or 'none'}"
            raise RequestRefused(f"{shown(name)}: unknown argument; {hint}")
    arguments = {}
    for name, argument in known.items():
        value = fields.get(name)
        if value is None and argument.is_required:
            raise RequestRefused(f"{name}: missing; expected {argument.words}")
        if value is not None and not argument.accepts(value):
            raise RequestRefused(f"{name}: expected {argument.words}")
        if isinstance(value, float):
            value = int(value)
        arguments[name] = argument.default if value is None else value
    if command == "reference" and arguments["empty"] and arguments["slot"]:
        raise RequestRefused("empty means every slot; leave out slot, or leave out empty")
    return arguments


def answer(
    transaction: str | None, data: Mapping[str, Any] | None, error: str | None = None
) -> dict[str, Any]:
    """Return the payload of `P/response/<command>`: `data`, or the `error`."""
    return {
        "transaction": transaction,
        "status": "ok" if error is None else "error",
        "data": data,
        "error": error,
    }
