"""A camera in a process of its own, held to a deadline from outside.

`CameraProcess` belongs to one thread, the inference thread; only `interrupt` may be
called from others. The daemon pulls: one request, one frame; in between, the worker
keeps a live camera's queue empty.
"""

from __future__ import annotations

import enum
import json
import logging
import math
import os
import random
import re
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import edge
from edge.cameras import CameraError, CameraUnusable
from edge.cameras.source import redact_source, redact_text
from edge.cameras.worker import END, REQUEST, Order
from edge.latest import MAX_PIXELS, Latest
from edge.types import CameraSettings, Frame

log = logging.getLogger(__name__)

BACK_OFF_S = 0.5  # before the first restart; doubles with every failure in a row
BACK_OFF_MAX_S = 8.0
CLOSE_S = 0.5  # a camera that is closed on purpose gets this long to let go of its device
KILL_S = 1.0  # a killed process is gone by then, unless the kernel's driver itself hangs
WAITING_S = 3.0  # a recording that still grows says more often than this that it is alive
CHATTER_BYTES = 4096  # of the libraries' newest messages are kept

WORKER_ENVIRONMENT = {
    "OPENCV_LOG_LEVEL": "ERROR",
    "OPENCV_FFMPEG_LOGLEVEL": "16",  # errors: they end up in this process's messages
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(MAX_PIXELS),  # refused before any memory is taken
    # A picture's memory goes back to the system when the picture does (mallopt(3)): by default
    # glibc keeps some of it after the first one, 10 MB of 70 at 1280x960.
    "MALLOC_MMAP_THRESHOLD_": "1000000",
    # numpy's library of matrix products otherwise starts threads with buffers; nothing uses them.
    "OPENBLAS_NUM_THREADS": "1",
}
# What FFmpeg and OpenCV put before a message: `[OPENCV:FFMPEG:16] `, `[ERROR:0@0.1] `.
_MARKS = re.compile(r"^(?:\[[^\]]*\]\s*)+")


class Outcome(enum.Enum):
    """How waiting for a frame ended, when nothing failed."""

    FRAME = enum.auto()
    END = enum.auto()  # after the last picture of a recording
    INTERRUPTED = enum.auto()


class StillWaiting(CameraError):
    """The deadline passed, and a recording that still grows says that it is well."""


def back_off_s(failures: int, share: float) -> float:
    """Return how long to wait after so many failures in a row, in seconds.

    Doubles up to `BACK_OFF_MAX_S`. `share` is a random number 0..1: devices that lost
    the same network must not all come back at the same moment.
    """
    longest_s: float = min(BACK_OFF_MAX_S, BACK_OFF_S * 2.0 ** min(failures - 1, 16))
    return longest_s * (0.5 + share / 2)


class CameraProcess:
    """One camera, opened as often as it takes.

    A recording that has to be opened again starts at its beginning; its sequence and
    monotonic time go on growing.
    """

    def __init__(self, settings: CameraSettings, once: bool = False) -> None:
        self._settings = settings
        self._once = once
        self._worker: _Worker | None = None
        self._interrupt = _Interrupt()
        self._starts = 0
        self._failures = 0  # in a row
        self._not_before_s = -math.inf  # monotonic: the end of the back-off
        self._has_ended = False
        self._sequence = 0  # of the next frame
        self._newest_s = 0.0  # monotonic time of the newest frame
        self._begin_s = 0.0  # where the time of a recording's current run begins

    @property
    def restarts(self) -> int:
        """How often the camera's process was started again."""
        return max(0, self._starts - 1)

    @property
    def pid(self) -> int | None:
        """The id of the camera's process, while there is one."""
        worker = self._worker
        return worker.process.pid if worker else None

    def start(self) -> None:
        """Start the camera's process without waiting for it; nothing happens if it runs."""
        if not self._has_ended:
            self._running()

    def next_frame(self, timeout_s: float) -> Frame | None:
        """Return a frame: of a live camera a new one, of a recording the next one.

        None after the last picture of a recording, and when `interrupt` was called. After
        a failure the call first sits out what is left of a back-off of at most
        `BACK_OFF_MAX_S`; the timeout counts from there.

        Raises:
            CameraError: no frame within the timeout, or the camera failed. Its process
                has been killed and the next call starts another; only a recording that
                still grows keeps its process.
            CameraUnusable: the camera can never work as it is configured.
        """
        if self._has_ended or self._interrupt.wait(self._not_before_s - time.monotonic()):
            return None
        worker = self._running()
        try:
            outcome = worker.wait_for_frame(timeout_s, self._interrupt)
        except StillWaiting:
            raise
        except (CameraError, CameraUnusable) as error:
            self._fail(error)
            raise
        if outcome is Outcome.END:
            self._has_ended = True
            self._drop_worker()
        if outcome is not Outcome.FRAME:
            return None
        if self._failures:
            log.info("%s: gives pictures again", redact_source(self._settings.source))
            self._failures = 0
        return self._take(worker)

    def interrupt(self) -> None:
        """Have the waiting `next_frame`, or else the next one, return None at once.

        For any thread. The camera's process goes on.
        """
        self._interrupt.set()

    def close(self) -> None:
        """End the camera's process; from now on there are no more frames."""
        self._has_ended = True
        self._drop_worker()
        self._interrupt.close()

    def _running(self) -> _Worker:
        if self._worker is None:
            self._worker = _Worker(self._settings, self._once)
            self._starts += 1
            self._begin_s = self._newest_s + self._settings.every_s if self._sequence else 0.0
        return self._worker

    def _fail(self, error: Exception) -> None:
        if self._worker is not None:
            self._worker.process.kill()
        self._drop_worker()
        self._failures += 1
        self._not_before_s = time.monotonic() + back_off_s(self._failures, random.random())
        if self._failures == 1:
            log.warning("%s", error)

    def _drop_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _take(self, worker: _Worker) -> Frame:
        """Return the worker's frame, numbered on from those of the workers before it."""
        frame = worker.latest.take()
        monotonic_s = frame.monotonic_s if worker.is_live else self._begin_s + frame.monotonic_s
        frame = replace(frame, sequence=self._sequence, monotonic_s=monotonic_s)
        self._sequence += 1
        self._newest_s = monotonic_s
        return frame


