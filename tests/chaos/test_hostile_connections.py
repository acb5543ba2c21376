"""Servers that pretend to be the broker: none of them ever learns who the device is.

Each row is a server that the device meets in the place of its broker, with a password to
lose. The server itself is the witness: it must not have been told a single byte inside an
encrypted connection, and the log must say once what is wrong.
"""

from __future__ import annotations

import logging
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.types import TlsSettings
from tests.broker import Mosquitto, eventually
from tests.chaos.amount import amount, report
from tests.chaos.certificates import CA, RIGHT_NAME, Authorities, Certificate
from tests.chaos.guarded import PASSWORD
from tests.fake_server import Answer, FakeServer, behind_tls, listening, saying
from tests.sinks import device, said

# paho leaves the socket of a failed handshake to the garbage collector, which complains.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*<ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning",
    "ignore:ssl.TLSVersion.TLSv1:DeprecationWarning",
)

Make = Callable[[Authorities], Certificate]
ServerMake = Callable[[Authorities], Answer]


@dataclass(frozen=True)
class WrongCertificate:
    """What the server shows, and what the device says about it."""

    name: str
    make: Make
    because: str
    host: str = "127.0.0.1"


def _under(*authority: str) -> Make:
    """Return what makes a right certificate, by an authority with these extensions."""
    return lambda made: made.issue("right", issuer=made.issue("between", *authority))


def _too_deep(made: Authorities) -> Certificate:
    last = made.issue("last", f"{CA},pathlen:0")
    return made.issue("right", issuer=made.issue("one-too-many", CA, issuer=last))


WRONG_IP = "IP address mismatch, certificate is not valid for '127.0.0.1'."
WRONG_NAME = "Hostname mismatch, certificate is not valid for 'localhost'."
NO_ROOT = "self-signed certificate"
NO_ISSUER = "unable to get local issuer certificate"

WRONG_CERTIFICATES = (
    WrongCertificate(
        "signed by itself", lambda made: made.self_signed("itself", RIGHT_NAME), NO_ROOT
    ),
    WrongCertificate(
        "of another authority",
        lambda made: made.issue("right", issuer=made.self_signed("stranger", CA)),
        "self-signed certificate in certificate chain",
    ),
    WrongCertificate(
        "of an authority that borrows the name",
        lambda made: Authorities(made.folder / "borrower").issue("right", with_chain=False),
        NO_ISSUER,
    ),
    WrongCertificate(
        "expired",
        lambda made: made.issue("right", valid_days=(-9, -0.01)),
        "certificate has expired",
    ),
    WrongCertificate(
        "not yet valid",
        lambda made: made.issue("right", valid_days=(0.01, 9)),
        "certificate is not yet valid",
    ),
    WrongCertificate(
        "for another host",
        lambda made: made.issue("right", "subjectAltName=DNS:broker.example"),
        WRONG_NAME,
        "localhost",
    ),
    WrongCertificate(
        "for another address",
        lambda made: made.issue("right", "subjectAltName=IP:127.0.0.2"),
        WRONG_IP,
    ),
    WrongCertificate(
        "with the host in the common name alone",
        lambda made: made.issue("localhost", "basicConstraints=CA:FALSE"),
        WRONG_NAME,
        "localhost",
    ),
    WrongCertificate(
        "with the address in the common name alone",
        lambda made: made.issue("127.0.0.1", "basicConstraints=CA:FALSE"),
        WRONG_IP,
    ),
    WrongCertificate(
        "with the address written as a host",
        lambda made: made.issue("right", "subjectAltName=DNS:127.0.0.1"),
        WRONG_IP,
    ),
    WrongCertificate(
        "for every host there is",
        lambda made: made.issue("right", "subjectAltName=DNS:*"),
        WRONG_NAME,
        "localhost",
    ),
    WrongCertificate(
        "for a part of a name",
        lambda made: made.issue("right", "subjectAltName=DNS:local*"),
        WRONG_NAME,
        "localhost",
    ),
    WrongCertificate(
        "for the hosts below",
        lambda made: made.issue("right", "subjectAltName=DNS:*.localhost"),
        WRONG_NAME,
        "localhost",
    ),
    WrongCertificate(
        "without its intermediate",
        lambda made: made.issue("right", issuer=made.issue("between", CA), with_chain=False),
        NO_ISSUER,
    ),
    WrongCertificate(
        "signed by what is no authority",
        _under("basicConstraints=CA:FALSE"),
        "invalid CA certificate",
    ),
    WrongCertificate(
        "signed by an authority that may not sign",
        _under(CA, "keyUsage=digitalSignature"),
        "invalid CA certificate",
    ),
    WrongCertificate(
        "outside its authority's names",
        _under(CA, "nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0"),
        "permitted subtree violation",
    ),
    WrongCertificate(
        "further down than its authority allows", _too_deep, "path length constraint exceeded"
    ),
    WrongCertificate("that of the authority itself", lambda made: made.trusted, WRONG_IP),
    WrongCertificate(
        "for a client",
        lambda made: made.issue("right", RIGHT_NAME, "extendedKeyUsage=clientAuth"),
        "unsuitable certificate purpose",
    ),
    WrongCertificate(
        "with a key of 1,024 bits",
        lambda made: made.issue("right", key="RSA:1024"),
        "EE certificate key too weak",
    ),
    WrongCertificate(
        "signed with SHA-1",
        lambda made: made.issue("right", digest="sha1"),
        "CA signature digest algorithm too weak",
    ),
)


