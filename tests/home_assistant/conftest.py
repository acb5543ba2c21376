"""One Mosquitto and one Home Assistant for all tests of this folder: `make home-assistant`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.broker import Mosquitto
from tests.home_assistant.server import HASS, HomeAssistant


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A real Mosquitto, unless no real Home Assistant was asked for."""
    if os.environ.get("SLOTWATCH_HOME_ASSISTANT") != "run":
        pytest.skip("a real Home Assistant takes its time; to have it: make home-assistant")
    if not HASS.exists():
        pytest.skip(f"{HASS} is missing: make home-assistant")
    mosquitto = Mosquitto(tmp_path_factory.mktemp("broker"))
    yield mosquitto
    mosquitto.close()


@pytest.fixture(scope="session")
def server(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeAssistant]:
    """A real Home Assistant that is connected to the broker."""
    home_assistant = HomeAssistant(
        tmp_path_factory.mktemp("home-assistant"), broker.host, broker.port
    )
    yield home_assistant
    home_assistant.stop()
    # Its log is written by a thread of its own: a complaint may come after its test.
    assert home_assistant.complaints() == []


@pytest.fixture
def home_assistant(server: HomeAssistant) -> Iterator[HomeAssistant]:
    """The same, which must have nothing to complain about when the test is over."""
    before = len(server.complaints())
    yield server
    assert server.complaints()[before:] == []
