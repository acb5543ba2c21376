"""Every change of every cabinet, exactly once: stop it, kill it, start it again.

    .venv/bin/python examples/consumer.py --host localhost --seen seen.json

It needs paho-mqtt 2, which `make demo` installs into .venv.

`Consumer` is the whole of it; docs/mqtt.md explains the rule.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

PAGE = 500  # events to ask for at a time; Mosquitto queues 1,000 for a slow subscriber
PATIENCE_S = 10.0  # an answer that did not come by then was lost: ask again


class Consumer:
    """Hands each event to `handle` once and in order, and remembers one number per device."""

    def __init__(
        self,
        client: paho.Client,
        seen: dict[str, int],
        handle: Callable[[str, dict[str, Any]], None],
        prefix: str = "slotwatch",
    ) -> None:
        """Follow every device below `prefix`; `seen` holds the highest `seq` by device."""
        self.seen, self._handle, self._prefix, self._client = seen, handle, prefix, client
        self._asked: dict[str, tuple[int, float]] = {}
        client.on_connect, client.on_message = self._subscribe, self._take

    def _subscribe(self, client: paho.Client, *_: Any) -> None:
        self._asked.clear()
        topics = ("status", "health", "events", "response/events")
        client.subscribe([(f"{self._prefix}/+/{topic}", 1) for topic in topics])

    def _take(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        device, topic = message.topic.removeprefix(f"{self._prefix}/").split("/", 1)
        if not message.payload:
            return  # a retained value was cleared
        if topic == "events":
            event = json.loads(message.payload)
            last = self.seen.get(device, event["previous"])  # the first one ever is a beginning
            if event["previous"] <= last < event["seq"]:
                self._handle(device, event)
                self.seen[device] = event["seq"]
            elif event["previous"] > last:
                self._ask(device)
        elif topic == "status" and message.payload == b"online":
            self._asked.pop(device, None)
            self._ask(device)
        elif topic == "health" and json.loads(message.payload)["seq"] > self.seen.get(device, 0):
            self._ask(device)
        elif topic == "response/events":
            self._asked.pop(device, None)
            data = json.loads(message.payload)["data"]
            if data and (data["more"] or data["last"] > self.seen.get(device, 0)):
                self._ask(device)

    def _ask(self, device: str) -> None:
        """Ask for what came after the last event seen, once until the answer is here."""
        last = self.seen.get(device)
        asked, asked_s = self._asked.get(device, (None, 0.0))
        if last is None or (asked == last and time.monotonic() - asked_s < PATIENCE_S):
            return
        self._asked[device] = (last, time.monotonic())
        request = {"transaction": f"since {last}", "since": last, "limit": PAGE}
        topic = f"{self._prefix}/{device}/request/events"
        self._client.publish(topic, json.dumps(request), qos=1)


def main() -> None:
    """Print every event, and keep what was seen in a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="slotwatch", help="mqtt.topic_prefix of the devices")
    parser.add_argument(
        "--client-id",
        default="slotwatch-consumer",
        help="always the same: the broker keeps one session at most; two consumers need two",
    )
    parser.add_argument("--seen", type=Path, default=Path("seen.json"), help="what was seen")
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path, help="of this user; never on a command line")
    parser.add_argument("--ca", type=Path, help="the authority of an encrypted broker")
    arguments = parser.parse_args()
    seen = json.loads(arguments.seen.read_text()) if arguments.seen.exists() else {}

    def handle(device: str, event: dict[str, Any]) -> None:
        news = "" if event["historical"] else " now"
        print(
            f"{event['at']} {device} {event['seq']} {event['slot']}: "
            f"{event['before']} -> {event['after']}{news}",
            flush=True,  # before the number is kept: what was not printed comes again
        )
        # A database would take the event and its number in one transaction.
        temporary = arguments.seen.with_suffix(".new")
        temporary.write_text(json.dumps({**seen, device: event["seq"]}))
        temporary.replace(arguments.seen)

    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=arguments.client_id, protocol=paho.MQTTv5
    )
    if arguments.username:
        password = arguments.password_file.read_text().strip() if arguments.password_file else None
        client.username_pw_set(arguments.username, password)
    if arguments.ca:
        client.tls_set(str(arguments.ca))
    Consumer(client, seen, handle, arguments.prefix)
    client.connect_async(arguments.host, arguments.port)
    client.loop_forever(retry_first_connection=True)


if __name__ == "__main__":
    main()
