"""A paho client as each of our connections begins: who we are, and which broker is believed.

The daemon's connections and the one of `slotwatch check` begin here, so that a broker that lets
in the one lets in the other.
"""

from __future__ import annotations

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties

from edge.sinks.endings import Access, Cause, Ending, explain_no_connection
from edge.sinks.tls import tls_context
from edge.types import ConfigurationError

KEEPALIVE_S = 15  # a vanished device is `lost` after one and a half of these


def new_client(
    access: Access, protocol: MQTTProtocolVersion, manual_ack: bool = False
) -> paho.Client:
    """Return a client, not yet connected, with the client id and the password of `access`."""
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=access.client_id,
        protocol=protocol,
        reconnect_on_failure=False,
        manual_ack=manual_ack,
    )
    if access.username is not None:
        client.username_pw_set(access.username, access.password)
    return client


def connect(
    client: paho.Client, access: Access, properties: Properties | None = None
) -> Ending | None:
    """Connect and send CONNECT; return why there is no connection, None where there is one."""
    try:
        if access.tls is not None:
            client.tls_set_context(tls_context(access.tls))
        client.connect(access.host, access.port, KEEPALIVE_S, properties=properties)
    except ConfigurationError as error:
        return Ending(Cause.TLS_FILES, str(error))
    except (OSError, ValueError) as error:
        return explain_no_connection(access, error)
    return None
