"""A camera over RTSP, with a real server that hangs, dies and comes back."""

import os
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.cameras import CameraError
from edge.cameras.process import CameraProcess
from edge.types import CameraSettings

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-ugly"
)
FIRST_S = 30.0  # a worker's start and a stream's opening, on a busy machine


@pytest.fixture(scope="module")
def port():
    """Return a free port, or skip where there is no server to listen on it."""
    imports = "import gi; gi.require_version('GstRtspServer', '1.0')"
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", imports], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"no RTSP server here: apt-get install {PACKAGES}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, port):
        self._port = port
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SERVER), str(self._port)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout.readline() == "ready\n"

    def hang(self):
        self._process.send_signal(signal.SIGSTOP)

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None


@pytest.fixture
def server(port):
    server = Server(port)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def camera(port):
    settings = CameraSettings(f"rtsp://admin:secret@127.0.0.1:{port}/stream", stall_after_s=10.0)
    camera = CameraProcess(settings)
    yield camera
    camera.close()


def next_frame_within(camera, within_s):
    """Return the next frame; the camera may fail and try again until the time is up."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            return camera.next_frame(FIRST_S)
        except CameraError:
            if time.monotonic() > deadline_s:
                raise


def test_a_stream_gives_a_new_picture_for_every_request(server, camera):
    frames = [camera.next_frame(FIRST_S)]
    for _frame in range(5):
        asked_s = time.monotonic()
        frames.append(camera.next_frame(FIRST_S))
        assert frames[-1].monotonic_s >= asked_s
        assert frames[-1].image_rgb.shape == (240, 320, 3)
    assert abs((datetime.now(UTC) - frames[-1].captured_at).total_seconds()) < 5
    assert [f.sequence for f in frames] == list(range(6))
    # The ball has moved: these are pictures, not one picture again and again.
    assert len({f.image_rgb.tobytes() for f in frames}) > 1
    assert camera.restarts == 0


def test_a_server_that_hangs_is_given_up_within_the_deadline_and_found_again(server, camera, port):
    assert camera.next_frame(FIRST_S) is not None
    pid = camera.pid
    server.hang()
    start_s = time.monotonic()
    with pytest.raises(CameraError) as caught:
        camera.next_frame(2.0)
    assert time.monotonic() - start_s < 4.0
    assert str(caught.value).startswith(f"rtsp://***@127.0.0.1:{port}/stream: no picture for 2 s")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    server.kill()
    with pytest.raises(CameraError, match="does not open; check the address, user and password"):
        camera.next_frame(FIRST_S)
    server.start()
    assert next_frame_within(camera, 60.0).sequence == 1
    assert camera.restarts >= 2


def test_a_server_that_dies_is_noticed_at_once(server, camera):
    assert camera.next_frame(FIRST_S) is not None
    server.kill()
    start_s = time.monotonic()
    with pytest.raises(CameraError, match="gives no more pictures"):
        # One or two pictures may still be on their way.
        [camera.next_frame(FIRST_S) for _frame in range(50)]
    assert time.monotonic() - start_s < 10.0


def test_a_stream_that_is_not_there_is_explained_in_the_servers_words(server, port):
    camera = CameraProcess(CameraSettings(f"rtsp://admin:secret@127.0.0.1:{port}/wrong"))
    try:
        with pytest.raises(CameraError) as caught:
            camera.next_frame(FIRST_S)
    finally:
        camera.close()
    assert "404" in str(caught.value)
    assert "secret" not in str(caught.value)
