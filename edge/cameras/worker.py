"""The camera's own process: `python -m edge.cameras.worker`, one thread.

`edge.cameras.process` starts it and speaks with it over its standard streams:

stdin   one JSON line (`Order`), then a `REQUEST` for every frame that is wanted, then `END`
stdout  one JSON line per answer; the pictures themselves go through `edge.latest`
stderr  what OpenCV and FFmpeg have to say

The settings come over stdin and never as arguments: `ps` shows arguments to everyone,
and a stream's address holds its password.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import select
import signal
import sys
from dataclasses import asdict, dataclass
from typing import Any

from edge.cameras import Camera, CameraError, CameraUnusable, NoPictureYet, open_camera
from edge.latest import Latest
from edge.types import CameraSettings, Frame

log = logging.getLogger(__name__)

REQUEST = b"?"
END = b"."

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Order:
    """What the daemon wants of this process."""

    settings: CameraSettings
    once: bool
    latest_fd: int
    parent_pid: int

    def to_line(self) -> bytes:
        """Return the order as one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Order:
        """Return the order that `to_line` wrote."""
        values = json.loads(line)
        settings = values.pop("settings")
        resolution = settings.pop("resolution_wh")
        return cls(
            CameraSettings(**settings, resolution_wh=resolution and tuple(resolution)), **values
        )


class AnswerHandler(logging.Handler):
    """Sends log records to the daemon, which writes them into its own log."""

    def __init__(self, answers_fd: int) -> None:
        super().__init__()
        self._answers_fd = answers_fd

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; the daemon adds time and place."""
        send(self._answers_fd, "log", level=record.levelno, message=self.format(record))


def send(answers_fd: int, answer: str, **details: Any) -> None:
    """Write one answer.

    Raises:
        BrokenPipeError: the daemon is gone or has given this process up.
    """
    line = json.dumps({"answer": answer, **details}).encode() + b"\n"
    while line:
        line = line[os.write(answers_fd, line) :]


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before the kernel knew that it matters.
    if os.getppid() != parent_pid:
        sys.exit(1)


def serve(camera: Camera, latest: Latest, requests_fd: int, answers_fd: int) -> None:
    """Answer every request with the next frame, until the recording or the requests end.

    The frame of a live camera is always one that came after its request.

    Raises:
        CameraError, CameraUnusable: see `Camera.read`.
        BrokenPipeError: see `send`.
    """
    is_queue_empty = False
    while True:
        while camera.is_live and not _is_readable(requests_fd):
            camera.skip()
            is_queue_empty = True
        if os.read(requests_fd, 1) != REQUEST:
            return
        if camera.is_live and not is_queue_empty:
            camera.skip()  # It may have come while the last frame was handed over.
        frame = _read_patiently(camera, requests_fd, answers_fd)
        if frame is None:
            send(answers_fd, "end")
            return
        latest.put(frame)
        del frame  # Megabytes that nobody needs while the next request is awaited.
        send(answers_fd, "frame")
        is_queue_empty = False


def _read_patiently(camera: Camera, requests_fd: int, answers_fd: int) -> Frame | None:
    """Return the next frame, or None after the last one or when the daemon wants no more."""
    while True:
        try:
            return camera.read()
        except NoPictureYet as error:
            send(answers_fd, "waiting", message=str(error))
        # A recording is asked for one frame at a time: this can only be the end.
        if not camera.is_live and _is_readable(requests_fd):
            return None


def _is_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def main() -> int:
    """Serve one camera; return the exit status."""
    # The daemon decides when this process ends: Ctrl-C and systemd's SIGTERM reach every
    # process at once, and a camera that vanishes first would look like a fault.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers_fd = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # A library's print is no answer.
    requests = os.fdopen(sys.stdin.fileno(), "rb", buffering=0)
    line = requests.readline()
    if not line:
        return 1
    order = Order.from_line(line)
    die_with(order.parent_pid)
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[AnswerHandler(answers_fd)]
    )
    latest = Latest(order.latest_fd)
    try:
        camera = open_camera(order.settings, order.once)
        try:
            send(answers_fd, "open", is_live=camera.is_live)
            serve(camera, latest, requests.fileno(), answers_fd)
        finally:
            camera.close()
    except BrokenPipeError:
        return 1
    except CameraUnusable as error:
        send(answers_fd, "unusable", message=str(error))
    except CameraError as error:
        send(answers_fd, "error", message=str(error))
    except Exception as error:  # The fence: whatever a driver or decoder does is a camera's fault.
        log.exception("the camera failed in a way it should not")
        send(answers_fd, "error", message=f"{type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
