"""A memory card lasts as long as nothing is written to it: a daemon before a still scene."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.__main__ import main
from tests.broker import Mosquitto, eventually, subscriber
from tests.cabinets import PREFIX, Cabinet, Drawn, heard, states, wait_for
from tests.chaos.amount import amount, report
from tests.daemon import running_daemon

HEALTH_MESSAGES = 10  # one every 30 s: for so long the daemon is watched
FRAMES_PER_S = 20  # at most: the camera waits for further ones for a minute


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and the time of the last change of every file, by name."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {str(path): (status.st_size, status.st_mtime_ns) for path, status in found.items()}


def written(pid: int) -> int:
    """Return how many bytes the process has sent towards any disk."""
    words = Path(f"/proc/{pid}/io").read_text().split()
    return int(words[words.index("write_bytes:") + 1])


@pytest.mark.timeout(500)
def test_nothing_is_written_while_nothing_changes(
    tmp_path: Path, broker: Mosquitto, drawn: Drawn
) -> None:
    cabinet = Cabinet(tmp_path, broker, drawn)
    messages = amount(HEALTH_MESSAGES)
    # With references, so that the lights and the empty slots are there to be learnt.
    source = ("--source", str(drawn.of()))
    assert main(["reference", "--config", str(cabinet.config_path), *source, "--empty"]) == 0
    with (
        subscriber(broker, f"{PREFIX}/#") as listener,
        running_daemon(cabinet.config_path) as daemon,
    ):
        pid = daemon.process.pid
        still = cabinet.show("A1", "B2", frames=30 * messages * FRAMES_PER_S)
        wait_for(broker, daemon, still, 30.0)
        # Every topic was published once, and every event acknowledged: nothing is left to be done.
        health = f"{PREFIX}/health"
        eventually(lambda: listener.of(health), 40.0, daemon.log)
        eventually(lambda: len(heard(listener)) == len(still), what=daemon.log)
        eventually(lambda: not cabinet.waiting(), what=daemon.log)
        before, written_before = files(cabinet.storage), written(pid)
        told = len(listener.of(health)) + messages
        eventually(lambda: len(listener.of(health)) >= told, 40.0 * messages, daemon.log)
        assert files(cabinet.storage) == before
        assert written(pid) == written_before
        assert states(broker) == still

        # It does count what is written: the same look finds a change.
        cabinet.show("A1", frames=10)
        eventually(lambda: written(pid) > written_before, 60.0, daemon.log)
    report(f"{messages} x 30 s before a still scene: 0 bytes written")
