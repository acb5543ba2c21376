"""The labelled sequences of real cameras: frames in the order and at the times they were taken.

The data sets are not part of this repository; each folder's README tells their origin.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.pklot import DAY, read_regions
from edge.cameras.folder import read_picture
from edge.cameras.names import recorded_at
from edge.preprocess import rectangle_polygon
from edge.types import DecisionSettings, Frame, ImageRGB, PolygonPx, Slot, State

CAR_PARK, CHESS, AERIAL, SCREWS = (
    "03_pklot_ufpr05",
    "02_chess_fixedcam",
    "05_aerial_parking",
    "06_screws_4slots",
)
LIGHTS_AT_H = (11, 14, 17)  # o'clock
OTHER_DAYS = "other_days"

# The games are named by frames of videos whose rate nobody wrote down; moves come every 5 to
# 8 s at this one.
_CHESS_FRAMES_PER_S = 30.0
_AERIAL_EVERY = 10  # frames: three looks in a second
# A row of readings spans what three readings of one a second do, the settings by default.
_AERIAL_CONFIRM_FOR_S = 2.0
# Its car drives away half-way through the video, which the label, one for all of it, cannot say.
_AERIAL_LEAVES = "a274"
_BOARD_WH, _VIDEO_WH, _PHOTO_WH = (480, 480), (1280, 720), (600, 789)
_START = datetime(2000, 1, 1, tzinfo=UTC)  # of sequences whose day is not known
_PHOTO_EVERY_S = 60.0
_SCREWS_REFERENCE = "010.jpg"  # no screw in any hole, and each hole well within its box

Labels = Mapping[str, tuple[State | None, ...]]  # slot -> for each frame; None: nobody knows


@dataclass(frozen=True)
class Shot:
    """One picture of a sequence, not read yet."""

    name: str
    captured_at: datetime
    read: Callable[[], ImageRGB]


@dataclass(frozen=True)
class Recording:
    """One camera's pictures in the order of time, and what is known of each.

    `known` are pictures of other days or games, with what is known of their slots: of these a
    technician shows the device the empty ones once, and sorts some crops.
    """

    name: str
    slots: tuple[Slot, ...]
    frame_wh: tuple[int, int]
    shots: tuple[Shot, ...]
    labels: Labels
    decision: DecisionSettings
    references: tuple[Callable[[], ImageRGB], ...] = ()  # in several lights, the first one first
    known: tuple[tuple[Shot, Mapping[str, State]], ...] = ()

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; durations are those of the recorded times."""
        for sequence, shot in enumerate(self.shots):
            monotonic_s = (shot.captured_at - self.shots[0].captured_at).total_seconds()
            yield Frame(shot.read(), sequence, shot.captured_at, monotonic_s, shot.name)


def car_park(data: Path, is_final: bool) -> list[Recording]:
    """Return the day no model has seen, or the five days limits are chosen on, each by itself.

    References and what is known are of the other ones of the five days. The first reference is
    the first picture of these, as nobody waits for good light to install a camera; the others, as
    if taken with --light later on, are the ones nearest to LIGHTS_AT_H.
    """
    folder = data / CAR_PARK
    slots = tuple(
        Slot(slot_id, np.array(corners, np.float32))
        for slot_id, corners in read_regions(folder / "slots.json").items()
    )
    # A look every five minutes: a slot that three in a row cannot tell is not known any more.
    decision = DecisionSettings(confirm=2, unknown_after_s=900.0)
    others = _pictures(folder / OTHER_DAYS / "frames")
    known = _read_labels(folder / OTHER_DAYS / "labels.csv", slots, others)

    def recording(name: str, shots: Sequence[Shot], labels: Labels, without: str) -> Recording:
        chosen = [index for index, shot in enumerate(others) if not shot.name.startswith(without)]
        return Recording(
            f"car park {name}",
            slots,
            (1280, 720),
            tuple(shots),
            labels,
            decision,
            _lights([others[index] for index in chosen]),
            tuple((others[index], _known_in(known, index)) for index in chosen),
        )

    if is_final:
        shots = _pictures(folder / DAY / "frames")
        labels = _read_labels(folder / DAY / "labels.csv", slots, shots)
        return [recording(DAY, shots, labels, without=DAY.removeprefix("day_"))]
    days = sorted({shot.name[:10] for shot in others})
    found = []
    for day in days:
        of_day = [index for index, shot in enumerate(others) if shot.name.startswith(day)]
        labels = {slot_id: tuple(row[i] for i in of_day) for slot_id, row in known.items()}
        found.append(recording(day, [others[i] for i in of_day], labels, without=day))
    return found


def _lights(shots: Sequence[Shot]) -> tuple[Callable[[], ImageRGB], ...]:
    def hour(shot: Shot) -> float:
        return shot.captured_at.hour + shot.captured_at.minute / 60

    found = [shots[0]]
    found += [min(shots, key=lambda shot: abs(hour(shot) - at_h)) for at_h in LIGHTS_AT_H]
    return tuple(shot.read for shot in found)


def chess(data: Path, game: str, other: str) -> Recording:
    """Return a game; what is known of the slots is of undisturbed frames of another one."""
    folder = data / CHESS
    slots = _boxes(folder / "slots.json", _BOARD_WH)
    shots, labels, _ = _read_game(folder / game, slots)
    others, known, is_disturbed = _read_game(folder / other, slots)
    still = [index for index, disturbed in enumerate(is_disturbed) if not disturbed]
    of_others = tuple((others[index], _known_in(known, index)) for index in still)
    # The game begins when everything stands: its first frame is what a technician photographs.
    return Recording(
        f"chess {game}",
        slots,
        _BOARD_WH,
        shots,
        labels,
        DecisionSettings(confirm=2),
        (shots[0].read,),
        of_others,
    )


