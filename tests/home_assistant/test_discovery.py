"""The device as a real Home Assistant sees it, told by the real sink over a real broker."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import publish

from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.types import ALERT_IDS, Alert, Reason, SlotMemory, State, rfc3339, utc_now
from tests.broker import Mosquitto, eventually, retained, subscriber
from tests.home_assistant.server import HomeAssistant
from tests.info import info
from tests.schemas import problems_of

AT = utc_now()
EMPTY = SlotMemory(State.EMPTY, None, AT, 0.03, State.EMPTY, seq=7)
OCCUPIED = SlotMemory(State.OCCUPIED, None, AT, 0.97, State.OCCUPIED, seq=8)
UNKNOWN = SlotMemory(State.UNKNOWN, Reason.CAMERA_LOST, AT, None, State.OCCUPIED, seq=9)
DISABLED = SlotMemory(State.UNKNOWN, Reason.DISABLED, AT, None, State.OCCUPIED, seq=10)
HEALTH: dict[str, Any] = {
    "uptime_s": 3600,
    "frame_age_s": 0.359,
    "readings_per_minute": 3840,
    "ms_per_slot_p50": 0.61,
    "ms_per_slot_p99": 0.83,
    "cpu_percent": 5.2,
    "rss_bytes": 186646528,
    "temperature_c": None,
    "journal_depth": 0,
    "camera_restarts": 2,
    "seq": 9,
    "events_dropped": 0,
    "alerts": [],
}
Labels = dict[str, str | None]

_numbers = itertools.count(1)


def labelled(labels: Labels) -> dict[str, Any]:
    return info(*((slot_id, label, True) for slot_id, label in labels.items()))


class Cabinet:
    """A device of a name that no other test uses, with its own journal."""

    def __init__(self, broker: Mosquitto, home_assistant: HomeAssistant, folder: Path) -> None:
        number = next(_numbers)
        self.device = f"cabinet-{number}"
        self.prefix = f"slotwatch/{self.device}"
        self.entity_prefix = f"cabinet_{number}_"
        self._broker = broker
        self._home_assistant = home_assistant
        self._folder = folder

    @contextmanager
    def running(self, labels: Labels, announces: bool = True) -> Iterator[MqttSink]:
        """Yield a connected sink, every slot EMPTY; afterwards it says `offline`."""
        journal = Journal(self._folder / "journal.db")
        sink = MqttSink(
            device=self.device,
            host=self._broker.host,
            port=self._broker.port,
            journal=journal,
            home_assistant=announces,
        )
        for slot_id in labels:
            sink.slot(slot_id, EMPTY)
        sink.info(labelled(labels))
        sink.health(HEALTH)
        sink.start()
        try:
            yield sink
        finally:
            sink.close()
            journal.close()

    def publish_for_it(self, topic: str, payload: str) -> None:
        """Put something retained in the place of what the device said last."""
        topic = f"{self.prefix}/{topic}"
        publish.single(topic, payload, 1, True, self._broker.host, self._broker.port)

    def entity_id(self, entity: str) -> str:
        """Return the full id of `<domain>.<name>`, as Home Assistant makes it."""
        domain, name = entity.split(".")
        return f"{domain}.{self.entity_prefix}{name}"

    def state(self, entity: str) -> str | None:
        return self._home_assistant.state(self.entity_id(entity))

    def becomes(self, entity: str, state: str | None) -> dict[str, Any]:
        """Wait for an entity's state (None: for its end); return its attributes."""
        eventually(
            lambda: self.state(entity) == state,
            60.0,
            lambda: f"{self.entity_id(entity)} is {self.state(entity)}, not {state}",
        )
        entity_id = self.entity_id(entity)
        found = self._home_assistant.states(entity_id).get(entity_id, {"attributes": {}})
        return dict(found["attributes"])

    def is_unknown_to_home_assistant(self) -> bool:
        device = f"{{{{ device_id('{self.device}') }}}}"
        return (
            self._home_assistant.states(f".{self.entity_prefix}") == {}
            and self._home_assistant.render(device) == "None"
        )


@pytest.fixture
def cabinet(broker: Mosquitto, home_assistant: HomeAssistant, tmp_path: Path) -> Cabinet:
    return Cabinet(broker, home_assistant, tmp_path)


def test_slot_appears_as_an_occupancy_sensor_named_for_people(cabinet: Cabinet) -> None:
    with cabinet.running({"A1": None, "A2": "Bohrer, 18 V"}):
        attributes = cabinet.becomes("binary_sensor.a1", "off")
        assert attributes["friendly_name"] == f"{cabinet.device} A1"
        assert attributes["device_class"] == "occupancy"
        attributes = cabinet.becomes("binary_sensor.bohrer_18_v", "off")
        assert attributes["friendly_name"] == f"{cabinet.device} Bohrer, 18 V"


