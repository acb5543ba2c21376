"""The pool: crops on disk, mostly without labels, and where their names say they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.dataset import INDEX_FILE, DataError, as_text, list_samples
from trainer.pictures import PICTURE_SUFFIXES


@dataclass(frozen=True)
class PoolCrop:
    """One crop of the pool, not opened yet."""

    file: Path
    source: str
    camera: str  # "" where nothing says
    slot: str
    time: str
    is_occupied: bool | None = None  # None: nobody has labelled it

    @property
    def handed_out_name(self) -> str:
        """The name of its copy, which carries its origin: source__camera__slot__time.jpg."""
        # A time is what a name without origin can be: it orders crops and tells them apart.
        parts = (self.source, self.camera, self.slot, self.time or self.file.stem)
        plain = (as_text(part).replace("/", "-").replace("__", "_") for part in parts)
        return "__".join(plain) + self.file.suffix


def list_pool(folder: Path, left_out: Path) -> list[PoolCrop]:
    """Return the crops of a pool in a fixed order, all but those under `left_out`.

    Any tree of pictures is a pool. What lies as labelled crops do keeps its labels.

    Raises:
        DataError: there is no such folder, no picture in it, or its index.csv is malformed.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder that holds the crops")
    try:
        crops = [
            PoolCrop(s.file, s.source, s.camera, s.slot, s.time, s.is_occupied)
            for s in list_samples(folder)
        ]
    except DataError:
        if (folder / INDEX_FILE).is_file():
            raise
        crops = [
            _crop_of(file, folder)
            for file in sorted(folder.rglob("*"))
            if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()
        ]
    crops = [crop for crop in crops if not crop.file.resolve().is_relative_to(left_out.resolve())]
    if not crops:
        raise DataError(f"{folder}: no picture in it; give the folder that holds the crops")
    return _told_apart(crops)


def _crop_of(file: Path, folder: Path) -> PoolCrop:
    parts = as_text(file.stem).split("__")
    if len(parts) == 4:
        source, camera, slot, time = parts
        return PoolCrop(file, source, camera, slot, time)
    folders = file.relative_to(folder).parts[:-1]
    return PoolCrop(file, as_text(folder.name), as_text("/".join(folders)), "", "")


def _told_apart(crops: Sequence[PoolCrop]) -> list[PoolCrop]:
    """Return the crops with names of their own: an index may give several one origin."""
    seen: Counter[str] = Counter()
    told_apart = []
    for crop in crops:
        name = crop.handed_out_name
        seen[name] += 1
        if seen[name] > 1:
            crop = replace(crop, time=f"{crop.time or crop.file.stem}-{seen[name]}")
        told_apart.append(crop)
    return told_apart


def tracks_of(crops: Sequence[PoolCrop]) -> list[list[int]]:
    """Return the crops of each slot in the order of time, where names carry slot and time."""
    tracks: dict[tuple[str, str, str], list[int]] = {}
    for index, crop in enumerate(crops):
        if crop.slot and crop.time:
            tracks.setdefault((crop.source, crop.camera, crop.slot), []).append(index)
    return [sorted(track, key=lambda index: crops[index].time) for track in tracks.values()]
