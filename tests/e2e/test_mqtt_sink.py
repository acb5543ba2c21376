"""The MQTT sink against a real Mosquitto: what a dashboard may rely on."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.health import Health
from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.types import (
    ALERT_IDS,
    Alert,
    ConfigurationError,
    Reason,
    SlotMemory,
    State,
    TlsSettings,
    utc_now,
)
from tests.broker import (
    MOSQUITTO,
    Mosquitto,
    Subscriber,
    eventually,
    free_port,
    retained,
    subscriber,
)
from tests.fake_server import Answer, FakeServer, relay
from tests.schemas import problems_of
from tests.sinks import DEVICE, change, said

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (Debian: apt-get install mosquitto)"
)

REPOSITORY = Path(__file__).parents[2]

Prefix = str


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> Prefix:
    """A topic prefix named after the test."""
    return str(request.node.name).partition("[")[0]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


@contextmanager
def running(broker: Any, journal: Journal, prefix: Prefix, **options: Any) -> Iterator[MqttSink]:
    """Yield a started sink; afterwards close it, unless the test did."""
    sink = MqttSink(
        device=options.pop("device", DEVICE),
        host=broker.host,
        port=broker.port,
        journal=journal,
        topic_prefix=prefix,
        **options,
    )
    for slot_id in ("A1", "A2"):
        sink.slot(slot_id, SlotMemory(State.EMPTY, None, utc_now(), 0.0312))
    sink.start()
    try:
        yield sink
    finally:
        sink.close()


def status(broker: Any, prefix: Prefix) -> bytes | None:
    return retained(broker, f"{prefix}/#").get(f"{prefix}/{DEVICE}/status")


def events(listener: Subscriber, prefix: Prefix) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in listener.of(f"{prefix}/{DEVICE}/events")]


def has_heard_online(listener: Subscriber, prefix: Prefix) -> Callable[[], bool]:
    return lambda: b"online" in listener.of(f"{prefix}/{DEVICE}/status")


# -- the truth ---------------------------------------------------------------------------


def test_late_subscriber_sees_the_truth_at_once(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with running(broker, journal, prefix) as sink:
        sink.info({"version": "0.1"})
        sink.health({"uptime_s": 1})
        seq = change(sink, journal)
        sink.alert(Alert("camera_lost", "no picture", utc_now()))
        eventually(lambda: len(retained(broker)) == 6 and journal.depth() == 0)
        seen = retained(broker)

    top = f"{prefix}/{DEVICE}"
    assert seen.keys() == {
        f"{top}/{name}"
        for name in ("status", "info", "health", "slots/A1", "slots/A2", "alerts/camera_lost")
    }
    assert seen[f"{top}/status"] == b"online"
    slot = json.loads(seen[f"{top}/slots/A1"])
    assert (slot["state"], slot["probability"], slot["seq"]) == ("OCCUPIED", 0.97, seq)


def test_everything_a_subscriber_hears_fits_the_schemas(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with subscriber(broker, f"{prefix}/#") as listener:
        with running(broker, journal, prefix) as sink:
            eventually(has_heard_online(listener, prefix))
            for reason in Reason:
                sink.slot("A2", SlotMemory(State.UNKNOWN, reason, utc_now()))
            change(sink, journal)
            change(sink, journal, at=utc_now() - timedelta(days=1))
            for alert_id in ALERT_IDS:
                sink.alert(Alert(alert_id, "what is wrong; what to do", utc_now()))
                sink.end_alert(alert_id)
            sink.health(Health().report(None, journal.depth(), 0))
            sink.forget_slot("A2")
        eventually(lambda: listener.heard[-1].payload == b"offline")
        wrong = {
            message: found
            for message in listener.heard
            if (found := problems_of(message.topic, message.payload))
        }
    assert wrong == {}
    assert len(listener.heard) > 20


def test_online_comes_after_every_state(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with subscriber(broker, f"{prefix}/#") as listener, running(broker, journal, prefix) as sink:
        for number in range(250):  # more than fit into one window
            sink.slot(f"B{number}", SlotMemory())
        eventually(has_heard_online(listener, prefix))
        topics = [message.topic for message in listener.heard]
        before = topics[: topics.index(f"{prefix}/{DEVICE}/status")]
        assert {f"{prefix}/{DEVICE}/slots/A1", f"{prefix}/{DEVICE}/slots/A2"} <= set(before)


def test_equal_state_is_not_sent_twice(broker: Mosquitto, journal: Journal, prefix: Prefix) -> None:
    memory = SlotMemory(State.OCCUPIED, None, utc_now(), 0.9)
    with subscriber(broker, f"{prefix}/#") as listener, running(broker, journal, prefix) as sink:
        eventually(has_heard_online(listener, prefix))
        for _ in range(3):
            sink.slot("A1", memory)
        sink.slot("A2", memory)
        topic = f"{prefix}/{DEVICE}/slots"
        eventually(lambda: len(listener.of(f"{topic}/A2")) == 2)
        assert len(listener.of(f"{topic}/A1")) == 2


def test_forgotten_slot_and_ended_alert_leave_no_ghost(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with running(broker, journal, prefix) as sink:
        sink.alert(Alert("frame_dark", "black", utc_now()))
        eventually(lambda: len(retained(broker)) == 4)
        sink.forget_slot("A1")
        sink.end_alert("frame_dark")
        eventually(lambda: len(retained(broker)) == 2)
        assert f"{prefix}/{DEVICE}/slots/A2" in retained(broker)


def test_slot_forgotten_during_an_outage_leaves_no_ghost(
    tmp_path: Path, journal: Journal, prefix: Prefix
) -> None:
    broker = Mosquitto(
        tmp_path, ("persistence true", f"persistence_location {tmp_path}/", "user root")
    )
    try:
        with running(broker, journal, prefix) as sink:
            eventually(lambda: status(broker, prefix) == b"online")
            broker.terminate()  # it writes its memory down
            sink.forget_slot("A1")
            broker.start()
            eventually(lambda: f"{prefix}/{DEVICE}/slots/A1" not in retained(broker))
            assert f"{prefix}/{DEVICE}/slots/A2" in retained(broker)
    finally:
        broker.close()


def test_alert_of_an_earlier_run_does_not_stand_for_ever(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with running(broker, journal, prefix) as sink:
        for alert_id in ALERT_IDS:
            sink.alert(Alert(alert_id, "…", utc_now()))
        eventually(lambda: len(retained(broker)) == 3 + len(ALERT_IDS))
    with running(broker, journal, prefix):
        eventually(lambda: len(retained(broker)) == 3, what=lambda: retained(broker))


# -- online, offline, lost ---------------------------------------------------------------


def test_stop_says_offline(broker: Mosquitto, journal: Journal, prefix: Prefix) -> None:
    with subscriber(broker, f"{prefix}/#") as listener:
        with running(broker, journal, prefix) as sink:
            eventually(has_heard_online(listener, prefix))
            sink.close()
            assert status(broker, prefix) == b"offline"
        assert listener.of(f"{prefix}/{DEVICE}/status") == [b"online", b"offline"]


def test_stop_sends_the_last_events_before_offline(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with subscriber(broker, f"{prefix}/#") as listener:
        with running(broker, journal, prefix) as sink:
            eventually(has_heard_online(listener, prefix))
            seqs = [change(sink, journal) for _ in range(300)]
        eventually(lambda: listener.heard[-1].payload == b"offline")
        assert [event["seq"] for event in events(listener, prefix)] == seqs
    assert journal.depth() == 0


PUBLISHER = """
import sys, time
from edge.health import Health
from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.types import SlotMemory
port, prefix, device = sys.argv[1:]
sink = MqttSink(device=device, host="127.0.0.1", port=int(port), journal=Journal(None),
                topic_prefix=prefix)
