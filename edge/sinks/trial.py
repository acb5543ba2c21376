"""Whether a broker lets a device in: one connection, for `slotwatch check`.

Under a client id of its own, so that a daemon that runs is not pushed off.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.sinks.client import connect, new_client
from edge.sinks.endings import (
    UNSUPPORTED_PROTOCOL,
    Access,
    explain_refusal,
    explain_silence,
)

TIMEOUT_S = 5.0


def try_broker(access: Access, is_mqtt_5: bool = True) -> str | None:
    """Connect once; return what is wrong and what to do, None when the broker lets us in."""
    access = replace(access, client_id=f"slotwatch-check-{secrets.token_hex(4)}")
    answers: list[ReasonCode] = []
    protocol = MQTTProtocolVersion.MQTTv5 if is_mqtt_5 else MQTTProtocolVersion.MQTTv311
    client = new_client(access, protocol)
    reasons = ["no answer"]

    def on_connect(_client: Any, _userdata: Any, _flags: Any, code: ReasonCode, *_: Any) -> None:
        answers.append(code)

    def on_log(_client: Any, _userdata: Any, level: int, message: str) -> None:
        if level == paho.MQTT_LOG_ERR:
            reasons.append(message)

    client.on_connect, client.on_log = on_connect, on_log
    client.connect_timeout = TIMEOUT_S
    if (ending := connect(client, access)) is not None:
        return ending.message
    deadline_s = time.monotonic() + TIMEOUT_S
    while not answers and time.monotonic() < deadline_s:
        if client.loop(0.2) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            break
    client.disconnect()
    if not answers:
        return explain_silence(access, reasons[-1]).message
    code = answers[0]
    if not code.is_failure:
        return None
    if code.value == UNSUPPORTED_PROTOCOL and is_mqtt_5:
        return try_broker(access, is_mqtt_5=False)
    return explain_refusal(access, str(code), code.value).message
