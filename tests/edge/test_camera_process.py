"""The camera's process from the daemon's side: real processes, real signals."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras import CameraError, CameraUnusable
from edge.cameras.process import (
    BACK_OFF_MAX_S,
    BACK_OFF_S,
    WAITING_S,
    CameraProcess,
    back_off_s,
)
from edge.types import CameraSettings

START_S = 30.0  # a worker's start on a busy machine


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "사진"
    folder.mkdir()
    for number in range(5):
        write_picture(folder, number)
    return folder


def write_picture(folder, number, width_px=64):
    image = np.full((48, width_px, 3), number * 10, np.uint8)
    (folder / f"{number}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(35):
        writer.write(np.full((48, 64, 3), number * 7, np.uint8))
    writer.release()
    return path


@pytest.fixture
def open_process():
    opened = []

    def open_one(source, once=False, **settings):
        opened.append(CameraProcess(CameraSettings(str(source), **settings), once))
        return opened[-1]

    yield open_one
    for camera in opened:
        camera.close()


def is_alive(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, within_s=10.0):
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.01)


def test_a_recording_comes_whole_and_ends(pictures, open_process):
    camera = open_process(pictures, once=True, every_s=2.0)
    frames = [camera.next_frame(START_S) for _frame in range(5)]
    assert [f.name for f in frames] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert [int(f.image_rgb[0, 0, 0]) for f in frames] == [0, 10, 20, 30, 40]
    assert [f.sequence for f in frames] == [0, 1, 2, 3, 4]
    assert [f.monotonic_s for f in frames] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert camera.next_frame(START_S) is None
    assert camera.next_frame(START_S) is None
    assert camera.pid is None
    assert camera.restarts == 0


def test_starting_early_is_starting_once(pictures, open_process):
    camera = open_process(pictures)
    camera.start()
    pid = camera.pid
    camera.start()
    camera.next_frame(START_S)
    assert camera.pid == pid


def test_pictures_may_change_their_size(tmp_path, open_process):
    for number, width_px in enumerate([64, 1920, 16, 4000]):
        write_picture(tmp_path, number, width_px)
    camera = open_process(tmp_path, once=True)
    widths = [camera.next_frame(START_S).image_rgb.shape[1] for _frame in range(4)]
    assert widths == [64, 1920, 16, 4000]


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_is_a_camera_fault_and_the_next_call_starts_another(
    ending, video, open_process, caplog
):
    camera = open_process(video)
    before = [camera.next_frame(START_S) for _frame in range(2)]
    pid = camera.pid
    os.kill(pid, ending)
    with pytest.raises(CameraError) as caught:
        camera.next_frame(START_S)
    assert str(caught.value) == f"{video}: the camera's process was ended by {ending.name}"
    assert [r.getMessage() for r in caplog.records] == [str(caught.value)]

    after = [camera.next_frame(START_S) for _frame in range(2)]
    assert camera.restarts == 1
    assert camera.pid != pid
    # The recording starts again; its numbers and its time go on.
    assert [f.sequence for f in before + after] == [0, 1, 2, 3]
    assert [f.monotonic_s for f in before + after] == pytest.approx([0, 1, 2, 3])


def test_a_fault_is_logged_when_it_begins_and_when_it_ends(video, open_process, caplog):
    hidden = video.with_suffix(".gone")
    video.rename(hidden)
    camera = open_process(video)
    with caplog.at_level(logging.INFO):
        for _attempt in range(2):
            with pytest.raises(CameraError, match="no such file"):
                camera.next_frame(START_S)
        hidden.rename(video)
        camera.next_frame(START_S)
    assert [r.getMessage() for r in caplog.records] == [
        f"{video}: no such file",
        f"{video}: gives pictures again",
    ]


def test_a_read_that_hangs_is_killed_on_time(video, open_process):
    camera = open_process(video)
    camera.next_frame(START_S)
    pid = camera.pid
    os.kill(pid, signal.SIGSTOP)
    start_s = time.monotonic()
    with pytest.raises(CameraError) as caught:
        camera.next_frame(0.5)
    assert 0.5 <= time.monotonic() - start_s < 5.0
    assert str(caught.value) == f"{video}: no picture for 0.5 s"
    assert not is_alive(pid)
    assert camera.next_frame(START_S) is not None


def test_a_growing_folder_keeps_its_process_when_nothing_comes(pictures, open_process):
    camera = open_process(pictures)
    for _picture in range(5):
        camera.next_frame(START_S)
    pid = camera.pid
    for _call in range(2):
        with pytest.raises(CameraError) as caught:
            camera.next_frame(2.5)
        assert str(caught.value) == (
            f"{pictures}: no new picture has come; does the camera still upload?"
        )
    write_picture(pictures, 5)
    frame = camera.next_frame(START_S)
    assert (frame.name, frame.sequence) == ("5.png", 5)
    assert (camera.pid, camera.restarts) == (pid, 0)


def test_a_growing_folder_that_hangs_is_killed_all_the_same(pictures, open_process):
    camera = open_process(pictures)
    for _picture in range(5):
        camera.next_frame(START_S)
    with pytest.raises(CameraError, match="no new picture has come"):
        camera.next_frame(2.5)
    os.kill(camera.pid, signal.SIGSTOP)
    with pytest.raises(CameraError, match="no picture for"):
        camera.next_frame(WAITING_S + 0.1)
    assert camera.pid is None


def test_what_can_never_work_passes_through(tmp_path, open_process):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video" * 1000)
    camera = open_process(path)
    with pytest.raises(CameraUnusable) as caught:
        camera.next_frame(START_S)
    assert str(caught.value).startswith(
        f"{path}: is not a video that can be read; convert it to MP4"
    )


def test_a_warning_of_the_camera_reaches_the_daemons_log(pictures, open_process, caplog):
    (pictures / "0.png").write_bytes(b"")
    camera = open_process(pictures, once=True)
    assert camera.next_frame(START_S).name == "1.png"
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.WARNING, f"{pictures / '0.png'}: skipped: the file is empty")
    ]


def test_a_waiting_call_can_be_interrupted_and_nothing_is_lost(pictures, open_process):
    camera = open_process(pictures)
    for _picture in range(5):
        camera.next_frame(START_S)
    pid = camera.pid
    interrupter = threading.Timer(0.2, camera.interrupt)
    interrupter.start()
    start_s = time.monotonic()
    assert camera.next_frame(60.0) is None
    assert time.monotonic() - start_s < 10.0
    interrupter.join()
    write_picture(pictures, 5)
    assert camera.next_frame(START_S).name == "5.png"
    assert camera.pid == pid


def test_an_interrupt_that_nobody_waited_for_holds_for_the_next_call(pictures, open_process):
    camera = open_process(pictures)
    camera.interrupt()
    assert camera.next_frame(START_S) is None
    assert camera.next_frame(START_S).name == "0.png"


def test_a_back_off_can_be_interrupted(tmp_path, open_process):
    camera = open_process(tmp_path / "later.mp4")
    for _failure in range(2):
        with pytest.raises(CameraError):
            camera.next_frame(START_S)
    camera.interrupt()
    assert camera.next_frame(START_S) is None
    assert camera.pid is None  # The back-off is not over.


def test_the_back_off_doubles_up_to_its_cap_and_is_spread():
    assert [back_off_s(n, 1.0) for n in (1, 2, 3)] == [BACK_OFF_S, 2 * BACK_OFF_S, 4 * BACK_OFF_S]
    assert back_off_s(1, 0.0) == BACK_OFF_S / 2
    assert back_off_s(10_000, 1.0) == BACK_OFF_MAX_S


def test_closing_ends_the_process_and_the_frames(pictures, open_process):
    camera = open_process(pictures)
    camera.next_frame(START_S)
    pid = camera.pid
    camera.close()
    camera.close()
    camera.interrupt()
    camera.start()
    assert not is_alive(pid)
    assert camera.next_frame(START_S) is None


def test_closing_does_not_wait_for_a_process_that_hangs(pictures, open_process):
    camera = open_process(pictures)
    camera.next_frame(START_S)
    pid = camera.pid
    os.kill(pid, signal.SIGSTOP)
    start_s = time.monotonic()
    camera.close()
    assert time.monotonic() - start_s < 5.0
    assert not is_alive(pid)


def test_nothing_is_left_open_after_many_restarts(video, open_process):
    def open_files():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    camera = open_process(video)
    for _round in range(3):
        camera.next_frame(START_S)
        os.kill(camera.pid, signal.SIGKILL)
        with pytest.raises(CameraError):
            camera.next_frame(START_S)
    camera.close()
    assert open_files() == before


def test_ctrl_c_and_sigterm_are_the_daemons_business(pictures, open_process):
    camera = open_process(pictures)
    camera.next_frame(START_S)
    os.kill(camera.pid, signal.SIGINT)
    os.kill(camera.pid, signal.SIGTERM)
    assert camera.next_frame(START_S).name == "1.png"


DAEMON = """
import sys, time
from edge.cameras.process import CameraProcess
from edge.types import CameraSettings

