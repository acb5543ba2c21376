"""What the words of a camera's source give away, and how they are shown to people."""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"

# Up to the last @: a password may hold an @ or a / that should have been escaped.
# Also where the scheme was forgotten: `admin:password@10.0.0.5/stream`.
_CREDENTIALS = re.compile(r"(?<=://).*@|^[^\s/:]+:(?!//).*@")
# `?user=admin&pwd=…`; one or two digits (`channel=1`) are no secret and worth seeing.
_QUERY_VALUE = re.compile(r"(?<==)(?!\d{1,2}(?:&|$))[^&\s]+")
# Some cameras take `/user=admin_password=…_channel=1.sdp` as a path.
_SECRET_IN_PATH = re.compile(r"(?i)((?:user|pass|pwd|token|key)[a-z]*=)[^&/_?\s]+")


def redact_source(source: str) -> str:
    """Return the source without user, password or query values: fit for messages and logs."""
    address, mark, query = source.partition("?")
    if not _CREDENTIALS.search(source) and "://" not in address:
        return source
    if "@" in query:  # A password with a question mark in it: the host comes after the @.
        address, mark, query = source, "", ""
    address = _CREDENTIALS.sub(f"{HIDDEN}@", address)
    address = _SECRET_IN_PATH.sub(rf"\1{HIDDEN}", address)
    return address + mark + _QUERY_VALUE.sub(HIDDEN, query)


def redact_text(text: str, source: str) -> str:
    """Return the text (a library's message) without anything secret that the source holds."""
    shown = redact_source(source)
    if shown == source:
        return text
    text = text.replace(source, shown)
    for secret in _secrets(source):
        text = text.replace(secret, HIDDEN)
    return text


def _secrets(source: str) -> list[str]:
    """Return the source's hidden parts as they may turn up in a message, longest first."""
    found: set[str] = set()
    credentials = _CREDENTIALS.search(source)
    if credentials:
        user_and_password = credentials.group().rstrip("@")
        _user, _colon, password = user_and_password.partition(":")
        found |= {user_and_password, password}
    address, _mark, query = source.partition("?")
    found |= set(_QUERY_VALUE.findall(query))
    found |= {match.group().partition("=")[2] for match in _SECRET_IN_PATH.finditer(address)}
    found |= {unquote(secret) for secret in found}
    # Very short words would blank out half of every message.
    return sorted((s for s in found if len(s) > 2), key=len, reverse=True)
