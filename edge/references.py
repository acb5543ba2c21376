"""How a cabinet looks: a picture of it, and of each slot when empty, kept on disk.

    references/
      index.json        what there is, when it was taken, and of which regions
      <digest>.png      the pictures, named by their content
      learnt/           the same, of what nobody was asked about

`slotwatch reference` writes what a person asked for, the daemon what it learnt: two writers, two
folders. A reference of a slot belongs to the region it was cut from: when that moves it says
nothing any more. Pictures are written before the index that names them, and the index is replaced
as a whole, so that an interruption leaves the references as they were.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.files import write_durably
from edge.types import ImageRGB, rfc3339

log = logging.getLogger(__name__)

FOLDER = "references"  # of the storage
LEARNT_FOLDER = "references/learnt"
MOST_LIGHTS = 4  # of the cabinet: day, lamp, dusk, infrared
MOST_EMPTIES = 6  # of a slot: lights of a day, not a history
INDEX_FILE = "index.json"  # of a folder of references
_FORMAT = 1
_INDEX_LIMIT_BYTES = 4 << 20
_PICTURE_LIMIT_BYTES = 64 << 20
_THUMBNAIL_PX = 16


@dataclass(frozen=True, eq=False)
class Empty:
    """A slot's region when it was empty."""

    crop_rgb: ImageRGB  # (size, size, 3), as the model of that day took it
    region: str  # `edge.pipeline.region_key` of the region it was cut from
    at: datetime
    is_asked: bool  # a person said so; otherwise it was learnt from a long-confirmed state


@dataclass(frozen=True, eq=False)
class CabinetPicture:
    """The cabinet as its camera should see it."""

    image_rgb: ImageRGB
    regions: Mapping[str, str]  # slot id -> `region_key` of the slots it was taken with
    at: datetime
    is_asked: bool = True  # a person said so; otherwise it was learnt while the light changed


@dataclass(frozen=True, eq=False)
class References:
    """What is remembered of one cabinet."""

    cabinets: tuple[CabinetPicture, ...] = ()  # in several lights, all of one size
    empties: Mapping[str, tuple[Empty, ...]] = field(default_factory=dict)  # by slot id

    def with_empty(self, slot_id: str, empty: Empty) -> References:
        """Return the references with one more picture of an empty slot.

        Pictures of another region are dropped. Beyond MOST_EMPTIES the one most like another
        goes, one that was learnt before one that was asked for: many lights, few copies.
        """
        kept = [e for e in self.empties.get(slot_id, ()) if e.region == empty.region]
        kept.append(empty)
        if len(kept) > MOST_EMPTIES:
            del kept[_most_redundant(kept)]
        return replace(self, empties={**self.empties, slot_id: tuple(kept)})

    def with_cabinet(self, cabinet: CabinetPicture) -> References:
        """Return the references with the cabinet in one more light.

        Of those that were asked for, and of those that were learnt, MOST_LIGHTS are kept. Beyond
        that the second oldest goes: the first was chosen with care.
        """
        alike = [c for c in self.cabinets if c.is_asked is cabinet.is_asked]
        others = [c for c in self.cabinets if c.is_asked is not cabinet.is_asked]
        if len(alike) >= MOST_LIGHTS:
            del alike[1]
        alike.append(cabinet)
        # What was asked for comes first: the alignment speaks of the first one's pixels.
        kept = alike + others if cabinet.is_asked else others + alike
        return replace(self, cabinets=tuple(kept))

    def without_empties(self, slot_ids: Iterable[str]) -> References:
        """Return the references without any picture of these slots when empty."""
        forgotten = set(slot_ids)
        kept = {slot_id: e for slot_id, e in self.empties.items() if slot_id not in forgotten}
        return replace(self, empties=kept)

    def of_region(self, slot_id: str, region: str) -> tuple[Empty, ...]:
        """Return the pictures of a slot that were cut from this very region."""
        return tuple(e for e in self.empties.get(slot_id, ()) if e.region == region)


