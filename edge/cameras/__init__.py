"""Cameras: everything a frame can come from, behind one small protocol.

A camera runs in a process of its own (see `edge.cameras.worker`), because a driver's
or FFmpeg's read cannot be interrupted from Python. A new kind of camera is a file
here and a line in `CAMERAS`; the table's contract test picks it up.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edge.cameras.source import redact_source
from edge.types import CameraSettings, ConfigurationError, Frame, SlotwatchError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".m2ts"),
    *(".mjpg", ".mjpeg", ".h264", ".h265", ".264", ".265", ".hevc", ".flv", ".wmv", ".3gp"),
)
STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
FROZEN_SENSOR_PICTURES = 3  # see `frozen_after`
FROZEN_STREAM_PICTURES = 60


class CameraError(SlotwatchError):
    """The camera failed in a way that may pass: open it again later."""


class NoPictureYet(CameraError):
    """Nothing new has come, and the camera is fine: `read` it again without opening it anew."""


class CameraUnusable(ConfigurationError):
    """The camera can never work as it is configured; a person has to change something."""


class Camera(Protocol):
    """One open source of frames."""

    is_live: bool
    """True when pictures come whether or not they are read (the newest wins); False for
    recordings, of which every picture counts and which wait for their reader."""

    def read(self) -> Frame | None:
        """Return the next frame, or None after the last one of a recording.

        May block for as long as the hardware likes: the caller holds the deadline.

        Raises:
            NoPictureYet: a recording still grows and its next picture is not there yet.
            CameraError: nothing could be read; close the camera and open it again.
        """

    def skip(self) -> None:
        """Take and drop one picture, as cheaply as possible, so that none grows stale in a queue.

        Only called on live cameras, between the frames that are read; blocks as `read` does.
        """

    def close(self) -> None:
        """Release the device; more calls do nothing."""


def _simulator(settings: CameraSettings, once: bool) -> Camera:
    from edge.cameras.simulator import SimulatorCamera

    return SimulatorCamera(settings, once)


def _folder(settings: CameraSettings, once: bool) -> Camera:
    from edge.cameras.folder import FolderCamera

    return FolderCamera(settings, once)


def _opencv(settings: CameraSettings, once: bool) -> Camera:
    from edge.cameras.opencv import OpenCVCamera

    return OpenCVCamera(settings, once)


# name -> build(settings, once). `once`: end after the last picture (replay) instead of
# waiting for more (folder) or starting again (video file).
CAMERAS: dict[str, Callable[[CameraSettings, bool], Camera]] = {
    "simulator": _simulator,
    "folder": _folder,
    "opencv": _opencv,
}


def open_camera(settings: CameraSettings, once: bool) -> Camera:
    """Return the open camera for a source.

    Raises:
        CameraError: it does not open now and may later.
        CameraUnusable: it can never open.
    """
    return CAMERAS[camera_kind(settings.source)](settings, once)


def frozen_after(source: str) -> int | None:
    """Return after how many equal pictures in a row this source is frozen; None: never.

    A sensor's noise never comes twice. A stream's encoder may smooth a still scene until its
    pictures are equal for some seconds. Recordings and drawn pictures may repeat for ever.
    """
    if source.isdecimal() or source.startswith("/dev/"):
        return FROZEN_SENSOR_PICTURES
    return FROZEN_STREAM_PICTURES if "://" in source else None


def camera_kind(source: str) -> str:
    """Return the name in `CAMERAS` of what opens this source.

    What does not exist yet is judged by its name: a disk or a device may come later.

    Raises:
        CameraUnusable: no camera could ever open it.
    """
    scheme, mark, rest = source.partition("://")
    if mark:
        return _stream_kind(scheme, rest, source)
    if source.partition("?")[0] == "simulator":
        return "simulator"
    path = Path(source)
    if source.isdecimal() or source.startswith("/dev/"):
        return "opencv"
    if not source:
        raise CameraUnusable(
            "the source is empty; name a device (/dev/video0), a stream (rtsp://…), a folder"
        )
    if not path.exists() and ("*" in source or "%" in source):
        raise CameraUnusable(f"{source}: is a pattern; name the folder of the pictures instead")
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return "folder"
    if path.exists() or path.suffix.lower() in VIDEO_SUFFIXES:
        return "opencv"
    if len(path.parts) > 1:
        return "folder"
    raise CameraUnusable(_no_such_source(source))


def _stream_kind(scheme: str, rest: str, source: str) -> str:
    shown = redact_source(source)
    if scheme.lower() == "file":
        raise CameraUnusable(f"{shown}: write the path without 'file://'")
    if scheme.lower() not in STREAM_SCHEMES:
        close = difflib.get_close_matches(scheme.lower(), STREAM_SCHEMES, 1)
        hint = f"did you mean '{close[0]}://'?" if close else f"use {_listed(STREAM_SCHEMES)}"
        raise CameraUnusable(f"{shown}: streams of the kind '{scheme}://' cannot be read; {hint}")
    if not rest.partition("/")[0]:
        raise CameraUnusable(
            f"{shown}: names no camera; write {scheme}://, then its address, as in "
            f"{scheme}://192.168.1.20/stream"
        )
    return "opencv"


def _no_such_source(source: str) -> str:
    neighbours = [entry.name for entry in Path().iterdir()]
    close = difflib.get_close_matches(source, ["simulator", *neighbours], 1)
    if not close and source.rstrip("0123456789") == "video":
        close = [f"/dev/{source}"]
    hint = f"did you mean '{close[0]}'?" if close else "is the name spelled right?"
    return f"{redact_source(source)}: no such device, folder or file; {hint}"


def _listed(words: tuple[str, ...]) -> str:
    return " or ".join((", ".join(f"{word}://" for word in words[:-1]), f"{words[-1]}://"))
