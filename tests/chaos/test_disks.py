"""The real daemon on disks that take nothing for a while, or ever again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from edge.journal import Journal, JournalError
from tests.broker import Mosquitto, eventually, retained, subscriber
from tests.cabinets import PREFIX, Cabinet, Drawn, heard, slots, states, wait_for
from tests.chaos.disks import fail_ext4, failing, fill, make_ext4, mounted, repair
from tests.daemon import running_daemon

ALERT = f"{PREFIX}/alerts/storage_full"
PATIENCE_S = 40.0  # it takes a few seconds; a busy machine takes longer


@pytest.fixture
def cabinet(tmp_path: Path, broker: Mosquitto, drawn: Drawn) -> Cabinet:
    """A cabinet of six slots, with a folder to mount a disk at."""
    made = Cabinet(tmp_path, broker, drawn)
    made.storage.mkdir()
    return made


@contextmanager
def on_a_disk_of_1_mb(cabinet: Cabinet) -> Iterator[None]:
    with mounted(cabinet.storage, "-t", "tmpfs", "-o", "size=1m", "none"):
        yield


@contextmanager
def full(cabinet: Cabinet, pid: int) -> Iterator[None]:
    ballast = fill(cabinet.storage)
    yield
    ballast.unlink()


def refusing(calls: str, error: str) -> Callable[[Cabinet, int], AbstractContextManager[None]]:
    return lambda cabinet, pid: failing(pid, calls, error)


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
    cabinet: Cabinet,
    broker: Mosquitto,
    fault: Callable[[Cabinet, int], AbstractContextManager[None]],
    message: str,
) -> None:
    with (
        on_a_disk_of_1_mb(cabinet),
        subscriber(broker, f"{PREFIX}/events") as listener,
        running_daemon(cabinet.config_path) as daemon,
    ):
        before = cabinet.show("A1", "A2", frames=3)
        wait_for(broker, daemon, before, PATIENCE_S)
        eventually(lambda: heard(listener) == cabinet.recorded(), PATIENCE_S, daemon.log)
        known = heard(listener)

        with fault(cabinet, daemon.process.pid):
            changed = cabinet.show("A1", "B1", frames=6)  # A2 was taken, B1 was put back
            payload = eventually(lambda: retained(broker).get(ALERT), PATIENCE_S, daemon.log)
            assert message in json.loads(payload)["message"]
            unsure = before | {"A2": "UNKNOWN", "B1": "UNKNOWN"}
            wait_for(broker, daemon, unsure, PATIENCE_S)
            payloads = slots(broker)
            assert {payloads[slot]["reason"] for slot in ("A2", "B1")} == {"storage_full"}
            assert heard(listener) == known
            assert cabinet.recorded() == known
            assert daemon.process.poll() is None

        cabinet.show("A1", "B1", frames=6)
        wait_for(broker, daemon, changed, PATIENCE_S)
        eventually(lambda: ALERT not in retained(broker), PATIENCE_S, daemon.log)
        eventually(lambda: len(heard(listener)) == len(known) + 2, PATIENCE_S, daemon.log)
        # What was said is on the disk when the process is gone.
        daemon.stop(signal.SIGKILL)
        assert cabinet.recorded() == heard(listener)
        new = {(slot, after) for _, slot, after in heard(listener)[len(known) :]}
        assert new == {("A2", "EMPTY"), ("B1", "OCCUPIED")}
        assert "Traceback" not in daemon.log()


def test_a_disk_that_turns_read_only_keeps_what_was_said(
    cabinet: Cabinet, broker: Mosquitto, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    make_ext4(image, megabytes=4)
    options = ("-o", "loop,errors=remount-ro", image)
    with subscriber(broker, f"{PREFIX}/events") as listener:
        with mounted(cabinet.storage, *options), running_daemon(cabinet.config_path) as daemon:
            before = cabinet.show("A1", frames=3)
            wait_for(broker, daemon, before, PATIENCE_S)
            fail_ext4(cabinet.storage)
            cabinet.show("A2", frames=6)
            eventually(lambda: ALERT in retained(broker), PATIENCE_S, daemon.log)
            unsure = before | {"A1": "UNKNOWN", "A2": "UNKNOWN"}
            wait_for(broker, daemon, unsure, PATIENCE_S)
            assert "Traceback" not in daemon.log()
        known = heard(listener)
        repair(image)
        with mounted(cabinet.storage, *options), running_daemon(cabinet.config_path) as daemon:
            after = cabinet.show("A2", frames=6)
            wait_for(broker, daemon, after, PATIENCE_S)
            eventually(lambda: ALERT not in retained(broker), PATIENCE_S, daemon.log)
            assert cabinet.recorded()[: len(known)] == known


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_daemon_that_starts_on_a_full_disk_says_so_and_goes_on_when_there_is_space(
    cabinet: Cabinet, broker: Mosquitto, ending: int
) -> None:
    with on_a_disk_of_1_mb(cabinet):
        with running_daemon(cabinet.config_path) as daemon:
            before = cabinet.show("A1", frames=3)
            wait_for(broker, daemon, before, PATIENCE_S)
            daemon.stop(ending)
        known = cabinet.recorded()
        ballast = fill(cabinet.storage)
        with running_daemon(cabinet.config_path) as daemon:
            after = cabinet.show("A2", frames=6)
            eventually(lambda: ALERT in retained(broker), PATIENCE_S, daemon.log)
            # Nothing is claimed of what has changed, or of what cannot be remembered.
            eventually(lambda: states(broker).get("A1") == "UNKNOWN", PATIENCE_S, daemon.log)
            assert states(broker)["A2"] == "UNKNOWN"
            ballast.unlink()
            cabinet.show("A2", frames=600)
            wait_for(broker, daemon, after, PATIENCE_S)
            eventually(lambda: ALERT not in retained(broker), PATIENCE_S, daemon.log)
            assert "Traceback" not in daemon.log()
        recorded = cabinet.recorded()
        assert recorded[: len(known)] == known
        assert {(slot, state) for _, slot, state in recorded[len(known) :]} == {
            ("A1", "EMPTY"),
            ("A2", "OCCUPIED"),
        }


def test_the_alert_ends_with_the_fault_although_nothing_changes_any_more(
    cabinet: Cabinet, broker: Mosquitto
) -> None:
    with on_a_disk_of_1_mb(cabinet), running_daemon(cabinet.config_path) as daemon:
        before = cabinet.show("A1", frames=3)
        wait_for(broker, daemon, before, PATIENCE_S)
        ballast = fill(cabinet.storage)
        cabinet.show("A2", frames=6)
        eventually(lambda: ALERT in retained(broker), PATIENCE_S, daemon.log)
        cabinet.show("A1", frames=600)  # as before: there is nothing to record
        wait_for(broker, daemon, before, PATIENCE_S)
        ballast.unlink()
        eventually(lambda: ALERT not in retained(broker), PATIENCE_S, daemon.log)


def test_a_full_disk_is_noticed_without_a_change(cabinet: Cabinet) -> None:
    with (
        on_a_disk_of_1_mb(cabinet),
        closing(Journal(cabinet.storage / "journal.db")) as journal,
    ):
        ballast = fill(cabinet.storage)
        with pytest.raises(JournalError, match="free space on this disk"):
            journal.probe()
        ballast.unlink()
        journal.probe()