def _most_redundant(empties: list[Empty]) -> int:
    thumbnails = [
        cv2.resize(e.crop_rgb, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        for e in empties
    ]
    flat = np.stack(thumbnails).reshape(len(empties), -1).astype(np.float32)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    # The newest stays: it is what the slot looks like now.
    candidates = [i for i, e in enumerate(empties[:-1]) if not e.is_asked]
    candidates = candidates or list(range(len(empties) - 1))
    return min(candidates, key=lambda index: float(distances[index].min()))


def read_references(storage: Path) -> References:
    """Return what the storage folder remembers; what is damaged is left out, with a warning."""
    references = _read(storage / FOLDER, is_asked=True)
    learnt = _read(storage / LEARNT_FOLDER, is_asked=False)
    for cabinet in learnt.cabinets:
        first = references.cabinets[:1]
        if first and first[0].image_rgb.shape == cabinet.image_rgb.shape:
            references = references.with_cabinet(cabinet)
    for slot_id, empties in learnt.empties.items():
        asked = references.empties.get(slot_id, ())
        for empty in empties:
            # What was learnt of a region that moved must not push out what was asked for since.
            if not asked or asked[-1].region == empty.region or empty.at > asked[-1].at:
                references = references.with_empty(slot_id, empty)
    return references


def _read(folder: Path, is_asked: bool) -> References:
    path = folder / INDEX_FILE
    if not path.is_file():
        return References()
    try:
        index = _read_index(path)
        pictures = [
            _cabinet(folder, entry, is_asked) for entry in index.get("cabinets", ())[:MOST_LIGHTS]
        ]
        listed: Mapping[str, Any] = index.get("empty", {})
        empties = {
            slot_id: _empties(folder, entries, is_asked) for slot_id, entries in listed.items()
        }
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        log.warning(
            "%s: cannot be read (%s); the cabinet is read without these references until "
            "`slotwatch reference` takes new ones",
            path,
            error,
        )
        return References()
    cabinets = tuple(picture for picture in pictures if picture is not None)
    return References(cabinets, {slot_id: found for slot_id, found in empties.items() if found})


def _read_index(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _INDEX_LIMIT_BYTES:
        raise ValueError("too large")
    index = json.loads(path.read_bytes())
    if index["format"] != _FORMAT:
        raise ValueError(f"format {index['format']}, this program reads {_FORMAT}")
    return dict(index)


def _cabinet(folder: Path, entry: Mapping[str, Any], is_asked: bool) -> CabinetPicture | None:
    image_rgb = _picture(folder, str(entry["file"]))
    if image_rgb is None:
        return None
    regions = {str(slot_id): str(region) for slot_id, region in entry["regions"].items()}
    return CabinetPicture(image_rgb, regions, datetime.fromisoformat(entry["at"]), is_asked)


def _empties(folder: Path, entries: list[Mapping[str, Any]], is_asked: bool) -> tuple[Empty, ...]:
    found = []
    for entry in entries[:MOST_EMPTIES]:
        crop_rgb = _picture(folder, str(entry["file"]))
        if crop_rgb is not None:
            at = datetime.fromisoformat(entry["at"])
            found.append(Empty(crop_rgb, str(entry["region"]), at, is_asked))
    return tuple(found)


def _picture(folder: Path, name: str) -> ImageRGB | None:
    """Return a picture of the folder; None, with a warning, when it is not as it was written."""
    path = folder / Path(name).name
    try:
        if path.stat().st_size > _PICTURE_LIMIT_BYTES:
            raise ValueError("too large")
        data = path.read_bytes()
        if f"{_digest(data)}.png" != name:
            raise ValueError("its content changed")
        image_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if image_bgr is None:
            raise ValueError("no picture")
    except (OSError, ValueError) as error:
        log.warning("%s: left out (%s)", path, error)
        return None
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def write_references(storage: Path, references: References) -> None:
    """Remember what was asked for among these instead of what was asked for before.

    Raises:
        OSError: the storage cannot be written; what was there before stays.
    """
    _write(storage / FOLDER, references, is_asked=True)


def write_learnt(storage: Path, references: References) -> None:
    """Remember what was learnt among these instead of what was learnt before.

    Raises:
        OSError: the storage cannot be written; what was there before stays.
    """
    _write(storage / LEARNT_FOLDER, references, is_asked=False)


def _write(folder: Path, references: References, is_asked: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"format": _FORMAT}
    index["cabinets"] = [
        {
            "file": _write_picture(folder, cabinet.image_rgb),
            "at": rfc3339(cabinet.at),
            "regions": dict(cabinet.regions),
        }
        for cabinet in references.cabinets
        if cabinet.is_asked is is_asked
    ]
    index["empty"] = {
        slot_id: [
            {
                "file": _write_picture(folder, empty.crop_rgb),
                "at": rfc3339(empty.at),
                "region": empty.region,
            }
            for empty in empties
            if empty.is_asked is is_asked
        ]
        for slot_id, empties in references.empties.items()
    }
    write_durably(folder / INDEX_FILE, json.dumps(index, indent=1).encode())
    named = {entry["file"] for entries in index["empty"].values() for entry in entries}
    named |= {entry["file"] for entry in index["cabinets"]}
    for path in folder.glob("*.png"):
        if path.name not in named:
            path.unlink(missing_ok=True)


def _write_picture(folder: Path, image_rgb: ImageRGB) -> str:
    data = cv2.imencode(".png", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))[1].tobytes()
    name = f"{_digest(data)}.png"
    if not _holds(folder / name, data):
        write_durably(folder / name, data)
    return name


def _holds(path: Path, data: bytes) -> bool:
    # The name alone does not tell: a memory card may have spoilt the file since.
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
