"""A subscriber in a process of its own, so that it takes no time from the daemon it watches.

    python -m edge.measure.subscriber HOST PORT TOPIC COUNT

Says `ready` once it is subscribed, waits for so many slot states other than UNKNOWN and prints
them as one JSON list of `Receipt`s. Monotonic times are the whole machine's on Linux.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import astuple, dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

READY = "ready"


@dataclass(frozen=True)
class Receipt:
    """One state of a slot that was received."""

    topic: str
    since: str  # of the state: the time of the frame that it was read from
    monotonic_s: float


def main(arguments: list[str]) -> int:
    """Receive and print; return the exit status."""
    host, port, topic, count = arguments
    messages: list[tuple[float, str, bytes]] = []
    is_done = threading.Event()

    def on_message(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        now_s = time.monotonic()
        if b'"UNKNOWN"' in message.payload.partition(b",")[0]:
            return
        messages.append((now_s, message.topic, bytes(message.payload)))
        if len(messages) >= int(count):
            is_done.set()

    def on_subscribe(*_: object) -> None:
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.connect(host, int(port))
    client.subscribe(topic, qos=1)
    client.loop_start()
    is_done.wait()
    client.disconnect()
    client.loop_stop()
    receipts = [
        Receipt(topic, json.loads(payload)["since"], now_s) for now_s, topic, payload in messages
    ]
    json.dump([astuple(receipt) for receipt in receipts], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
