"""A folder of pictures, or one picture: recordings, snapshots, cameras that upload files.

Runs in the camera's own process.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from edge.cameras import IMAGE_SUFFIXES, CameraError, CameraUnusable, NoPictureYet
from edge.cameras.names import natural_key, recorded_at, time_in_name
from edge.latest import MAX_PIXELS
from edge.types import CameraSettings, Frame, ImageRGB

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
LOOK_SHARE = 0.05  # of the time at most: a folder of 100,000 files is looked at less often
PATIENCE_S = 1.0  # `read` says at least this often that nothing new has come
# A file that has rested this long is complete, or will never be.
RESTED_S = 10.0
MAX_FILE_BYTES = 256 * 1024 * 1024
# In a folder that is watched no picture waits longer: the cabinet looks otherwise by now.
BEHIND_S = 30.0
NEWEST = 5  # are read then: a state takes some equal readings, and perhaps no more pictures come
_LAST_S = datetime(9999, 1, 1, tzinfo=UTC).timestamp()  # a file may say anything


class PictureUnreadable(Exception):
    """One file is no picture; the others may be."""


@dataclass(frozen=True)
class _Version:
    """One state of one file: cameras upload under the same name again and again."""

    name: str
    size_bytes: int
    modified_ns: int
    arrived_ns: int = field(compare=False)  # written or renamed, by this machine's clock

    @property
    def age(self) -> tuple[datetime, object]:
        """What sorts the pictures of a folder by their time: in the name, else the file's."""
        written_at = datetime.fromtimestamp(min(self.modified_ns / 1e9, _LAST_S), UTC)
        return time_in_name(self.name) or written_at, natural_key(self.name)


