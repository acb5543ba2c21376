"""Asking a real daemon over a real Mosquitto, as a dashboard does."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.desk import BURST
from tests.broker import MOSQUITTO, Mosquitto, Subscriber, eventually, subscriber
from tests.cabinets import PREFIX, Cabinet, events, wait_for
from tests.daemon import RunningDaemon, running_daemon
from tests.schemas import problems_of

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (Debian: apt-get install mosquitto)"
)


class Dashboard:
    """Asks, and waits for the answer."""

    def __init__(self, broker: Mosquitto, listener: Subscriber) -> None:
        self._listener = listener
        self._numbers = itertools.count()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def send(
        self,
        command: str,
        payload: bytes,
        is_retained: bool = False,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> dict[str, Any]:
        """Return the next answer to the command; call `meanwhile` when the broker has it."""
        topic = f"{PREFIX}/response/{command}"
        before = len(self._listener.of(topic))
        request = self._client.publish(f"{PREFIX}/request/{command}", payload, 1, is_retained)
        request.wait_for_publish(10)
        meanwhile()
        eventually(lambda: len(self._listener.of(topic)) > before, 20.0, lambda: topic)
        answer = self._listener.of(topic)[-1]
        assert problems_of(topic, answer) == []
        return dict(json.loads(answer))

    def ask(
        self, command: str, meanwhile: Callable[[], object] = lambda: None, **arguments: Any
    ) -> dict[str, Any]:
        """Return the answer's data."""
        transaction = f"t{next(self._numbers)}"
        request = {"transaction": transaction, **arguments}
        answer = self.send(command, json.dumps(request).encode(), meanwhile=meanwhile)
        assert answer["transaction"] == transaction
        assert answer["error"] is None
        return dict(answer["data"])

    def refusal(self, command: str, **arguments: Any) -> str:
        """Return why the request is refused."""
        answer = self.send(command, json.dumps(arguments).encode())
        assert (answer["status"], answer["data"]) == ("error", None)
        return str(answer["error"])

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Subscriber]:
    with subscriber(broker) as opened:
        yield opened


@pytest.fixture
def daemon(cabinet: Cabinet, broker: Mosquitto, listener: Subscriber) -> Iterator[RunningDaemon]:
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as started:
        wait_for(broker, started, {"A1": "EMPTY", "A2": "OCCUPIED"})
        yield started


@pytest.fixture
def dashboard(
    broker: Mosquitto, listener: Subscriber, daemon: RunningDaemon
) -> Iterator[Dashboard]:
    opened = Dashboard(broker, listener)
    yield opened
    opened.close()


def picture_of(data: dict[str, Any]) -> np.ndarray:
    encoded = np.frombuffer(base64.b64decode(data["image"]), np.uint8)
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)


def test_snapshot_shows_the_newest_picture(cabinet: Cabinet, dashboard: Dashboard) -> None:
    def show() -> None:
        cabinet.show("A2", frames=1)

    plain = dashboard.ask("snapshot", show, annotated=False)
    annotated = dashboard.ask("snapshot", show, width=160)
    assert (plain["width"], plain["height"]) == cabinet.frame_wh
    assert picture_of(plain).shape[:2] == (plain["height"], plain["width"])
    assert annotated["width"] == 160
    small = cv2.resize(picture_of(plain), (160, annotated["height"]), interpolation=cv2.INTER_AREA)
    # Lines and words are drawn over the slots.
    assert np.abs(small.astype(int) - picture_of(annotated)).max() > 60
    assert plain["unusable"] is None


def test_snapshot_of_a_camera_without_a_new_picture_is_the_newest_there_is(
    dashboard: Dashboard,
) -> None:
    assert dashboard.ask("snapshot")["content_type"] == "image/jpeg"


def test_recheck_reads_every_slot_anew(cabinet: Cabinet, dashboard: Dashboard) -> None:
    def show() -> None:
        cabinet.show("A1", "A2", frames=1)  # one look is not enough to confirm

    slots = dashboard.ask("recheck", show)["slots"]
    assert {slot: (said["reading"], said["state"]) for slot, said in slots.items()} == {
        "A1": ("OCCUPIED", "EMPTY"),
        "A2": ("OCCUPIED", "OCCUPIED"),
    }
    assert dashboard.refusal("recheck", slots=["Z9"]).startswith(
        "Z9: there is no such slot; P/info lists"
    )


