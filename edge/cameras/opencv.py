"""Cameras that OpenCV opens: V4L2 devices, RTSP and HTTP streams, video files.

Runs in the camera's own process: `grab` and `read` block for as long as a driver or a
server likes.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.cameras import CameraError, CameraUnusable
from edge.cameras.names import recorded_at
from edge.cameras.source import redact_source
from edge.types import CameraSettings, Frame, ImageRGB, utc_now

log = logging.getLogger(__name__)

CAPTURE_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# Over UDP a lost packet is a picture with grey blocks that OpenCV returns as good.
# `nobuffer` keeps FFmpeg from handing out the second it collected while opening.
STREAM_OPTIONS = "rtsp_transport;tcp|fflags;nobuffer"
WARM_UP_PICTURES = 5  # a webcam's first ones are dark or green until its exposure settles
# Uncompressed pictures above this size leave a USB 2 camera a few frames a second.
MJPG_FROM_PIXELS = 640 * 480
FALLBACK_FPS = 25.0  # of a video that names no frame rate and has no times


class OpenCVCamera:
    """One open device, stream or video file."""

    def __init__(self, settings: CameraSettings, once: bool) -> None:
        self._settings = settings
        self._name = redact_source(settings.source)
        self._sequence = 0
        self._video: _VideoClock | None = None
        self._once = once
        source = settings.source
        if source.isdecimal() or source.startswith("/dev/"):
            self._capture = self._open_device()
        elif "://" in source:
            self._capture = self._open_stream()
        else:
            self._capture = self._open_file()
            self._video = _VideoClock(settings.every_s, self._capture.get(cv2.CAP_PROP_FPS))
            self._recorded_at = recorded_at(Path(source))
        self.is_live = self._video is None

    def read(self) -> Frame | None:
        """Return the next frame; of a video file one per `camera.every` of its own time.

        A video's `captured_at` counts from the time in the file's name, or else from
        the file's modification time.

        Raises:
            CameraError: a device or stream gave no picture.
            CameraUnusable: there is no picture in the whole video.
        """
        if self._video is not None:
            return self._read_video(self._video)
        self._grab_live()
        captured_at, monotonic_s = utc_now(), time.monotonic()
        frame = Frame(self._retrieve(), self._sequence, captured_at, monotonic_s)
        self._sequence += 1
        return frame

    def skip(self) -> None:
        """Take one picture from the queue without decoding more than the codec must."""
        self._grab_live()

    def close(self) -> None:
        """Release the device; more calls do nothing."""
        self._capture.release()

    def _grab_live(self) -> None:
        if not self._capture.grab():
            raise CameraError(f"{self._name}: gives no more pictures")

    def _retrieve(self) -> ImageRGB:
        has_picture, image_bgr = self._capture.retrieve()
        if not has_picture or image_bgr is None or image_bgr.size == 0:
            raise CameraError(f"{self._name}: a picture could not be decoded")
        return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB))

    def _read_video(self, video: _VideoClock) -> Frame | None:
        while True:
            while not self._capture.grab():
                if video.is_at_start:
                    raise CameraUnusable(f"{self._name}: no picture in this video can be read")
                if self._once:
                    return None
                self._capture.release()
                self._capture = self._open_file()
                video.start_again()
            if video.is_due(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000):
                break
        frame = Frame(
            self._retrieve(),
            self._sequence,
            self._recorded_at + timedelta(seconds=video.now_s),
            video.now_s,
            # Its number in the file, from 0: what labels of a video count.
            name=str(round(self._capture.get(cv2.CAP_PROP_POS_FRAMES)) - 1),
        )
        self._sequence += 1
        return frame

    def _open_device(self) -> Any:
        _need_backend(cv2.CAP_V4L2, "V4L2", self._name)
        source = self._settings.source
        path = Path(f"/dev/video{source}" if source.isdecimal() else source)
        if not path.exists():
            present = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
            raise CameraError(
                f"{path}: no such device; plug the camera in or name another (present: {present})"
            )
        if not os.access(path, os.R_OK | os.W_OK):
            raise CameraError(
                f"{path}: no permission; add this user to the group 'video', or the device to the "
                "service's DeviceAllow="
            )
        # By index where there is one: OpenCV takes other names for patterns of files.
        device = path.resolve()
        index = device.name.removeprefix("video")
        capture = cv2.VideoCapture(int(index) if index.isdecimal() else str(device), cv2.CAP_V4L2)
        if not capture.isOpened():
            raise CameraError(
                f"{path}: does not open; is another program using it? Many cameras have a second "
                "device that gives no pictures: try its neighbour"
            )
        configure_device(capture, self._settings.resolution_wh, self._name)
        for _picture in range(WARM_UP_PICTURES):
            capture.grab()
        return capture

    def _open_stream(self) -> Any:
        _need_backend(cv2.CAP_FFMPEG, "FFmpeg", self._name)
        with _capture_options(STREAM_OPTIONS):
            capture = _open_ffmpeg(self._settings)
        if not capture.isOpened():
            raise CameraError(
                f"{self._name}: does not open; check the address, user and password, and that the "
                "camera is on"
            )
        return capture

    def _open_file(self) -> Any:
        _need_backend(cv2.CAP_FFMPEG, "FFmpeg", self._name)
        path = Path(self._settings.source)
        if not path.exists():
            raise CameraError(f"{path}: no such file")
        if not os.access(path, os.R_OK):
            raise CameraError(f"{path}: no permission to read it")
        capture = _open_ffmpeg(self._settings)
        if not capture.isOpened():
            raise CameraUnusable(f"{path}: is not a video that can be read; convert it to MP4")
        return capture


class _VideoClock:
    """Which pictures of a video are due, and when they were."""

    def __init__(self, every_s: float, fps: float) -> None:
        self.now_s = 0.0  # of the newest picture, counted over all rounds
        self._every_s = every_s
        self._spacing_s = 1 / fps if 0 < fps < 1000 else 1 / FALLBACK_FPS
        self._round_start_s = 0.0
        self._first_position_s: float | None = None
        self._due_s = 0.0

    @property
    def is_at_start(self) -> bool:
        """Return whether no picture was taken since the video was opened."""
        return self._first_position_s is None

    def is_due(self, position_s: float) -> bool:
        """Take the time of the picture that was just grabbed; return whether it is wanted."""
        if self._first_position_s is None:
            self._first_position_s = position_s
            self.now_s = self._round_start_s
        else:
            now_s = self._round_start_s + position_s - self._first_position_s
            # Bare H.264 and damaged files have no times: the frame rate is all there is.
            self.now_s = now_s if now_s > self.now_s else self.now_s + self._spacing_s
        # Half a picture early is nearer than half a picture late.
        if self.now_s + self._spacing_s / 2 < self._due_s:
            return False
        while self._due_s <= self.now_s + self._spacing_s / 2:
            self._due_s += self._every_s
        return True

    def start_again(self) -> None:
        """Go on with the video's first picture, at the next time that is due."""
        self._round_start_s = self._due_s = max(self._due_s, self.now_s + self._spacing_s)
        self._first_position_s = None


