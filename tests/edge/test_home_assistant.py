"""What is announced to Home Assistant; tests/home_assistant asks the real one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.sinks.home_assistant import discovery_payload, discovery_topic
from edge.sinks.payloads import encode
from edge.types import ALERT_IDS
from tests.info import info
from tests.schemas import problems, problems_of, schema

PREFIX, DEVICE = "slotwatch/cabinet-a", "cabinet-a"


TWO_SLOTS = info(("A1", None, True), ("A2", "Drill, 18 V", True))


def components(*slots: tuple[str, str | None, bool], removed: tuple[str, ...] = ()) -> Any:
    return discovery_payload(PREFIX, DEVICE, info(*slots), removed)["components"]


@pytest.mark.parametrize(
    ("announced", "removed"), [(TWO_SLOTS, ()), (TWO_SLOTS, ("B1", "B2")), (info(), ())]
)
def test_announcement_is_as_its_schema(announced: dict[str, Any], removed: tuple[str, ...]) -> None:
    assert problems("info", announced) == []
    payload = discovery_payload(PREFIX, DEVICE, announced, removed)
    assert problems_of(discovery_topic(DEVICE), encode(payload)) == []


def test_device_tells_its_version_and_model() -> None:
    payload = discovery_payload(PREFIX, DEVICE, TWO_SLOTS)
    assert discovery_topic(DEVICE) == "homeassistant/device/cabinet-a/config"
    assert payload["device"] == {
        "identifiers": ["slotwatch-cabinet-a"],
        "name": "cabinet-a",
        "manufacturer": "Slotwatch",
        "model": "default",
        "model_id": "aaaaaaaaaaaa",
        "sw_version": "0.1.0",
    }
    assert payload["availability_topic"] == "slotwatch/cabinet-a/status"


def test_slot_is_an_occupancy_sensor_named_by_its_label_or_else_its_id() -> None:
    found = discovery_payload(PREFIX, DEVICE, TWO_SLOTS)["components"]
    assert found["slot_A1"]["device_class"] == "occupancy"
    assert found["slot_A1"]["state_topic"] == "slotwatch/cabinet-a/slots/A1"
    assert found["slot_A1"]["json_attributes_topic"] == "slotwatch/cabinet-a/slots/A1"
    assert [found[key]["name"] for key in ("slot_A1", "slot_A2")] == ["A1", "Drill, 18 V"]


def test_slot_keeps_its_identity_when_its_label_or_its_place_changes() -> None:
    before = components(("A1", None, True), ("A2", None, True))
    after = components(("A2", "Hammer", False), ("A1", None, True))
    assert before["slot_A2"]["unique_id"] == after["slot_A2"]["unique_id"]


def test_only_requests_ask_for_an_acknowledgement() -> None:
    # See the module's docstring: Mosquitto would drop a large cabinet's states.
    found = components(("A1", None, True))
    assert {key for key, each in found.items() if "qos" in each} == {
        "request_recheck",
        "request_rebirth",
    }


def test_disabled_slot_keeps_its_place() -> None:
    assert components(("A1", None, False)) == components(("A1", None, True))


def test_removed_slot_is_listed_with_its_platform_alone() -> None:
    found = components(("A1", None, True), removed=("A2",))
    assert found["slot_A2"] == {"platform": "binary_sensor"}


def test_slot_that_came_back_is_announced_again() -> None:
    assert components(("A1", None, True), removed=("A1",)) == components(("A1", None, True))


def test_no_two_entities_of_any_devices_share_an_identity() -> None:
    hostile = [f"{kind}_{name}" for kind in ("slot", "health") for name in ("A1", "cpu_percent")]
    slots = info(*((slot_id, None, True) for slot_id in ("A1", "cpu_percent", "recheck", *hostile)))
    identities = [
        component["unique_id"]
        for device in ("a", "a-slot", "a_slot", "a-slot_A1", "a_slot_A1")
        for component in discovery_payload(f"p/{device}", device, slots)["components"].values()
    ]
    assert len(identities) == len(set(identities)) == 5 * (7 + 9 + len(ALERT_IDS) + 2)


def test_every_alert_is_a_problem_of_its_own() -> None:
    found = components()
    for alert_id in ALERT_IDS:
        sensor = found[f"alert_{alert_id}"]
        assert sensor["device_class"] == "problem"
        assert f"'{alert_id}'" in sensor["value_template"]
        assert sensor["json_attributes_topic"] == f"{PREFIX}/alerts/{alert_id}"
    assert found["alert_camera_lost"]["name"] == "Camera lost"


def test_every_number_that_is_shown_is_one_of_the_health_report() -> None:
    shown = {key.removeprefix("health_") for key in components() if key.startswith("health_")}
    assert shown
    assert shown <= set(schema("health")["properties"])


@pytest.mark.parametrize("command", ["recheck", "rebirth"])
def test_button_sends_a_request_that_is_answered(command: str) -> None:
    button = components()[f"request_{command}"]
    assert button["command_topic"] == f"{PREFIX}/request/{command}"
    assert problems("request", json.loads(button["payload_press"]), command) == []
    assert (button["qos"], button["retain"]) == (1, False)


def test_largest_cabinet_is_announced_in_less_than_one_mebibyte() -> None:
    slots = (
        (f"R{n // 32:02}-{n % 32:02}", "Rack 12, shelf 3, left side", True) for n in range(2048)
    )
    payload = discovery_payload(PREFIX, DEVICE, info(*slots))
    assert len(encode(payload)) < 1024 * 1024
