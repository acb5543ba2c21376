"""The shipped JSON Schemas, and a look at everything a subscriber heard through them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

NAMES = (
    *("status", "slot", "event", "health", "info", "alert"),
    *("request", "response", "home_assistant"),
)
COMMANDS = ("snapshot", "recheck", "reload", "rebirth", "reference", "events")

_NAME_BY_TOPIC = {"slots": "slot", "alerts": "alert", "events": "event"}
_IS_CLEARED_WITH_NOTHING = ("slots", "alerts", "homeassistant")


def schema(name: str) -> dict[str, Any]:
    text = (resources.files("edge") / "schemas" / f"{name}.json").read_text("utf-8")
    return dict(json.loads(text))


def problems(name: str, payload: Any, part: str | None = None) -> list[str]:
    """Return what is wrong with a payload, in the validator's words.

    `part` names one of the schema's definitions: of `request` and `response` a command.
    """
    document = schema(name)
    if part is not None:
        document = {"$ref": f"#/$defs/{part}", "$defs": document["$defs"]}
    validator = Draft202012Validator(document, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(payload)]


def problems_of(topic: str, payload: bytes) -> list[str]:
    """Return what is wrong with a message, or with its being there at all.

    The topic is `<prefix>/<device>/…`, the prefix of one level, or one of Home Assistant's.
    """
    first, _, *rest = topic.split("/")
    kind = first if first == "homeassistant" else rest[0]
    if kind in _IS_CLEARED_WITH_NOTHING and not payload:
        return []
    if kind == "status":
        return problems("status", payload.decode())
    document = json.loads(payload)
    if kind == "homeassistant":
        return problems("home_assistant", document)
    if kind == "response":
        return problems("response", document, rest[1] if rest[1] in COMMANDS else "refused")
    if kind == "request" and rest[1] in COMMANDS:
        return problems("request", document, rest[1])
    name = _NAME_BY_TOPIC.get(kind, kind)
    if kind == "request" or name not in NAMES:
        return [f"{topic}: no such topic in the contract"]
    return problems(name, document)
