"""Requests by the hundred thousand, most of them nonsense: each is answered, none does harm."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from jsonschema import Draft202012Validator
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.broker import MOSQUITTO, Mosquitto, eventually, retained, subscriber
from tests.cabinets import PREFIX, Cabinet, states, wait_for
from tests.chaos.amount import amount, report
from tests.chaos.fuzzed_requests import COMMANDS, FuzzedRequest, fuzzed_requests
from tests.chaos.memory import memory_mb
from tests.chaos.request_device import EVENTS
from tests.daemon import REPOSITORY, running_daemon
from tests.schemas import schema
from tests.sinks import DEVICE

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (Debian: apt-get install mosquitto)"
)

TOP = f"slotwatch/{DEVICE}"
REQUESTS = 1_000_000
MOST_UNANSWERED = 200  # the device keeps 256 answers for those who asked with QoS 0
GROWTH_MB = 8.0
TEACHES = re.compile(rb'"(empty|slot)"')


class Consumer:
    """Asks, checks each answer, and knows what is still to be answered."""

    def __init__(self, broker: Mosquitto, top: str) -> None:
        self._top = top
        self._changed = threading.Condition()
        self._unanswered: Counter[tuple[str, str | None]] = Counter()
        self.wrong: list[str] = []
        self.answers: Counter[str] = Counter()
        self._validators = {
            name: Draft202012Validator(
                {"$ref": f"#/$defs/{name}", "$defs": schema("response")["$defs"]}
            )
            for name in (*COMMANDS, "refused")
        }
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages_set(MOST_UNANSWERED)
        is_subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: is_subscribed.set()
        self._client.on_connect = lambda client, *_: client.subscribe(f"{top}/response/#", qos=1)
        self._client.on_message = self._take
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert is_subscribed.wait(10)

    def ask(self, request: FuzzedRequest) -> None:
        """Send it, as soon as not too many are unanswered."""
        if request.is_answered:
            with self._changed:
                is_free = self._changed.wait_for(
                    lambda: self._unanswered.total() < MOST_UNANSWERED, timeout=30
                )
            assert is_free, +self._unanswered
            self.expect(request.response, request.transaction)
        topic = f"{self._top}/request/{request.command}"
        self._client.publish(topic, request.payload, request.qos, request.is_retained)

    def expect(self, response: str, transaction: str | None) -> None:
        """Take that this answer has to come."""
        with self._changed:
            self._unanswered[response, transaction] += 1

    def wait(self, within_s: float = 30.0) -> None:
        """Wait until everything is answered."""
        with self._changed:
            is_answered = self._changed.wait_for(lambda: not self._unanswered.total(), within_s)
        assert is_answered, +self._unanswered

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        command = message.topic.removeprefix(f"{self._top}/response/")
        answer = json.loads(message.payload)
        key = command, answer["transaction"]
        validator = self._validators.get(command, self._validators["refused"])
        if not validator.is_valid(answer):
            self.wrong.append(f"{message.topic}: {message.payload.decode()}")
        self.answers[answer["status"]] += 1
        with self._changed:
            if self._unanswered[key] > 1:
                self._unanswered[key] -= 1
            elif not self._unanswered.pop(key, 0):
                self.wrong.append(f"nobody asked for {key}")
            self._changed.notify()


@contextmanager
def consumer(broker: Mosquitto, top: str = TOP) -> Iterator[Consumer]:
    opened = Consumer(broker, top)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def request_device(broker: Mosquitto) -> Iterator[int]:
    """Yield the process id of a device without a camera."""
    words = [sys.executable, "-m", "tests.chaos.request_device", str(broker.port)]
    process = subprocess.Popen(words, cwd=REPOSITORY)
    try:
        newest = f'"seq":{EVENTS}}}'.encode()
        eventually(lambda: retained(broker).get(f"{TOP}/status") == b"online", within_s=30)
        eventually(lambda: retained(broker)[f"{TOP}/slots/A1"].endswith(newest))
        yield process.pid
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_request_is_answered_and_nothing_is_changed_by_nonsense(broker: Mosquitto) -> None:
    count = amount(REQUESTS)
    with (
        request_device(broker) as pid,
        consumer(broker) as asking,
        subscriber(broker, f"{TOP}/status") as watching,
    ):
        slots = retained(broker, f"{TOP}/slots/#")
        started_s = time.monotonic()
        for number, request in enumerate(fuzzed_requests(seed=11, count=count)):
            if number == count // 5:  # warmed up
                before_mb = memory_mb(pid)
            asking.ask(request)
        asking.wait()
        growth_mb = memory_mb(pid) - before_mb
        took_s = time.monotonic() - started_s
        assert retained(broker, f"{TOP}/slots/#") == slots
        # A rebirth says it again; a connection that ended would have said `lost`.
        assert set(watching.of(f"{TOP}/status")) == {b"online"}
        assert asking.wrong == []
        assert asking.answers.keys() == {"ok", "error"}
    report(
        f"{count:,} fuzzed requests in {took_s:.0f} s ({count / took_s:,.0f} per second): "
        f"{asking.answers['ok']:,} answered, {asking.answers['error']:,} refused with a reason, "
        f"0 without an answer, memory {growth_mb:+.1f} MB"
    )
    assert growth_mb < GROWTH_MB


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_real_daemon_goes_on_watching_through_fuzzed_requests(
    broker: Mosquitto, cabinet: Cabinet
) -> None:
    count = amount(REQUESTS // 100)
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon, consumer(broker, PREFIX) as asking:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        for number, request in enumerate(fuzzed_requests(seed=12, count=count)):
            # Whoever may ask for it teaches the device what is empty: no harm, but a change.
            if request.command != "reference" or not TEACHES.search(request.payload):
                asking.ask(request)
            if number % 100 == 0:
                cabinet.show("A2", frames=1)
        cabinet.show("A2")
        asking.wait(60)
        assert states(broker) == {"A1": "EMPTY", "A2": "OCCUPIED"}
        assert asking.wrong == []
        cabinet.show("A1")
        wait_for(broker, daemon, {"A1": "OCCUPIED", "A2": "EMPTY"})
        assert "Traceback" not in daemon.log()
    report(
        f"{count:,} fuzzed requests to a daemon: {asking.answers['ok']:,} answered, "
        f"{asking.answers['error']:,} refused with a reason"
    )


def test_burst_without_flow_control_does_not_make_the_device_deaf(tmp_path: Path) -> None:
    """Requests with QoS 0 may be left unanswered in a burst; those with QoS 1 never."""
    broker = Mosquitto(tmp_path, ("max_queued_messages 0",))
    burst = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    try:
        with request_device(broker), consumer(broker) as asking:
            burst.connect(broker.host, broker.port)
            burst.loop_start()
            for number in range(400):
                for _ in range(50):
                    burst.publish(f"{TOP}/request/unknown", b"", qos=0)
                asking.expect("nothing", f"t{number}")
                payload = json.dumps({"transaction": f"t{number}"}).encode()
                burst.publish(f"{TOP}/request/nothing", payload, qos=1)
            asking.wait()
    finally:
        burst.disconnect()
        burst.loop_stop()
        broker.close()
