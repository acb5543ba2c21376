"""The least of a broker: it lets everyone in and acknowledges everything."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from tests.chaos.fuzzed_packets import CONNACK_5, packet


def packets(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield what the client sends: first byte and body; end when it hangs up."""
    stream = connection.makefile("rb")
    while first := stream.read(1):
        length = shift = 0
        while byte := stream.read(1):
            length |= (byte[0] & 127) << shift
            shift += 7
            if byte[0] < 128:
                break
        yield first[0], stream.read(length)


def acknowledgement(first_byte: int, body: bytes) -> bytes:
    """Return what an MQTT 5 broker has to answer, empty when nothing."""
    kind = first_byte & 0xF0
    if kind == 0x10:
        return CONNACK_5
    if kind == 0x30 and first_byte & 0x06:
        topic_length = int.from_bytes(body[:2], "big")
        return packet(0x40, body[2 + topic_length : 4 + topic_length])
    if kind == 0x80:
        return packet(0x90, body[:2] + b"\x00\x01")
    if kind == 0xC0:
        return b"\xd0\x00"
    return b""


def serve(connection: socket.socket) -> bytes:
    """Acknowledge everything; return what was heard, when the client hung up."""
    heard = b""
    for first_byte, body in packets(connection):
        heard += body
        if answer := acknowledgement(first_byte, body):
            connection.sendall(answer)
    return heard
