"""What the end-to-end tests and the chaos tests start and clean up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.cabinets import Cabinet, Drawn, draw_pictures


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real Mosquitto as it is when nothing is configured: open, without persistence."""
    mosquitto = Mosquitto(tmp_path)
    yield mosquitto
    mosquitto.close()


@pytest.fixture(scope="session")
def two_slots(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Pictures of A1 and A2, whatever is in them."""
    return draw_pictures(tmp_path_factory.mktemp("two-slots"), rows=1, columns=2)


@pytest.fixture
def cabinet(tmp_path: Path, broker: Mosquitto, two_slots: Drawn) -> Cabinet:
    """A cabinet of two slots that has not been shown anything yet."""
    return Cabinet(tmp_path, broker, two_slots)
