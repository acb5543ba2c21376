"""The MQTT sink: states, events and alerts to one broker, through outages of any length.

One thread owns the socket and drives paho through its interface for foreign event loops.
paho's own thread is not used: it reconnects without jitter, and publishing into it from
other threads means sharing its locks. Every connection gets a client of its own, so that
nothing of the one before can linger.

Each connection starts a clean session. A session kept by the broker would be a second
memory beside the outbox, with other gaps; republishing everything needs none and makes
every connection the same. So the will has no delay either: it ends with the session.
"""

from __future__ import annotations

import logging
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.journal import Journal
from edge.sinks.outbox import WINDOW, Outbox
from edge.sinks.payloads import alert_payload, encode, slot_payload
from edge.types import (
    ALERT_IDS,
    Alert,
    ConfigurationError,
    SlotMemory,
    TlsSettings,
    Transition,
    utc_now,
)

ONLINE, OFFLINE, LOST = b"online", b"offline", b"lost"  # payloads of P/status

KEEPALIVE_S = 15  # a vanished device is `lost` after one and a half of these
CONNACK_TIMEOUT_S = 10.0
FIRST_DELAY_S = 0.5  # upper end of the first wait before a reconnect; doubles each time
LONGEST_DELAY_S = 60.0
FALL_BACK_AFTER = 3  # connections without an answer before the other version is tried
STABLE_AFTER_S = 30.0  # a connection this old was a good one: waits start small again
WAKE_EVERY_S = 1.0  # keepalives are looked after this often