class FolderCamera:
    """Pictures by their names' natural order, each once.

    With `once` those that are there now; otherwise also the ones that come or change later, and
    once one of them has waited for `BEHIND_S`, the newest few instead of all of them. Subfolders
    and hidden files are not read. A file counts as complete when it ends as its format does, or
    has not changed for `RESTED_S`.
    """

    is_live = False

    def __init__(
        self, settings: CameraSettings, once: bool, clock: Callable[[], float] = time.time
    ) -> None:
        """Watch or read a folder; `clock` gives the time of its files, in seconds."""
        self._clock = clock
        self._path = Path(settings.source)
        self._every_s = settings.every_s
        self._once = once
        self._sequence = 0
        self._known: dict[str, _Version] = {}  # what was read, or given up
        self._newest_problem = ""
        self._was_behind = False
        self._next_look_s = 0.0  # monotonic
        self._pending = self._look()
        if once and not self._pending:
            raise CameraUnusable(f"{self._path}: {self._nothing_in_it()}")

    def read(self) -> Frame | None:
        """Return the next picture as a frame, named after its file.

        `captured_at` is `edge.cameras.names.recorded_at`; `monotonic_s` counts
        `camera.every` for each picture.

        Raises:
            NoPictureYet: none has come for `PATIENCE_S`.
            CameraError: the folder is gone.
            CameraUnusable: none of a recording's pictures can be read.
        """
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            if self._is_behind():
                self._catch_up()
            while self._pending:
                frame = self._try(self._pending.pop(0))
                if frame is not None:
                    return frame
            if self._once:
                if self._sequence == 0:
                    raise CameraUnusable(
                        f"{self._path}: no picture in it can be read ({self._newest_problem})"
                    )
                return None
            if time.monotonic() >= give_up_s:
                raise NoPictureYet(f"{self._path}: {self._nothing_new()}")
            time.sleep(max(0.0, self._next_look_s - time.monotonic()))
            self._pending = self._look()

    def _is_behind(self) -> bool:
        if self._once or len(self._pending) < 2:
            return False
        oldest_s = min(version.arrived_ns for version in self._pending) / 1e9
        # In either direction: a clock that was never set is behind all of them.
        return abs(self._clock() - oldest_s) > BEHIND_S

    def _catch_up(self) -> None:
        """Leave out all pictures but the newest few."""
        # As they arrived: a camera may have lost its clock.
        waiting = sorted(self._look(), key=lambda version: (version.arrived_ns, version.age))
        left_out, self._pending = waiting[:-NEWEST], waiting[-NEWEST:]
        self._known.update({version.name: version for version in left_out})
        if left_out and not self._was_behind:
            log.info(
                "%s: pictures older than %s are left out, as always when some have waited for "
                "%g s; `slotwatch replay` reads them all",
                self._path,
                self._pending[0].name,
                BEHIND_S,
            )
            self._was_behind = True

    def skip(self) -> None:
        """Do nothing: a recording's pictures all count."""

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _look(self) -> list[_Version]:
        """Return the files that are new or have changed, in order."""
        start_s = time.monotonic()
        try:
            versions = _versions(self._path)
        except FileNotFoundError:
            raise CameraError(f"{self._path}: no such folder or picture") from None
        except OSError as error:
            raise CameraError(f"{self._path}: cannot be read ({error.strerror})") from error
        # What was deleted is forgotten, so the memory is bounded by the folder.
        self._known = {v.name: self._known[v.name] for v in versions if v.name in self._known}
        now_s = time.monotonic()
        self._next_look_s = now_s + max(LOOK_EVERY_S, (now_s - start_s) / LOOK_SHARE)
        fresh = [v for v in versions if self._known.get(v.name) != v]
        return sorted(fresh, key=lambda version: natural_key(version.name))

    def _try(self, version: _Version) -> Frame | None:
        """Return the picture, or None when it is not complete, gone, or none at all."""
        path = self._path / version.name if self._path.is_dir() else self._path
        # In either direction: the clock of whoever wrote the file may be ahead.
        is_resting = abs(self._clock() - version.modified_ns / 1e9) > RESTED_S
        try:
            image_rgb = read_picture(path)
            captured_at = recorded_at(path)
        except FileNotFoundError:
            return None
        except (PictureUnreadable, OSError) as error:
            self._newest_problem = f"{version.name}: {error}"
            if self._once or is_resting:
                self._known[version.name] = version
                log.warning("%s: skipped: %s", path, error)
            return None
        self._known[version.name] = version
        self._newest_problem = ""
        monotonic_s = self._sequence * self._every_s
        frame = Frame(image_rgb, self._sequence, captured_at, monotonic_s, version.name)
        self._sequence += 1
        return frame

    def _nothing_new(self) -> str:
        if self._newest_problem:
            return f"no whole picture has come ({self._newest_problem}); do uploads break off?"
        return "no new picture has come; does the camera still upload?"

    def _nothing_in_it(self) -> str:
        kinds = ", ".join(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
        subfolders = sorted(entry.name for entry in self._path.iterdir() if entry.is_dir())
        hint = f"; name one of its folders, such as '{subfolders[0]}'" if subfolders else ""
        return f"there is no picture in this folder ({kinds}){hint}"


def _versions(path: Path) -> list[_Version]:
    """Return the pictures of a folder, or the one picture."""
    if not path.is_dir():
        return [_version(path.name, path.stat())]
    versions = []
    with os.scandir(path) as entries:
        for entry in entries:
            # Uploads under way are often hidden: `.picture.jpg.x7Fq`.
            if entry.name.startswith(".") or not entry.name.lower().endswith(IMAGE_SUFFIXES):
                continue
            try:
                if entry.is_file():
                    versions.append(_version(entry.name, entry.stat()))
            except FileNotFoundError:
                continue  # Deleted between listing and looking.
    return versions


def _version(name: str, status: os.stat_result) -> _Version:
    return _Version(name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def newest_picture(settings: CameraSettings) -> CameraSettings:
    """Return the camera as its newest picture that can be read, where it is a folder with one.

    For who asks how the cabinet looks now; a folder's first picture may be months old.
    """
    folder = Path(settings.source)
    try:
        versions = _versions(folder) if folder.is_dir() else []
    except OSError:
        versions = []  # whoever opens the camera says why
    for version in sorted(versions, key=lambda version: version.age, reverse=True):
        path = folder / version.name
        with suppress(OSError, PictureUnreadable):
            read_picture(path)
            return replace(settings, source=str(path))
    return settings


def read_picture(path: Path) -> ImageRGB:
    """Return a picture file, uint8 (height, width, 3), as picture viewers show it.

    That is, turned by its EXIF orientation: regions are drawn on what a viewer shows.
    Grey, transparent and 16-bit pictures become RGB with 8 bits.

    Raises:
        PictureUnreadable: it is damaged, cut off, too large or no picture.
        OSError: it cannot be read.
    """
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise PictureUnreadable("the file is empty")
    if size_bytes > MAX_FILE_BYTES:
        raise PictureUnreadable(f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
    # Not cv2.imread: it cannot open every name, and says nothing when it fails.
    data = np.fromfile(path, np.uint8)
    if _is_cut_off(data):
        # OpenCV would return it as good, its missing part grey.
        raise PictureUnreadable("the file is cut off")
    try:
        image_bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:
        image_bgr = None
    if image_bgr is None:
        raise PictureUnreadable("it is damaged, no picture, or larger than 64 megapixels")
    if image_bgr.shape[0] * image_bgr.shape[1] > MAX_PIXELS:
        raise PictureUnreadable("it is larger than 64 megapixels")
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB))


def _is_cut_off(data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bool:
    """Return whether a JPEG or PNG lacks its end; some cameras append a few bytes to it."""
    head, tail = data[:8].tobytes(), data[-4096:].tobytes()
    if head.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in tail
    if head == b"\x89PNG\r\n\x1a\n":
        return b"IEND" not in tail
    return False
