"""A real Mosquitto on a port of its own, and a subscriber that remembers what it heard."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def eventually(
    claim: Callable[[], Any], within_s: float = 10.0, what: Callable[[], Any] = lambda: ""
) -> Any:
    """Return the first true result of `claim`; fail with `what()` when none comes in time."""
    deadline_s = time.monotonic() + within_s
    while True:
        result = claim()
        if result:
            return result
        if time.monotonic() >= deadline_s:
            pytest.fail(f"did not become true within {within_s:g} s: {what()}")
        time.sleep(0.01)


def free_port() -> int:
    """Return a port below those that the system gives to outgoing connections.

    A client that tries one of those again and again, while nobody listens, is in time given it as
    its own, and is connected to itself.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


class Mosquitto:
    """A broker that can be stopped, frozen, killed and started again on the same port."""

    def __init__(self, folder: Path, lines: tuple[str, ...] = ()) -> None:
        if MOSQUITTO is None:
            pytest.skip("mosquitto is not installed (Debian: apt-get install mosquitto)")
        self.host = "127.0.0.1"
        self.port = free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        self._log = folder / f"mosquitto-{self.port}.log"
        self._lines = lines
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        access = (
            ()
            if any("allow_anonymous" in line for line in self._lines)
            else ("allow_anonymous true",)
        )
        self._config.write_text(
            "\n".join((f"listener {self.port} {self.host}", *access, *self._lines, ""))
        )
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(MOSQUITTO), "-c", str(self._config)], stdout=log, stderr=log
            )
        eventually(self._answers, what=self.log)

    def kill(self) -> None:
        """End it without a word to anyone."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10)
        self._process = None

    def terminate(self) -> None:
        """End it as an administrator would."""
        self._signal(signal.SIGTERM)
        assert self._process is not None
        self._process.wait(10)
        self._process = None

    def reload(self) -> None:
        """Have it read its passwords and access list again."""
        self._signal(signal.SIGHUP)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self.thaw()
            self.kill()

    def log(self) -> str:
        """Return what it has said since its first start."""
        return self._log.read_text("utf-8", "replace")

    def _signal(self, number: int) -> None:
        assert self._process is not None, "the broker is not running"
        os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class Heard:
    """One message as a subscriber got it."""

    topic: str
    payload: bytes
    is_retained: bool


class Subscriber:
    """An MQTT 5 client that subscribes to everything and remembers it in order."""

    def __init__(
        self, host: str, port: int, topics: str, password: tuple[str, str] | None = None
    ) -> None:
        self.heard: list[Heard] = []
        self._is_subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if password is not None:
            self._client.username_pw_set(*password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        self._client.on_subscribe = lambda *_: self._is_subscribed.set()
        self._client.on_message = lambda client, userdata, message: self.heard.append(
            Heard(message.topic, bytes(message.payload), message.retain)
        )
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._is_subscribed.wait(10), "no subscription within 10 s"

    def of(self, topic: str) -> list[bytes]:
        """Return the payloads heard on one topic, in order."""
        return [message.payload for message in list(self.heard) if message.topic == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def subscriber(
    broker: Any, topics: str = "#", password: tuple[str, str] | None = None
) -> Iterator[Subscriber]:
    """Yield a subscriber to `topics` of anything with a host and a port."""
    opened = Subscriber(broker.host, broker.port, topics, password)
    try:
        yield opened
    finally:
        opened.close()


def retained(
    broker: Any, topics: str = "#", password: tuple[str, str] | None = None
) -> dict[str, bytes]:
    """Return what a late subscriber is told at once, by topic."""
    marker = f"tests/marker/{time.monotonic_ns()}"
    found: dict[str, bytes] = {}
    is_done = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    if password is not None:
        client.username_pw_set(*password)

    def on_message(_client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        if message.topic == marker:
            is_done.set()
        elif message.retain:
            found[message.topic] = bytes(message.payload)

    def on_subscribe(client: paho.Client, *_: Any) -> None:
        client.publish(marker, b"", qos=1)  # comes after everything that was retained

    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.on_connect = lambda client, *_: client.subscribe([(topics, 1), (marker, 1)])
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        assert is_done.wait(10), "the broker did not answer within 10 s"
    finally:
        client.disconnect()
        client.loop_stop()
    return found