def take_only_frame(camera: CameraProcess, settings: CameraSettings) -> Frame:
    """Return the one frame a command asks for, and close the camera.

    Raises:
        CameraError, CameraUnusable: it gives none; the message says why.
    """
    try:
        frame = camera.next_frame(max(10.0, settings.stall_after_s))
    finally:
        camera.close()
    if frame is None:
        raise CameraError(f"{settings.source}: no picture in it")
    return frame


class _Worker:
    """One run of `edge.cameras.worker`, seen from the daemon."""

    def __init__(self, settings: CameraSettings, once: bool) -> None:
        self.is_live = False  # as long as the camera is not open
        self._source = settings.source
        self._asked_s = time.monotonic()  # for the newest frame
        self._owed = 0  # frames that were asked for and have not come
        self._waiting_at_s = -math.inf  # monotonic: when it last said that it waits
        self._waiting_for = ""
        self._answers = b""  # the beginning of an answer whose end has not come
        self._chatter = b""
        with ExitStack() as theirs, ExitStack() as ours:
            requests_fd, self._requests_fd = _pipe(theirs, ours)
            self._answers_fd, answers_fd = _pipe(ours, theirs)
            self._chatter_fd, chatter_fd = _pipe(ours, theirs)
            # Nobody reads between two frames: rather lose chatter than have it stop the camera.
            os.set_blocking(chatter_fd, False)
            self.latest = Latest.create()
            ours.callback(self.latest.close)
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "edge.cameras.worker"],
                stdin=requests_fd,
                stdout=answers_fd,
                stderr=chatter_fd,
                pass_fds=[self.latest.fd],
                env={**WORKER_ENVIRONMENT, **os.environ, "PYTHONPATH": _python_path()},
            )
            self._ours = ours.pop_all()
        self._send(Order(settings, once, self.latest.fd, os.getpid()).to_line())

    def wait_for_frame(self, timeout_s: float, interrupt: _Interrupt) -> Outcome:
        """Ask for a frame and wait until it lies in `latest`.

        Raises:
            CameraError, CameraUnusable: the worker said so, ended, or let the time pass.
            StillWaiting: it let the time pass and is well.
        """
        deadline_s = time.monotonic() + timeout_s
        outcome = self._receive(0.0, interrupt)
        if outcome is Outcome.FRAME and self.is_live:
            outcome = None  # An interrupted call asked for it; by now it is old.
        if outcome is None and (self.is_live or self._owed == 0):
            self._owed += 1
            self._asked_s = time.monotonic()
            self._send(REQUEST)
        while outcome is None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise self._lateness(timeout_s)
            outcome = self._receive(left_s, interrupt)
        return outcome

    def close(self) -> None:
        """End the process: kindly at first, then by force."""
        self._send(END)
        try:
            self.process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            try:
                self.process.wait(KILL_S)
            except subprocess.TimeoutExpired:
                log.warning(
                    "%s: the driver hangs and keeps process %d; plug the camera out and in",
                    redact_source(self._source),
                    self.process.pid,
                )
        self._ours.close()

    def _send(self, data: bytes) -> None:
        # A worker that has ended says why where its answers are read.
        with suppress(BrokenPipeError):
            os.write(self._requests_fd, data)

    def _receive(self, timeout_s: float, interrupt: _Interrupt) -> Outcome | None:
        """Return what the next answers lead to, or None when they, or the time, lead nowhere."""
        poll = select.poll()
        for fd in (self._answers_fd, self._chatter_fd, interrupt.fd):
            poll.register(fd, select.POLLIN)
        ready = {fd for fd, _event in poll.poll(math.ceil(timeout_s * 1000))}
        if self._chatter_fd in ready:
            self._listen()
        if self._answers_fd in ready:
            data = os.read(self._answers_fd, 65536)
            if not data:
                raise CameraError(self._say(f"the camera's process {self._end()}"))
            *lines, self._answers = (self._answers + data).split(b"\n")
            outcomes = [outcome for line in lines if (outcome := self._judge(line)) is not None]
            if outcomes:
                return outcomes[-1]
        if interrupt.fd in ready and interrupt.take():
            return Outcome.INTERRUPTED
        return None

    def _judge(self, line: bytes) -> Outcome | None:
        """Return what one answer leads to; see `edge.cameras.worker` for the answers."""
        answer = json.loads(line)
        match answer["answer"]:
            case "open":
                self.is_live = answer["is_live"]
            case "frame":
                self._owed -= 1
                return Outcome.FRAME if self._owed == 0 else None
            case "end":
                return Outcome.END
            case "waiting":
                self._waiting_at_s = time.monotonic()
                self._waiting_for = answer["message"]
            case "log":
                log.log(answer["level"], "%s", redact_text(answer["message"], self._source))
            case "error":
                raise CameraError(self._explain(answer["message"]))
            case "unusable":
                raise CameraUnusable(self._explain(answer["message"]))
        return None

    def _lateness(self, timeout_s: float) -> CameraError:
        if time.monotonic() - self._waiting_at_s < WAITING_S:
            return StillWaiting(redact_text(self._waiting_for, self._source))
        waited_s = max(timeout_s, time.monotonic() - self._asked_s)
        return CameraError(self._say(f"no picture for {round(waited_s, 1):g} s"))

    def _end(self) -> str:
        """Return how the process ended, in words."""
        try:
            status = self.process.wait(KILL_S)
        except subprocess.TimeoutExpired:
            return "stopped answering"
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    def _say(self, what: str) -> str:
        return self._explain(f"{self._source}: {what}")

    def _explain(self, message: str) -> str:
        """Return the message with the libraries' last word on it, fit for people."""
        while select.select([self._chatter_fd], [], [], 0)[0] and self._listen():
            pass
        lines = self._chatter.decode(errors="replace").strip().splitlines()
        if lines:
            message += f" ({_MARKS.sub('', lines[-1]).strip()})"
        return redact_text(message, self._source)

    def _listen(self) -> bool:
        """Take in what the libraries have to say; return False when that was the last of it."""
        data = os.read(self._chatter_fd, 65536)
        self._chatter = (self._chatter + data)[-CHATTER_BYTES:]
        for line in data.decode(errors="replace").splitlines():
            log.debug("%s", redact_text(line, self._source))
        return bool(data)


def _python_path() -> str:
    """Return where the worker finds this very package, installed or not."""
    here = str(Path(edge.__file__).parent.parent)
    return os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))


class _Interrupt:
    """A flag that any thread may set and that `poll` sees."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()  # between setting and closing

    def set(self) -> None:
        with self._lock:
            if self.fd >= 0:
                os.eventfd_write(self.fd, 1)

    def take(self) -> bool:
        """Return whether it was set, and unset it."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return False
        return True

    def wait(self, timeout_s: float) -> bool:
        """Return whether it was set within the time, and unset it."""
        if timeout_s > 0:
            select.select([self.fd], [], [], timeout_s)
        return self.take()

    def close(self) -> None:
        with self._lock:
            if self.fd >= 0:
                os.close(self.fd)
                self.fd = -1


def _pipe(readers: ExitStack, writers: ExitStack) -> tuple[int, int]:
    """Return a new pipe's two ends, each to be closed with its stack."""
    read_fd, write_fd = os.pipe()
    readers.callback(os.close, read_fd)
    writers.callback(os.close, write_fd)
    return read_fd, write_fd