def test_device_appears_with_its_version_and_model(
    cabinet: Cabinet, home_assistant: HomeAssistant
) -> None:
    with cabinet.running({"A1": None}):
        cabinet.becomes("binary_sensor.a1", "off")
        names = ("name", "manufacturer", "model", "model_id", "sw_version", "identifiers")
        template = f"{{% set id = device_id('{cabinet.entity_id('binary_sensor.a1')}') %}}"
        template += "|".join(f"{{{{ device_attr(id, '{name}') }}}}" for name in names)
        identifiers = f"{{('mqtt', 'slotwatch-{cabinet.device}')}}"
        assert home_assistant.render(template) == (
            f"{cabinet.device}|Slotwatch|default|aaaaaaaaaaaa|0.1.0|{identifiers}"
        )


def test_states_are_followed_and_unknown_is_unknown(cabinet: Cabinet) -> None:
    with cabinet.running({"A1": None}) as sink:
        cabinet.becomes("binary_sensor.a1", "off")
        sink.slot("A1", OCCUPIED)
        attributes = cabinet.becomes("binary_sensor.a1", "on")
        assert (attributes["probability"], attributes["reason"]) == (0.97, None)
        sink.slot("A1", UNKNOWN)
        attributes = cabinet.becomes("binary_sensor.a1", "unknown")
        assert (attributes["reason"], attributes["last_known"]) == ("camera_lost", "OCCUPIED")
        assert attributes["since"] == rfc3339(AT)
        sink.slot("A1", EMPTY)
        cabinet.becomes("binary_sensor.a1", "off")
        sink.slot("A1", DISABLED)
        assert cabinet.becomes("binary_sensor.a1", "unknown")["reason"] == "disabled"


def test_stopped_device_is_unavailable_until_it_runs_again(cabinet: Cabinet) -> None:
    for _ in range(2):
        with cabinet.running({"A1": None}):
            cabinet.becomes("binary_sensor.a1", "off")
            cabinet.becomes("sensor.processor_load", "5.2")
        cabinet.becomes("binary_sensor.a1", "unavailable")
        cabinet.becomes("sensor.processor_load", "unavailable")


@pytest.mark.parametrize("word", ["offline", "lost", ""])
def test_every_status_but_online_is_unavailable(cabinet: Cabinet, word: str) -> None:
    # In the broker's place: so it publishes the will of a device that vanished.
    with cabinet.running({"A1": None}):
        cabinet.becomes("binary_sensor.a1", "off")
        cabinet.publish_for_it("status", word)
        cabinet.becomes("binary_sensor.a1", "unavailable")
        cabinet.publish_for_it("status", "online")
        cabinet.becomes("binary_sensor.a1", "off")


def test_health_is_shown_with_its_units(cabinet: Cabinet) -> None:
    with cabinet.running({}) as sink:
        for name, state, unit in (
            ("age_of_the_last_frame", "0.359", "s"),
            ("readings_per_minute", "3840", None),
            ("time_per_slot", "0.61", "ms"),
            ("processor_load", "5.2", "%"),
            ("memory", "178.0", "MiB"),
            ("processor_temperature", "unknown", "°C"),
            ("events_waiting_for_the_broker", "0", None),
            ("events_given_up", "0", None),
            ("camera_restarts", "2", None),
        ):
            attributes = cabinet.becomes(f"sensor.{name}", state)
            assert attributes.get("unit_of_measurement") == unit
        sink.health({**HEALTH, "temperature_c": 51.0, "journal_depth": 3})
        cabinet.becomes("sensor.processor_temperature", "51.0")
        cabinet.becomes("sensor.events_waiting_for_the_broker", "3")


def test_alert_is_a_problem_with_words_while_it_lasts(cabinet: Cabinet) -> None:
    with cabinet.running({}) as sink:
        for alert_id in ALERT_IDS:
            attributes = cabinet.becomes(f"binary_sensor.{alert_id}", "off")
            assert attributes["device_class"] == "problem"
            assert "message" not in attributes
        sink.alert(Alert("camera_lost", "no picture from the camera", AT))
        sink.health({**HEALTH, "alerts": ["camera_lost"]})
        # State and words come by two topics, in any order.
        eventually(lambda: "message" in cabinet.becomes("binary_sensor.camera_lost", "on"))
        attributes = cabinet.becomes("binary_sensor.camera_lost", "on")
        assert attributes["message"] == "no picture from the camera"
        assert cabinet.state("binary_sensor.camera_moved") == "off"
        sink.end_alert("camera_lost")
        sink.health(HEALTH)
        eventually(lambda: "message" not in cabinet.becomes("binary_sensor.camera_lost", "off"))


