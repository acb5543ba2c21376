"""The frozen values that flow through the house.

Images are RGB uint8 everywhere inside; a camera converts at the border.
Wall-clock times (`at`, `since`, `captured_at`) are UTC and for people;
`*_monotonic_s` are for durations and never leave the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ImageRGB = npt.NDArray[np.uint8]  # (height, width, 3)
PolygonPx = npt.NDArray[np.float32]  # (4, 2): x, y


class SlotwatchError(Exception):
    """Base of every error this program raises on purpose."""


class ConfigurationError(SlotwatchError):
    """Something a person has to change in a file; the program exits with status 78."""


class State(StrEnum):
    """What a slot holds. UNKNOWN is a state of its own and always comes with a reason."""

    EMPTY = "EMPTY"
    OCCUPIED = "OCCUPIED"
    UNKNOWN = "UNKNOWN"


class Reason(StrEnum):
    """Why a slot is UNKNOWN."""

    STARTING = "starting"  # no state has been confirmed since the start
    REGION_CHANGED = "region_changed"  # the slot was moved or added: it starts again
    LOW_CONFIDENCE = "low_confidence"  # between the two thresholds, or against the picture
    CAMERA_LOST = "camera_lost"  # no frame for longer than camera.stall_after
    FRAME_DARK = "frame_dark"
    FRAME_BRIGHT = "frame_bright"
    FRAME_FLAT = "frame_flat"  # one colour all over: a covered lens, a dead sensor
    FRAME_SIZE = "frame_size"  # the picture's shape is not the one the slots were drawn on
    FRAME_BLURRED = "frame_blurred"
    FRAME_FROZEN = "frame_frozen"  # the same picture again and again
    FRAME_TORN = "frame_torn"  # half decoded, displaced, lost in noise, without its colours
    FRAME_UNLIKE = "frame_unlike"  # not the scene of the reference picture
    CAMERA_MOVED = "camera_moved"  # too far for the regions to be moved along
    SLOT_COVERED = "slot_covered"  # something is in front of the slot
    CLASSIFIER_ERROR = "classifier_error"
    STORAGE_FULL = "storage_full"  # a change was seen that the disk does not take
    DISABLED = "disabled"  # `enabled: false` in the slots file


@dataclass(frozen=True, eq=False)
class Slot:
    """One region of the picture that is watched.

    `polygon_px` is float32 (4, 2): x, y of the corners as the edges of pixels (a
    rectangle that starts at pixel 10 and is 5 wide spans 10..15), clockwise from the
    slot's own top-left, in the pixels of the picture the slots file belongs to.
    """

    id: str
    polygon_px: PolygonPx
    label: str | None = None  # for people; shown instead of the id
    occupied_at: float | None = None  # overrides decision.occupied_at, 0..1
    empty_at: float | None = None  # overrides decision.empty_at, 0..1
    enabled: bool = True

    def __eq__(self, other: object) -> bool:
        """Compare by value: the generated method cannot compare arrays."""
        if not isinstance(other, Slot):
            return NotImplemented
        return np.array_equal(self.polygon_px, other.polygon_px) and (
            self.id,
            self.label,
            self.occupied_at,
            self.empty_at,
            self.enabled,
        ) == (other.id, other.label, other.occupied_at, other.empty_at, other.enabled)

    def __hash__(self) -> int:
        """Hash by id: unique within a slots file."""
        return hash(self.id)


@dataclass(frozen=True)
class Frame:
    """One picture of a camera."""

    image_rgb: ImageRGB  # uint8 (height, width, 3)
    sequence: int  # counts the frames of one camera, from 0
    captured_at: datetime  # UTC, for people
    monotonic_s: float  # for durations
    name: str | None = None  # the file's name, where a frame comes from one


@dataclass(frozen=True)
class Crop:
    """A slot's region, rectified to the model's input."""

    slot_id: str
    image_rgb: ImageRGB  # uint8 (size, size, 3)
    sequence: int


@dataclass(frozen=True)
class Reading:
    """What one frame alone says about one slot."""

    slot_id: str
    probability: float | None  # of OCCUPIED, 0..1; None when nothing was classified
    state: State
    reason: Reason | None  # set exactly when the state is UNKNOWN
    sequence: int  # of the frame that it was read in
    # UNKNOWN by so little that it upholds this state where it is confirmed, and never leads to it.
    upholds: State | None = None


@dataclass(frozen=True)
class SlotMemory:
    """What is remembered of one slot between frames."""

    state: State = State.UNKNOWN  # confirmed
    reason: Reason | None = Reason.STARTING
    since: datetime | None = None  # of the confirmed state
    probability: float | None = None  # of the newest reading that agreed with the state
    last_known: State | None = None  # the newest confirmed EMPTY or OCCUPIED
    candidate: State | None = None  # a state on its way to being confirmed
    agreed: int = 0  # equal readings in a row for the candidate
    candidate_monotonic_s: float | None = None  # of the first of them
    confident_monotonic_s: float | None = None  # of the newest EMPTY or OCCUPIED reading
    seq: int = 0  # of the transition that led to the state, 0 = none yet


@dataclass(frozen=True)
class Transition:
    """One change of a slot's confirmed state: the event of the MQTT contract."""

    slot_id: str
    before: State
    after: State
    probability: float | None
    reason: Reason | None
    at: datetime
    seq: int = 0  # given by the journal; 0 = not recorded yet


