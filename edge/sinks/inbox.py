"""What the broker hands to this device: requests, and Home Assistant's word that it is there.

Every request is answered: at once when it is refused, or by whichever thread it is for. Belongs
to the thread that owns the connection; answers may come from any.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from edge.desk import PACES_S, Allowance, Desk, Reply
from edge.requests import Request, RequestRefused, answer, read_request
from edge.sinks.event_stream import Replay
from edge.sinks.outbox import Outbox
from edge.sinks.payloads import encode

HOME_ASSISTANT_STATUS = "homeassistant/status"
HOME_ASSISTANT_WITHIN_S = 5.0  # devices answer its birth spread out
_COMMAND = re.compile(r"[a-z_]{1,32}")

log = logging.getLogger(__name__)


class Inbox:
    """Requests, on their way to whoever answers them."""

    def __init__(
        self,
        prefix: str,
        outbox: Outbox,
        desks: Mapping[str, Desk],
        wake: Callable[[], None],
        hears_home_assistant: bool,
    ) -> None:
        """Read requests below `prefix`; `desks` holds by command who answers it.

        `rebirth` and `events` are answered here. `wake` is called, from any thread, when there
        is an answer to send.
        """
        self._prefix = f"{prefix}/request/"
        self._answers = f"{prefix}/response/"
        heard = (HOME_ASSISTANT_STATUS,) if hears_home_assistant else ()
        self.topics = (f"{self._prefix}+", *heard)
        self._outbox = outbox
        self._desks = desks
        self._wake = wake
        self._allowance = Allowance()
        self._is_refused = False
        self.renew_due_s: float | None = None  # when to publish everything anew
        self.taken = 0  # requests since the start

    def take(self, topic: str, payload: bytes, is_retained: bool, packet_id: int) -> bool:
        """Take one message; return whether an answer with this packet id will come."""
        if topic == HOME_ASSISTANT_STATUS:
            # Retained, it is old news: everything was just published.
            if payload == b"online" and not is_retained:
                self.renew_soon()
            return False
        if not payload and is_retained:
            return False  # Somebody clears a retained request.
        self.taken += 1
        connection = self._outbox.connection
        command = topic.removeprefix(self._prefix)
        response = f"{self._answers}{command if _COMMAND.fullmatch(command) else 'unknown'}"

        def reply(
            transaction: str | None, data: Mapping[str, Any] | None, error: str | None
        ) -> None:
            payload = encode(answer(transaction, data, error))
            if self._outbox.packet_limit.is_too_large(response, len(payload)):
                too_large = "the answer is larger than what this broker takes; ask for less"
                payload = encode(answer(transaction, None, too_large))
            self._outbox.respond(response, payload, packet_id, connection)
            self._wake()

        try:
            request = read_request(command, payload, is_retained)
            try:
                self._allowance.admit(command)
                self._pass_on(request, lambda data, error: reply(request.transaction, data, error))
            except RequestRefused as refused:
                reply(request.transaction, None, str(refused))
        except RequestRefused as refused:
            reply(refused.transaction, None, str(refused))
        return packet_id != 0

    def refuse(self, reason: str) -> None:
        """Take that the broker does not let this device hear requests; say so once."""
        if not self._is_refused:
            self._is_refused = True
            log.warning(
                "MQTT: the broker refuses %s (%s); allow this device to read there",
                " or ".join(self.topics),
                reason,
            )

    def renew_soon(self) -> None:
        """Publish everything anew a little later, at a moment of this device's own."""
        if self.renew_due_s is None:
            within_s = random.uniform(0.0, HOME_ASSISTANT_WITHIN_S)
            try:
                self._allowance.admit("rebirth")
            except RequestRefused:
                within_s += PACES_S["rebirth"]  # Then it may be.
            self.renew_due_s = time.monotonic() + within_s

    def look(self, now_s: float) -> None:
        """Do what is due."""
        if self.renew_due_s is not None and now_s >= self.renew_due_s:
            self.renew_due_s = None
            self._outbox.renew()

    def _pass_on(self, request: Request, reply: Reply) -> None:
        arguments = request.arguments
        if request.command == "rebirth":
            reply({"topics": self._outbox.renew()}, None)
        elif request.command == "events":
            if not self._outbox.replay(Replay(arguments["since"], arguments["limit"], reply)):
                raise RequestRefused("busy: too many ask for events; ask again in 5 s")
        elif (desk := self._desks.get(request.command)) is not None:
            desk.submit(request, reply)
        else:
            raise RequestRefused(f"this device does not answer {request.command} requests")
