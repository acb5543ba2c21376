"""The shipped AsyncAPI document, its references resolved."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import yaml

_FOLDER = resources.files("edge") / "schemas"
_NAME = "asyncapi.yaml"


@cache
def document(name: str = _NAME) -> dict[str, Any]:
    """Return a file beside the AsyncAPI document, or that one itself."""
    text = (_FOLDER / name).read_text("utf-8")
    return dict(yaml.safe_load(text) if name.endswith(".yaml") else json.loads(text))


def resolve(reference: str) -> Any:
    """Return what a `$ref` of the document points at.

    Raises:
        LookupError, FileNotFoundError: nothing is there.
    """
    name, _, pointer = reference.partition("#")
    node: Any = document(name or _NAME)
    for step in pointer.split("/")[1:]:
        node = node[step]
    return node


def references(node: Any) -> Iterator[str]:
    """Yield every `$ref` below a node."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def channel_of(topic: str, prefix: str) -> str | None:
    """Return the name of the channel a topic belongs to, None when there is none.

    The channel with the fewest parameters wins, so that one command's comes first.
    """
    found = []
    for name, channel in document()["channels"].items():
        address = channel["address"].replace("{prefix}", prefix)
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(address))
        if re.fullmatch(pattern, topic):
            found.append((address.count("{"), name))
    return min(found)[1] if found else None


def binding_of(channel: str) -> dict[str, Any]:
    """Return `qos` and `retain` of what is sent on a channel, as message or as reply."""
    reference = {"$ref": f"#/channels/{channel}"}
    for operation in document()["operations"].values():
        if reference in (operation["channel"], operation.get("reply", {}).get("channel")):
            return dict(operation["bindings"]["mqtt"])
    raise LookupError(f"no operation on channel {channel}")
