"""One connection to a broker, from CONNECT to its end, driven by the sink's own thread.

paho's thread is not used: it reconnects without jitter, and publishing into it from other
threads means sharing its locks. Its documented interface for foreign event loops is, with
a client of its own per connection, so that nothing of the one before can linger.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.sinks.client import connect, new_client
from edge.sinks.endings import (
    Access,
    Cause,
    Ending,
    explain_loss,
    explain_refusal,
    explain_silence,
)
from edge.sinks.inbox import Inbox
from edge.sinks.outbox import WINDOW, Outbox

ONLINE, OFFLINE, LOST = b"online", b"offline", b"lost"  # payloads of P/status

CONNACK_TIMEOUT_S = 10.0
WAKE_EVERY_S = 1.0  # keepalives are looked after this often
# Requests on their way here without an answer: a flood of them waits at the broker.
RECEIVE_MAXIMUM = 16
LARGEST_PACKET_BYTES = 256 * 1024  # of a broker; a request has 64 KiB at most

log = logging.getLogger(__name__)


class Farewell:
    """Set by the thread that closes the sink, watched by the connection's thread."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self.status = OFFLINE  # the last word; empty when nothing retained may remain
        self.offline_by_s = 0.0  # monotonic: from here on the last word goes before the rest
        self.end_by_s = 0.0  # and here the connection is cut

    def ask(self, timeout_s: float) -> None:
        """Ask for the end, to be reached within the timeout."""
        now_s = time.monotonic()
        self.offline_by_s = now_s + 0.5 * timeout_s
        self.end_by_s = now_s + 0.9 * timeout_s
        self.is_asked.set()