sink.slot("A1", SlotMemory())
sink.start()
time.sleep(600)
"""


def test_kill_9_says_lost(broker: Mosquitto, prefix: Prefix) -> None:
    publisher = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(broker.port), prefix, DEVICE], cwd=REPOSITORY
    )
    try:
        eventually(lambda: status(broker, prefix) == b"online", within_s=30)
        os.kill(publisher.pid, signal.SIGKILL)
        eventually(lambda: status(broker, prefix) == b"lost")
    finally:
        publisher.kill()
        publisher.wait(10)


# -- outages -----------------------------------------------------------------------------


def test_events_of_an_outage_arrive_in_order_and_say_that_they_are_history(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with running(broker, journal, prefix) as sink:
        eventually(lambda: status(broker, prefix) == b"online")
        broker.kill()
        old = utc_now() - timedelta(seconds=11)
        seqs = [change(sink, journal, at=old) for _ in range(300)]
        # The sink has noticed the outage when it can no longer be surprised by the return.
        broker.start()
        with subscriber(broker, f"{prefix}/#") as listener:
            seqs.append(change(sink, journal, "A2"))
            eventually(lambda: journal.depth() == 0, what=journal.depth)
            eventually(lambda: seqs[-1] in {event["seq"] for event in events(listener, prefix)})
            heard = events(listener, prefix)
    # The subscriber may have come after the first ones; what it heard has no gap.
    assert [event["seq"] for event in heard] == seqs[-len(heard) :]
    assert all(event["historical"] for event in heard[:-1])
    assert not heard[-1]["historical"]


def test_subscriber_that_was_there_misses_nothing_of_an_outage(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with Relay(broker.host, broker.port) as line, subscriber(broker, f"{prefix}/#") as listener:
        with running(line, journal, prefix) as sink:
            eventually(has_heard_online(listener, prefix))
            first = change(sink, journal)
            line.cut()
            seqs = [first, *(change(sink, journal) for _ in range(500))]
            line.mend()
            eventually(lambda: journal.depth() == 0, what=journal.depth)
            eventually(lambda: events(listener, prefix)[-1]["seq"] == seqs[-1])
            heard = [event["seq"] for event in events(listener, prefix)]
        # At least once, and never backwards: a consumer that remembers `seq` has each once.
        assert list(dict.fromkeys(heard)) == seqs
        assert b"lost" in listener.of(f"{prefix}/{DEVICE}/status")


def test_broker_without_memory_is_healed(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with running(broker, journal, prefix) as sink:
        sink.info({"version": "0.1"})
        sink.health({"uptime_s": 1})
        sink.alert(Alert("camera_lost", "no picture", utc_now()))
        for number in range(64):
            sink.slot(f"B{number}", SlotMemory(reason=Reason.CAMERA_LOST))
        eventually(lambda: len(retained(broker)) == 70)
        before = retained(broker)
        broker.kill()
        broker.start()
        eventually(lambda: len(retained(broker)) == 70, within_s=20)
        assert retained(broker) == before


def test_nothing_blocks_while_the_broker_is_frozen(
    broker: Mosquitto, journal: Journal, prefix: Prefix
) -> None:
    with running(broker, journal, prefix) as sink:
        eventually(lambda: status(broker, prefix) == b"online")
        broker.freeze()
        slowest_s = 0.0
        for number in range(2000):
            started_s = time.monotonic()
            sink.slot("A1", SlotMemory(probability=number / 2000))
            sink.health({"uptime_s": number})
            slowest_s = max(slowest_s, time.monotonic() - started_s)
        seqs = [change(sink, journal) for _ in range(300)]
        broker.thaw()
        eventually(lambda: journal.depth() == 0, what=journal.depth)
        eventually(
            lambda: json.loads(retained(broker)[f"{prefix}/{DEVICE}/health"])["uptime_s"] == 1999
        )
    assert slowest_s < 0.2
    assert len(seqs) == 300


def test_stop_while_the_broker_is_frozen_ends_in_time_and_is_not_called_offline(
    broker: Mosquitto, journal: Journal, prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker, journal, prefix) as sink:
        eventually(lambda: status(broker, prefix) == b"online")
        broker.freeze()
        started_s = time.monotonic()
        sink.close(timeout_s=1.0)
        assert time.monotonic() - started_s < 1.5
        broker.thaw()
        eventually(lambda: status(broker, prefix) == b"lost")
    assert "MQTT: stopped without the broker's answer; it will say `lost`" in said(caplog)


def test_unreachable_broker_is_said_once_when_it_begins_and_once_when_it_ends(
    broker: Mosquitto, journal: Journal, prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with running(broker, journal, prefix):
        eventually(lambda: status(broker, prefix) == b"online")
        broker.kill()
        eventually(lambda: said(caplog))
        broker.start()
        eventually(lambda: status(broker, prefix) == b"online", within_s=20)
    begins, ends = said(caplog)
    address = f"{broker.host}:{broker.port}"
    assert begins.startswith(f"MQTT: connection to {address} lost (")
    assert ends == f"MQTT: connected to {address} again, MQTT 5"


# -- what a technician has to know -------------------------------------------------------


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that knows one user and lets it write slots, status and nothing else."""
    passwords = tmp_path / "passwords"
    access = tmp_path / "access"
    passwords.touch(mode=0o600)
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "cabinet", "right"],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "reader", "reader"],
        check=True,
        capture_output=True,
    )
    access.write_text(
        "user cabinet\ntopic readwrite +/+/slots/#\ntopic readwrite +/+/status\n"
        "user reader\ntopic readwrite #\n"
    )
    access.chmod(0o600)
    mosquitto = Mosquitto(
        tmp_path,
        (
            "allow_anonymous false",
            f"password_file {passwords}",
            f"acl_file {access}",
            "user root",
        ),
    )
    yield mosquitto
    mosquitto.close()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_wrong_password_is_said_with_what_to_do(
    guarded: Mosquitto,
    journal: Journal,
    prefix: Prefix,
    caplog: pytest.LogCaptureFixture,
    protocol: str,
) -> None:
    options = {"username": "cabinet", "password": "wrong", "protocol": protocol}
    with running(guarded, journal, prefix, **options):
        [message] = eventually(lambda: said(caplog))
    assert message.startswith(
        f"MQTT: {guarded.host}:{guarded.port} refuses slotwatch-cabinet-a as user 'cabinet' ("
    )
    assert "check mqtt.username, mqtt.password_file" in message
    assert "wrong" not in message


