"""What systemd hears, over real datagram sockets."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.notify import Notifier, watchdog_interval_s


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The receiving end of $NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        receiver.bind(str(tmp_path / "notify"))
        yield receiver


@pytest.fixture
def notifier(systemd: socket.socket) -> Iterator[Notifier]:
    notifier = Notifier(systemd.getsockname())
    yield notifier
    notifier.close()


def test_every_message_is_what_systemd_expects(notifier: Notifier, systemd: socket.socket) -> None:
    notifier.ready()
    notifier.status("64 slots, 3 unknown")
    notifier.watchdog()
    notifier.stopping()
    received = [systemd.recv(1000).decode() for _ in range(4)]
    assert received == ["READY=1", "STATUS=64 slots, 3 unknown", "WATCHDOG=1", "STOPPING=1"]


def test_a_status_cannot_smuggle_in_another_message(
    notifier: Notifier, systemd: socket.socket
) -> None:
    notifier.status("camera lost\nWATCHDOG=1")
    assert systemd.recv(1000) == b"STATUS=camera lost WATCHDOG=1"


def test_abstract_sockets_are_reached() -> None:
    name = f"slotwatch-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        receiver.bind(b"\0" + name.encode())
        notifier = Notifier(f"@{name}")
        notifier.ready()
        notifier.close()
        assert receiver.recv(1000) == b"READY=1"


@pytest.mark.parametrize("socket_path", [None, ""])
def test_without_systemd_nothing_is_sent_and_nothing_fails(
    socket_path: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(socket_path)
    notifier.ready()
    notifier.watchdog()
    notifier.close()
    assert caplog.records == []


def test_a_vanished_socket_is_logged_once_and_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(str(tmp_path / "gone"))
    with caplog.at_level(logging.WARNING):
        notifier.ready()
        notifier.watchdog()
        notifier.watchdog()
    notifier.close()
    assert [record.getMessage() for record in caplog.records] == [
        "systemd cannot be told READY: [Errno 2] No such file or directory"
    ]


def test_a_full_socket_does_not_hold_the_caller(notifier: Notifier) -> None:
    for _ in range(10_000):  # Nobody reads: the queue of the receiver is full long before.
        notifier.watchdog()


def test_closing_twice_and_speaking_afterwards_do_nothing(notifier: Notifier) -> None:
    notifier.close()
    notifier.close()
    notifier.ready()


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),  # meant for another process
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "me"}, None),
    ],
)
def test_the_watchdog_interval_is_the_one_systemd_set_for_this_process(
    environ: dict[str, str], interval_s: float | None
) -> None:
    assert watchdog_interval_s(environ, process_id=7) == interval_s