def configure_device(capture: Any, resolution_wh: tuple[int, int] | None, name: str) -> None:
    """Ask a V4L2 device for short queues and the resolution; log when it gives another."""
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if resolution_wh is None:
        return
    width_px, height_px = resolution_wh
    if width_px * height_px > MJPG_FROM_PIXELS:
        # Before the size: drivers offer the large ones for this format only.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, width_px)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height_px)
    given_wh = (
        int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
    )
    if given_wh != resolution_wh:
        log.warning(
            "%s: asked for %dx%d, the camera gives %dx%d; "
            "`v4l2-ctl --list-formats-ext` shows what it can",
            name,
            *resolution_wh,
            *given_wh,
        )


@contextmanager
def _capture_options(options: str) -> Iterator[None]:
    """Have OpenCV hand these options to FFmpeg, unless whoever runs it chose others.

    The environment is the only way in; it must not reach what is opened next.
    """
    if CAPTURE_OPTIONS in os.environ:
        yield
        return
    os.environ[CAPTURE_OPTIONS] = options
    try:
        yield
    finally:
        del os.environ[CAPTURE_OPTIONS]


def _open_ffmpeg(settings: CameraSettings) -> Any:
    # FFmpeg waits three times this long when a server hangs; the deadline is the daemon's.
    timeout_ms = int(settings.stall_after_s * 1000)
    return cv2.VideoCapture(
        settings.source,
        cv2.CAP_FFMPEG,
        [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms],
    )


def _need_backend(backend: int, backend_name: str, name: str) -> None:
    if not cv2.videoio_registry.hasBackend(backend):
        raise CameraUnusable(
            f"{name}: this OpenCV was built without {backend_name}; "
            "install opencv-python-headless from PyPI"
        )
