"""Brokers that let the device in for a part, or not at all: nothing is claimed, all is said."""

from __future__ import annotations

import functools
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import filterfalse
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.sinks.outbox import RETRY_AFTER_S
from edge.types import ConfigurationError, TlsSettings
from tests.broker import eventually, free_port
from tests.chaos.amount import IS_FULL, report
from tests.chaos.certificates import CA, RIGHT_NAME, Authorities, Certificate
from tests.chaos.fake_broker import acknowledgement, packets
from tests.chaos.fuzzed_packets import packet
from tests.chaos.guarded import EVERYTHING, PASSWORD, TOP, Guarded, mutual
from tests.fake_server import FakeServer
from tests.info import info
from tests.sinks import DEVICE, device, said

# paho leaves the socket of a failed handshake to the garbage collector, which complains.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(scope="module", autouse=True)
def tally() -> Iterator[list[str]]:
    """What was wrong with each device's access; their number is the result."""
    met: list[str] = []
    yield met
    report(f"{len(met)} wrong passwords, certificates and access lists: nothing was claimed")


# -- user name and password --------------------------------------------------------------

NOT_LET_IN: dict[str, dict[str, str | None]] = {
    "wrong password": {"username": "cabinet", "password": "not-the-password"},
    "empty password": {"username": "cabinet", "password": ""},
    "no password": {"username": "cabinet", "password": None},
    "another user's password": {"username": "reader", "password": PASSWORD},
    "unknown user": {"username": "nobody", "password": PASSWORD},
    "empty user": {"username": "", "password": PASSWORD},
    "no user at all": {"username": None, "password": None},
    "user in other letters": {"username": "CABINET", "password": PASSWORD},
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A broker that no test changes."""
    broker = Guarded(tmp_path_factory.mktemp("guarded"))
    yield broker
    broker.close()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("name", NOT_LET_IN)
def test_device_that_is_not_let_in_says_so_once_and_claims_nothing(
    name: str,
    protocol: str,
    guarded: Guarded,
    caplog: pytest.LogCaptureFixture,
    tally: list[str],
) -> None:
    with device(guarded.host, guarded.port, protocol=protocol, **NOT_LET_IN[name]) as tried:
        tried.change()
        eventually(lambda: said(caplog))
        assert guarded.status() is None
        assert tried.journal.depth() == 1
    [message] = said(caplog)
    assert message.startswith(f"MQTT: {guarded.host}:{guarded.port} refuses slotwatch-{DEVICE} ")
    assert message.endswith(
        "; check mqtt.username, mqtt.password_file and what the broker allows this user"
    )
    assert PASSWORD not in message
    tally.append(name)


@pytest.fixture
def own_guarded(tmp_path: Path) -> Iterator[Guarded]:
    """A broker for this test alone."""
    broker = Guarded(tmp_path)
    yield broker
    broker.close()


def test_password_that_is_changed_while_connected_locks_the_device_out_until_it_is_right(
    own_guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    broker = own_guarded
    with device(broker.host, broker.port, username="cabinet", password=PASSWORD) as locked_out:
        eventually(lambda: broker.status() == b"online")
        broker.know("cabinet", "another-one")
        broker.reload()
        eventually(lambda: any("refuses" in line for line in said(caplog)), within_s=30)
        seq = locked_out.change()
        assert locked_out.journal.depth() == 1
        broker.know("cabinet", PASSWORD)
        broker.reload()
        eventually(lambda: broker.status() == b"online", within_s=30)
        eventually(lambda: locked_out.journal.depth() == 0)
        assert json.loads(broker.retained()[f"{TOP}/slots/A1"])["seq"] == seq
    lost, refused, again = said(caplog)
    assert lost.startswith(f"MQTT: connection to {broker.host}:{broker.port} lost (")
    assert refused.endswith(
        "check mqtt.username, mqtt.password_file and what the broker allows this user"
    )
    assert again == f"MQTT: connected to {broker.host}:{broker.port} again, MQTT 5"


# -- access lists ------------------------------------------------------------------------

DISCOVERY = f"homeassistant/device/{DEVICE}/config"
KEPT = {f"{TOP}/{name}" for name in ("status", "slots/A1", "slots/A2", "health", "info")}
KEPT |= {DISCOVERY}
DENIED = (
    *(
        f"{TOP}/{name}"
        for name in ("status", "slots/A1", "slots/#", "events", "health", "alerts/#")
    ),
    *("homeassistant/#", "slotwatch/#"),
)


@pytest.mark.parametrize("denied", DENIED)
def test_denied_topic_is_said_once_and_told_when_it_is_allowed(
    denied: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, tally: list[str]
) -> None:
    is_denied = functools.partial(paho.topic_matches_sub, denied)
    access = {"username": "cabinet", "password": PASSWORD, "home_assistant": True}
    with (
        closing(Guarded(tmp_path, f"{EVERYTHING}\ntopic deny {denied}")) as broker,
        device(broker.host, broker.port, **access) as refused,
    ):
        refused.sink.health({"uptime_s": 1})
        refused.sink.info(info(("A1", None, True), ("A2", None, True)))
        seq = refused.change()
        eventually(lambda: refusals(caplog))
        eventually(lambda: KEPT & set(broker.retained()) == set(filterfalse(is_denied, KEPT)))
        eventually(lambda: refused.journal.depth() == int(is_denied(f"{TOP}/events")))
        broker.terminate()
        broker.allow(EVERYTHING)
        broker.start()
        eventually(lambda: set(broker.retained()) >= KEPT, within_s=30)
        eventually(lambda: refused.journal.depth() == 0)
        assert broker.status() == b"online"
        assert json.loads(broker.retained()[f"{TOP}/slots/A1"])["seq"] == seq
    topics = refusals(caplog)
    assert all(map(is_denied, topics))
    assert len(topics) == len(set(topics))
    tally.append(denied)


@pytest.mark.slow
@pytest.mark.skipif(not IS_FULL, reason="waits a minute: make chaos")
def test_access_that_is_given_while_connected_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        closing(Guarded(tmp_path, f"{EVERYTHING}\ntopic deny {TOP}/slots/A1")) as broker,
        device(broker.host, broker.port, username="cabinet", password=PASSWORD) as refused,
    ):
        seq = refused.change()
        eventually(lambda: refusals(caplog))
        broker.allow(EVERYTHING)
        broker.reload()
        eventually(lambda: f"{TOP}/slots/A1" in broker.retained(), within_s=RETRY_AFTER_S + 10)
        assert json.loads(broker.retained()[f"{TOP}/slots/A1"])["seq"] == seq
    _, taken_line = said(caplog)
    assert taken_line == f"MQTT: the broker takes {TOP}/slots/A1 again"


def test_device_that_may_not_hear_requests_says_so_and_works_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Mosquitto lets everyone subscribe and hands nothing over; others say it.
    heard: list[bytes] = []

    def refuse_to_subscribe(connection: socket.socket) -> bytes:
        for first_byte, body in packets(connection):
            heard.append(body)
            is_subscribe = first_byte & 0xF0 == 0x80
            refusal = packet(0x90, body[:2] + b"\x00\x87")
            connection.sendall(refusal if is_subscribe else acknowledgement(first_byte, body))
        return b""

    with FakeServer(refuse_to_subscribe) as witness, device("127.0.0.1", witness.port) as deaf:
        deaf.change()
        eventually(lambda: any(body.endswith(b"online") for body in heard))
        eventually(lambda: deaf.journal.depth() == 0)
    assert said(caplog) == [
        f"MQTT: the broker refuses {TOP}/request/+ (Not authorized); "
        "allow this device to read there"
    ]


def refusals(log: pytest.LogCaptureFixture) -> list[str]:
    """Return the topics that the broker refused, as the log has them, in order."""
    pattern = r"MQTT: the broker refuses (\S+) \(.*\); allow this device to publish there"
    return [match[1] for line in said(log) if (match := re.fullmatch(pattern, line))]


# -- certificates of the device ----------------------------------------------------------

WRONG_CLIENTS: dict[str, Callable[[Authorities], Certificate | None]] = {
    "no certificate": lambda made: None,
    "signed by itself": lambda made: made.self_signed("itself", RIGHT_NAME),
    "of another authority": lambda made: made.issue("it", issuer=made.self_signed("stranger", CA)),
    "expired": lambda made: made.issue("expired", valid_days=(-9, -0.01)),
    "not yet valid": lambda made: made.issue("early", valid_days=(0.01, 9)),
    "for servers": lambda made: made.issue("server", RIGHT_NAME, "extendedKeyUsage=serverAuth"),
}


@pytest.mark.parametrize("protocol", ["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize("name", WRONG_CLIENTS)
def test_device_with_a_wrong_certificate_says_so_once_and_claims_nothing(
    name: str,
    protocol: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    tally: list[str],
) -> None:
    authorities = Authorities(tmp_path / "authorities")
    port = free_port()
    version = "tls_version tlsv1.2" if protocol == "TLS 1.2" else ""
    shown = WRONG_CLIENTS[name](authorities)
    tls = TlsSettings(
        authorities.trusted.public_path,
        shown.public_path if shown else None,
        shown.key_path if shown else None,
    )
    with (
        closing(Guarded(tmp_path, lines=(*mutual(authorities, port), version))) as broker,
        device(broker.host, port, username="cabinet", password=PASSWORD, tls=tls) as tried,
    ):
        tried.change()
        eventually(lambda: said(caplog))
        assert broker.status() is None
    [message] = said(caplog)
    assert message.startswith(f"MQTT: 127.0.0.1:{port} does not answer as a broker (")
    assert message.endswith(
        "; check mqtt.port, mqtt.tls (does the broker accept this device's certificate?) and "
        "mqtt.protocol"
    )
    tally.append(name)


@pytest.fixture
def mutual_broker(tmp_path: Path) -> Iterator[tuple[Guarded, int, Authorities]]:
    """A broker with a port that asks for certificates, that port, and who issues them."""
    authorities = Authorities(tmp_path / "authorities")
    port = free_port()
    broker = Guarded(tmp_path, lines=mutual(authorities, port))
    yield broker, port, authorities
    broker.close()


@pytest.mark.parametrize("is_removed", [False, True], ids=["garbage", "removed"])
@pytest.mark.parametrize("which", ["ca", "certificate", "key"])
def test_file_that_goes_wrong_while_running_is_said_and_heals(
    which: str,
    is_removed: bool,
    mutual_broker: tuple[Guarded, int, Authorities],
    caplog: pytest.LogCaptureFixture,
    tally: list[str],
) -> None:
    broker, port, authorities = mutual_broker
    own = authorities.issue("device")
    tls = TlsSettings(authorities.trusted.public_path, own.public_path, own.key_path)
    path = getattr(tls, which)
    good = path.read_bytes()
    with device(broker.host, port, username="cabinet", password=PASSWORD, tls=tls) as changed:
        eventually(lambda: broker.status() == b"online")
        broker.terminate()
        eventually(lambda: len(said(caplog)) == 1)
        if is_removed:
            path.unlink()
        else:
            path.write_bytes(b"\x00garbage" * 100)
        broker.start()
        eventually(lambda: len(said(caplog)) == 2, within_s=30)
        changed.change()
        path.write_bytes(good)
        eventually(lambda: broker.status() == b"online", within_s=30)
        eventually(lambda: changed.journal.depth() == 0)
    _, unusable, _ = said(caplog)
    assert f"mqtt.tls: {tls.ca}, {tls.certificate}, {tls.key}: " in unusable
    assert unusable.endswith("; these must be readable PEM files that belong together")
    tally.append(which)


def _encrypted(made: Authorities, own: Certificate) -> TlsSettings:
    made.openssl(
        *("pkey", "-in", own.key_path.name, "-aes256", "-passout", "pass:secret"),
        *("-out", "encrypted.key"),
    )
    return TlsSettings(made.trusted.public_path, own.public_path, made.folder / "encrypted.key")


def _file(made: Authorities, content: bytes) -> Path:
    path = made.folder / "file.pem"
    path.write_bytes(content)
    return path


UNUSABLE: dict[str, Callable[[Authorities, Certificate], TlsSettings]] = {
    "a CA that is not there": lambda made, own: TlsSettings(made.folder / "missing.pem"),
    "an empty CA": lambda made, own: TlsSettings(_file(made, b"")),
    "a CA that is garbage": lambda made, own: TlsSettings(_file(made, b"garbage")),
    "a CA that is a key": lambda made, own: TlsSettings(own.key_path),
    "a folder for a CA": lambda made, own: TlsSettings(made.folder),
    "the key of another certificate": lambda made, own: TlsSettings(
        made.trusted.public_path, own.public_path, made.trusted.key_path
    ),
    "a key that is not there": lambda made, own: TlsSettings(
        made.trusted.public_path, own.public_path, made.folder / "missing.key"
    ),
    "a key that is a folder": lambda made, own: TlsSettings(
        made.trusted.public_path, own.public_path, made.folder
    ),
    "a key that is garbage": lambda made, own: TlsSettings(
        made.trusted.public_path, own.public_path, _file(made, b"garbage")
    ),
    "a certificate without a key": lambda made, own: TlsSettings(
        made.trusted.public_path, own.public_path
    ),
    "an encrypted key": _encrypted,
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_files_that_cannot_be_used_are_a_mistake_in_the_settings(
    name: str, tmp_path: Path, tally: list[str]
) -> None:
    authorities = Authorities(tmp_path / "authorities")
    tls = UNUSABLE[name](authorities, authorities.issue("device"))
    with pytest.raises(ConfigurationError, match=r"^mqtt\.tls: .*readable PEM files"):
        MqttSink(device=DEVICE, host="127.0.0.1", port=8883, journal=Journal(None), tls=tls)
    tally.append(name)
