"""A small MQTT broker for `slotwatch demo` on a machine without Mosquitto.

It speaks 3.1.1 and 5, and does what this program and an onlooker need: QoS 0 and 1,
wildcards, retained messages, last wills, keepalive, one connection per client id. It
leaves out, and says so in its CONNACK where the protocol has a word for it: QoS 2,
sessions that outlive a connection, shared subscriptions, topic aliases, subscription
identifiers. There is no access control, so it listens on this machine only. A device in
service wants Mosquitto.

(amqtt 0.12, the broker one could have installed instead, knows 3.1.1 alone and leaves an
MQTT 5 client with a will waiting for an answer that never comes.)

Threads: one accepts, two serve each client: one reads, one writes.
"""

from __future__ import annotations

import logging
import queue
import socket
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

LARGEST_PACKET = 2 * 1024 * 1024  # bytes; a snapshot is the largest
CONNECT_TIMEOUT_S = 10.0
QUEUED_PACKETS = 20_000  # a client that reads so much too slowly is dropped

MALFORMED, PROTOCOL_ERROR = 0x81, 0x82
KEEPALIVE_TIMEOUT, SESSION_TAKEN_OVER, QOS_NOT_SUPPORTED = 0x8D, 0x8E, 0x9B
WITH_WILL = 0x04  # of a DISCONNECT: publish the will all the same

log = logging.getLogger(__name__)


class _ProtocolFault(Exception):
    """The client broke the rules; `code` is MQTT 5's word for it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"reason 0x{code:02x}")
        self.code = code


@dataclass(frozen=True)
class _Message:
    topic: str
    payload: bytes
    qos: int
    is_retained: bool
    properties: bytes = b""  # of MQTT 5, as they came


@dataclass(frozen=True)
class _Subscription:
    qos: int
    keeps_retain_flag: bool
    is_local_excluded: bool


class _Fields:
    """Reads the fields of one packet, in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, count: int) -> bytes:
        chunk = self._data[self._position : self._position + count]
        if len(chunk) < count:
            raise _ProtocolFault(MALFORMED)
        self._position += count
        return chunk

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            return self.binary().decode()
        except UnicodeDecodeError as error:
            raise _ProtocolFault(MALFORMED) from error

    def properties(self) -> bytes:
        length = shift = 0
        while True:
            byte = self.byte()
            length |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return self.take(length)
            shift += 7
            if shift > 21:
                raise _ProtocolFault(MALFORMED)

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._position)

    @property
    def is_empty(self) -> bool:
        return self._position >= len(self._data)


def matches(pattern: str, topic: str) -> bool:
    """Return whether the topic fits a subscription's pattern with `+` and `#`."""
    wanted, given = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