@pytest.fixture(scope="module", autouse=True)
def tally() -> Iterator[list[str]]:
    """The servers that a device met; their number is the result."""
    met: list[str] = []
    yield met
    report(f"{len(met)} hostile servers: to none of them was anything entrusted")


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    return Authorities(tmp_path / "authorities")


def server_context(certificate: Certificate | None) -> ssl.SSLContext:
    """Return the context of a server that shows this certificate, however weak it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    if certificate is not None:
        context.load_cert_chain(certificate.path)
    return context


def meet(
    witness: FakeServer, authorities: Authorities, log: pytest.LogCaptureFixture, host: str
) -> str:
    """Let a device try to connect, twice in full; return the one thing that it said."""
    log.set_level(logging.INFO)
    tls = TlsSettings(authorities.trusted.public_path)
    with device(host, witness.port, username="cabinet", password=PASSWORD, tls=tls):
        eventually(lambda: witness.connections >= amount(2), within_s=30)
        eventually(lambda: said(log))
    [message] = said(log, logging.INFO)
    assert PASSWORD not in message
    return message


@pytest.mark.parametrize("wrong", WRONG_CERTIFICATES, ids=lambda wrong: wrong.name)
def test_server_with_a_wrong_certificate_is_told_nothing(
    wrong: WrongCertificate,
    authorities: Authorities,
    caplog: pytest.LogCaptureFixture,
    tally: list[str],
) -> None:
    context = server_context(wrong.make(authorities))
    with FakeServer(behind_tls(context)) as witness:
        message = meet(witness, authorities, caplog, wrong.host)
    assert message == (
        f"MQTT: no connection to {wrong.host}:{witness.port}: the broker's certificate is not "
        f"accepted ({wrong.because}); check mqtt.host and mqtt.tls.ca"
    )
    assert witness.told == []
    tally.append(wrong.name)


# -- servers that break the handshake ----------------------------------------------------


def _old(version: ssl.TLSVersion) -> ServerMake:
    def make(authorities: Authorities) -> Answer:
        context = server_context(authorities.issue("right"))
        context.minimum_version = context.maximum_version = version
        return behind_tls(context)

    return make


def _cipher(name: str) -> ServerMake:
    def make(authorities: Authorities) -> Answer:
        is_anonymous = name.startswith("ADH")
        certificate = None if is_anonymous else authorities.issue("right", key="RSA:2048")
        context = server_context(certificate)
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 none of these exist
        context.set_ciphers(f"{name}:@SECLEVEL=0")
        return behind_tls(context)

    return make


def _plainly(answer: Answer) -> ServerMake:
    return lambda authorities: answer


def _endlessly(words: bytes) -> Answer:
    def answer(connection: socket.socket) -> bytes:
        connection.settimeout(10)
        while True:
            connection.sendall(words)

    return answer


def _reset(connection: socket.socket) -> bytes:
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return b""


RECORD = b"\x16\x03\x03"  # the beginning of a TLS handshake record, before its length
BREAKERS = {
    "TLS 1.0": (_old(ssl.TLSVersion.TLSv1), "PROTOCOL"),
    "TLS 1.1": (_old(ssl.TLSVersion.TLSv1_1), "PROTOCOL"),
    "a cipher that hides nothing": (_cipher("NULL-SHA256"), "HANDSHAKE_FAILURE"),
    "a cipher without certificates": (_cipher("ADH-AES256-GCM-SHA384"), "HANDSHAKE_FAILURE"),
    "a key exchange that can be read later": (_cipher("AES128-GCM-SHA256"), "HANDSHAKE_FAILURE"),
    "a cipher of the nineties": (_cipher("DHE-RSA-AES128-SHA"), "HANDSHAKE_FAILURE"),
    "plain MQTT": (_plainly(saying(b"\x20\x03\x00\x00\x00")), ""),
    "a web server": (_plainly(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")), ""),
    "noise": (_plainly(saying(random.Random(1).randbytes(4096))), ""),
    "noise without end": (_plainly(_endlessly(bytes(65536))), ""),
    "a record that is too long": (_plainly(_endlessly(RECORD + b"\xff\xff" + bytes(65535))), ""),
    "a handshake that is too long": (
        _plainly(_endlessly(RECORD + b"\x40\x00\x02\xff\xff\xff" + bytes(16380))),
        "",
    ),
    "an alert": (_plainly(saying(b"\x15\x03\x03\x00\x02\x02\x28")), "HANDSHAKE_FAILURE"),
    "a reset": (_plainly(_reset), ""),
}


@pytest.mark.parametrize("name", BREAKERS)
def test_server_that_breaks_the_handshake_is_told_nothing(
    name: str, authorities: Authorities, caplog: pytest.LogCaptureFixture, tally: list[str]
) -> None:
    make, because = BREAKERS[name]
    with FakeServer(make(authorities)) as witness:
        message = meet(witness, authorities, caplog, "127.0.0.1")
    assert message.startswith(f"MQTT: no connection to 127.0.0.1:{witness.port} (")
    assert because in message
    assert message.endswith("; check mqtt.port and mqtt.tls")
    assert not any(is_a_secret(told) for told in witness.told)
    tally.append(name)


# -- servers that take their time --------------------------------------------------------


def _stall(connection: socket.socket) -> bytes:
    return connection.recv(65536) and connection.recv(65536)


def _one_byte_a_second(connection: socket.socket) -> bytes:
    for byte in RECORD + b"\x40\x00\x02\x00\x3f\xfc" + bytes(16380):
        connection.sendall(bytes([byte]))
        threading.Event().wait(1.0)
    return b""


SLOW = {
    "silence": _stall,
    "the beginning of a record": saying(RECORD + b"\x40\x00"),
    "a byte per second": _one_byte_a_second,
}
GIVEN_UP_WITHIN_S = 10.0


@pytest.mark.slow
def test_server_that_stalls_in_the_handshake_is_given_up_in_bounded_time(
    authorities: Authorities, caplog: pytest.LogCaptureFixture, tally: list[str]
) -> None:
    tls = TlsSettings(authorities.trusted.public_path)
    with ExitStack() as stack:
        witnesses = [stack.enter_context(FakeServer(answer)) for answer in SLOW.values()]
        begun_s = time.monotonic()
        devices = [
            stack.enter_context(device("127.0.0.1", witness.port, password=PASSWORD, tls=tls))
            for witness in witnesses
        ]
        eventually(
            lambda: all(witness.connections >= 2 for witness in witnesses),
            within_s=GIVEN_UP_WITHIN_S,
            what=lambda: [witness.connections for witness in witnesses],
        )
        took_s = time.monotonic() - begun_s
        assert len(said(caplog)) == len(SLOW)
        # In the middle of the next handshake: the end does not wait for it.
        begun_s = time.monotonic()
        devices[0].sink.close(timeout_s=1.0)
        assert time.monotonic() - begun_s < 1.5
    assert not any(is_a_secret(told) for witness in witnesses for told in witness.told)
    report(f"{len(SLOW)} stalled handshakes given up after at most {took_s:.0f} s")
    tally.extend(SLOW)


# -- servers that hold the right certificate ---------------------------------------------


def test_right_server_is_told_who_the_device_is(authorities: Authorities) -> None:
    # The other half of this file: with this it could tell if a secret had been told.
    context = server_context(authorities.issue("right"))
    tls = TlsSettings(authorities.trusted.public_path)
    with (
        FakeServer(behind_tls(context)) as witness,
        device("127.0.0.1", witness.port, username="cabinet", password=PASSWORD, tls=tls),
    ):
        [told, *_] = eventually(lambda: witness.told)
    assert b"MQTT" in told
    assert PASSWORD.encode() in told


@pytest.mark.parametrize("code", [0x9C, 0x9D], ids=["use another server", "server moved"])
@pytest.mark.parametrize("packet", ["CONNACK", "DISCONNECT"])
def test_server_that_names_another_is_not_obeyed(
    packet: str, code: int, caplog: pytest.LogCaptureFixture, tally: list[str]
) -> None:
    with FakeServer(listening) as other:
        reference = f"127.0.0.1:{other.port}".encode()
        properties = b"\x1c" + len(reference).to_bytes(2, "big") + reference
        connack = b"\x00" + bytes([code, len(properties)]) + properties
        disconnect = bytes([code, len(properties)]) + properties

        def refer(connection: socket.socket) -> bytes:
            connection.recv(65536)
            if packet == "CONNACK":
                connection.sendall(b"\x20" + bytes([len(connack)]) + connack)
            else:
                connection.sendall(b"\x20\x03\x00\x00\x00")
                connection.sendall(b"\xe0" + bytes([len(disconnect)]) + disconnect)
            while connection.recv(65536):
                pass  # Hanging up on what is unread would take the words back.
            return b""

        with (
            FakeServer(refer) as witness,
            device("127.0.0.1", witness.port, username="cabinet", password=PASSWORD),
        ):
            eventually(lambda: witness.connections >= 2)
            eventually(lambda: said(caplog))
        assert other.connections == 0
    message = said(caplog)[0]
    assert f"127.0.0.1:{witness.port}" in message
    assert message.endswith("; the broker names another server: set mqtt.host to it")
    tally.append(packet)


@pytest.mark.parametrize("is_asked_for", [True, False], ids=["TLS to plain", "plain to TLS"])
def test_device_and_broker_that_disagree_about_tls_do_not_connect(
    is_asked_for: bool,
    authorities: Authorities,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    tally: list[str],
) -> None:
    right = authorities.issue("right")
    lines = (f"certfile {right.public_path}", f"keyfile {right.key_path}", "user root")
    broker = Mosquitto(tmp_path, () if is_asked_for else lines)
    tls = TlsSettings(authorities.trusted.public_path) if is_asked_for else None
    try:
        with device(broker.host, broker.port, password=PASSWORD, tls=tls):
            [message] = eventually(lambda: said(caplog))
    finally:
        broker.close()
    assert f"{broker.host}:{broker.port}" in message
    assert "check mqtt.port" in message
    assert "mqtt.tls" in message
    tally.append("TLS on one side")


def is_a_secret(told: bytes) -> bool:
    """Return whether a server was told more than the greeting of TLS."""
    return b"MQTT" in told or b"cabinet" in told or PASSWORD.encode() in told
