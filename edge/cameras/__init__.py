"""Cameras: everything a frame can come from, behind one small protocol.

A camera runs in a process of its own (see `edge.cameras.worker`), because a driver's
or FFmpeg's read cannot be interrupted from Python. A new kind of camera is a file
here and a line in `CAMERAS`; the table's contract test picks it up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edge.types import CameraSettings, ConfigurationError, Frame, SlotwatchError


class CameraError(SlotwatchError):
    """The camera failed in a way that may pass: open it again later."""


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
