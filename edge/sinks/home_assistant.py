"""Home Assistant's device discovery: what the device is -> the payload that announces it.

One retained message makes one device with all its entities (Home Assistant 2024.12 or
newer); an empty one removes it. Nothing is measured for it: every entity reads topics of
the MQTT contract, so it says what every other dashboard says. Pure functions; the MQTT
sink's callers run them.

Every template also gives a value for an empty payload, which is what a cleared topic
sends: a template that fails fills Home Assistant's log.

Home Assistant subscribes with QoS 0, its default. With 1 Mosquitto waits for 20 acknowledgements
at a time, keeps 1,000 messages meanwhile and drops the rest: of 2,048 slots up to 76 stayed
unknown. What 0 may lose in a broken connection is retained, and comes with the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edge.types import ALERT_IDS

PRODUCT = "Slotwatch"
TRANSACTION = '{"transaction":"home-assistant"}'  # of every request a button sends
# Three reports of P/health missed, at one every 30 s: then its numbers are nobody's.
HEALTH_EXPIRES_AFTER_S = 90

# `lost` is neither of the two words Home Assistant knows, and it ignores other words.
AVAILABILITY_TEMPLATE = "{{ 'online' if value == 'online' else 'offline' }}"
# None, the value for every other state, is how a template says unknown.
SLOT_TEMPLATE = "{{ {'EMPTY':'OFF','OCCUPIED':'ON'}.get((value_json|default({})).get('state')) }}"
ATTRIBUTES_TEMPLATE = "{{ value or '{}' }}"
HEALTH_TEMPLATE = "{{ (value_json|default({})).get('%s') }}"
MEMORY_TEMPLATE = "{{ ((value_json|default({})).get('rss_bytes',0)/1048576)|round(1) }}"
# P/alerts/<id> is absent, not off, for whoever subscribes while nothing is wrong; the
# list in P/health is always there.
ALERT_TEMPLATE = (
    "{%% set lasting = (value_json|default({})).get('alerts') %%}"
    "{{ None if lasting is none else 'ON' if '%s' in lasting else 'OFF' }}"
)

MEASUREMENT = {"state_class": "measurement"}
SECONDS = {"device_class": "duration", "unit_of_measurement": "s", **MEASUREMENT}
MILLISECONDS = {"device_class": "duration", "unit_of_measurement": "ms", **MEASUREMENT}
COUNTER = {"state_class": "total_increasing"}
# Field of P/health -> what people read, and what kind of number it is.
HEALTH_SENSORS: dict[str, tuple[str, dict[str, str]]] = {
    "frame_age_s": ("Age of the last frame", SECONDS),
    "readings_per_minute": ("Readings per minute", MEASUREMENT),
    "ms_per_slot_p50": ("Time per slot", MILLISECONDS),
    "cpu_percent": ("Processor load", {"unit_of_measurement": "%", **MEASUREMENT}),
    "rss_bytes": (
        "Memory",
        {"device_class": "data_size", "unit_of_measurement": "MiB", **MEASUREMENT},
    ),
    "temperature_c": (
        "Processor temperature",
        {"device_class": "temperature", "unit_of_measurement": "°C", **MEASUREMENT},
    ),
    "journal_depth": ("Events waiting for the broker", MEASUREMENT),
    "events_dropped": ("Events given up", COUNTER),
    "camera_restarts": ("Camera restarts", COUNTER),
}
# Command of P/request/<command> -> what the button says.
BUTTONS = {"recheck": "Look again", "rebirth": "Publish everything again"}


def discovery_topic(device: str) -> str:
    """Return the topic of the device's announcement, retained."""
    return f"homeassistant/device/{device}/config"


def discovery_payload(
    prefix: str, device: str, info: Mapping[str, Any], removed: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the announcement: the device, and every entity under `components`.

    `prefix` is `<topic_prefix>/<device>`, `info` the payload of P/info. A disabled slot is
    announced too: it says unknown with its reason, and a dashboard keeps its place for it.
    `removed` names slots that are gone; their components hold a platform alone, by which
    Home Assistant deletes them. What is left out stays there until it restarts.
    """
    components: dict[str, dict[str, Any]] = {
        _slot_key(slot_id): {"platform": "binary_sensor"} for slot_id in removed
    }
    for slot in info["slots"]:
        components[_slot_key(slot["id"])] = _slot(prefix, slot)
    for field in HEALTH_SENSORS:
        components[f"health_{field}"] = _health_sensor(prefix, field)
    for alert_id in ALERT_IDS:
        components[f"alert_{alert_id}"] = _alert(prefix, alert_id)
    for command in BUTTONS:
        components[f"request_{command}"] = _button(prefix, command)
    identifier = f"{PRODUCT.lower()}-{device}"
    for key, component in components.items():
        if len(component) > 1:
            # The slash keeps apart what hyphens in the two names could make equal.
            component["unique_id"] = f"{identifier}/{key}"
    return {
        "device": {
            "identifiers": [identifier],
            "name": device,
            "manufacturer": PRODUCT,
            "model": info["model"]["name"],
            "model_id": info["model"]["sha256"][:12],
            "sw_version": info["version"],
        },
        "origin": {"name": PRODUCT, "sw_version": info["version"]},
        "availability_topic": f"{prefix}/status",
        "availability_template": AVAILABILITY_TEMPLATE,
        "components": components,
    }


def _slot_key(slot_id: str) -> str:
    # A slot may be called as a health field is.
    return f"slot_{slot_id}"


def _slot(prefix: str, slot: Mapping[str, Any]) -> dict[str, Any]:
    topic = f"{prefix}/slots/{slot['id']}"
    return {
        "platform": "binary_sensor",
        "name": slot["label"] or slot["id"],
        "device_class": "occupancy",
        "state_topic": topic,
        "value_template": SLOT_TEMPLATE,
        "json_attributes_topic": topic,
        "json_attributes_template": ATTRIBUTES_TEMPLATE,
    }


def _health_sensor(prefix: str, field: str) -> dict[str, Any]:
    name, kind = HEALTH_SENSORS[field]
    return {
        "platform": "sensor",
        "name": name,
        "entity_category": "diagnostic",
        "state_topic": f"{prefix}/health",
        "value_template": MEMORY_TEMPLATE if field == "rss_bytes" else HEALTH_TEMPLATE % field,
        "expire_after": HEALTH_EXPIRES_AFTER_S,
        **kind,
    }


def _alert(prefix: str, alert_id: str) -> dict[str, Any]:
    # One for each: with one for all, a lost camera would be no news while the time per
    # slot is too long, and no automation would run.
    return {
        "platform": "binary_sensor",
        "name": alert_id.replace("_", " ").capitalize(),
        "device_class": "problem",
        "entity_category": "diagnostic",
        "state_topic": f"{prefix}/health",
        "value_template": ALERT_TEMPLATE % alert_id,
        "expire_after": HEALTH_EXPIRES_AFTER_S,
        "json_attributes_topic": f"{prefix}/alerts/{alert_id}",
        "json_attributes_template": ATTRIBUTES_TEMPLATE,
    }


def _button(prefix: str, command: str) -> dict[str, Any]:
    return {
        "platform": "button",
        "name": BUTTONS[command],
        "entity_category": "diagnostic",
        "command_topic": f"{prefix}/request/{command}",
        "payload_press": TRANSACTION,
        "qos": 1,
        "retain": False,
    }