def _read_game(
    folder: Path, slots: Sequence[Slot]
) -> tuple[tuple[Shot, ...], Labels, tuple[bool, ...]]:
    """Return the frames, what they show, and in which somebody reaches over the board.

    Where the record, which is in the order of the moves, steps back in time, one of the two
    numbers is a slip: what those frames show is not known, and they are left out.
    """
    rows = list(csv.DictReader((folder / "frames.csv").open(encoding="utf-8")))
    numbers = [int(row["frame_no"]) for row in rows]
    doubtful = {
        rows[index]["frame"]
        for step, (number, following) in enumerate(pairwise(numbers))
        if following < number
        for index in (step, step + 1)
    }
    rows = [row for row in rows if row["frame"] not in doubtful]
    rows.sort(key=lambda row: int(row["frame_no"]))
    shots = tuple(
        Shot(
            row["frame"],
            _START + timedelta(seconds=int(row["frame_no"]) / _CHESS_FRAMES_PER_S),
            _reader(folder / "frames" / row["frame"]),
        )
        for row in rows
    )
    labels = _read_labels(folder / "labels.csv", slots, shots)
    return shots, labels, tuple(row["frame_disturbed"] == "1" for row in rows)


def aerial(data: Path) -> Recording:
    """Return the video; nothing changes in the slots that have a label, as few have."""
    folder = data / AERIAL
    slots = _boxes(folder / "slots_1280x720.json", _VIDEO_WH)
    video, shots = cv2.VideoCapture(str(folder / "carPark.mp4")), []
    frames_per_s = video.get(cv2.CAP_PROP_FPS)
    number = 0
    while video.grab():
        if number % _AERIAL_EVERY == 0:
            image_rgb = cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
            at = _START + timedelta(seconds=number / frames_per_s)
            shots.append(Shot(f"frame {number}", at, _holder(image_rgb)))
        number += 1
    labels: dict[str, tuple[State | None, ...]] = {
        row["slot"]: (State(row["label"]),) * len(shots)
        for row in csv.DictReader((folder / "video_labels.csv").open(encoding="utf-8"))
        if row["slot"] != _AERIAL_LEAVES
    }
    return Recording(
        "aerial",
        slots,
        _VIDEO_WH,
        tuple(shots),
        labels,
        DecisionSettings(confirm=2, confirm_for_s=_AERIAL_CONFIRM_FOR_S),
        (shots[0].read,),
    )


def screws(data: Path) -> Recording:
    """Return the photos of a hand-held phone; the reference is one of them and not scored."""
    folder = data / SCREWS
    slots = _boxes(folder / "slots.json", _PHOTO_WH)
    photos = tuple(
        Shot(path.name, _START + timedelta(seconds=_PHOTO_EVERY_S * index), _reader(path))
        for index, path in enumerate(sorted((folder / "frames").iterdir()))
    )
    (reference,) = (photo for photo in photos if photo.name == _SCREWS_REFERENCE)
    shots = tuple(photo for photo in photos if photo is not reference)
    return Recording(
        "screws",
        slots,
        _PHOTO_WH,
        shots,
        _read_labels(folder / "labels.csv", slots, shots),
        DecisionSettings(confirm=1),
        (reference.read,),
        ((reference, {slot.id: State.EMPTY for slot in slots}),),
    )


def _reader(path: Path) -> Callable[[], ImageRGB]:
    return lambda: read_picture(path)


def _holder(image_rgb: ImageRGB) -> Callable[[], ImageRGB]:
    return lambda: image_rgb


def _pictures(folder: Path) -> tuple[Shot, ...]:
    return tuple(
        Shot(path.name, recorded_at(path), _reader(path)) for path in sorted(folder.iterdir())
    )


def _boxes(path: Path, frame_wh: tuple[int, int]) -> tuple[Slot, ...]:
    """Return the slots of a file as upright boxes; the pixels of their corners belong to them."""
    return tuple(
        Slot(entry["id"], _box(np.array(entry["polygon"], np.int32), frame_wh))
        for entry in json.loads(path.read_text("utf-8"))
    )


def _box(polygon: npt.NDArray[np.int32], frame_wh: tuple[int, int]) -> PolygonPx:
    left, top, width_px, height_px = cv2.boundingRect(polygon)
    # One of the video ends a pixel below the picture.
    right, bottom = min(left + width_px, frame_wh[0]), min(top + height_px, frame_wh[1])
    return rectangle_polygon(left, top, right - left, bottom - top)


def _read_labels(path: Path, slots: Sequence[Slot], shots: Sequence[Shot]) -> Labels:
    known = {
        (row["slot"], row["frame"]): State(row["label"])
        for row in csv.DictReader(path.open(encoding="utf-8"))
        if row["label"] in {State.EMPTY, State.OCCUPIED}
    }
    return {slot.id: tuple(known.get((slot.id, shot.name)) for shot in shots) for slot in slots}


def _known_in(labels: Labels, index: int) -> Mapping[str, State]:
    states = {slot_id: row[index] for slot_id, row in labels.items()}
    return {slot_id: state for slot_id, state in states.items() if state is not None}
