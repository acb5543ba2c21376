"""The OpenCV camera on real video files and a real HTTP server."""

import http.server
import logging
import os
import threading
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from edge.cameras import CameraError, CameraUnusable
from edge.cameras.opencv import OpenCVCamera, configure_device
from edge.types import CameraSettings

FPS = 10


def write_video(path, pictures=35, fps=FPS, fourcc="MJPG"):
    """Picture number n is grey n * 7, its left half red."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), fps, (64, 48))
    for number in range(pictures):
        image_bgr = np.full((48, 64, 3), number * 7, np.uint8)
        image_bgr[:, :32] = (0, 0, 255)
        writer.write(image_bgr)
    writer.release()
    return path


def number_of(frame):
    return round(float(frame.image_rgb[:, 40:].mean()) / 7)


def open_video(path, once=True, every_s=1.0):
    return OpenCVCamera(CameraSettings(str(path), every_s=every_s), once)


@pytest.mark.parametrize(("suffix", "fourcc"), [(".avi", "MJPG"), (".mp4", "mp4v")])
def test_a_video_gives_one_picture_per_interval_of_its_own_time(suffix, fourcc, tmp_path):
    camera = open_video(write_video(tmp_path / f"캐비닛{suffix}", fourcc=fourcc))
    frames = list(iter(camera.read, None))
    assert [number_of(f) for f in frames] == [0, 10, 20, 30]
    assert [f.monotonic_s for f in frames] == pytest.approx([0, 1, 2, 3])
    assert [f.sequence for f in frames] == [0, 1, 2, 3]
    red, green, blue = frames[0].image_rgb[:, :24].reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert max(green, blue) < 60
    assert not camera.is_live
    camera.close()


@pytest.mark.parametrize(
    ("fps", "every_s", "expected"),
    [
        (29.97, 0.5, [0, 15, 30]),
        (10, 0.24, [0, 2, 5, 7, 10, 12, 14, 17, 19, 22, 24, 26, 29, 31, 34]),
        (10, 0.01, list(range(35))),
        (10, 60.0, [0]),
    ],
)
def test_the_nearest_picture_stands_for_an_interval(fps, every_s, expected, tmp_path):
    camera = open_video(write_video(tmp_path / "a.avi", fps=fps), every_s=every_s)
    assert [number_of(frame) for frame in iter(camera.read, None)] == expected
    camera.close()


def test_a_videos_frame_is_named_by_its_number_in_the_file(tmp_path):
    write_video(tmp_path / "video.avi")
    camera = open_video(tmp_path / "video.avi")
    frames = [camera.read() for _ in range(3)]
    assert [frame.name for frame in frames] == [str(number_of(frame)) for frame in frames]
    assert frames[1].name != "1"  # one picture per interval: not the sequence


def test_a_video_without_end_starts_again_and_time_goes_on(tmp_path):
    camera = open_video(write_video(tmp_path / "a.avi"), once=False)
    frames = [camera.read() for _frame in range(10)]
    assert [number_of(f) for f in frames] == [0, 10, 20, 30, 0, 10, 20, 30, 0, 10]
    assert [f.sequence for f in frames] == list(range(10))
    assert [f.monotonic_s for f in frames] == pytest.approx(range(10))
    camera.close()


def test_a_videos_wall_clock_starts_with_the_time_in_its_name(tmp_path):
    camera = open_video(write_video(tmp_path / "cam_20130415_070001.avi"))
    begin = datetime(2013, 4, 15, 7, 0, 1, tzinfo=UTC)
    times = [frame.captured_at for frame in iter(camera.read, None)]
    assert times == [begin + timedelta(seconds=n) for n in range(4)]
    camera.close()


def test_a_video_without_times_counts_its_pictures(tmp_path):
    """Bare MJPEG: pictures one after the other, no container, no times."""
    path = tmp_path / "bare.mjpeg"
    pictures = [np.full((48, 64, 3), number * 7, np.uint8) for number in range(35)]
    path.write_bytes(b"".join(cv2.imencode(".jpg", p)[1].tobytes() for p in pictures))
    camera = open_video(path)
    frames = list(iter(camera.read, None))
    assert [number_of(f) for f in frames] == [0, 25]  # 25 pictures a second
    camera.close()


def test_what_is_no_video_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video at all" * 100)
    with pytest.raises(CameraUnusable) as caught:
        open_video(path)
    assert str(caught.value) == f"{path}: is not a video that can be read; convert it to MP4"


def test_a_missing_video_may_come_later(tmp_path):
    with pytest.raises(CameraError) as caught:
        open_video(tmp_path / "later.mp4")
    assert str(caught.value) == f"{tmp_path / 'later.mp4'}: no such file"


def test_a_video_that_was_replaced_by_rubbish_ends_the_round(tmp_path):
    path = write_video(tmp_path / "a.avi")
    camera = open_video(path, once=False, every_s=10.0)
    camera.read()
    path.write_bytes(b"rubbish")
    with pytest.raises(CameraUnusable, match="is not a video that can be read"):
        camera.read()
    camera.close()


@pytest.mark.parametrize("source", ["/dev/video77", "77"])
def test_an_absent_device_may_come_later(source):
    with pytest.raises(CameraError) as caught:
        OpenCVCamera(CameraSettings(source), once=False)
    assert str(caught.value).startswith(
        "/dev/video77: no such device; plug the camera in or name another (present: "
    )


class Device:
    """A V4L2 device that takes settings in the order given, as `cv2.VideoCapture` does."""

    def __init__(self, size_mjpg, size_yuyv):
        self.asked = []
        self._sizes = {"MJPG": size_mjpg, "YUYV": size_yuyv}
        self._format = "YUYV"

    def set(self, setting, value):
        self.asked.append(setting)
        if setting == cv2.CAP_PROP_FOURCC:
            self._format = int(value).to_bytes(4, "little").decode()

    def get(self, setting):
        width_px, height_px = self._sizes[self._format]
        return float({cv2.CAP_PROP_FRAME_WIDTH: width_px}.get(setting, height_px))


def test_a_large_picture_is_asked_for_as_mjpg_before_its_size(caplog):
    device = Device(size_mjpg=(1920, 1080), size_yuyv=(640, 480))
    configure_device(device, (1920, 1080), "/dev/video0")
    assert device.asked == [
        cv2.CAP_PROP_BUFFERSIZE,
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
    ]
    assert caplog.records == []


def test_a_small_picture_stays_uncompressed():
    device = Device(size_mjpg=(1920, 1080), size_yuyv=(640, 480))
    configure_device(device, (640, 480), "/dev/video0")
    assert cv2.CAP_PROP_FOURCC not in device.asked


def test_another_size_than_asked_for_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        configure_device(Device((1280, 720), (640, 480)), (1920, 1080), "/dev/video0")
    assert [r.getMessage() for r in caplog.records] == [
        "/dev/video0: asked for 1920x1080, the camera gives 1280x720; "
        "`v4l2-ctl --list-formats-ext` shows what it can"
    ]


class MjpegHandler(http.server.BaseHTTPRequestHandler):
    """What most network cameras answer at /video.mjpg; sixty pictures, then the end."""

    def do_GET(self):
        if self.headers.get("Authorization") is None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(60):
            picture = np.full((48, 64, 3), number * 4, np.uint8)
            jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                return

    def log_message(self, *_arguments):
        """Stay quiet."""


@pytest.fixture
def mjpeg_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), MjpegHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def skip_to_the_end(camera):
    for _picture in range(1000):
        camera.skip()


def test_mjpeg_over_http_is_a_live_camera(mjpeg_server):
    camera = OpenCVCamera(CameraSettings(f"http://admin:secret@{mjpeg_server}/video.mjpg"), False)
    assert camera.is_live
    first = camera.read()
    camera.skip()
    second = camera.read()
    assert first.image_rgb.shape == (48, 64, 3)
    assert second.image_rgb.mean() > first.image_rgb.mean() + 5
    assert second.monotonic_s >= first.monotonic_s
    assert abs(datetime.now(UTC) - second.captured_at) < timedelta(seconds=5)
    with pytest.raises(CameraError) as caught:
        skip_to_the_end(camera)
    assert str(caught.value) == f"http://***@{mjpeg_server}/video.mjpg: gives no more pictures"
    camera.close()


def test_a_stream_that_does_not_open_may_later(mjpeg_server):
    with pytest.raises(CameraError) as caught:
        OpenCVCamera(CameraSettings(f"http://{mjpeg_server}/video.mjpg?pwd=hunter2"), False)
    assert str(caught.value) == (
        f"http://{mjpeg_server}/video.mjpg?pwd=***: does not open; check the address, user and "
        "password, and that the camera is on"
    )


def test_a_streams_options_do_not_reach_what_is_opened_next(mjpeg_server):
    OpenCVCamera(CameraSettings(f"http://a:b@{mjpeg_server}/video.mjpg"), False).close()
    assert "OPENCV_FFMPEG_CAPTURE_OPTIONS" not in os.environ
