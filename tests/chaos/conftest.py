"""What the chaos tests share."""

from __future__ import annotations

import pytest

from tests.cabinets import Drawn, draw_pictures
from tests.chaos.amount import FIGURES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures of `report`, whatever became of the output."""
    if FIGURES:
        terminalreporter.section("chaos")
        for line in FIGURES:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Pictures of six slots, whatever is in them."""
    return draw_pictures(tmp_path_factory.mktemp("six-slots"), rows=2, columns=3)
