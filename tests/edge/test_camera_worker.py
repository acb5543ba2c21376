"""How the camera's process answers, with cameras that do what no test could make a real one do."""

import json
import os
import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from edge.cameras import CameraError, NoPictureYet
from edge.cameras.worker import END, REQUEST, Order, serve
from edge.latest import Latest
from edge.types import CameraSettings, Frame


class ScriptedCamera:
    """Does what the script says, one word per picture, and keeps what was asked of it."""

    def __init__(self, script, is_live):
        self.is_live = is_live
        self.calls = []
        self._script = iter(script)
        self._sequence = 0
        self.picture_comes = threading.Semaphore(0)

    def read(self):
        self.calls.append("read")
        return self._next()

    def skip(self):
        self.calls.append("skip")
        self.picture_comes.acquire()

    def close(self):
        self.calls.append("close")

    def _next(self):
        word = next(self._script)
        if isinstance(word, Exception):
            raise word
        if word is None:
            return None
        is_picture = isinstance(word, str)
        image = np.full((4, 4, 3), self._sequence, np.uint8) if is_picture else word
        self._sequence += 1
        return Frame(image, self._sequence - 1, datetime.now(UTC), 0.0)


class Daemon:
    """The daemon's ends of the pipes."""

    def __init__(self, camera):
        requests_fd, self._requests_fd = os.pipe()
        self._answers_fd, answers_fd = os.pipe()
        self.latest = Latest.create()
        self._answers = os.fdopen(self._answers_fd, "rb")
        self.error = None
        self._fds = (requests_fd, answers_fd)
        self.thread = threading.Thread(target=self._run, args=(camera,))
        self.thread.start()

    def _run(self, camera):
        try:
            serve(camera, self.latest, *self._fds)
        except Exception as error:
            self.error = error

    def ask(self, what=REQUEST):
        os.write(self._requests_fd, what)

    def answer(self):
        return json.loads(self._answers.readline())

    def close(self):
        os.close(self._requests_fd)
        self.thread.join(10)
        assert not self.thread.is_alive()
        os.close(self._fds[0])
        os.close(self._fds[1])
        self._answers.close()
        self.latest.close()


@pytest.fixture
def serving():
    daemons = []

    def start(camera):
        daemons.append(Daemon(camera))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.close()


def test_a_recording_is_read_only_when_asked_and_to_its_end(serving):
    camera = ScriptedCamera(["picture", "picture", None], is_live=False)
    daemon = serving(camera)
    for sequence in range(2):
        daemon.ask()
        assert daemon.answer() == {"answer": "frame"}
        assert daemon.latest.take().sequence == sequence
        assert camera.calls == ["read"] * (sequence + 1)
    daemon.ask()
    assert daemon.answer() == {"answer": "end"}
    daemon.thread.join(10)
    assert daemon.error is None


def test_a_live_camera_is_kept_empty_between_requests(serving):
    camera = ScriptedCamera(["picture"] * 3, is_live=True)
    daemon = serving(camera)
    for _picture in range(5):
        camera.picture_comes.release()
    while camera.calls != ["skip"] * 6:  # The sixth waits for a picture.
        assert daemon.thread.is_alive()
    daemon.ask()
    camera.picture_comes.release()
    assert daemon.answer() == {"answer": "frame"}
    assert camera.calls[6] == "read"
    daemon.ask(END)
    camera.picture_comes.release()


def test_two_requests_at_once_do_not_give_a_picture_from_before_the_second(serving):
    camera = ScriptedCamera(["picture"] * 2, is_live=True)
    for _picture in range(10):
        camera.picture_comes.release()
    requests_fd, daemon_fd = os.pipe()
    os.write(daemon_fd, REQUEST + REQUEST + END)
    answers_fd = os.open(os.devnull, os.O_WRONLY)
    latest = Latest.create()
    serve(camera, latest, requests_fd, answers_fd)
    # One picture is dropped before each: it may lie in the queue since before the request.
    assert camera.calls == ["skip", "read", "skip", "read"]
    latest.close()
    for fd in (requests_fd, daemon_fd, answers_fd):
        os.close(fd)


def test_a_growing_recording_says_that_it_waits(serving):
    camera = ScriptedCamera([NoPictureYet("nothing new"), "picture"], is_live=False)
    daemon = serving(camera)
    daemon.ask()
    assert daemon.answer() == {"answer": "waiting", "message": "nothing new"}
    assert daemon.answer() == {"answer": "frame"}


def test_a_growing_recording_that_waits_can_be_ended(serving):
    camera = ScriptedCamera((NoPictureYet("nothing new") for _look in iter(int, 1)), is_live=False)
    daemon = serving(camera)
    daemon.ask()
    daemon.answer()
    daemon.ask(END)
    daemon.thread.join(10)
    assert not daemon.thread.is_alive()
    assert daemon.error is None


def test_the_end_of_the_daemon_ends_the_worker(serving):
    serving(ScriptedCamera([], is_live=False))  # Closing the pipes ends it, or the fixture fails.


MISBEHAVIOUR = [
    (CameraError("the cable is out"), CameraError, "the cable is out"),
    (RuntimeError("driver bug"), RuntimeError, "driver bug"),
    (np.zeros((4, 4), np.uint8), ValueError, "a frame is uint8 (height, width, 3), not uint8"),
    (np.zeros((4, 4, 3)), ValueError, "a frame is uint8 (height, width, 3), not float64"),
]


@pytest.mark.parametrize(("word", "kind", "message"), MISBEHAVIOUR)
def test_what_a_camera_does_wrong_ends_the_worker_with_its_reason(word, kind, message, serving):
    daemon = serving(ScriptedCamera([word], is_live=False))
    daemon.ask()
    daemon.thread.join(10)
    assert isinstance(daemon.error, kind)
    assert message in str(daemon.error)


@pytest.mark.parametrize("resolution_wh", [None, (1920, 1080)])
def test_an_order_survives_its_way(resolution_wh):
    settings = CameraSettings("rtsp://관리자:pass\n@10.0.0.5/x", resolution_wh, 0.5, 7.0)
    order = Order(settings, True, 9, 1234)
    line = order.to_line()
    assert line.count(b"\n") == 1
    assert Order.from_line(line) == order
