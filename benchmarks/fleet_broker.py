"""The fleet's Mosquitto, measured while it runs, and somebody who sees what it shows."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.demo_broker import find_mosquitto
from edge.types import ConfigurationError

START_WITHIN_S = 10.0
_CONNECTED = re.compile(r"^(\d+): New client connected from \S+ as slotwatch-", re.MULTILINE)


class Broker:
    """Mosquitto without persistence, on a port of its own."""

    host: ClassVar[str] = "127.0.0.1"

    def __init__(self, folder: Path) -> None:
        """Start it; its settings and log are in the folder.

        Raises:
            ConfigurationError: Mosquitto is not installed, or does not start.
        """
        program = find_mosquitto()
        if program is None:
            raise ConfigurationError(
                "mosquitto is not installed (Debian: apt-get install mosquitto)"
            )
        with socket.socket() as probe:
            probe.bind((self.host, 0))
            self.port = int(probe.getsockname()[1])
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {self.host}\n"
            "allow_anonymous true\n"
            "persistence false\n"
            "max_queued_messages 0\n"  # the observer shall miss nothing
            "log_timestamp true\n"
        )
        self._command = [program, "-c", str(config)]
        self._log = folder / "mosquitto.log"
        self.start()

    def start(self) -> None:
        """Start it on the same port, knowing nothing."""
        self._log.write_bytes(b"")
        self._started_at = int(time.time())
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        give_up_s = time.monotonic() + START_WITHIN_S
        while time.monotonic() < give_up_s:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise ConfigurationError(f"mosquitto does not start: {self._log.read_text()[-1000:]}")

    def kill(self) -> None:
        """End it without a word to anyone."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it."""
        self.kill()

    def connects_s(self) -> Iterator[int]:
        """Return when devices connected, in whole seconds after the start, one by one."""
        for match in _CONNECTED.finditer(self._log.read_text()):
            yield int(match[1]) - self._started_at

    def cpu_s(self) -> float:
        """Return the processor time it has used."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def peak_rss_mb(self) -> float:
        """Return the most memory it has held."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(match[1]) / 1024 if match else 0.0


class Observer:
    """A subscriber that knows the newest payload of each topic."""

    def __init__(self, port: int, topics: str) -> None:
        """Connect and subscribe."""
        self._newest: dict[str, bytes] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        is_subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.on_subscribe = lambda *_: is_subscribed.set()
        self._client.on_message = self._take
        self._client.connect(Broker.host, port)
        self._client.loop_start()
        if not is_subscribed.wait(START_WITHIN_S):
            raise TimeoutError("the broker does not let the observer subscribe")

    def payload(self, topic: str) -> bytes | None:
        """Return the newest payload, None when there was none."""
        return self._newest.get(topic)

    def state(self, topic: str) -> tuple[str, int] | None:
        """Return a slot's state and seq as the broker shows them."""
        payload = self._newest.get(topic)
        if not payload:
            return None
        slot = json.loads(payload)
        return slot["state"], slot["seq"]

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        self._newest[message.topic] = bytes(message.payload)
