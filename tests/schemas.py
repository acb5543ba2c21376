"""The shipped JSON Schemas, and a look at everything a subscriber heard through them."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

NAMES = ("status", "slot", "event", "health", "info", "alert")


def schema(name: str) -> dict[str, Any]:
    text = (resources.files("edge") / "schemas" / f"{name}.json").read_text("utf-8")
    return dict(json.loads(text))


def problems(name: str, payload: Any) -> list[str]:
    """Return what is wrong with a payload, in the validator's words."""
    validator = Draft202012Validator(schema(name), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(payload)]


def problems_of(topic: str, payload: bytes) -> list[str]:
    """Return what is wrong with a message on `<prefix>/<device>/<topic>`."""
    _, _, *rest = topic.split("/")
    if rest == ["status"]:
        return problems("status", payload.decode())
    if rest[0] in ("slots", "alerts") and not payload:
        return []  # cleared
    name = {"slots": "slot", "alerts": "alert", "events": "event"}.get(rest[0], rest[0])
    if name not in NAMES:
        return [f"{topic}: no such topic in the contract"]
    return problems(name, json.loads(payload))
