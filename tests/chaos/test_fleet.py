"""Thousands of devices on one broker that is killed and forgets everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fleet import LIMIT_S, measure
from tests.broker import MOSQUITTO
from tests.chaos.amount import amount, report

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (Debian: apt-get install mosquitto)"
)

# Whoever was connected waits up to half a second, then a second, then two: with everyone noticing
# the end in the same instant, no second after the return may see more than half of them.
PEAK_SHARE = 0.5


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_everyone_is_back_with_the_right_state_and_not_all_at_once(tmp_path: Path) -> None:
    figures = measure(amount(2000), amount(5), tmp_path)
    report(
        f"{figures.devices} simulated devices and {figures.daemons} daemons: the last one was back "
        f"{figures.back_s[-1]:.1f} s after the broker, at most {figures.peak} in one second"
    )
    assert figures.missing == ()
    assert figures.back_s[-1] <= LIMIT_S
    assert figures.unsent_events == 0
    assert figures.peak <= PEAK_SHARE * figures.devices