def test_refused_event_stays_in_the_journal_and_is_said_once(
    guarded: Mosquitto, journal: Journal, prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    with running(guarded, journal, prefix, username="cabinet", password="right") as sink:
        for _ in range(5):
            change(sink, journal)
        eventually(lambda: [line for line in said(caplog) if "/events" in line])
        topics = f"{prefix}/#"
        eventually(lambda: len(retained(guarded, topics, ("reader", "reader"))) == 3)
    assert journal.depth() == 5
    assert [line for line in said(caplog) if "/events" in line] == [
        f"MQTT: the broker refuses {prefix}/{DEVICE}/events (Not authorized); "
        "allow this device to publish there"
    ]


def test_two_devices_with_one_name_are_told_so(
    broker: Mosquitto, journal: Journal, prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker, journal, prefix):
        eventually(lambda: status(broker, prefix) == b"online")
        with running(broker, Journal(None), prefix):
            # Mosquitto 2.0 just closes the older connection: only the pattern shows it.
            [message] = eventually(
                lambda: [line for line in said(caplog) if "another device" in line][:1],
                within_s=30,
            )
    assert message.startswith(
        "MQTT: another device connects as slotwatch-cabinet-a and pushes this one off the broker ("
    )
    assert message.endswith("give each its own `device` name")


def test_broker_that_says_session_taken_over_is_believed_at_once(
    journal: Journal, prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    def take_over(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"\x20\x03\x00\x00\x00")  # CONNACK, success
        connection.recv(4096)
        connection.sendall(b"\xe0\x02\x8e\x00")  # DISCONNECT, session taken over
        while connection.recv(4096):
            pass

    with FakeServer(take_over) as server, running(server, journal, prefix):
        [message] = eventually(lambda: said(caplog))
        assert message == (
            "MQTT: another device connects as slotwatch-cabinet-a and pushes this one off the "
            f"broker (127.0.0.1:{server.port} says so); give each its own `device` name"
        )


def test_missing_certificate_is_a_configuration_error(tmp_path: Path, journal: Journal) -> None:
    with pytest.raises(ConfigurationError, match=r"mqtt\.tls: .*ca\.pem.*readable PEM files"):
        MqttSink(
            device=DEVICE,
            host="127.0.0.1",
            port=8883,
            journal=journal,
            tls=TlsSettings(tmp_path / "ca.pem"),
        )


# -- older brokers, and things that are no brokers ---------------------------------------


class Relay(FakeServer):
    """A TCP relay to the broker that can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(self._relay)
        self._target = (host, port)
        self._is_cut = False

    def cut(self) -> None:
        self._is_cut = True
        self.hang_up()

    def mend(self) -> None:
        self._is_cut = False

    def _relay(self, connection: socket.socket) -> None:
        if not self._is_cut:
            relay(connection, *self._target)


def relay_for_3_1_1_only(broker: Mosquitto, refusal: bytes) -> Answer:
    """Refuse version 5 with these bytes; hand older clients to the real broker."""

    def serve(connection: socket.socket) -> None:
        connect = connection.recv(4096)
        if connect[connect.index(b"MQTT") + 4] == 5:
            if refusal:
                connection.sendall(refusal)
            return
        relay(connection, broker.host, broker.port, connect)

    return serve


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(b"\x20\x02\x00\x01", id="3.1.1 CONNACK"),
        pytest.param(b"\x20\x03\x00\x84\x00", id="5 CONNACK"),
        pytest.param(b"", id="closed without a word"),
    ],
)
def test_broker_without_mqtt_5_is_spoken_to_in_3_1_1(
    broker: Mosquitto,
    journal: Journal,
    prefix: Prefix,
    caplog: pytest.LogCaptureFixture,
    refusal: bytes,
) -> None:
    caplog.set_level(logging.INFO)
    with (
        FakeServer(relay_for_3_1_1_only(broker, refusal)) as old_broker,
        running(old_broker, journal, prefix) as sink,
    ):
        change(sink, journal)
        eventually(lambda: status(broker, prefix) == b"online", within_s=20)
        eventually(lambda: journal.depth() == 0)
    assert said(caplog, logging.INFO)[-1].endswith("MQTT 3.1.1")


def test_version_asked_for_is_not_replaced(
    broker: Mosquitto, journal: Journal, prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        FakeServer(relay_for_3_1_1_only(broker, b"\x20\x02\x00\x01")) as old_broker,
        running(old_broker, journal, prefix, protocol="5"),
    ):
        [message] = eventually(lambda: said(caplog))
    assert "Unsupported protocol version); set mqtt.protocol to auto" in message


def test_fault_that_shows_again_and_again_is_said_once(
    journal: Journal, prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[socket.socket] = []
    with (
        FakeServer(attempts.append) as server,
        running(server, journal, prefix, protocol="5"),
    ):
        eventually(lambda: len(attempts) >= 4, within_s=20)
    assert len(said(caplog)) == 1


def test_something_that_is_no_broker_is_named(
    journal: Journal, prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        FakeServer(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as server,
        running(server, journal, prefix),
    ):
        [message] = eventually(lambda: said(caplog))
    assert message.startswith(f"MQTT: 127.0.0.1:{server.port} does not answer as a broker (")
    assert message.endswith("check mqtt.port, mqtt.tls and mqtt.protocol")


# -- TLS ---------------------------------------------------------------------------------


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with two authorities, and what the first one signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    for authority in ("ca", "stranger"):
        openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *(
                "-subj",
                f"/CN={authority}",
                "-keyout",
                f"{authority}.key",
                "-out",
                f"{authority}.pem",
            ),
        )
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("broker", "client"):
        openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "names", "-out", f"{name}.pem"),
        )
    return tmp_path


@pytest.fixture
def encrypted(certificates: Path) -> Iterator[tuple[Mosquitto, int]]:
    """A broker with a plain port for the tests, and one for clients with certificates."""
    port = free_port()
    mosquitto = Mosquitto(
        certificates,
        (
            f"listener {port} 127.0.0.1",
            *("user root", "require_certificate true", f"cafile {certificates}/ca.pem"),
            *(f"certfile {certificates}/broker.pem", f"keyfile {certificates}/broker.key"),
        ),
    )
    yield mosquitto, port
    mosquitto.close()


@dataclass(frozen=True)
class Door:
    host: str
    port: int


def test_encrypted_connection_with_certificates_on_both_sides(
    encrypted: tuple[Mosquitto, int], certificates: Path, journal: Journal, prefix: Prefix
) -> None:
    broker, port = encrypted
    tls = TlsSettings(
        certificates / "ca.pem", certificates / "client.pem", certificates / "client.key"
    )
    with running(Door("127.0.0.1", port), journal, prefix, tls=tls) as sink:
        for _ in range(300):
            change(sink, journal)
        eventually(lambda: journal.depth() == 0)
        sink.close()
    assert status(broker, prefix) == b"offline"


# paho leaves the socket of a failed handshake to the garbage collector, which complains.
leaves_a_socket = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning",
)


@leaves_a_socket
def test_broker_of_another_authority_is_not_believed(
    encrypted: tuple[Mosquitto, int],
    certificates: Path,
    journal: Journal,
    prefix: Prefix,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker, port = encrypted
    tls = TlsSettings(certificates / "stranger.pem")
    with running(Door("127.0.0.1", port), journal, prefix, tls=tls):
        [message] = eventually(lambda: said(caplog))
    assert message == (
        f"MQTT: no connection to 127.0.0.1:{port}: the broker's certificate is not accepted "
        "(self-signed certificate in certificate chain); check mqtt.host and mqtt.tls.ca"
    )
    assert status(broker, prefix) is None


@leaves_a_socket
def test_port_without_tls_is_named(
    broker: Mosquitto,
    certificates: Path,
    journal: Journal,
    prefix: Prefix,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(broker, journal, prefix, tls=TlsSettings(certificates / "ca.pem")):
        [message] = eventually(lambda: said(caplog))
    assert message.startswith(f"MQTT: no connection to {broker.host}:{broker.port}")
    assert message.endswith("check mqtt.port and mqtt.tls")
