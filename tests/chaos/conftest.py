"""What the chaos tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.chaos.amount import FIGURES
from tests.chaos.device import draw_pictures


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures of `report`, whatever became of the output."""
    if FIGURES:
        terminalreporter.section("chaos")
        for line in FIGURES:
            terminalreporter.write_line(line)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real Mosquitto as it is when nothing is configured: without persistence."""
    mosquitto = Mosquitto(tmp_path)
    yield mosquitto
    mosquitto.close()


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of every cabinet there can be, see `draw_pictures`."""
    return draw_pictures(tmp_path_factory.mktemp("chaos") / "drawn")
