"""A device for the requests of the fuzzer, in a process of its own: python -m ... PORT

The real sink, inbox and desk; in the place of the camera somebody who has an answer at once.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from edge.desk import Desk
from edge.types import rfc3339, utc_now
from tests.sinks import Device

EVENTS = 300


def answer_to(command: str) -> dict[str, Any]:
    """Return data as the daemon gives it."""
    if command == "reload":
        return {"settings_sha256": "0" * 64}
    if command == "reference":
        return {"said": ["Remembered A1 as empty."]}
    seen = {"at": rfc3339(utc_now()), "unusable": None}
    if command == "recheck":
        slot = {"probability": 0.03, "reading": "EMPTY", "reason": None, "state": "EMPTY"}
        return {**seen, "slots": {"A1": slot}}
    picture = {"width": 1, "height": 1, "content_type": "image/jpeg", "image": "AAAA"}
    return {**seen, **picture}


def main(port: int) -> None:
    """Answer requests until the process is killed."""
    news = threading.Event()
    desk = Desk()
    desk.notify(news.set)
    desks = dict.fromkeys(("snapshot", "recheck", "reload", "reference"), desk)
    device = Device("127.0.0.1", port, desks=desks)
    for _ in range(EVENTS):
        device.change()
    while news.wait():
        news.clear()
        for waiting in desk.take():
            waiting.reply(answer_to(waiting.request.command), None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
