"""Whether a broker lets a device in: one connection, for `slotwatch check`.

Under a client id of its own, so that a daemon that runs is not pushed off.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.sinks.endings import (
    UNSUPPORTED_PROTOCOL,
    Access,
    explain_no_connection,
    explain_refusal,
    explain_silence,
)
from edge.sinks.tls import tls_context
from edge.types import ConfigurationError

TIMEOUT_S = 5.0


def try_broker(access: Access, is_mqtt_5: bool = True) -> str | None:
    """Connect once; return what is wrong and what to do, None when the broker lets us in."""
    access = replace(access, client_id=f"slotwatch-check-{secrets.token_hex(4)}")
    answers: list[ReasonCode] = []
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=access.client_id,
        protocol=MQTTProtocolVersion.MQTTv5 if is_mqtt_5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    if access.username is not None:
        client.username_pw_set(access.username, access.password)
    reasons = ["no answer"]

    def on_connect(_client: Any, _userdata: Any, _flags: Any, code: ReasonCode, *_: Any) -> None:
        answers.append(code)

    def on_log(_client: Any, _userdata: Any, level: int, message: str) -> None:
        if level == paho.MQTT_LOG_ERR:
            reasons.append(message)

    client.on_connect, client.on_log = on_connect, on_log
    try:
        if access.tls is not None:
            client.tls_set_context(tls_context(access.tls))
        client.connect_timeout = TIMEOUT_S
        client.connect(access.host, access.port)
    except ConfigurationError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return explain_no_connection(access, error).message
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
