"""Simulated devices: real MQTT sinks, spread over a few processes."""

from __future__ import annotations

import logging
import multiprocessing
from multiprocessing.connection import Connection

from benchmarks.fleet_broker import Broker, Observer
from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.types import SlotMemory, State, Transition, utc_now

PREFIX = "fleet"
SLOTS = 16
# The sink waits with select(), which knows 1,024 descriptors; a device holds three.
DEVICES_PER_PROCESS = 50


class Devices:
    """So many devices; each changes one of its slots when told to."""

    def __init__(self, count: int, port: int) -> None:
        """Start them all."""
        context = multiprocessing.get_context("spawn")
        self._processes = []
        self._pipes: list[Connection] = []
        for first in range(0, count, DEVICES_PER_PROCESS):
            here, there = context.Pipe()
            numbers = range(first, min(count, first + DEVICES_PER_PROCESS))
            process = context.Process(target=_serve, args=(numbers, port, there), daemon=True)
            process.start()
            self._processes.append(process)
            self._pipes.append(here)

    def change(self) -> None:
        """Have every device see a change, and wait until it did."""
        self._ask("change")

    def unsent_events(self) -> int:
        """Return how many events the broker has not acknowledged, of all devices."""
        return sum(self._ask("unsent"))

    def close(self) -> None:
        """End them without a word: to the broker they are lost."""
        for process in self._processes:
            process.kill()
            process.join()

    def _ask(self, question: str) -> list[int]:
        for pipe in self._pipes:
            pipe.send(question)
        return [pipe.recv() for pipe in self._pipes]


def device_name(number: int) -> str:
    """Return the name of a simulated device."""
    return f"simulated-{number:04}"


def slot_name(slot: int) -> str:
    """Return the id of a slot of every simulated device."""
    return f"S{slot:02}"


def is_right(observer: Observer, number: int, has_changed: bool) -> bool:
    """Return whether the observer sees the device online and every slot as it is."""
    top = f"{PREFIX}/{device_name(number)}"
    if observer.payload(f"{top}/status") != b"online":
        return False
    changed = number % SLOTS if has_changed else None
    return all(
        observer.state(f"{top}/slots/{slot_name(slot)}")
        == (("OCCUPIED", 1) if slot == changed else ("EMPTY", 0))
        for slot in range(SLOTS)
    )


class _Device:
    def __init__(self, number: int, port: int) -> None:
        self._changing_slot = slot_name(number % SLOTS)
        self.journal = Journal(None)
        self._sink = MqttSink(
            device=device_name(number),
            host=Broker.host,
            port=port,
            journal=self.journal,
            topic_prefix=PREFIX,
        )
        for slot in range(SLOTS):
            self._sink.slot(slot_name(slot), SlotMemory(State.EMPTY, None, utc_now(), 0.02))
        self._sink.start()

    def change(self) -> None:
        now = utc_now()
        transition = Transition(self._changing_slot, State.EMPTY, State.OCCUPIED, 0.98, None, now)
        memory = SlotMemory(State.OCCUPIED, None, now, 0.98, State.OCCUPIED)
        [(transition, memory)] = self.journal.record([(transition, memory)])
        self._sink.transition(transition)
        self._sink.slot(self._changing_slot, memory)


def _serve(numbers: range, port: int, pipe: Connection) -> None:
    logging.disable()  # thousands of lines that a broker is away
    devices = [_Device(number, port) for number in numbers]
    while True:
        if pipe.recv() == "change":
            for device in devices:
                device.change()
            pipe.send(len(devices))
        else:
            pipe.send(sum(device.journal.depth() for device in devices))