class Connection:
    """Sends what the outbox holds, for as long as the connection lasts.

    `wake` is a readable socket that gets a byte when the outbox has news; `on_up` is
    called about once a second while the broker has accepted, with the seconds since then.
    What is heard goes to the `inbox`.
    """

    def __init__(
        self,
        access: Access,
        protocol: MQTTProtocolVersion,
        status_topic: str,
        outbox: Outbox,
        inbox: Inbox,
        farewell: Farewell,
        wake: socket.socket,
        on_up: Callable[[float], None],
    ) -> None:
        self._access = access
        self._status_topic = status_topic
        self._outbox = outbox
        self._inbox = inbox
        self._farewell = farewell
        self._wake = wake
        self._on_up = on_up
        self._up_since_s: float | None = None
        self._is_answered = False  # by a CONNACK, of whatever content
        self._reason = "connection closed"  # of the refusal or the end, in the broker's words
        self._reason_code = 0
        # By hand: a request counts as taken when its answer is on its way.
        self._client = new_client(access, protocol, manual_ack=True)
        self._is_mqtt_5 = protocol == MQTTProtocolVersion.MQTTv5
        self._client.max_inflight_messages_set(0)  # the outbox holds the window
        self._client.will_set(status_topic, LOST, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_log = self._on_log

    def run(self) -> Ending:
        """Connect, exchange packets, and return how it ended."""
        properties = _connect_properties() if self._is_mqtt_5 else None
        if (ending := connect(self._client, self._access, properties)) is not None:
            return ending
        try:
            is_farewell = self._serve()
        finally:
            # Whatever ended it: without a DISCONNECT packet the broker publishes the will.
            if (connection := self._client.socket()) is not None:
                connection.close()
        return Ending(Cause.CLOSING, "closed") if is_farewell else self._explain_end()

    def _serve(self) -> bool:
        """Exchange packets; return True when it ended because the sink is closed."""
        answer_by_s = time.monotonic() + CONNACK_TIMEOUT_S
        has_said_offline = False
        while (connection := self._client.socket()) is not None:
            now_s = time.monotonic()
            if self._up_since_s is not None:
                self._on_up(now_s - self._up_since_s)
                self._inbox.look(now_s)
                self._send(now_s)
                if self._client.socket() is None:
                    continue  # A write found the connection broken.
            elif now_s >= answer_by_s:
                self._reason = f"no answer for {CONNACK_TIMEOUT_S:g} s"
                return False
            if self._farewell.is_asked.is_set():
                if self._up_since_s is None:
                    return True
                if now_s >= self._farewell.end_by_s:
                    log.warning("MQTT: stopped without the broker's answer; it will say `lost`")
                    return True
                is_time = self._outbox.is_idle() or now_s >= self._farewell.offline_by_s
                if is_time and not has_said_offline:
                    has_said_offline = True
                    self._outbox.give_up_replays()
                    self._outbox.keep(self._status_topic, self._farewell.status)
                    continue
                if has_said_offline and self._outbox.is_settled(self._status_topic):
                    self._client.disconnect()
                    return True
            if not self._exchange(connection):
                return False
            self._outbox.commit(time.monotonic())
        return self._farewell.is_asked.is_set()

    def _send(self, now_s: float) -> None:
        while (message := self._outbox.next(now_s)) is not None:
            info = self._client.publish(message.topic, message.payload, 1, message.is_retained)
            self._outbox.sent(info.mid, message)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return  # The connection just ended; the next one sends everything again.
            if message.request_id:
                self._client.ack(message.request_id, 1)

    def _exchange(self, connection: Any) -> bool:
        """Wait for the socket, or for news from other threads, and let paho do its part.

        Returns False when the connection is to end because of what the broker sends.
        """
        is_buffered = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        readable, writable, _ = select.select(
            [connection, self._wake],
            [connection] if self._client.want_write() else [],
            [],
            0.0 if is_buffered else WAKE_EVERY_S,
        )
        if self._wake in readable:
            with suppress(BlockingIOError):
                self._wake.recv(4096)
        if (connection in readable or is_buffered) and not self._read():
            return False
        if connection in writable:
            self._client.loop_write()
        self._client.loop_misc()
        return True

    def _read(self) -> bool:
        """Read what the broker sends; return False when that is nothing to go on with."""
        try:
            self._client.loop_read()
        except (ValueError, LookupError, TypeError, struct.error) as error:
            # paho checks little of what it reads; a broken packet is no error of this program.
            self._reason = f"the broker sends what cannot be read ({error})"
            return False
        # In MQTT 5 the broker knows the limit, in 3.1.1 there is no word for it; and paho has
        # no documented look at the packet that it is filling the memory with.
        coming_bytes = self._client._in_packet["remaining_length"]
        if coming_bytes > LARGEST_PACKET_BYTES:
            self._reason = f"the broker sends a packet of {coming_bytes} bytes"
            return False
        return True

    # -- what paho reports ---------------------------------------------------------------

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: Any,
        _flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._is_answered = True
        if reason_code.is_failure:
            self._reason, self._reason_code = str(reason_code), reason_code.value
            return
        self._up_since_s = time.monotonic()
        # First of all: who reads `online` may ask at once.
        for topic in self._inbox.topics:
            if self._is_mqtt_5:
                # A request that was sent to be retained is to be recognised as one.
                options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True)
                self._client.subscribe(topic, options=options)
            else:
                self._client.subscribe(topic, qos=1)
        receive_maximum = getattr(properties, "ReceiveMaximum", WINDOW)
        largest_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self._outbox.begin(ONLINE, receive_maximum, self._up_since_s, largest_packet_bytes)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._up_since_s is not None:  # else the refusal has already said why
            self._reason = str(reason_code)
            if flags.is_disconnect_packet_from_server:
                self._reason_code = reason_code.value

    def _on_publish(
        self,
        _client: paho.Client,
        _userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        _properties: Properties,
    ) -> None:
        # A PUBACK with a reason from 0x80 on means that the broker does not have it.
        refusal = str(reason_code) if reason_code.is_failure else None
        self._outbox.settle(mid, refusal, time.monotonic())

    def _on_log(self, _client: paho.Client, _userdata: Any, level: int, message: str) -> None:
        # A TLS alert (no certificate of this device, or a wrong one) is told here alone.
        if level == paho.MQTT_LOG_ERR and self._up_since_s is None:
            self._reason = message

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: Any,
        _mid: int,
        reason_codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(code.is_failure for code in reason_codes):
            self._inbox.refuse(str(reason_codes[0]))

    def _on_message(self, client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        is_taken = self._inbox.take(
            message.topic, bytes(message.payload), message.retain, message.mid if message.qos else 0
        )
        if not is_taken and message.qos:
            client.ack(message.mid, message.qos)

    def _explain_end(self) -> Ending:
        if self._up_since_s is not None:
            up_for_s = time.monotonic() - self._up_since_s
            return explain_loss(self._access, self._reason, self._reason_code, up_for_s)
        if not self._is_answered:
            return explain_silence(self._access, self._reason)
        return explain_refusal(self._access, self._reason, self._reason_code)


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    properties.MaximumPacketSize = LARGEST_PACKET_BYTES
    return properties
