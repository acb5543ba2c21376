"""Which brokers are believed: those of one authority, under their own name.

The main thread looks at the files at the start, the MQTT thread before every connection.
"""

from __future__ import annotations

import ssl

from edge.types import ConfigurationError, TlsSettings


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """Return a context that trusts this CA alone; made anew, it uses renewed files.

    Raises:
        ConfigurationError: a file is missing or is not what it should be.
    """
    # Not create_default_context: what it demands differs from Python to Python.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a certificate, and the right host
    context.hostname_checks_common_name = False  # RFC 9525: names are in subjectAltName
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, password=_no_pass_phrase)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"mqtt.tls: {tls.ca}, {tls.certificate}, {tls.key}: {error}; "
            "these must be readable PEM files that belong together"
        ) from error
    return context


def _no_pass_phrase() -> str:
    """Raise a ValueError: without this, OpenSSL would ask at the terminal and wait."""
    raise ValueError("the key is encrypted; store it without a pass phrase")
