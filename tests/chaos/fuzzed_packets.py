"""MQTT packets that no honest broker sends, from a seed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

CONNACK_5 = b"\x20\x03\x00\x00\x00"
CONNACK_3_1_1 = b"\x20\x02\x00\x00"
LARGEST_REMAINING_LENGTH = 268_435_455


def packet(first_byte: int, body: bytes, length: int | None = None) -> bytes:
    """Return a packet, with another remaining length than its own if one is given."""
    return bytes([first_byte]) + _variable_integer(len(body) if length is None else length) + body


def publish(
    topic: bytes,
    payload: bytes = b"{}",
    qos: int = 0,
    packet_id: int = 1,
    properties: bytes = b"\x00",
    flags: int = 0,
) -> bytes:
    """Return a PUBLISH in MQTT 5; `flags` are its DUP and RETAIN bits."""
    identifier = struct.pack("!H", packet_id) if qos else b""
    return packet(
        0x30 | qos << 1 | flags,
        struct.pack("!H", len(topic)) + topic + identifier + properties + payload,
    )


def _variable_integer(value: int) -> bytes:
    encoded = b""
    while True:
        value, low = divmod(value, 128)
        encoded += bytes([low | (128 if value else 0)])
        if not value:
            return encoded


# -- packets that are out of place, but whole --------------------------------------------


def _answer_to_nothing(chance: random.Random, request: bytes) -> bytes:
    kind = chance.choice((0x40, 0x50, 0x62, 0x70))  # PUBACK, PUBREC, PUBREL, PUBCOMP
    # The device counts from 1 and does not get this far.
    identifier = struct.pack("!H", chance.randrange(30_000, 65_536))
    return packet(kind, identifier + chance.choice((b"", b"\x00", b"\x00\x00")))


def _unasked_publish(chance: random.Random, request: bytes) -> bytes:
    command = chance.choice((b"snapshot", b"events", b"nothing", b"a/b", b"", b"\xc3\xa4"))
    topic = chance.choice((request + command, b"homeassistant/status", b"a", b"$SYS/x"))
    flags = chance.choice((0, 1, 8, 9))
    payload = chance.choice((b"", b"{}", b"online", chance.randbytes(chance.randrange(200))))
    return publish(topic, payload, chance.choice((0, 1)), chance.randrange(1, 65536), flags=flags)


def _suback(chance: random.Random, request: bytes) -> bytes:
    identifier = struct.pack("!H", chance.randrange(1, 65536))
    return packet(chance.choice((0x90, 0xB0)), identifier + b"\x00\x00")


def _ping_answer(chance: random.Random, request: bytes) -> bytes:
    return b"\xd0\x00"


def _connack_again(chance: random.Random, request: bytes) -> bytes:
    return CONNACK_5


WHOLE: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _answer_to_nothing,
    _unasked_publish,
    _suback,
    _ping_answer,
)


def whole_packet(chance: random.Random, request: bytes) -> bytes:
    """Return a packet that can be read, though nobody waits for it.

    `request` is the topic of the device's requests, up to the command.
    """
    return chance.choice(WHOLE)(chance, request)


# -- packets that break the protocol -----------------------------------------------------


def _noise(chance: random.Random, request: bytes) -> bytes:
    return chance.randbytes(chance.randrange(1, 300))


def _truncated(chance: random.Random, request: bytes) -> bytes:
    whole = whole_packet(chance, request)
    return packet(whole[0], whole[2 : chance.randrange(2, len(whole) + 1)])


def _mutated(chance: random.Random, request: bytes) -> bytes:
    damaged = bytearray(whole_packet(chance, request))
    for _ in range(chance.randrange(1, 4)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def _endless_length(chance: random.Random, request: bytes) -> bytes:
    return bytes([chance.randrange(256)]) + b"\xff" * 5 + b"\x01"


def _oversized(chance: random.Random, request: bytes) -> bytes:
    length = chance.choice((262_145, 1 << 24, LARGEST_REMAINING_LENGTH))
    return packet(0x30, chance.randbytes(64), length)


def _really_large(chance: random.Random, request: bytes) -> bytes:
    return publish(request + b"events", bytes(1 << 20), 1)


def _odd_topic(chance: random.Random, request: bytes) -> bytes:
    topic = chance.choice((b"\x00", b"a\x00b", b"\xff\xfe", b"\xed\xa0\x80", b"#", b"+/+", b""))
    return publish(chance.choice((topic, request + topic)), b"{}", chance.choice((0, 1)))


def _exactly_once(chance: random.Random, request: bytes) -> bytes:
    return b"".join(publish(request + b"reload", b"{}", 2, packet_id) for packet_id in range(1, 99))


def _impossible_qos(chance: random.Random, request: bytes) -> bytes:
    return packet(0x36, struct.pack("!H", 1) + b"a" + b"\x00\x01\x00{}")


def _wrong_kind(chance: random.Random, request: bytes) -> bytes:
    # What only clients send, or nobody.
    kind = chance.choice((0x00, 0x10, 0x82, 0xA2, 0xC0, 0xF0, 0x9F, 0x60))
    return packet(kind, chance.randbytes(chance.randrange(40)))


def _odd_properties(chance: random.Random, request: bytes) -> bytes:
    properties = chance.choice(
        (
            b"\x7f",  # longer than the packet
            b"\xff\xff\xff\xff\xff",
            b"\x02\x23\x00",  # a topic alias that is cut
            b"\x03\x23\x00\x01",  # a topic alias, though none is allowed
            b"\x02\xfe\x00",  # a property that does not exist
            b"\x05\x26\x00\x01\xff\x00",  # a user property that is no text
        )
    )
    return publish(request + b"reload", b"{}", 1, properties=properties)


def _odd_connack(chance: random.Random, request: bytes) -> bytes:
    return packet(0x20, chance.randbytes(chance.randrange(12)))


def _goodbye(chance: random.Random, request: bytes) -> bytes:
    return packet(0xE0, chance.randbytes(chance.randrange(6)))


BROKEN: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _noise,
    _truncated,
    _mutated,
    _endless_length,
    _oversized,
    _really_large,
    _odd_topic,
    _exactly_once,
    _impossible_qos,
    _wrong_kind,
    _odd_properties,
    _odd_connack,
    _goodbye,
    _connack_again,
)
