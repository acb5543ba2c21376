"""Requests that no honest consumer sends, from a seed, and what has to be answered."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

LIMIT_BYTES = 64 * 1024
LARGEST_PACKET_BYTES = 256 * 1024
COMMANDS = ("snapshot", "recheck", "reload", "rebirth", "reference", "events")
ODD_COMMANDS = (
    *("snapshots", "SNAPSHOT", "snap shot", "snapshot ", "a" * 32, "a" * 33, "_", "unknown"),
    *("-", "..", "$SYS", "ä", "\U0001f697", "%00", "__class__", "null", "'", '"'),
)
HOSTILE_TEXTS = (
    *("", " ", "../../etc/passwd", "/dev/video0", "A1/../..", "A1\x00", "\x1b[2J", "%s%n", "{0}"),
    *("A1", "A1 ", "a1", "<script>", "'; DROP TABLE events; --", "\u202e", "\ufeff", "\U0001f697"),
    *("x" * 255, "x" * 256, "x" * 257, "\ud800", "é" * 256, "null", "A" * 5000),
)
HOSTILE_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 159, 160, 1920, 1921, 960.0, 1.5, 10**18, 2**63, 10**30),
    *(1e308, -0.0, [], {}, [[]], ["A1"], ["A1", "A1"], ["A1"] * 5000, {"a": {"b": []}}, [None]),
    *HOSTILE_TEXTS,
)
ARGUMENTS = ("width", "annotated", "slots", "slot", "empty", "light", "since", "limit")


@dataclass(frozen=True)
class FuzzedRequest:
    """A message to `P/request/<command>`, and the answer that has to come."""

    command: str
    payload: bytes
    qos: int
    is_retained: bool

    @property
    def response(self) -> str:
        """What stands behind `P/response/` in the answer's topic."""
        return self.command if re.fullmatch("[a-z_]{1,32}", self.command) else "unknown"

    @property
    def transaction(self) -> str | None:
        """What the answer carries: the request's own transaction, when it can be read."""
        if len(self.payload) > LIMIT_BYTES:
            return None
        try:
            fields = json.loads(self.payload.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None
        value = fields.get("transaction") if isinstance(fields, dict) else None
        is_text = isinstance(value, str) and len(value) <= 256
        return value if is_text and not re.search("[\ud800-\udfff]", value) else None

    @property
    def is_answered(self) -> bool:
        """False for what clears a retained request, and what the broker keeps to itself."""
        is_clearing = self.is_retained and not self.payload
        return not is_clearing and len(self.payload) < LARGEST_PACKET_BYTES


def _refuse(word: str) -> Any:
    raise ValueError(word)


def fuzzed_requests(seed: int, count: int) -> Iterator[FuzzedRequest]:
    """Yield so many, the same ones for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        command = chance.choice(COMMANDS if chance.random() < 0.8 else ODD_COMMANDS)
        payload = chance.choice(_PAYLOADS)(chance, f"t{number}")
        yield FuzzedRequest(
            command, payload, 0 if chance.random() < 0.1 else 1, chance.random() < 0.01
        )


# -- payloads ----------------------------------------------------------------------------


def _noise(chance: random.Random, transaction: str) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 2, 10, 100, 1000)))


def _valid(chance: random.Random, transaction: str) -> bytes:
    fields: dict[str, Any] = {"transaction": transaction}
    if chance.random() < 0.5:
        fields |= chance.choice(
            (
                {"width": chance.randrange(160, 1921)},
                {"annotated": False},
                {"slots": ["A1", "A2"]},
                {"since": chance.randrange(400), "limit": chance.randrange(1, 20)},
                {"empty": True},
                {"light": True},
            )
        )
    return json.dumps(fields).encode()


def _wrong_types(chance: random.Random, transaction: str) -> bytes:
    names = chance.sample((*ARGUMENTS, "transaction", *HOSTILE_TEXTS), chance.randrange(1, 5))
    fields = {name: chance.choice(HOSTILE_VALUES) for name in names}
    return json.dumps({"transaction": transaction, **fields}).encode()


def _hostile_transaction(chance: random.Random, transaction: str) -> bytes:
    fields = {"transaction": chance.choice(HOSTILE_VALUES), "since": 1}
    try:
        return json.dumps(fields, ensure_ascii=chance.random() < 0.5).encode()
    except UnicodeEncodeError:
        return json.dumps(fields).encode()


def _mutated(chance: random.Random, transaction: str) -> bytes:
    damaged = bytearray(_valid(chance, transaction))
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(damaged))
        action = chance.randrange(3)
        if action == 0:
            damaged[place] = chance.randrange(256)
        elif action == 1:
            del damaged[place:]
        else:
            damaged[place:place] = chance.choice((b'"', b"{", b"]", b"\\u", b"\x00", b",", b"9"))
        if not damaged:
            break
    return bytes(damaged)


def _nested(chance: random.Random, transaction: str) -> bytes:
    depth = chance.choice((10, 200, 30_000))
    opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
    if opening != "[":
        depth //= 5
    tail = closing * depth if chance.random() < 0.5 else ""
    return (opening * depth + "1" * (opening != "[") + tail).encode()


def _huge_number(chance: random.Random, transaction: str) -> bytes:
    number = chance.choice(("9" * 4000, "9" * 5000, "1e400", "-1e400", "1" + "0" * 400, "1e-400"))
    name = chance.choice(ARGUMENTS)
    return f'{{"transaction": "{transaction}", "{name}": {number}}}'.encode()


def _no_number(chance: random.Random, transaction: str) -> bytes:
    word = chance.choice(("NaN", "Infinity", "-Infinity", "nan", "0x10", "01", "+1", ".5", "1."))
    return f'{{"transaction": "{transaction}", "since": {word}}}'.encode()


def _twice(chance: random.Random, transaction: str) -> bytes:
    return (
        f'{{"transaction": "x", "since": 1, "since": "a", "transaction": "{transaction}"}}'.encode()
    )


def _no_object(chance: random.Random, transaction: str) -> bytes:
    return chance.choice(
        (b"[]", b"null", b"true", b"1", b'"x"', b"[{}]", b"{}{}", b"\xef\xbb\xbf{}")
    )


def _around_the_limit(chance: random.Random, transaction: str) -> bytes:
    if chance.random() < 0.98:  # they are slow
        return _valid(chance, transaction)
    start = f'{{"transaction": "{transaction}"'.encode()
    length = chance.choice((LIMIT_BYTES - 1, LIMIT_BYTES, LIMIT_BYTES + 1, 1 << 20))
    return start + b" " * (length - len(start) - 1) + b"}"


_PAYLOADS: tuple[Callable[[random.Random, str], bytes], ...] = (
    *(_noise, _valid, _wrong_types, _hostile_transaction, _mutated, _nested, _huge_number),
    *(_no_number, _twice, _no_object, _around_the_limit),
)
