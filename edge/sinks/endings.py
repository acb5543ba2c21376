"""How connections to a broker end, and what a technician is told about it; the MQTT thread's."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from enum import Enum

from edge.types import TlsSettings

UNSUPPORTED_PROTOCOL = 0x84
SESSION_TAKEN_OVER = 0x8E
# What to do about what a broker may say (MQTT 5 reason codes; paho translates 3.1.1's).
REMEDIES = {
    UNSUPPORTED_PROTOCOL: "set mqtt.protocol to auto",
    0x85: "use another `device` name: the broker does not accept this client id",
    0x86: "check mqtt.username and mqtt.password_file",
    0x87: "check mqtt.username, mqtt.password_file and what the broker allows this user",
    0x8C: "the broker wants another way to log in than user name and password",
    0x95: "raise the broker's largest packet size",
    0x9A: "the broker must allow retained messages: states are nothing without them",
    0x9B: "the broker must allow QoS 1",
    0x9C: "the broker names another server: set mqtt.host to it",
    0x9D: "the broker names another server: set mqtt.host to it",
}


class Cause(Enum):
    """Why a connection ended; equal causes in a row are one fault, said once."""

    CLOSING = "the sink is closed"
    NO_CONNECTION = "the broker cannot be reached, or the connection to it broke"
    UNKNOWN_HOST = "the host's name is not known"
    TLS = "no encrypted connection"
    TLS_FILES = "a file for the encrypted connection cannot be used"
    VERSION = "the broker does not speak this version"
    UNANSWERED = "there is no CONNACK"
    REFUSED = "the broker does not let this client in"
    TAKEN_OVER = "the broker gave the client id to another connection"
    PROGRAM = "an error of this program"


@dataclass(frozen=True)
class Ending:
    """How a connection ended."""

    cause: Cause
    message: str  # where, what, and what to do
    up_for_s: float | None = None  # since the broker accepted it; None: it never did


@dataclass(frozen=True)
class Access:
    """Where the broker is, and who we are there."""

    host: str
    port: int
    client_id: str
    username: str | None
    password: str | None
    tls: TlsSettings | None

    @property
    def address(self) -> str:
        """Host and port, for people."""
        return f"{self.host}:{self.port}"


def explain_no_connection(access: Access, error: Exception) -> Ending:
    """Return why there is no connection at all."""
    where = f"no connection to {access.address}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return Ending(
            Cause.TLS,
            f"{where}: the broker's certificate is not accepted "
            f"({error.verify_message}); check mqtt.host and mqtt.tls.ca",
        )
    # A broker without TLS on this port hangs up on the first encrypted byte.
    is_hung_up = access.tls is not None and isinstance(error, ConnectionResetError)
    if is_hung_up or isinstance(error, ssl.SSLError):
        return Ending(Cause.TLS, f"{where} ({error}); check mqtt.port and mqtt.tls")
    if isinstance(error, socket.gaierror):
        return Ending(
            Cause.UNKNOWN_HOST,
            f"{where}: the name is not known; check mqtt.host and the network",
        )
    return Ending(
        Cause.NO_CONNECTION,
        f"{where} ({error}); check mqtt.host and mqtt.port, and that the broker runs",
    )


def explain_loss(access: Access, reason: str, reason_code: int, up_for_s: float) -> Ending:
    """Return why a connection ended that the broker had accepted, in the broker's words."""
    address = access.address
    if reason_code == SESSION_TAKEN_OVER:
        message = taken_over(f"{address} says so", access.client_id)
        return Ending(Cause.TAKEN_OVER, message, up_for_s)
    remedy = REMEDIES.get(reason_code, "it is tried again")
    message = f"connection to {address} lost ({reason}); {remedy}"
    return Ending(Cause.NO_CONNECTION, message, up_for_s)


def explain_silence(access: Access, reason: str) -> Ending:
    """Return why there was a connection and no CONNACK."""
    tls = "mqtt.tls"
    if access.tls is not None:
        tls = "mqtt.tls (does the broker accept this device's certificate?)"
    return Ending(
        Cause.UNANSWERED,
        f"{access.address} does not answer as a broker ({reason}); "
        f"check mqtt.port, {tls} and mqtt.protocol",
    )


def explain_refusal(access: Access, reason: str, reason_code: int) -> Ending:
    """Return why the broker does not let this client in."""
    user = "without a user name" if access.username is None else f"as user {access.username!r}"
    remedy = REMEDIES.get(reason_code, "it is tried again")
    return Ending(
        Cause.VERSION if reason_code == UNSUPPORTED_PROTOCOL else Cause.REFUSED,
        f"{access.address} refuses {access.client_id} {user} ({reason}); {remedy}",
    )


def taken_over(evidence: str, client_id: str) -> str:
    """Return what to say when two clients push each other off the broker."""
    return (
        f"another device connects as {client_id} and pushes this one off the broker "
        f"({evidence}); give each its own `device` name"
    )
