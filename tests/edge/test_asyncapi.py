"""The AsyncAPI document: a correct one, that says what the other documents say."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.asyncapi_document import binding_of, channel_of, document, references, resolve
from tests.schemas import COMMANDS

ROOT = Path(__file__).parents[2]
SPECIFICATION = ROOT / "tests" / "asyncapi" / "3.0.0.json"
PAGE = ROOT / "docs" / "mqtt.md"


def problems(described: dict[str, Any]) -> list[str]:
    validator = Draft7Validator(json.loads(SPECIFICATION.read_text("utf-8")))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(described)]


def test_document_is_asyncapi_3() -> None:
    assert problems(document()) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asyncapi",), "2.6.0"),
        (("servers", "plain", "protocol"), 5),
        (("servers", "plain", "bindings", "mqtt", "keepAlive"), "15 s"),
        (("channels", "event", "adress"), "{prefix}/{device}/events"),
        (("channels", "event", "messages", "event", "payload"), "event.json"),
        (("operations", "publish_event", "action"), "publish"),
        (("operations", "publish_event", "bindings", "mqtt", "qos"), 3),
        (("operations", "answer_events", "reply", "channel"), "response_events"),
    ],
)
def test_specification_notices_a_mistake(path: tuple[str, ...], value: Any) -> None:
    described = copy.deepcopy(document())
    node = described
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert problems(described)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(document()))
    assert len(found) > 20
    for reference in found:
        assert resolve(reference), reference


def test_every_parameter_of_an_address_is_described_and_no_other() -> None:
    for name, channel in document()["channels"].items():
        parameters = set(re.findall(r"{(\w+)}", channel["address"]))
        assert channel.get("parameters", {}).keys() == parameters, name


def test_every_payload_with_a_schema_is_in_a_message() -> None:
    named = {reference.partition("#")[0] for reference in references(document()["channels"])}
    files = {path.name for path in (ROOT / "edge" / "schemas").glob("*.json")}
    assert named == files


def test_every_channel_has_an_operation_and_every_request_its_answer() -> None:
    described = document()
    for name in described["channels"]:
        assert binding_of(name)["qos"] == 1, name
    for command in COMMANDS:
        operation = described["operations"][f"answer_{command}"]
        assert operation["action"] == "receive"
        assert operation["channel"] == {"$ref": f"#/channels/request_{command}"}
        assert operation["reply"]["channel"] == {"$ref": f"#/channels/response_{command}"}


def test_document_ships_with_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["edge"]
    shipped = {path for pattern in patterns for path in (ROOT / "edge").glob(pattern)}
    assert set((ROOT / "edge" / "schemas").iterdir()) <= shipped


# -- docs/mqtt.md ------------------------------------------------------------------------


def topics_of_the_page() -> dict[str, bool]:
    """Return the topics of the page's table, P written out, and whether each is retained."""
    found = {}
    rows = re.findall(r"^\| `([^`|]+)` \| (\w+)[^|]* \|", PAGE.read_text("utf-8"), re.MULTILINE)
    for topic, retained in rows:
        if topic.startswith(("P/", "homeassistant/")):
            topic = re.sub("^P/", "slotwatch/cabinet-a/", topic).replace("<device>", "cabinet-a")
            found[topic.replace("<id>", "A1")] = retained == "yes"
    return found


def test_page_and_document_name_the_same_topics() -> None:
    on_page = set()
    for topic, is_retained in topics_of_the_page().items():
        names = [topic.replace("<command>", command) for command in COMMANDS]
        if topic.endswith("response/<command>"):
            names.append(topic.replace("<command>", "unknown"))
        for name in names:
            channel = channel_of(name, "slotwatch")
            assert channel is not None, f"{name} is on the page, but no channel"
            assert binding_of(channel)["retain"] is is_retained, name
            on_page.add(channel)
    assert on_page == document()["channels"].keys()


def test_page_and_schema_name_the_same_alerts() -> None:
    table = PAGE.read_text("utf-8").partition("| id | raised when |")[2].partition("\n\n")[0]
    on_page = {
        alert_id
        for row in table.splitlines()[2:]
        for alert_id in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert on_page == set(document("alert.json")["properties"]["id"]["enum"])


def test_page_names_every_reason() -> None:
    text = PAGE.read_text("utf-8")
    for reason in document("slot.json")["properties"]["reason"]["enum"]:
        assert reason is None or f"`{reason}`" in text, reason
