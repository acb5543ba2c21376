"""The demo's two brokers keep the same promises; the embedded one, those of its docstring."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.demo_broker import BrokerUnavailable, RunningBroker, find_mosquitto, start_broker
from edge.embedded_broker import EmbeddedBroker, matches
from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.types import SlotMemory, State, Transition, utc_now
from tests.broker import eventually, retained, subscriber

REPOSITORY = Path(__file__).parents[2]
STATUS = "slotwatch/cabinet-a/status"
EVENTS = "slotwatch/cabinet-a/events"


@pytest.fixture(params=["mosquitto", "embedded"])
def broker(request: pytest.FixtureRequest) -> Iterator[RunningBroker]:
    if request.param == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
    with start_broker(request.param) as running:
        assert running.kind == request.param
        yield running


@pytest.fixture(params=["5", "3.1.1"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def sink_to(broker: Any, journal: Journal, protocol: str = "auto") -> MqttSink:
    sink = MqttSink(
        device="cabinet-a", host=broker.host, port=broker.port, journal=journal, protocol=protocol
    )
    for number in range(64):
        sink.slot(f"A{number}", SlotMemory(State.EMPTY, None, utc_now(), 0.01))
    sink.start()
    return sink


def change(sink: MqttSink, journal: Journal) -> int:
    at = utc_now()
    event = Transition("A1", State.EMPTY, State.OCCUPIED, 0.9, None, at)
    [(event, memory)] = journal.record([(event, SlotMemory(State.OCCUPIED, None, at, 0.9))])
    sink.transition(event)
    sink.slot("A1", memory)
    return event.seq


def test_states_events_and_the_last_word_arrive(broker: RunningBroker, protocol: str) -> None:
    journal = Journal(None)
    with subscriber(broker) as listener:
        sink = sink_to(broker, journal, protocol)
        seqs = [change(sink, journal) for _ in range(500)]
        eventually(lambda: journal.depth() == 0)
        assert len(retained(broker, "slotwatch/+/slots/#")) == 64
        sink.close()
        eventually(lambda: listener.of(STATUS) == [b"online", b"offline"])
        assert [json.loads(payload)["seq"] for payload in listener.of(EVENTS)] == seqs
    assert retained(broker, STATUS) == {STATUS: b"offline"}


def test_killed_device_is_lost(broker: RunningBroker, protocol: str) -> None:
    program = (
        "import sys, time; from edge.journal import Journal; from edge.sinks.mqtt import MqttSink\n"
        "sink = MqttSink(device='cabinet-a', host=sys.argv[1], port=int(sys.argv[2]),"
        " journal=Journal(None), protocol=sys.argv[3])\n"
        "sink.start(); time.sleep(600)\n"
    )
    device = subprocess.Popen(
        [sys.executable, "-c", program, broker.host, str(broker.port), protocol], cwd=REPOSITORY
    )
    try:
        eventually(lambda: retained(broker, STATUS) == {STATUS: b"online"}, within_s=30)
        os.kill(device.pid, signal.SIGKILL)
        eventually(lambda: retained(broker, STATUS) == {STATUS: b"lost"})
    finally:
        device.kill()
        device.wait(10)


def test_newer_connection_of_one_name_wins_and_is_online(broker: RunningBroker) -> None:
    with subscriber(broker) as listener:
        old = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id="slotwatch-cabinet-a",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        old.will_set(STATUS, b"lost", qos=1, retain=True)
        old.connect(broker.host, broker.port)
        old.loop_start()
        eventually(old.is_connected)
        new = sink_to(broker, Journal(None))
        eventually(lambda: listener.of(STATUS) == [b"lost", b"online"])
        new.close()
        old.loop_stop()


def test_embedded_broker_forwards_what_mqtt_5_clients_add() -> None:
    with start_broker("embedded") as broker:
        heard: list[Any] = []
        is_subscribed = threading.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_message = lambda _client, _userdata, message: heard.append(message)
        client.on_subscribe = lambda *_: is_subscribed.set()
        client.connect(broker.host, broker.port)
        client.loop_start()
        client.subscribe("a/+", qos=1)
        assert is_subscribed.wait(5)
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "answer/here"
        client.publish("a/b", b"question", qos=1, properties=properties)
        client.unsubscribe("a/+")
        eventually(lambda: heard)
        client.disconnect()
        client.loop_stop()
        assert heard[0].properties.ResponseTopic == "answer/here"


@pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="mosquitto-clients is missing")
@pytest.mark.parametrize("version", ["5", "311"])
def test_mosquitto_sub_reads_the_embedded_broker(version: str) -> None:
    with start_broker("embedded") as broker:
        sink = sink_to(broker, Journal(None))
        eventually(lambda: retained(broker, STATUS) == {STATUS: b"online"})
        where = ["-h", broker.host, "-p", str(broker.port), "-V", version]
        done = subprocess.run(
            ["mosquitto_sub", *where, "-v", "-t", STATUS, "-C", "1", "-W", "10"],
            capture_output=True,
            text=True,
            check=True,
        )
        sink.close()
    assert done.stdout == f"{STATUS} online\n"


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("+/b", "a/b", True),
        ("#", "a/b", True),
        ("a", "a/b", False),
        ("a/b", "a", False),
        ("#", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
    ],
)
def test_wildcards(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*" + b" " * 80, b"", id="a browser"
        ),
        pytest.param(b"\x10\xff\xff\xff\xff\x01", b"", id="endless length"),
        pytest.param(b"\x10\x80\x80\x80\x40", b"", id="128 MiB announced"),
        pytest.param(
            b"\x10\x0d\x00\x04MQTT\x03\x02\x00\x0f\x00\x01x", b"\x20\x02\x00\x01", id="3.1"
        ),
        pytest.param(
            b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0f\x00\x01x\x34\x07\x00\x01a\x00\x01hi",
            b"\x20\x02\x00\x00",
            id="QoS 2",
        ),
    ],
)
def test_embedded_broker_ends_what_breaks_the_rules_and_lives_on(
    sent: bytes, answer: bytes
) -> None:
    broker = EmbeddedBroker()
    with socket.create_connection((broker.host, broker.port), timeout=10) as connection:
        connection.sendall(sent)
        heard = b""
        while chunk := connection.recv(100):
            heard += chunk
    assert heard == answer
    assert retained(broker) == {}
    broker.close()


def test_mosquitto_ends_with_the_demo_even_when_that_is_killed() -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
    program = (
        "import time; from edge.demo_broker import start_broker\n"
        "with start_broker('mosquitto') as broker:\n"
        "    print(broker.port, flush=True); time.sleep(600)\n"
    )
    demo = subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert demo.stdout is not None
    port = int(demo.stdout.readline())

    def is_gone() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return True
        return False

    assert not is_gone()
    demo.kill()
    demo.wait(10)
    demo.stdout.close()
    eventually(is_gone)


def test_missing_mosquitto_is_said_with_the_remedy(tmp_path: Path) -> None:
    with (
        pytest.raises(
            BrokerUnavailable, match=r"not installed \(Debian: apt-get install mosquitto\)"
        ),
        start_broker("mosquitto", folders=str(tmp_path)),
    ):
        pass
    with start_broker("auto", folders=str(tmp_path)) as broker:
        assert broker.kind == "embedded"


def test_mosquitto_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "mosquitto"
    broken.write_text("#!/bin/sh\necho 'Error: out of luck'\nexit 1\n")
    broken.chmod(0o755)
    with (
        pytest.raises(BrokerUnavailable, match=r"does not start \(Error: out of luck\)"),
        start_broker("mosquitto", folders=str(tmp_path)),
    ):
        pass
