"""A place for one frame in shared memory: the newest wins, nothing queues.

One process puts (the camera's worker), one takes (the daemon's inference thread). The
memory has no name and lives as long as a process holds it: nothing is left behind when
either is killed.

A sequence lock (Lameter, "Effective synchronization on Linux/NUMA systems", 2005) over
two buffers keeps pictures whole without either side ever waiting for the other. Python
has no memory fences; what orders the memory between the processes on ARM is the message
on a pipe that follows every put (see `edge.cameras.worker`).
"""

from __future__ import annotations

import mmap
import os
from datetime import UTC, datetime, timedelta

import numpy as np

from edge.types import Frame

MAX_PIXELS = 64_000_000  # larger pictures are refused
BUFFERS = 2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HEADER_BYTES = mmap.PAGESIZE
_NAME_BYTES = 255  # the longest file name Linux has
_HEADER = np.dtype(
    [
        ("puts", np.uint64),  # how many frames were put so far
        (
            "buffers",
            [
                ("version", np.uint64),  # 2 n + 1 while put n writes here, 2 n + 2 after it
                ("height_px", np.uint32),
                ("width_px", np.uint32),
                ("sequence", np.int64),
                ("captured_at_us", np.int64),
                ("monotonic_s", np.float64),
                ("name", f"S{_NAME_BYTES}"),
            ],
            BUFFERS,
        ),
    ],
    align=True,  # an aligned word is written whole
)


class Latest:
    """The newest frame of one camera."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, 0)
        header = np.frombuffer(self._map, _HEADER, count=1)
        self._puts = header["puts"]
        self._buffers = header["buffers"][0]
        self._pixels = np.frombuffer(self._map, np.uint8, offset=_HEADER_BYTES).reshape(BUFFERS, -1)

    @classmethod
    def create(cls) -> Latest:
        """Return an empty place; hand its `fd` to the other process.

        The memory is sparse: there is room for the largest picture, and only what a
        picture has touched exists. So a new resolution needs no new mapping.
        """
        fd = os.memfd_create("slotwatch-latest", os.MFD_CLOEXEC)
        os.ftruncate(fd, _HEADER_BYTES + BUFFERS * MAX_PIXELS * 3)
        return cls(fd)

    def put(self, frame: Frame) -> None:
        """Make this the newest frame; called by one process only.

        Raises:
            ValueError: the picture is not uint8 (height, width, 3), is empty, or is larger
                than `MAX_PIXELS`.
        """
        image = frame.image_rgb
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"a frame is uint8 (height, width, 3), not {image.dtype} {image.shape}"
            )
        height_px, width_px = image.shape[:2]
        if height_px * width_px > MAX_PIXELS:
            raise ValueError(
                f"the {width_px}x{height_px} picture is larger than {MAX_PIXELS // 1_000_000} "
                "megapixels"
            )
        put = int(self._puts[0])
        buffer = self._buffers[put % BUFFERS]
        buffer["version"] = 2 * put + 1
        buffer["height_px"], buffer["width_px"] = height_px, width_px
        buffer["sequence"] = frame.sequence
        buffer["captured_at_us"] = (frame.captured_at - _EPOCH) // _MICROSECOND
        buffer["monotonic_s"] = frame.monotonic_s
        buffer["name"] = os.fsencode(frame.name or "")
        np.copyto(self._pixels[put % BUFFERS, : image.size].reshape(image.shape), image)
        buffer["version"] = 2 * put + 2
        self._puts[0] = put + 1

    def take(self) -> Frame:
        """Return the newest frame, with a picture of its own.

        Raises:
            LookupError: nothing was put yet.
        """
        while True:
            puts = int(self._puts[0])
            if puts == 0:
                raise LookupError("no frame was put yet")
            buffer = self._buffers[(puts - 1) % BUFFERS]
            if buffer["version"] == 2 * puts:
                name = os.fsdecode(bytes(buffer["name"]))
                shape = (int(buffer["height_px"]), int(buffer["width_px"]), 3)
                frame = Frame(
                    self._pixels[(puts - 1) % BUFFERS, : np.prod(shape)].reshape(shape).copy(),
                    int(buffer["sequence"]),
                    _EPOCH + int(buffer["captured_at_us"]) * _MICROSECOND,
                    float(buffer["monotonic_s"]),
                    name or None,
                )
                if buffer["version"] == 2 * puts:
                    return frame
            # The writer has lapped this reader: there is a newer frame to take.

    def close(self) -> None:
        """Let go of the memory; more calls do nothing."""
        if self.fd >= 0:
            # A mapping cannot be closed while arrays look into it.
            del self._puts, self._buffers, self._pixels
            self._map.close()
            os.close(self.fd)
            self.fd = -1