UNSUPPORTED_PROTOCOL = 0x84
SESSION_TAKEN_OVER = 0x8E
# What to do about what a broker may say (MQTT 5 reason codes; paho translates 3.1.1's).
REMEDIES = {
    UNSUPPORTED_PROTOCOL: "set mqtt.protocol to auto",
    0x85: "use another `device` name: the broker does not accept this client id",
    0x86: "check mqtt.username and mqtt.password_file",
    0x87: "check mqtt.username, mqtt.password_file and what the broker allows this user",
    0x8C: "the broker wants another way to log in than user name and password",
    SESSION_TAKEN_OVER: "another device uses this name: give each its own `device`",
    0x95: "raise the broker's largest packet size",
    0x9A: "the broker must allow retained messages: states are nothing without them",
    0x9B: "the broker must allow QoS 1",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Fault:
    """Why there is no connection."""

    kind: str  # equal kinds are one fault, however often it shows
    message: str


class MqttSink:
    """Publishes to `<topic_prefix>/<device>/...`; see docs/mqtt.md for the contract.

    No method blocks or raises for what the network does; only `close` waits, up to its
    timeout. Slots told before `start` are part of what the first connection publishes
    before it says `online`.
    """

    def __init__(
        self,
        *,
        device: str,
        host: str,
        port: int,
        journal: Journal,
        protocol: str = "auto",
        username: str | None = None,
        password: str | None = None,
        tls: TlsSettings | None = None,
        topic_prefix: str = "slotwatch",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare; nothing is sent before `start`.

        `protocol` is "5", "3.1.1", or "auto" for 5 with a fall-back to 3.1.1.

        Raises:
            ConfigurationError: a file of `tls` cannot be used.
        """
        self._address = f"{host}:{port}"
        self._host = host
        self._port = port
        self._client_id = f"slotwatch-{device}"
        self._may_fall_back = protocol == "auto"
        self._protocol = (
            MQTTProtocolVersion.MQTTv311 if protocol == "3.1.1" else MQTTProtocolVersion.MQTTv5
        )
        self._username = username
        self._password = password
        self._tls = tls
        if tls is not None:
            try:
                _tls_context(tls)
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"mqtt.tls: {tls.ca}, {tls.certificate}, {tls.key}: {error}; "
                    "these must be readable PEM files that belong together"
                ) from error
        self._prefix = f"{topic_prefix}/{device}"
        self._status_topic = f"{self._prefix}/status"
        self._outbox = Outbox(self._status_topic, f"{self._prefix}/events", journal, clock)
        for alert_id in ALERT_IDS:
            # What an earlier run raised and never ended must not stand for ever.
            self._outbox.keep(f"{self._prefix}/alerts/{alert_id}", b"")
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._is_closing = threading.Event()
        self._offline_by_s = 0.0
        self._close_by_s = 0.0
        self._thread: threading.Thread | None = None
        # From here on: the MQTT thread only.
        self._fault: _Fault | None = None
        self._failures = 0  # connections in a row that were no good ones
        self._unanswered = 0  # connections in a row without a CONNACK

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def slot(self, slot_id: str, memory: SlotMemory) -> None:
        """Publish a slot's state, retained."""
        self._keep(f"slots/{slot_id}", encode(slot_payload(memory)))

    def forget_slot(self, slot_id: str) -> None:
        """Clear a slot's retained topic."""
        self._keep(f"slots/{slot_id}", b"")

    def transition(self, transition: Transition) -> None:  # noqa: ARG002 -- the journal has it
        """Send what the journal holds; an event without a place in it is not sent."""
        self._outbox.expect_events()
        self._wake()

    def alert(self, alert: Alert) -> None:
        """Publish an alert, retained."""
        self._keep(f"alerts/{alert.id}", encode(alert_payload(alert)))

    def end_alert(self, alert_id: str) -> None:
        """Clear an alert's retained topic."""
        self._keep(f"alerts/{alert_id}", b"")

    def info(self, info: Mapping[str, Any]) -> None:
        """Publish what the device is, retained."""
        self._keep("info", encode(info))

    def health(self, health: Mapping[str, Any]) -> None:
        """Publish how the device is doing, retained."""
        self._keep("health", encode(health))

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what is left, say `offline`, wait for the broker's word, and end.

        When the broker does not answer in time, the connection is cut instead of closed:
        then the broker publishes the will, and nobody believes in a device that is gone.
        """
        now_s = time.monotonic()
        self._offline_by_s = now_s + 0.5 * timeout_s
        self._close_by_s = now_s + 0.9 * timeout_s
        self._is_closing.set()
        self._wake()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _keep(self, topic: str, payload: bytes) -> None:
        self._outbox.keep(f"{self._prefix}/{topic}", payload)
        self._wake()

    def _wake(self) -> None:
        # Full: the thread is about to wake up anyway. Closed: it has ended.
        with suppress(OSError):
            self._wake_sender.send(b"\0")

    # -- the MQTT thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._is_closing.is_set():
                started_s = time.monotonic()
                try:
                    fault = self._connect_and_serve()
                except Exception:
                    # The fence of this loop: a sink must not take the cabinet's watch down.
                    log.exception("MQTT: a connection ended by an error of this program")
                    fault = _Fault("error", f"error in the connection to {self._address}")
                if fault is None:
                    continue
                lasted_s = time.monotonic() - started_s
                is_good = lasted_s >= STABLE_AFTER_S and fault.kind != "taken over"
                self._failures = 0 if is_good else self._failures + 1
                self._begin_fault(fault)
                self._is_closing.wait(reconnect_delay_s(self._failures))
        finally:
            self._wake_receiver.close()
            self._wake_sender.close()

    def _connect_and_serve(self) -> _Fault | None:
        """Return why the connection ended, None when the next one should follow at once."""
        link = _Link(self._outbox, self._protocol)
        client = self._new_client()
        client.on_connect = link.on_connect
        client.on_disconnect = link.on_disconnect
        client.on_publish = link.on_publish
        try:
            if self._tls is not None:
                client.tls_set_context(_tls_context(self._tls))
            client.connect(self._host, self._port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            return self._explain_no_connection(error)
        try:
            self._serve(client, link)
        finally:
            # Whatever ended it: without a DISCONNECT packet the broker publishes the will.
            if (open_socket := client.socket()) is not None:
                open_socket.close()
        if link.reason_code == UNSUPPORTED_PROTOCOL and self._may_fall_back:
            is_first_refusal = self._protocol == MQTTProtocolVersion.MQTTv5
            self._fall_back()
            if is_first_refusal:
                return None
        # Some brokers close the connection on a version they do not know, or never answer
        # (amqtt 0.12). One that is starting or stopping does so, too: not at the first time.
        self._unanswered = self._unanswered + 1 if link.is_unanswered else 0
        if self._unanswered and self._unanswered % FALL_BACK_AFTER == 0 and self._may_fall_back:
            self._fall_back()
        if self._is_closing.is_set():
            return None
        return self._explain_end(link)

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._protocol,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(0)  # the outbox holds the window
        client.will_set(self._status_topic, LOST, qos=1, retain=True)
        if self._username is not None:
            client.username_pw_set(self._username, self._password)
        return client

    def _fall_back(self) -> None:
        """Speak the other version of the protocol from the next connection on."""
        self._protocol = (
            MQTTProtocolVersion.MQTTv311
            if self._protocol == MQTTProtocolVersion.MQTTv5
            else MQTTProtocolVersion.MQTTv5
        )

    def _serve(self, client: paho.Client, link: _Link) -> None:
        """Exchange packets until the connection ends, or the sink is closed."""
        answer_by_s = time.monotonic() + CONNACK_TIMEOUT_S
        has_said_offline = False
        while (connection := client.socket()) is not None:
            now_s = time.monotonic()
            if link.is_up:
                self._end_fault(link, now_s)
                self._send(client, now_s)
            elif now_s >= answer_by_s:
                link.note_silence()
                return
            if self._is_closing.is_set():
                if not link.is_up:
                    return
                if now_s >= self._close_by_s:
                    log.warning("MQTT: stopped without the broker's answer; it will say `lost`")
                    return
                # Half of the time belongs to what is left, the rest to the last word.
                is_time = self._outbox.is_idle() or now_s >= self._offline_by_s
                if not has_said_offline and is_time:
                    has_said_offline = True
                    self._outbox.keep(self._status_topic, OFFLINE)
                    continue
                if has_said_offline and self._outbox.is_settled(self._status_topic):
                    client.disconnect()
                    continue
            self._exchange(client, connection)
            self._outbox.commit(time.monotonic())

    def _send(self, client: paho.Client, now_s: float) -> None:
        while (message := self._outbox.next(now_s)) is not None:
            info = client.publish(message.topic, message.payload, 1, message.is_retained)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return  # The connection just ended; the next one sends everything again.
            self._outbox.sent(info.mid, message)

    def _exchange(self, client: paho.Client, connection: Any) -> None:
        """Wait for the socket, or for news from other threads, and let paho do its part."""
        is_buffered = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        readable, writable, _ = select.select(
            [connection, self._wake_receiver],
            [connection] if client.want_write() else [],
            [],
            0.0 if is_buffered else WAKE_EVERY_S,
        )
        if self._wake_receiver in readable:
            with suppress(BlockingIOError):
                self._wake_receiver.recv(4096)
        if connection in readable or is_buffered:
            client.loop_read()
        if connection in writable:
            client.loop_write()
        client.loop_misc()

    # -- faults: said once when they begin, once when they end ---------------------------

    def _begin_fault(self, fault: _Fault) -> None:
        if self._fault is None or self._fault.kind != fault.kind:
            log.warning("MQTT: %s", fault.message)
        self._fault = fault

    def _end_fault(self, link: _Link, now_s: float) -> None:
        if self._fault is None:
            if not link.is_announced:
                log.info("MQTT: %s as %s, %s", self._address, self._client_id, link.version)
        elif self._fault.kind != "taken over" or now_s - link.up_since_s >= STABLE_AFTER_S:
            # Two devices with one name both connect every time: only peace ends that fault.
            log.warning("MQTT: connected to %s again, %s", self._address, link.version)
            self._fault = None
        link.is_announced = True

    def _explain_no_connection(self, error: Exception) -> _Fault:
        where = f"no connection to {self._address}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return _Fault(
                "certificate",
                f"{where}: the broker's certificate is not accepted "
                f"({error.verify_message}); check mqtt.host and mqtt.tls.ca",
            )
        if isinstance(error, ssl.SSLError):
            return _Fault(
                "tls", f"{where}: {error}; check mqtt.port and mqtt.tls: does it speak TLS there?"
            )
        if isinstance(error, socket.gaierror):
            return _Fault(
                "name", f"{where}: the name is not known; check mqtt.host and the network"
            )
        return _Fault(
            "no connection",
            f"{where} ({error}); check mqtt.host and mqtt.port, and that the broker runs",
        )

    def _explain_end(self, link: _Link) -> _Fault:
        if link.reason_code == SESSION_TAKEN_OVER:
            return _Fault(
                "taken over",
                f"{self._address} gave the client id {self._client_id} to another connection; "
                + REMEDIES[SESSION_TAKEN_OVER],
            )
        if link.is_unanswered:
            return _Fault(
                "unanswered",
                f"{self._address} does not answer as a broker ({link.reason}); "
                "check mqtt.port, mqtt.tls and mqtt.protocol",
            )
        remedy = REMEDIES.get(link.reason_code, "it is tried again")
        if link.is_up:
            return _Fault(
                "no connection", f"connection to {self._address} lost ({link.reason}); {remedy}"
            )
        user = "no user name" if self._username is None else f"user {self._username!r}"
        return _Fault(
            f"refused {link.reason_code}",
            f"{self._address} refuses {self._client_id}, {user} ({link.reason}); {remedy}",
        )


class _Link:
    """What paho reports of one connection."""

    def __init__(self, outbox: Outbox, protocol: MQTTProtocolVersion) -> None:
        self._outbox = outbox
        self.version = "MQTT 5" if protocol == MQTTProtocolVersion.MQTTv5 else "MQTT 3.1.1"
        self.is_up = False  # the broker accepted the connection (and may have ended it since)
        self.is_unanswered = True  # the broker has not even refused it
        self.is_announced = False
        self.up_since_s = 0.0
        self.reason = "connection closed"  # of the refusal or the end, the broker's words
        self.reason_code = 0

    def on_connect(
        self,
        _client: paho.Client,
        _userdata: Any,
        _flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        """Take the CONNACK."""
        self.is_unanswered = False
        if reason_code.is_failure:
            self.reason, self.reason_code = str(reason_code), reason_code.value
            return
        self.is_up = True
        self.up_since_s = time.monotonic()
        self._outbox.begin(ONLINE, getattr(properties, "ReceiveMaximum", WINDOW))

    def on_disconnect(
        self,
        _client: paho.Client,
        _userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        """Take the end, unless a refusal already said why."""
        if self.is_up:
            self.reason = str(reason_code)
            if flags.is_disconnect_packet_from_server:
                self.reason_code = reason_code.value

    def on_publish(
        self,
        _client: paho.Client,
        _userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        _properties: Properties,
    ) -> None:
        """Take a PUBACK: any reason from 0x80 on means that the broker does not have it."""
        refusal = str(reason_code) if reason_code.is_failure else None
        self._outbox.settle(mid, refusal, time.monotonic())

    def note_silence(self) -> None:
        """Take that no CONNACK came in time."""
        self.reason = f"no answer for {CONNACK_TIMEOUT_S:g} s"


def reconnect_delay_s(failures: int) -> float:
    """Return how long to wait after so many connections in a row that were no good ones.

    Full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015): anywhere between
    zero and a bound that doubles up to 60 s, so that a fleet comes back spread out.
    """
    return random.uniform(0.0, min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(failures, 16)))


def _tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """Return a context that trusts this CA alone; read anew, so renewed files are used.

    Raises:
        OSError: a file is missing or is not what it should be.
    """
    context = ssl.create_default_context(cafile=tls.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