def test_cleared_topics_are_unknown_and_no_reason_to_complain(cabinet: Cabinet) -> None:
    with cabinet.running({"A1": None}):
        cabinet.becomes("sensor.processor_load", "5.2")
        for topic in ("slots/A1", "health", "alerts/camera_lost"):
            cabinet.publish_for_it(topic, "")
        cabinet.becomes("binary_sensor.a1", "unknown")
        cabinet.becomes("sensor.processor_load", "unknown")
        cabinet.becomes("binary_sensor.camera_lost", "unknown")


@pytest.mark.parametrize(
    ("command", "button"),
    [("recheck", "look_again"), ("rebirth", "publish_everything_again")],
)
def test_pressed_button_arrives_as_a_request(
    cabinet: Cabinet, broker: Mosquitto, home_assistant: HomeAssistant, command: str, button: str
) -> None:
    with cabinet.running({}), subscriber(broker, f"{cabinet.prefix}/request/#") as listener:
        cabinet.becomes(f"button.{button}", "unknown")  # never pressed
        home_assistant.press(cabinet.entity_id(f"button.{button}"))
        heard = eventually(lambda: listener.heard)
        assert [message.topic for message in heard] == [f"{cabinet.prefix}/request/{command}"]
        assert heard[0].payload == b'{"transaction":"home-assistant"}'
        assert retained(broker, f"{cabinet.prefix}/request/#") == {}
        assert problems_of(heard[0].topic, heard[0].payload) == []


def test_removed_slot_disappears_and_may_come_back(cabinet: Cabinet) -> None:
    with cabinet.running({"A1": None, "A2": None}) as sink:
        cabinet.becomes("binary_sensor.a2", "off")
        sink.forget_slot("A2")
        sink.info(labelled({"A1": None}))
        cabinet.becomes("binary_sensor.a2", None)
        assert cabinet.state("binary_sensor.a1") == "off"
        sink.slot("A2", OCCUPIED)
        sink.info(labelled({"A1": None, "A2": None}))
        cabinet.becomes("binary_sensor.a2", "on")


def test_slot_with_a_new_label_keeps_its_entity(cabinet: Cabinet) -> None:
    with cabinet.running({"A1": "Drill"}) as sink:
        cabinet.becomes("binary_sensor.drill", "off")
        sink.info(labelled({"A1": "Säge"}))
        # Automations refer to the entity's id: only the name that people read is another.
        wanted = f"{cabinet.device} Säge"
        eventually(lambda: cabinet.becomes("binary_sensor.drill", "off")["friendly_name"] == wanted)


def test_device_disappears_when_announcing_is_switched_off(cabinet: Cabinet) -> None:
    with cabinet.running({"A1": None}):
        cabinet.becomes("binary_sensor.a1", "off")
    with cabinet.running({"A1": None}, announces=False):
        eventually(cabinet.is_unknown_to_home_assistant, 60.0)


def test_retired_device_disappears(cabinet: Cabinet) -> None:
    with cabinet.running({"A1": None}) as sink:
        cabinet.becomes("binary_sensor.a1", "off")
        sink.retire()
        eventually(cabinet.is_unknown_to_home_assistant, 60.0)


@pytest.mark.timeout(300)
def test_home_assistant_that_starts_later_sees_everything(
    cabinet: Cabinet, home_assistant: HomeAssistant
) -> None:
    with cabinet.running({"A1": None, "A2": None}) as sink:
        cabinet.becomes("binary_sensor.a2", "off")
        home_assistant.stop()
        sink.slot("A1", OCCUPIED)
        home_assistant.start()
        cabinet.becomes("binary_sensor.a1", "on")
        cabinet.becomes("binary_sensor.a2", "off")
        cabinet.becomes("sensor.processor_load", "5.2")
        # Its topic is absent while nothing is wrong, which must not read as unknown.
        cabinet.becomes("binary_sensor.camera_lost", "off")


@pytest.mark.timeout(300)
def test_largest_cabinet_appears_whole(cabinet: Cabinet, home_assistant: HomeAssistant) -> None:
    with cabinet.running({f"R{n // 32:02}-{n % 32:02}": None for n in range(2048)}):

        def are_all_there() -> bool:
            found = home_assistant.states(f"binary_sensor.{cabinet.entity_prefix}r")
            return [each["state"] for each in found.values()] == 2048 * ["off"]

        eventually(are_all_there, 240.0)
