"""Brokers that let the device in for a part, or not at all: nothing is claimed, all is said."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import filterfalse
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.types import ConfigurationError, TlsSettings
from tests.broker import Mosquitto, eventually, free_port, retained
from tests.chaos.certificates import CA, RIGHT_NAME, Authorities, Certificate
from tests.chaos.sinks import DEVICE, device, said

# paho leaves the socket of a failed handshake to the garbage collector, which complains.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning",
)

PASSWORD = "swordfish-73a1"
READER = ("reader", "reader")
TOP = f"slotwatch/{DEVICE}"
EVERYTHING = "topic readwrite #"


class Guarded(Mosquitto):
    """A broker with a password for the device, and an access list that can be changed."""

    def __init__(self, folder: Path, access: str = EVERYTHING, lines: tuple[str, ...] = ()) -> None:
        self._passwords = folder / "passwords"
        self._access = folder / "access"
        self._passwords.touch(mode=0o600)
        self.know("cabinet", PASSWORD)
        self.know(*READER)
        self.allow(access)
        super().__init__(
            folder,
            (
                "allow_anonymous false",
                f"password_file {self._passwords}",
                f"acl_file {self._access}",
                "user root",
                *lines,
            ),
        )

    def know(self, user: str, password: str) -> None:
        """Set a user's password; a running broker learns it by `reload`."""
        words = ["mosquitto_passwd", "-b", str(self._passwords), user, password]
        subprocess.run(words, check=True, capture_output=True)

    def allow(self, access: str) -> None:
        """Set what the device may do; a running broker learns it by `reload`."""
        self._access.write_text(f"user cabinet\n{access}\nuser reader\n{EVERYTHING}\n")
        self._access.chmod(0o600)

    def retained(self) -> dict[str, bytes]:
        """Return what a late subscriber is told at once, by topic."""
        return retained(self, password=READER)

    def status(self) -> bytes | None:
        """Return what stands on the device's status."""
        return self.retained().get(f"{TOP}/status")


# -- user name and password --------------------------------------------------------------

NOT_LET_IN = {
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
    name: str, protocol: str, guarded: Guarded, caplog: pytest.LogCaptureFixture
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

DENIED = ("status", "slots/A1", "slots/#", "events", "health", "#")
KEPT = {f"{TOP}/{name}" for name in ("status", "slots/A1", "slots/A2", "health")}


@pytest.mark.parametrize("denied", DENIED)
def test_denied_topic_is_said_once_and_told_when_it_is_allowed(
    denied: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Guarded(tmp_path, f"{EVERYTHING}\ntopic deny {TOP}/{denied}")
    is_denied = functools.partial(paho.topic_matches_sub, f"{TOP}/{denied}")
    try:
        with device(broker.host, broker.port, username="cabinet", password=PASSWORD) as refused:
            refused.sink.health({"uptime_s": 1})
            seq = refused.change()
            events_wait = is_denied(f"{TOP}/events")
            eventually(lambda: refusals(caplog))
            eventually(lambda: KEPT & set(broker.retained()) == set(filterfalse(is_denied, KEPT)))
            eventually(lambda: refused.journal.depth() == (1 if events_wait else 0))
            broker.terminate()
            broker.allow(EVERYTHING)
            broker.start()
            eventually(lambda: set(broker.retained()) >= KEPT, within_s=30)
            eventually(lambda: refused.journal.depth() == 0)
            assert broker.status() == b"online"
            assert json.loads(broker.retained()[f"{TOP}/slots/A1"])["seq"] == seq
    finally:
        broker.close()
    refused_topics = refusals(caplog)
    assert all(map(is_denied, refused_topics))
    assert len(refused_topics) == len(set(refused_topics))


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


def mutual(authorities: Authorities, port: int) -> tuple[str, ...]:
    """Return Mosquitto's lines for a port that asks for certificates."""
    broker = authorities.issue("broker")
    return (
        f"listener {port} 127.0.0.1",
        "require_certificate true",
        f"cafile {shutil.copy(authorities.trusted.public_path, authorities.folder / 'cafile')}",
        f"certfile {broker.public_path}",
        f"keyfile {broker.key_path}",
    )


@pytest.mark.parametrize("protocol", ["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize("name", WRONG_CLIENTS)
def test_device_with_a_wrong_certificate_says_so_once_and_claims_nothing(
    name: str, protocol: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
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
    broker = Guarded(tmp_path, lines=(*mutual(authorities, port), version))
    try:
        with device(broker.host, port, username="cabinet", password=PASSWORD, tls=tls) as tried:
            tried.change()
            eventually(lambda: said(caplog))
            assert broker.status() is None
    finally:
        broker.close()
    [message] = said(caplog)
    assert message.startswith(f"MQTT: 127.0.0.1:{port} does not answer as a broker (")
    assert message.endswith("; check mqtt.port, mqtt.tls and mqtt.protocol")


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
def test_files_that_cannot_be_used_are_a_mistake_in_the_settings(name: str, tmp_path: Path) -> None:
    authorities = Authorities(tmp_path / "authorities")
    tls = UNUSABLE[name](authorities, authorities.issue("device"))
    with pytest.raises(ConfigurationError, match=r"^mqtt\.tls: .*readable PEM files"):
        MqttSink(device=DEVICE, host="127.0.0.1", port=8883, journal=Journal(None), tls=tls)
