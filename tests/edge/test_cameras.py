"""Every camera of the table keeps the protocol; a source leads to the right one."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras import CAMERAS, CameraUnusable, camera_kind, frozen_after, open_camera
from edge.cameras.source import redact_source, redact_text
from edge.types import CameraSettings


def _write_pictures(folder):
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64, 3), number, np.uint8))
    return str(folder)


def _write_video(folder):
    path = folder.with_suffix(".avi")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), number * 8, np.uint8))
    writer.release()
    return str(path)


# A working source for every entry of CAMERAS: a newcomer adds a line.
SOURCES = {
    "simulator": lambda folder: "simulator?rows=2&columns=2&frames=4",
    "folder": _write_pictures,
    "opencv": _write_video,
}


def test_every_camera_has_a_source_to_be_tested_with():
    assert SOURCES.keys() == CAMERAS.keys()


@pytest.fixture(params=sorted(CAMERAS))
def camera(request, tmp_path):
    source = SOURCES[request.param](tmp_path / "source")
    assert camera_kind(source) == request.param
    camera = open_camera(CameraSettings(source, every_s=0.1), once=True)
    yield camera
    camera.close()


def test_frames_are_rgb_pictures_that_go_on_in_time(camera):
    frames = [camera.read() for _frame in range(3)]
    for frame in frames:
        assert frame.image_rgb.dtype == np.uint8
        assert frame.image_rgb.ndim == 3
        assert frame.image_rgb.shape[2] == 3
        assert frame.captured_at.utcoffset().total_seconds() == 0
    assert [frame.sequence for frame in frames] == [0, 1, 2]
    times_s = [frame.monotonic_s for frame in frames]
    assert times_s == sorted(set(times_s))


def test_a_recording_ends_and_a_live_camera_can_skip(camera):
    if camera.is_live:
        camera.skip()
        assert camera.read() is not None
        return
    frames = 0
    while camera.read() is not None:
        frames += 1
        assert frames < 1000
    assert camera.read() is None


def test_closing_twice_is_fine(camera):
    camera.close()
    camera.close()


def test_nothing_that_only_one_camera_needs_is_loaded_with_the_table():
    code = "import sys, edge.cameras; print('cv2' in sys.modules)"
    root = Path(__file__).parents[2]
    answer = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True)
    assert answer.strip() == "False"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("simulator", "simulator"),
        ("simulator?seed=3&slots=8", "simulator"),
        ("0", "opencv"),
        ("/dev/video0", "opencv"),
        ("/dev/v4l/by-id/usb-046d-video-index0", "opencv"),
        ("rtsp://user:password@10.0.0.5:554/stream", "opencv"),
        ("RTSP://10.0.0.5/stream", "opencv"),
        ("http://10.0.0.5/video.mjpg", "opencv"),
        ("https://10.0.0.5/video", "opencv"),
        ("recording.MP4", "opencv"),
        ("/not/there/recording.avi", "opencv"),
        ("snapshot.JPG", "folder"),
        ("/not/mounted/yet", "folder"),
    ],
)
def test_a_source_is_judged_by_its_name(source, kind):
    assert camera_kind(source) == kind


def test_a_source_that_exists_is_judged_by_what_it_is(tmp_path):
    folder = tmp_path / "day.mp4"
    folder.mkdir()
    video = tmp_path / "recording.xyz"
    video.write_bytes(b"x")
    assert camera_kind(str(folder)) == "folder"
    assert camera_kind(str(video)) == "opencv"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "the source is empty; name a device (/dev/video0), a stream (rtsp://…), a folder"),
        ("simulater", "simulater: no such device, folder or file; did you mean 'simulator'?"),
        ("picturs", "picturs: no such device, folder or file; did you mean 'pictures'?"),
        ("video0", "video0: no such device, folder or file; did you mean '/dev/video0'?"),
        ("webcam", "webcam: no such device, folder or file; is the name spelled right?"),
        (
            "rstp://admin:secret@10.0.0.5/x",
            "rstp://***@10.0.0.5/x: streams of the kind 'rstp://' cannot be read; "
            "did you mean 'rtsp://'?",
        ),
        (
            "gopher://10.0.0.5/x",
            "gopher://10.0.0.5/x: streams of the kind 'gopher://' cannot be read; "
            "use rtsp://, rtsps://, http:// or https://",
        ),
        (
            "rtsp:///stream",
            "rtsp:///stream: names no camera; write rtsp://, then its address, as in "
            "rtsp://192.168.1.20/stream",
        ),
        ("file:///a/b.mp4", "file:///a/b.mp4: write the path without 'file://'"),
        ("day/*.jpg", "day/*.jpg: is a pattern; name the folder of the pictures instead"),
        ("day/f%04d.png", "day/f%04d.png: is a pattern; name the folder of the pictures instead"),
    ],
)
def test_a_source_that_matches_nothing_is_explained(source, message, tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CameraUnusable) as caught:
        camera_kind(source)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/dev/video0", "/dev/video0"),
        ("simulator?seed=123", "simulator?seed=123"),
        ("rtsp://10.0.0.5/Streaming/Channels/101", "rtsp://10.0.0.5/Streaming/Channels/101"),
        ("rtsp://admin:secret@10.0.0.5/x", "rtsp://***@10.0.0.5/x"),
        ("rtsp://admin:se@cr/et@10.0.0.5/x", "rtsp://***@10.0.0.5/x"),
        ("rtsp://admin:se?cr=et@10.0.0.5/x", "rtsp://***@10.0.0.5/x"),
        ("rtsp://admin:my secret@10.0.0.5/x", "rtsp://***@10.0.0.5/x"),
        ("admin:secret@10.0.0.5/x", "***@10.0.0.5/x"),
        (
            "http://10.0.0.5/v?user=admin&pwd=1234&channel=1",
            "http://10.0.0.5/v?user=***&pwd=***&channel=1",
        ),
        (
            "rtsp://10.0.0.5/user=admin_password=secret_channel=1.sdp",
            "rtsp://10.0.0.5/user=***_password=***_channel=1.sdp",
        ),
    ],
)
def test_secrets_are_hidden_from_people(source, shown):
    assert redact_source(source) == shown


def test_a_librarys_message_loses_the_secrets():
    source = "rtsp://admin:s%40cret@10.0.0.5/x?token=abcdef"
    text = f"cannot open {source}: s%40cret and s@cret are wrong, abcdef too"
    assert redact_text(text, source) == (
        "cannot open rtsp://***@10.0.0.5/x?token=***: *** and *** are wrong, *** too"
    )
    assert redact_text("nothing secret", "/dev/video0") == "nothing secret"


@pytest.mark.parametrize(
    ("source", "pictures"),
    [
        *(("/dev/video0", 3), ("0", 3), ("rtsp://10.0.0.5/main", 60)),
        *(("simulator", None), ("recording.mp4", None), ("/srv/pictures", None)),
    ],
)
def test_only_a_live_source_can_be_frozen(source, pictures):
    assert frozen_after(source) == pictures
