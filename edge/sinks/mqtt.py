"""The MQTT sink: states, events and alerts to one broker, through outages of any length.

One thread, started here, owns the connection (`edge.sinks.mqtt_connection`); the daemon's
threads only put into the outbox and go on.

Each connection starts a clean session. A session kept by the broker would be a second
memory beside the outbox, with other gaps; republishing everything needs none and makes
every connection the same. So the will has no delay either: it ends with the session.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any

from paho.mqtt.enums import MQTTProtocolVersion

from edge.desk import Desk
from edge.journal import Journal, JournalError
from edge.ledger import Ledger
from edge.sinks.endings import Access, Cause, Ending, taken_over
from edge.sinks.home_assistant import discovery_payload, discovery_topic
from edge.sinks.inbox import Inbox
from edge.sinks.mqtt_connection import Connection, Farewell
from edge.sinks.outbox import Outbox
from edge.sinks.payloads import alert_payload, encode, slot_payload
from edge.sinks.tls import tls_context
from edge.types import (
    ALERT_IDS,
    Alert,
    SlotMemory,
    TlsSettings,
    Transition,
    utc_now,
)

FIRST_DELAY_S = 0.5  # upper end of the first wait before a reconnect; doubles each time
LONGEST_DELAY_S = 60.0
STABLE_AFTER_S = 90.0  # longer than any wait: two devices with one name never get this far
PUSHED_OFF_AFTER = 3  # short connections in a row, while the broker was there all along
PROBE_TIMEOUT_S = 1.0
FALL_BACK_AFTER = 3  # connections without an answer before the other version is tried

log = logging.getLogger(__name__)


class MqttSink:
    """Publishes to `<topic_prefix>/<device>/...`; see docs/mqtt.md for the contract.

    No method blocks or raises for what the network does; only `close` waits, up to its
    timeout. Slots told before `start` are part of what the first connection publishes
    before it says `online`.
    """

    def __init__(
        self,
        *,
        device: str,
        host: str,
        port: int,
        journal: Journal,
        protocol: str = "auto",
        username: str | None = None,
        password: str | None = None,
        tls: TlsSettings | None = None,
        topic_prefix: str = "slotwatch",
        home_assistant: bool = False,
        desks: Mapping[str, Desk] = MappingProxyType({}),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare; nothing is sent before `start`.

        `protocol` is "5", "3.1.1", or "auto" for 5 with a fall-back to 3.1.1. `desks` holds
        by command who answers requests.

        Raises:
            ConfigurationError: a file of `tls` cannot be used.
        """
        if tls is not None:
            tls_context(tls)
        self._access = Access(host, port, f"slotwatch-{device}", username, password, tls)
        self._may_fall_back = protocol == "auto"
        self._protocol = (
            MQTTProtocolVersion.MQTTv311 if protocol == "3.1.1" else MQTTProtocolVersion.MQTTv5
        )
        self._prefix = f"{topic_prefix}/{device}"
        self._status_topic = f"{self._prefix}/status"
        self._device = device
        self._discovery_topic = discovery_topic(device)
        self._has_discovery = home_assistant
        self._slots = _slots_published(journal.ledger, self._prefix)  # ever, as far as is known
        self._outbox = Outbox(
            self._status_topic,
            f"{self._prefix}/events",
            journal,
            clock,
            own=(f"{self._prefix}/", self._discovery_topic),
            # What an earlier run raised and never ended must not stand for ever.
            presumed=tuple(f"{self._prefix}/alerts/{alert_id}" for alert_id in ALERT_IDS),
        )
        self._inbox = Inbox(self._prefix, self._outbox, desks, self._wake, home_assistant)
        self._farewell = Farewell()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        # From here on: the MQTT thread only.
        self._fault: Cause | None = None
        self._has_connected = False
        self._failures = 0  # connections in a row that the broker did not accept
        self._unanswered = 0  # connections in a row without a CONNACK
        self._short = 0  # connections in a row that were accepted and soon ended

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._outbox.start()
        self._thread.start()

    def slot(self, slot_id: str, memory: SlotMemory) -> None:
        """Publish a slot's state, retained."""
        self._slots.add(slot_id)
        self._keep(f"slots/{slot_id}", encode(slot_payload(memory)))

    def forget_slot(self, slot_id: str) -> None:
        """Clear a slot's retained topic."""
        self._keep(f"slots/{slot_id}", b"")

    def transition(self, transition: Transition) -> None:
        """Send what the journal holds; an event without a place in it is not sent."""
        self._outbox.expect_event(transition)
        self._wake()

    def alert(self, alert: Alert) -> None:
        """Publish an alert, retained."""
        self._keep(f"alerts/{alert.id}", encode(alert_payload(alert)))

    def end_alert(self, alert_id: str) -> None:
        """Clear an alert's retained topic."""
        self._keep(f"alerts/{alert_id}", b"")

    def info(self, info: Mapping[str, Any]) -> None:
        """Publish what the device is, retained, also in Home Assistant's words."""
        self._keep("info", encode(info))
        if self._has_discovery:
            removed = sorted(self._slots - {slot["id"] for slot in info["slots"]})
            payload = discovery_payload(self._prefix, self._device, info, removed)
            self._outbox.keep(self._discovery_topic, encode(payload))
            self._wake()

    def health(self, health: Mapping[str, Any]) -> None:
        """Publish how the device is doing, retained."""
        self._keep("health", encode({**health, "requests": self._inbox.taken}))

    def retire(self) -> None:
        """Clear everything retained; `close` then clears the status instead of `offline`."""
        self._farewell.status = b""
        self._outbox.clear()
        self._wake()

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what is left, say `offline`, wait for the broker's word, and end.

        When the broker does not answer in time, the connection is cut instead of closed:
        then the broker publishes the will, and nobody believes in a device that is gone.
        """
        self._farewell.ask(timeout_s)
        self._wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        else:
            self._close_wake_sockets()

    def _keep(self, topic: str, payload: bytes) -> None:
        self._outbox.keep(f"{self._prefix}/{topic}", payload)
        self._wake()

    def _wake(self) -> None:
        # Full: the thread is about to wake up anyway. Closed: it has ended.
        with suppress(OSError):
            self._wake_sender.send(b"\0")

    def _close_wake_sockets(self) -> None:
        self._wake_receiver.close()
        self._wake_sender.close()

    # -- the MQTT thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._farewell.is_asked.is_set():
                try:
                    ending = self._connect_once()
                except Exception:
                    # The fence of this loop: a sink must not take the cabinet's watch down.
                    log.exception("MQTT: a connection ended by an error of this program")
                    ending = Ending(Cause.PROGRAM, "an error of this program; please report it")
                if ending.cause is not Cause.CLOSING:
                    self._farewell.is_asked.wait(self._judge(ending))
        finally:
            self._close_wake_sockets()

    def _connect_once(self) -> Ending:
        connection = Connection(
            self._access,
            self._protocol,
            self._status_topic,
            self._outbox,
            self._inbox,
            self._farewell,
            self._wake_receiver,
            self._note_up,
        )
        return connection.run()

    def _judge(self, ending: Ending) -> float:
        """Say what happened, once; return how long to wait before the next connection."""
        if ending.cause is Cause.VERSION and self._may_fall_back and self._is_mqtt_5:
            self._change_version()
            return 0.0
        self._unanswered = self._unanswered + 1 if ending.cause is Cause.UNANSWERED else 0
        if self._may_fall_back and self._unanswered >= FALL_BACK_AFTER:
            # Some brokers close the connection on a version they do not know, or never
            # answer (amqtt 0.12). So does one that starts or stops, hence not at once.
            self._unanswered = 0
            self._change_version()
        if ending.up_for_s is None:
            self._failures += 1
            self._short = 0  # The broker was away: that explains the end of the one before.
        else:
            self._failures = 0
            # A broker that restarts ends connections too, but is gone for a moment.
            is_short = ending.up_for_s < STABLE_AFTER_S and not self._farewell.is_asked.is_set()
            is_suspect = is_short and self._is_broker_there()
            self._short = self._short + 1 if is_suspect else 0
        cause, message = ending.cause, ending.message
        if cause is Cause.NO_CONNECTION and self._short >= PUSHED_OFF_AFTER:
            # MQTT 3.1.1 has no word for it, and Mosquitto 2.0 does not use the one of 5.
            cause = Cause.TAKEN_OVER
            evidence = f"accepted and soon ended {self._short} times in a row"
            message = taken_over(evidence, self._access.client_id)
        if cause is not self._fault:
            log.warning("MQTT: %s", message)
            self._fault = cause
        return reconnect_delay_s(max(self._failures, self._short))

    def _is_broker_there(self) -> bool:
        try:
            address = (self._access.host, self._access.port)
            socket.create_connection(address, timeout=PROBE_TIMEOUT_S).close()
        except OSError:
            return False
        return True

    def _note_up(self, up_for_s: float) -> None:
        """Say that a fault is over, once."""
        version = "MQTT 5" if self._is_mqtt_5 else "MQTT 3.1.1"
        if not self._has_connected:
            log.info("MQTT: %s as %s, %s", self._access.address, self._access.client_id, version)
        elif self._fault is Cause.TAKEN_OVER and up_for_s < STABLE_AFTER_S:
            return  # Both devices connect every time: only peace ends that fault.
        elif self._fault is not None:
            log.warning("MQTT: connected to %s again, %s", self._access.address, version)
        self._has_connected = True
        self._fault = None

    @property
    def _is_mqtt_5(self) -> bool:
        return self._protocol == MQTTProtocolVersion.MQTTv5

    def _change_version(self) -> None:
        self._protocol = (
            MQTTProtocolVersion.MQTTv311 if self._is_mqtt_5 else MQTTProtocolVersion.MQTTv5
        )


def _slots_published(ledger: Ledger, prefix: str) -> set[str]:
    """Return the slots that Home Assistant may have heard of."""
    below = f"{prefix}/slots/"
    try:
        topics = ledger.topics()
    except JournalError as error:
        log.warning("MQTT: %s", error)
        return set()
    return {topic.removeprefix(below) for topic in topics if topic.startswith(below)}


def reconnect_delay_s(failures: int) -> float:
    """Return how long to wait after so many connections in a row that were no good ones.

    Full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015): anywhere between
    zero and a bound that doubles up to 60 s, so that a fleet comes back spread out.
    """
    return random.uniform(0.0, min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(failures, 16)))
