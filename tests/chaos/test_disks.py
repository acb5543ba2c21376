"""The real daemon on disks that take nothing for a while, or ever again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from edge.journal import Journal, JournalError
from tests.broker import Mosquitto, eventually, subscriber
from tests.chaos.disks import fail_ext4, failing, fill, make_ext4, mounted, repair
from tests.chaos.watched import ALERT, PREFIX, Watched, heard
from tests.daemon import running_daemon

PATIENCE_S = 40.0  # it takes a few seconds; a busy machine takes longer


@pytest.fixture
def watched(tmp_path: Path, broker: Mosquitto, drawn: list[Path]) -> Watched:
    return Watched(tmp_path, broker, drawn)


@contextmanager
def on_a_disk_of_1_mb(watched: Watched) -> Iterator[None]:
    with mounted(watched.storage, "-t", "tmpfs", "-o", "size=1m", "none"):
        yield


@contextmanager
def full(watched: Watched, pid: int) -> Iterator[None]:
    ballast = fill(watched.storage)
    yield
    ballast.unlink()


def refusing(calls: str, error: str) -> Callable[[Watched, int], AbstractContextManager[None]]:
    return lambda watched, pid: failing(pid, calls, error)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param(full, "database or disk is full; free space on this disk", id="full"),
        pytest.param(refusing("fsync,fdatasync", "EIO"), "disk I/O error", id="no fsync"),
        pytest.param(refusing("pwrite64", "EIO"), "disk I/O error", id="no write"),
        pytest.param(refusing("pwrite64", "EROFS"), "disk I/O error", id="read-only"),
    ],
)
def test_a_change_that_the_disk_does_not_take_is_not_claimed(
    watched: Watched,
    broker: Mosquitto,
    fault: Callable[[Watched, int], AbstractContextManager[None]],
    message: str,
) -> None:
    with (
        on_a_disk_of_1_mb(watched),
        subscriber(broker, f"{PREFIX}/events") as listener,
        running_daemon(watched.config_path) as daemon,
    ):
        before = watched.show("A1", "A2")
        eventually(lambda: watched.states() == before, PATIENCE_S, daemon.log)
        eventually(lambda: heard(listener) == watched.recorded(), PATIENCE_S, daemon.log)
        known = heard(listener)

        with fault(watched, daemon.process.pid):
            changed = watched.show("A1", "B1", frames=6)  # A2 was taken, B1 was put back
            payload = eventually(lambda: watched.retained().get(ALERT), PATIENCE_S, daemon.log)
            assert message in json.loads(payload)["message"]
            unsure = before | {"A2": "UNKNOWN", "B1": "UNKNOWN"}
            eventually(lambda: watched.states() == unsure, PATIENCE_S, daemon.log)
            slots = watched.slots()
            assert {slots[slot]["reason"] for slot in ("A2", "B1")} == {"storage_full"}
            assert heard(listener) == known
            assert watched.recorded() == known
            assert daemon.process.poll() is None

        watched.show("A1", "B1", frames=6)
        eventually(lambda: watched.states() == changed, PATIENCE_S, daemon.log)
        eventually(lambda: ALERT not in watched.retained(), PATIENCE_S, daemon.log)
        eventually(lambda: len(heard(listener)) == len(known) + 2, PATIENCE_S, daemon.log)
        # What was said is on the disk when the process is gone.
        daemon.stop(signal.SIGKILL)
        assert watched.recorded() == heard(listener)
        new = {(slot, after) for _, slot, after in heard(listener)[len(known) :]}
        assert new == {("A2", "EMPTY"), ("B1", "OCCUPIED")}
        assert "Traceback" not in daemon.log()


def test_a_disk_that_turns_read_only_keeps_what_was_said(
    watched: Watched, broker: Mosquitto, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    make_ext4(image, megabytes=4)
    options = ("-o", "loop,errors=remount-ro", image)
    with subscriber(broker, f"{PREFIX}/events") as listener:
        with mounted(watched.storage, *options), running_daemon(watched.config_path) as daemon:
            before = watched.show("A1")
            eventually(lambda: watched.states() == before, PATIENCE_S, daemon.log)
            fail_ext4(watched.storage)
            watched.show("A2", frames=6)
            eventually(lambda: ALERT in watched.retained(), PATIENCE_S, daemon.log)
            unsure = before | {"A1": "UNKNOWN", "A2": "UNKNOWN"}
            eventually(lambda: watched.states() == unsure, PATIENCE_S, daemon.log)
            assert "Traceback" not in daemon.log()
        known = heard(listener)
        repair(image)
        with mounted(watched.storage, *options), running_daemon(watched.config_path) as daemon:
            after = watched.show("A2", frames=6)
            eventually(lambda: watched.states() == after, PATIENCE_S, daemon.log)
            eventually(lambda: ALERT not in watched.retained(), PATIENCE_S, daemon.log)
            assert watched.recorded()[: len(known)] == known


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_daemon_that_starts_on_a_full_disk_says_so_and_goes_on_when_there_is_space(
    watched: Watched, broker: Mosquitto, ending: int
) -> None:
    with on_a_disk_of_1_mb(watched):
        with running_daemon(watched.config_path) as daemon:
            before = watched.show("A1")
            eventually(lambda: watched.states() == before, PATIENCE_S, daemon.log)
            daemon.stop(ending)
        known = watched.recorded()
        ballast = fill(watched.storage)
        with running_daemon(watched.config_path) as daemon:
            after = watched.show("A2", frames=6)
            eventually(lambda: ALERT in watched.retained(), PATIENCE_S, daemon.log)
            # Nothing is claimed of what has changed, or of what cannot be remembered.
            eventually(lambda: watched.states()["A1"] == "UNKNOWN", PATIENCE_S, daemon.log)
            assert watched.states()["A2"] == "UNKNOWN"
            ballast.unlink()
            watched.show("A2", frames=600)
            eventually(lambda: watched.states() == after, PATIENCE_S, daemon.log)
            eventually(lambda: ALERT not in watched.retained(), PATIENCE_S, daemon.log)
            assert "Traceback" not in daemon.log()
        recorded = watched.recorded()
        assert recorded[: len(known)] == known
        assert {(slot, state) for _, slot, state in recorded[len(known) :]} == {
            ("A1", "EMPTY"),
            ("A2", "OCCUPIED"),
        }


def test_the_alert_ends_with_the_fault_although_nothing_changes_any_more(
    watched: Watched, broker: Mosquitto
) -> None:
    with on_a_disk_of_1_mb(watched), running_daemon(watched.config_path) as daemon:
        before = watched.show("A1")
        eventually(lambda: watched.states() == before, PATIENCE_S, daemon.log)
        ballast = fill(watched.storage)
        watched.show("A2", frames=6)
        eventually(lambda: ALERT in watched.retained(), PATIENCE_S, daemon.log)
        watched.show("A1", frames=600)  # as before: there is nothing to record
        eventually(lambda: watched.states() == before, PATIENCE_S, daemon.log)
        ballast.unlink()
        eventually(lambda: ALERT not in watched.retained(), PATIENCE_S, daemon.log)


def test_a_full_disk_is_noticed_without_a_change(watched: Watched) -> None:
    with (
        on_a_disk_of_1_mb(watched),
        closing(Journal(watched.storage / "journal.db")) as journal,
    ):
        ballast = fill(watched.storage)
        with pytest.raises(JournalError, match="free space on this disk"):
            journal.probe()
        ballast.unlink()
        journal.probe()