def test_reload_says_what_is_wrong_and_what_is_in_use(
    cabinet: Cabinet, dashboard: Dashboard
) -> None:
    before = dashboard.ask("reload")["settings_sha256"]
    good = cabinet.slots_path.read_text()
    cabinet.slots_path.write_text(good.replace('"A2"', '"A1"'))
    assert "A1: this slot is listed twice" in dashboard.refusal("reload")
    cabinet.slots_path.write_text(good.replace('"A2"', '"B2"'))
    assert dashboard.ask("reload")["settings_sha256"] != before


def test_rebirth_publishes_everything_again(listener: Subscriber, dashboard: Dashboard) -> None:
    before = len(listener.of(f"{PREFIX}/slots/A1"))
    assert dashboard.ask("rebirth")["topics"] >= 5
    eventually(lambda: len(listener.of(f"{PREFIX}/slots/A1")) > before)
    eventually(lambda: listener.of(f"{PREFIX}/status")[-2:] == [b"online", b"online"])


def test_reference_is_taken_of_what_the_camera_shows(
    cabinet: Cabinet, dashboard: Dashboard
) -> None:
    said = dashboard.ask("reference", lambda: cabinet.show(frames=1))["said"]
    assert said[0].startswith("the cabinet remembered as this")
    assert (cabinet.config_path.parent / "state" / "references" / "index.json").is_file()
    assert dashboard.refusal("reference", slot=["Z9"]).startswith(
        "Z9: there is no such slot; P/info lists"
    )


def test_missed_events_are_sent_again_and_marked(
    listener: Subscriber, dashboard: Dashboard
) -> None:
    first, second = events(listener)
    summary = dashboard.ask("events", since=first["seq"])
    assert (summary["count"], summary["last"]) == (1, second["seq"])
    assert events(listener)[2:] == [{**second, "historical": True, "previous": first["seq"]}]


@pytest.mark.parametrize(
    ("command", "payload", "error"),
    [
        ("open", b"{}", "there is no request 'open'"),
        ("reload", b"now", "the request is no JSON"),
        ("reload", b"{}" + b" " * 65536, "the request has 65538 bytes; at most 65536 are read"),
        ("events", b'{"since": "all"}', "since: expected the seq"),
    ],
)
def test_malformed_request_is_answered(
    dashboard: Dashboard, command: str, payload: bytes, error: str
) -> None:
    assert dashboard.send(command, payload)["error"].startswith(error)


def test_retained_request_is_refused_now_and_after_every_connection(
    cabinet: Cabinet,
    broker: Mosquitto,
    listener: Subscriber,
    dashboard: Dashboard,
    daemon: RunningDaemon,
) -> None:
    answer = dashboard.send("rebirth", b'{"transaction": "r"}', is_retained=True)
    assert answer["error"] == "retained requests are refused; send it again without retain"
    daemon.stop()
    with running_daemon(cabinet.config_path):
        topic = f"{PREFIX}/response/rebirth"
        eventually(lambda: len(listener.of(topic)) == 2)
        assert json.loads(listener.of(topic)[1])["status"] == "error"


def test_too_many_requests_are_refused_and_each_is_answered(
    listener: Subscriber, dashboard: Dashboard
) -> None:
    for number in range(40):
        dashboard._client.publish(
            f"{PREFIX}/request/rebirth", json.dumps({"transaction": str(number)}), qos=1
        )
    topic = f"{PREFIX}/response/rebirth"
    eventually(lambda: len(listener.of(topic)) == 40)
    answers = [json.loads(payload) for payload in listener.of(topic)]
    assert [answer["transaction"] for answer in answers] == [str(n) for n in range(40)]
    assert BURST <= sum(answer["status"] == "ok" for answer in answers) <= BURST + 3
    assert "busy: too many rebirth requests" in answers[-1]["error"]


def test_request_is_answered_while_the_camera_is_away(
    cabinet: Cabinet, broker: Mosquitto, listener: Subscriber
) -> None:
    cabinet.config["camera"]["stall_after"] = "1s"
    cabinet.write()
    with running_daemon(cabinet.config_path):
        eventually(lambda: listener.of(f"{PREFIX}/alerts/camera_lost"), 30.0)
        dashboard = Dashboard(broker, listener)
        assert "no " in dashboard.refusal("snapshot")
        dashboard.close()


def test_home_assistant_that_comes_back_is_told_everything(
    cabinet: Cabinet, broker: Mosquitto, listener: Subscriber, dashboard: Dashboard
) -> None:
    topic = "homeassistant/device/bench/config"
    before = len(listener.of(topic))
    assert before > 0
    dashboard._client.publish("homeassistant/status", b"online", qos=1)
    eventually(lambda: len(listener.of(topic)) > before)