class EmbeddedBroker:
    """Listens from the moment it is made; `close` ends it and everyone's connection."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one.

        Raises:
            OSError: the port is taken.
        """
        self._listener = socket.create_server((host, port), backlog=64)
        self.host: str = host
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._clients: dict[str, _Client] = {}
        self._retained: dict[str, _Message] = {}
        self._thread = threading.Thread(target=self._accept, name="broker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; wills are not published, for nobody is left to read them."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.cut()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            client = _Client(self, connection)
            threading.Thread(target=client.serve, name="broker client", daemon=True).start()

    def enter(self, client: _Client) -> None:
        """Let a client in; one with the same name has to go."""
        with self._lock:
            before = self._clients.get(client.name)
            self._clients[client.name] = client
        if before is not None:
            # Its last will comes first, or `lost` would follow the new one's `online`.
            before.publish_will()
            before.leave(SESSION_TAKEN_OVER)

    def forget(self, client: _Client) -> None:
        """Take that the client's connection ended."""
        with self._lock:
            if self._clients.get(client.name) is client:
                del self._clients[client.name]

    def publish(self, message: _Message, sender: _Client) -> None:
        """Hand the message to everyone who subscribed, in one order for all."""
        with self._lock:
            if message.is_retained:
                if message.payload:
                    self._retained[message.topic] = message
                else:
                    self._retained.pop(message.topic, None)
            for client in self._clients.values():
                client.offer(message, sender)

    def subscribe(self, client: _Client, pattern: str, subscription: _Subscription) -> None:
        """Remember the subscription and hand over what is retained."""
        with self._lock:
            client.subscriptions[pattern] = subscription
            for message in self._retained.values():
                if matches(pattern, message.topic):
                    client.deliver(message, subscription.qos, is_retained=True)

    def unsubscribe(self, client: _Client, pattern: str) -> bool:
        """Forget the subscription; return whether there was one."""
        with self._lock:
            return client.subscriptions.pop(pattern, None) is not None


class _Client:
    """One connection, from CONNECT to its end."""

    def __init__(self, broker: EmbeddedBroker, connection: socket.socket) -> None:
        self._broker = broker
        self._connection = connection
        self._outgoing: queue.Queue[bytes | None] = queue.Queue(QUEUED_PACKETS)
        self._will: _Message | None = None
        self._will_lock = threading.Lock()
        self._is_mqtt_5 = False
        self._packet_id = 0
        self.name = ""
        self.subscriptions: dict[str, _Subscription] = {}

    # -- what the broker calls -----------------------------------------------------------

    def offer(self, message: _Message, sender: _Client) -> None:
        """Deliver a message if it fits a subscription, once, with the highest QoS."""
        fitting = [
            subscription
            for pattern, subscription in self.subscriptions.items()
            if matches(pattern, message.topic)
            and not (subscription.is_local_excluded and sender is self)
        ]
        if fitting:
            self.deliver(
                message,
                max(subscription.qos for subscription in fitting),
                message.is_retained and any(each.keeps_retain_flag for each in fitting),
            )

    def deliver(self, message: _Message, qos: int, is_retained: bool) -> None:
        """Queue a PUBLISH; the acknowledgement is not waited for, TCP keeps the order."""
        qos = min(qos, message.qos)
        body = _text(message.topic)
        if qos:
            self._packet_id = self._packet_id % 65_535 + 1
            body += struct.pack("!H", self._packet_id)
        if self._is_mqtt_5:
            body += _length(len(message.properties)) + message.properties
        self._queue(_packet(PUBLISH, body + message.payload, qos << 1 | is_retained))

    def leave(self, code: int) -> None:
        """Say why, where the version has a word for it, and end the connection."""
        if self._is_mqtt_5:
            self._queue(_packet(DISCONNECT, bytes([code, 0])))
        self._queue(None)

    def publish_will(self) -> None:
        """Publish the last will, if it was not withdrawn or published before."""
        with self._will_lock:
            will, self._will = self._will, None
        if will is not None:
            self._broker.publish(will, self)

    def cut(self) -> None:
        """End the connection at once."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    # -- its threads ---------------------------------------------------------------------

    def serve(self) -> None:
        """Read packets until the connection ends, then publish the will if there is one."""
        writer = threading.Thread(target=self._write, name="broker writer", daemon=True)
        writer.start()
        try:
            self._connection.settimeout(CONNECT_TIMEOUT_S)
            if self._connect():
                while self._handle(*self._read_packet()):
                    pass
        except _ProtocolFault as fault:
            self.leave(fault.code)
        except TimeoutError:
            self.leave(KEEPALIVE_TIMEOUT)
        except OSError:
            self._queue(None)
        else:
            self._queue(None)
        self._broker.forget(self)
        self.publish_will()
        writer.join(5)
        self._connection.close()

    def _write(self) -> None:
        try:
            while (packet := self._outgoing.get()) is not None:
                self._connection.sendall(packet)
        except OSError:
            pass  # The reader meets the same end.
        self.cut()

    def _queue(self, packet: bytes | None) -> None:
        try:
            self._outgoing.put_nowait(packet)
        except queue.Full:
            self.cut()

    # -- packets -------------------------------------------------------------------------

    def _read_packet(self) -> tuple[int, int, _Fields]:
        """Return type, flags and content of the next packet."""
        head = self._receive(1)[0]
        length = shift = 0
        while True:
            byte = self._receive(1)[0]
            length |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
            shift += 7
            if shift > 21:
                raise _ProtocolFault(MALFORMED)
        if length > LARGEST_PACKET:
            raise _ProtocolFault(MALFORMED)
        return head >> 4, head & 0x0F, _Fields(self._receive(length))

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            chunk = self._connection.recv(count - len(data))
            if not chunk:
                raise ConnectionError("closed")
            data += chunk
        return bytes(data)

    def _connect(self) -> bool:
        """Take the CONNECT packet; return whether the client is in."""
        kind, _, fields = self._read_packet()
        if kind != CONNECT or fields.text() != "MQTT":
            raise _ProtocolFault(PROTOCOL_ERROR)
        version = fields.byte()
        if version not in (4, 5):
            self._queue(_packet(CONNACK, b"\x00\x01"))
            return False
        self._is_mqtt_5 = version == 5
        flags, keepalive_s = fields.byte(), fields.number()
        if self._is_mqtt_5:
            fields.properties()
        given_name = fields.text()
        self.name = given_name or uuid.uuid4().hex
        if flags & 0x04:
            if self._is_mqtt_5:
                fields.properties()
            topic, payload = fields.text(), fields.binary()
            self._will = _Message(topic, payload, min(flags >> 3 & 3, 1), bool(flags & 0x20))
        self._connection.settimeout(1.5 * keepalive_s or None)
        self._broker.enter(self)
        properties = b""
        if self._is_mqtt_5:
            # Session expiry 0, highest QoS 1; no wildcard is missing, but ids and sharing are.
            offered = b"\x11\x00\x00\x00\x00\x24\x01\x29\x00\x2a\x00"
            offered += b"" if given_name else b"\x12" + _text(self.name)
            properties = _length(len(offered)) + offered
        self._queue(_packet(CONNACK, b"\x00\x00" + properties))
        return True

    def _handle(self, kind: int, flags: int, fields: _Fields) -> bool:
        """Do what one packet asks for; return False when it was the last."""
        if kind == PUBLISH:
            self._take_publish(flags, fields)
        elif kind == SUBSCRIBE:
            self._take_subscribe(fields)
        elif kind == UNSUBSCRIBE:
            self._take_unsubscribe(fields)
        elif kind == PINGREQ:
            self._queue(_packet(PINGRESP, b""))
        elif kind == DISCONNECT:
            is_with_will = not fields.is_empty and fields.byte() == WITH_WILL
            if not is_with_will:
                self._will = None
            return False
        elif kind != PUBACK:
            raise _ProtocolFault(PROTOCOL_ERROR)
        return True

    def _take_publish(self, flags: int, fields: _Fields) -> None:
        qos = flags >> 1 & 3
        if qos > 1:
            raise _ProtocolFault(QOS_NOT_SUPPORTED)
        topic = fields.text()
        if not topic or "+" in topic or "#" in topic:
            raise _ProtocolFault(MALFORMED)
        packet_id = fields.take(2) if qos else b""
        properties = fields.properties() if self._is_mqtt_5 else b""
        message = _Message(topic, fields.rest(), qos, bool(flags & 1), properties)
        self._broker.publish(message, self)
        if qos:
            self._queue(_packet(PUBACK, packet_id))

    def _take_subscribe(self, fields: _Fields) -> None:
        packet_id = fields.take(2)
        if self._is_mqtt_5:
            fields.properties()
        wanted = list(self._patterns_with_options(fields))
        granted = bytes(subscription.qos for _, subscription in wanted)
        self._queue(_packet(SUBACK, packet_id + self._no_properties + granted))
        for pattern, subscription in wanted:
            self._broker.subscribe(self, pattern, subscription)

    @staticmethod
    def _patterns_with_options(fields: _Fields) -> Iterator[tuple[str, _Subscription]]:
        while not fields.is_empty:
            pattern, options = fields.text(), fields.byte()
            yield (
                pattern,
                _Subscription(min(options & 3, 1), bool(options & 0x08), bool(options & 0x04)),
            )

    def _take_unsubscribe(self, fields: _Fields) -> None:
        packet_id = fields.take(2)
        if self._is_mqtt_5:
            fields.properties()
        codes = b""
        while not fields.is_empty:
            codes += b"\x00" if self._broker.unsubscribe(self, fields.text()) else b"\x11"
        answer = packet_id + (self._no_properties + codes if self._is_mqtt_5 else b"")
        self._queue(_packet(UNSUBACK, answer))

    @property
    def _no_properties(self) -> bytes:
        return b"\x00" if self._is_mqtt_5 else b""


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("!H", len(encoded)) + encoded


def _length(number: int) -> bytes:
    encoded = bytearray()
    while True:
        number, digit = divmod(number, 128)
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)


def _packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    return bytes([kind << 4 | flags]) + _length(len(body)) + body
