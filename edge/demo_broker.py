"""A broker for `slotwatch demo`, without root: Mosquitto where it is installed, else our own.

`python -m edge.demo_broker [PORT]` runs the embedded one until it is interrupted.
"""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.embedded_broker import EmbeddedBroker
from edge.types import SlotwatchError

HOST = "127.0.0.1"
START_TIMEOUT_S = 3.0

# The shell holds one end of a pipe and ends Mosquitto when we, at the other end, are gone,
# however that happened. (A parent-death signal is lost when Mosquitto changes its user.)
_SUPERVISED = '"$0" -c "$1" & read -r _; kill $! 2>/dev/null; wait $!'

log = logging.getLogger(__name__)


class BrokerUnavailable(SlotwatchError):
    """The wanted broker is not installed or does not start."""


@dataclass(frozen=True)
class RunningBroker:
    """Where the broker listens, open to everyone on this machine and to nobody else."""

    host: str
    port: int
    kind: Literal["mosquitto", "embedded"]


@contextmanager
def start_broker(
    prefer: Literal["auto", "mosquitto", "embedded"] = "auto",
    folders: str | None = None,
) -> Iterator[RunningBroker]:
    """Yield a running broker on a free port; it remembers nothing and ends with the block.

    `folders` says where to look for Mosquitto, see `find_mosquitto`.

    Raises:
        BrokerUnavailable: Mosquitto was asked for and cannot be had.
    """
    if prefer != "embedded":
        try:
            supervisor, port, folder = _start_mosquitto(folders)
        except BrokerUnavailable as error:
            if prefer == "mosquitto":
                raise
            log.info("%s; using the embedded broker", error)
        else:
            try:
                yield RunningBroker(HOST, port, "mosquitto")
            finally:
                _end(supervisor)
                folder.cleanup()
            return
    broker = EmbeddedBroker(HOST)
    try:
        yield RunningBroker(broker.host, broker.port, "embedded")
    finally:
        broker.close()


def find_mosquitto(folders: str | None = None) -> str | None:
    """Return Mosquitto's path, None when it is not in these folders (separated by colons).

    Without folders PATH is searched, and the places off most people's PATH where Debian
    and others keep it.
    """
    if folders is not None:
        return shutil.which("mosquitto", path=folders)
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _start_mosquitto(
    folders: str | None,
) -> tuple[subprocess.Popen[bytes], int, tempfile.TemporaryDirectory[str]]:
    program = find_mosquitto(folders)
    if program is None:
        raise BrokerUnavailable("mosquitto is not installed (Debian: apt-get install mosquitto)")
    # Its own folder: Mosquitto started by root continues as another user.
    folder = tempfile.TemporaryDirectory(prefix="slotwatch-broker-")
    port = _free_port()
    config = Path(folder.name) / "mosquitto.conf"
    output = Path(folder.name) / "mosquitto.log"
    config.write_text(
        f"listener {port} {HOST}\nallow_anonymous true\npersistence false\n"
        # A dashboard that reads slowly shall still get every event.
        "max_queued_messages 0\n"
    )
    with output.open("wb") as log_file:
        supervisor = subprocess.Popen(
            ["/bin/sh", "-c", _SUPERVISED, program, str(config)],
            stdin=subprocess.PIPE,
            stdout=log_file,
            stderr=log_file,
        )
    if _answers(port):
        return supervisor, port, folder
    _end(supervisor)
    said = output.read_text("utf-8", "replace").strip().rpartition("\n")[2]
    folder.cleanup()
    raise BrokerUnavailable(f"{program} does not start ({said or 'it says nothing'})")


def _answers(port: int) -> bool:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        with suppress(OSError):
            socket.create_connection((HOST, port), timeout=1.0).close()
            return True
        time.sleep(0.02)
    return False


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    assert supervisor.stdin is not None  # noqa: S101  -- it was asked for
    supervisor.stdin.close()
    try:
        supervisor.wait(5)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait(5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def main(arguments: list[str]) -> int:
    """Run the embedded broker in the foreground; return the exit status."""
    port = int(arguments[0]) if arguments and arguments[0].isdecimal() else 1883
    try:
        broker = EmbeddedBroker(HOST, port)
    except OSError as error:
        sys.stderr.write(f"port {port}: {error.strerror}; give another one as the argument\n")
        return 1
    sys.stderr.write(f"embedded broker on {broker.host}:{broker.port}, Ctrl-C ends it\n")
    with suppress(KeyboardInterrupt):
        signal.pause()
    broker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