@dataclass(frozen=True)
class Alert:
    """Something a person should look at, while it lasts."""

    id: str  # one of ALERT_IDS
    message: str  # what is wrong and what to do
    since: datetime


ALERT_IDS = (
    "camera_lost",
    "camera_moved",
    "frame_dark",
    "frame_bright",
    "frame_blurred",
    "frame_frozen",
    "frame_torn",
    "settings_invalid",
    "model_rejected",
    "storage_full",
    "journal_overflow",
    "journal_damaged",
    "inference_slow",
)


@dataclass(frozen=True)
class CameraSettings:
    """Where the pictures come from."""

    source: str  # /dev/video0, rtsp://, http://, a video file, a folder, `simulator`
    resolution_wh: tuple[int, int] | None = None  # asked of a local camera
    every_s: float = 1.0  # one reading per slot this often
    stall_after_s: float = 10.0  # no new frame for so long = camera lost


@dataclass(frozen=True)
class DecisionSettings:
    """How readings become confirmed states."""

    occupied_at: float = 0.6
    empty_at: float = 0.4
    confirm: int = 3  # equal readings in a row before a state changes
    unknown_after_s: float = 30.0  # no confident reading of the state for so long = UNKNOWN
    confirm_for_s: float = 0.0  # these readings span at least so long


@dataclass(frozen=True)
class TlsSettings:
    """Files for an encrypted connection to the broker."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class MqttSettings:
    """The broker and the topics."""

    host: str = "localhost"
    port: int = 1883
    protocol: str = "auto"  # "5", "3.1.1", or 5 with a fall-back to 3.1.1
    username: str | None = None
    password_file: Path | None = None
    tls: TlsSettings | None = None
    topic_prefix: str = "slotwatch"
    home_assistant: bool = True


@dataclass(frozen=True)
class WebSettings:
    """The technician's page."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True)
class Settings:
    """Everything that was read from the two files a technician edits."""

    device: str
    camera: CameraSettings
    slots: tuple[Slot, ...]
    frame_wh: tuple[int, int]  # the picture size the slots' pixels belong to
    model: Path  # folder of a bundle
    slots_path: Path
    config_path: Path
    storage: Path
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    mqtt: MqttSettings | None = field(default_factory=MqttSettings)  # None: `mqtt: off`
    jsonl: Path | None = None  # also append every event to this file
    web: WebSettings = field(default_factory=WebSettings)
    fingerprint: str = ""  # SHA-256 over both files


@dataclass(frozen=True)
class Bundle:
    """A model that was read and verified; see models/<name>/bundle.json."""

    name: str
    path: Path
    model_path: Path
    model_sha256: str
    input_size_px: int
    preprocess_version: int
    output_names: tuple[str, ...]  # of the logical outputs: probability, attention, embedding
    occupied_at: float
    empty_at: float
    golden_tolerance: float  # largest allowed difference of a golden probability
    manifest: Mapping[str, Any]  # bundle.json as it is


def utc_now() -> datetime:
    """Return the wall clock, with its time zone."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return the time as MQTT payloads carry it: UTC with milliseconds and a `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
