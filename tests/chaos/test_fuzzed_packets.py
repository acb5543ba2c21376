"""A broker that speaks nonsense: the device hangs up, says so, and comes back."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.broker import eventually
from tests.chaos.amount import amount, report
from tests.chaos.fake_broker import acknowledgement, packets, serve
from tests.chaos.fuzzed_packets import BROKEN, CONNACK_3_1_1, CONNACK_5, publish, whole_packet
from tests.chaos.memory import memory_mb
from tests.fake_server import Answer, FakeServer
from tests.sinks import DEVICE, device, said

REQUEST = f"slotwatch/{DEVICE}/request/".encode()
WHOLE_PACKETS = 200_000
ROUNDS_OF_BROKEN_PACKETS = 400
GROWTH_MB = 12.0

Nonsense = Callable[[random.Random, bytes], bytes]


@pytest.mark.slow
def test_packets_that_nobody_waits_for_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(5)
    count = amount(WHOLE_PACKETS)
    last_answer = threading.Event()
    sending = threading.Lock()
    growth_mb: list[float] = []

    def listen(connection: socket.socket) -> None:
        with suppress(OSError):
            for first_byte, body in packets(connection):
                with sending:
                    connection.sendall(acknowledgement(first_byte, body))
                if b"the last" in body:
                    last_answer.set()

    def flood(connection: socket.socket) -> bytes:
        thread = threading.Thread(target=listen, args=(connection,), daemon=True)
        thread.start()
        for number in range(count // 100):
            if number == count // 1000:  # warmed up
                growth_mb.append(-memory_mb())
            some = b"".join(whole_packet(chance, REQUEST) for _ in range(100))
            with sending:
                connection.sendall(some)
        # More than the device said that it takes: answers were left out. Now it has time.
        while not last_answer.wait(0.5):
            with sending:
                connection.sendall(publish(REQUEST + b"x", b'{"transaction":"the last"}', 1, 7))
        growth_mb[0] += memory_mb()
        thread.join()
        return b""

    with FakeServer(flood) as witness, device("127.0.0.1", witness.port, protocol="5") as flooded:
        eventually(last_answer.is_set, within_s=110, what=lambda: said(caplog))
        flooded.change()
        eventually(lambda: flooded.journal.depth() == 0)
        assert witness.connections == 1
        assert said(caplog) == []
    report(f"{count:,} packets that nobody waits for: memory {growth_mb[0]:+.1f} MB")
    assert growth_mb[0] < GROWTH_MB


@pytest.fixture(scope="module")
def tally() -> Iterator[list[str]]:
    """What the devices were told; how often is the result."""
    told: list[str] = []
    yield told
    report(f"{len(told)} connections with nonsense: each was hung up on, and said why")


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__.strip("_"))
def test_nonsense_is_hung_up_on_and_named(
    kind: Nonsense, protocol: str, caplog: pytest.LogCaptureFixture, tally: list[str]
) -> None:
    """Each device meets one piece of nonsense, at the beginning or in the middle."""
    chance = random.Random(f"{kind.__name__} {protocol}")
    rounds = amount(ROUNDS_OF_BROKEN_PACKETS) // len(BROKEN)
    for number in range(rounds):
        if number == max(1, rounds // 4):  # warmed up
            before_mb = memory_mb()
        nonsense = kind(chance, REQUEST)
        caplog.clear()
        with (
            FakeServer(_speaking(nonsense, is_let_in=chance.random() < 0.7)) as witness,
            device("127.0.0.1", witness.port, protocol=protocol),
        ):
            eventually(lambda: said(caplog), within_s=15, what=nonsense.hex)
        assert not [line for line in said(caplog) if "error of this program" in line], nonsense
        tally.append(kind.__name__)
    assert memory_mb() - before_mb < GROWTH_MB


def _speaking(nonsense: bytes, is_let_in: bool) -> Answer:
    def speak(connection: socket.socket) -> bytes:
        connect = connection.recv(65536)
        if not connect:
            return b""  # The device only looked whether somebody listens, see `MqttSink`.
        connack = CONNACK_5 if connect[8] == 5 else CONNACK_3_1_1
        with suppress(OSError):
            connection.sendall((connack if is_let_in else b"") + nonsense)
            connection.shutdown(socket.SHUT_WR)
        return serve(connection)

    return speak
