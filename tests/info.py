"""What a device says of itself on `P/info`, for tests of those who read it."""

from __future__ import annotations

from typing import Any

REGION = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]]


def info(*slots: tuple[str, str | None, bool]) -> dict[str, Any]:
    """Return the payload for slots of these ids and labels, enabled or not."""
    return {
        "version": "0.1.0",
        "schema": 1,
        "model": {"name": "default", "sha256": 64 * "a"},
        "settings_sha256": "07dc",
        "runtime": "ai-edge-litert",
        "frame": [1280, 960],
        "slots": [
            {"id": slot_id, "label": label, "enabled": is_enabled, "region": REGION}
            for slot_id, label, is_enabled in slots
        ],
    }