camera = CameraProcess(CameraSettings(sys.argv[1]))
for _picture in range(5):
    camera.next_frame(30.0)
print(camera.pid, flush=True)
camera.next_frame(600.0)  # Waits in the camera's process for a picture that never comes.
"""


def test_no_process_outlives_a_daemon_that_was_killed(pictures):
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(pictures)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as daemon:
        pid = int(daemon.stdout.readline())
        assert is_alive(pid)
        os.kill(pid, signal.SIGSTOP)  # Even one that cannot notice by itself.
        daemon.kill()
        wait_until(lambda: not is_alive(pid))


def test_a_password_is_nowhere_to_be_seen(open_process, caplog):
    source = "rtsp://admin:Geheim-7@127.0.0.1:9/stream?token=abc123"
    camera = open_process(source)
    camera.start()
    arguments = Path(f"/proc/{camera.pid}/cmdline")
    wait_until(arguments.read_text)  # Empty until the kernel has set up the new program.
    shown = arguments.read_text()
    environment = Path(f"/proc/{camera.pid}/environ").read_text()
    with caplog.at_level(logging.DEBUG), pytest.raises(CameraError) as caught:
        camera.next_frame(START_S)
    assert str(caught.value).startswith(
        "rtsp://***@127.0.0.1:9/stream?token=***: does not open; check the address, user and "
        "password, and that the camera is on ("
    )
    assert "Connection refused" in str(caught.value)  # FFmpeg's own word on it.
    for text in (shown, environment, caplog.text, str(caught.value)):
        assert "Geheim" not in text
        assert "abc123" not in text
    assert "edge.cameras.worker" in shown
