"""What the end-to-end tests start and clean up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real Mosquitto without persistence, open to everyone on this machine."""
    mosquitto = Mosquitto(tmp_path)
    yield mosquitto
    mosquitto.close()
