"""Labelled crops from disk."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.preprocess import crop_whole
from edge.types import ConfigurationError

Crops = npt.NDArray[np.uint8]  # (count, size, size, 3), RGB

INDEX_FILE = "index.csv"
INDEX_COLUMNS = ("file", "label", "camera", "slot", "time")
LABEL_WORDS = {"empty": False, "occupied": True}
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
SMALLEST_PX = 8  # as for regions: less than this shows nothing
_SHOWN_PROBLEMS = 20


class DataError(ConfigurationError):
    """The labelled crops are not what training needs; the message says what to change."""


@dataclass(frozen=True)
class Sample:
    """One labelled crop on disk."""

    file: Path
    is_occupied: bool
    source: str  # where it comes from: a data set, a site
    camera: str  # "" where nothing says
    slot: str
    time: str
    licence: str | None = None


@dataclass(frozen=True)
class SetAside:
    """A file that cannot be used."""

    file: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled crops, decoded. A crop of 128 px takes 48 KiB of memory."""

    samples: tuple[Sample, ...]
    crops_rgb: Crops  # (len(samples), size, size, 3)
    set_aside: tuple[SetAside, ...] = ()

    @property
    def labels(self) -> npt.NDArray[np.float32]:
        """1.0 for OCCUPIED, 0.0 for EMPTY; shape (count,)."""
        return np.array([s.is_occupied for s in self.samples], np.float32)

    def subset(self, chosen: npt.NDArray[np.bool_]) -> Dataset:
        """Return the samples where the mask, shape (count,), holds."""
        samples = tuple(s for s, keep in zip(self.samples, chosen, strict=True) if keep)
        return Dataset(samples, self.crops_rgb[chosen])


def read_dataset(
    folders: Sequence[Path], size_px: int, mirrored_sources: Sequence[str] = ()
) -> Dataset:
    """Return the crops of all folders; unreadable and tiny pictures are set aside.

    A folder holds `index.csv`, or `empty` and `occupied` folders in any case, or a
    `train` folder that holds either. For `mirrored_sources` see `read_crops`.

    Raises:
        DataError: a folder holds none of these, index.csv is malformed, or a label is missing.
    """
    listed = [sample for folder in folders for sample in list_samples(folder)]
    return read_crops(listed, size_px, mirrored_sources)


def read_crops(
    listed: Sequence[Sample], size_px: int, mirrored_sources: Sequence[str] = ()
) -> Dataset:
    """Return the listed samples with their pictures; unreadable and tiny ones are set aside.

    Crops of `mirrored_sources` are turned the right way up, so that a slot's own top-left
    is the crop's, as on the device.

    Raises:
        DataError: no picture with one of the labels can be read.
    """
    samples: list[Sample] = []
    crops: list[npt.NDArray[np.uint8]] = []
    set_aside: list[SetAside] = []
    for sample in listed:
        picture_rgb = _read_picture(sample.file)
        if isinstance(picture_rgb, str):
            set_aside.append(SetAside(sample.file, picture_rgb))
        else:
            samples.append(sample)
            if sample.source in mirrored_sources:
                picture_rgb = np.ascontiguousarray(picture_rgb[::-1])
            crops.append(crop_whole(picture_rgb, size_px))
    for word, is_occupied in LABEL_WORDS.items():
        if not any(sample.is_occupied == is_occupied for sample in samples):
            first = f", the first {set_aside[0].file}: {set_aside[0].reason}" if set_aside else ""
            raise DataError(
                f"no readable picture is labelled {word.upper()} ({len(set_aside)} files were "
                f"set aside{first}); training and evaluation need both labels"
            )
    return Dataset(tuple(samples), np.stack(crops), tuple(set_aside))


def _read_picture(file: Path) -> npt.NDArray[np.uint8] | str:
    """Return the picture as RGB uint8 (height, width, 3), or the reason it cannot be used."""
    try:
        data = np.frombuffer(file.read_bytes(), np.uint8)
    except OSError as error:
        return error.strerror or str(error)
    if not len(data):
        return "the file is empty"
    try:
        picture_bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:
        picture_bgr = None
    if picture_bgr is None:
        return "not a picture OpenCV can read"
    height_px, width_px = picture_bgr.shape[:2]
    if min(height_px, width_px) < SMALLEST_PX:
        return f"only {width_px}x{height_px} px, at least {SMALLEST_PX} are needed"
    return np.asarray(cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def list_samples(folder: Path) -> list[Sample]:
    """Return what a data folder lists, in a fixed order, without opening the pictures.

    Raises:
        DataError: see `read_dataset`.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder that holds the labelled crops")
    nested = _child_folder(folder, "train")
    for root in [folder] if nested is None else [folder, nested]:
        if (root / INDEX_FILE).is_file():
            return _samples_of_index(root / INDEX_FILE, folder.name)
        labelled = {word: _child_folder(root, word) for word in LABEL_WORDS}
        if any(labelled.values()):
            return [
                sample
                for word, child in labelled.items()
                if child is not None
                for sample in _samples_of_folder(child, LABEL_WORDS[word], folder.name)
            ]
    raise DataError(
        f"{folder}: holds neither {INDEX_FILE} nor the folders 'empty' and 'occupied' "
        "(nor a 'train' folder with them); see docs/training.md for the layout"
    )


def _child_folder(folder: Path, name: str) -> Path | None:
    """Return the subfolder of this name in any case."""
    return next(
        (p for p in sorted(folder.iterdir()) if p.is_dir() and p.name.casefold() == name), None
    )


def _samples_of_folder(folder: Path, is_occupied: bool, source: str) -> Iterator[Sample]:
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file():
            # source__camera__slot__time.jpg carries its origin; other names carry none.
            parts = file.stem.split("__")
            if len(parts) == 4:
                yield Sample(file, is_occupied, *parts)
            else:
                camera = "/".join(file.relative_to(folder).parts[:-1])
                yield Sample(file, is_occupied, source, camera, "", "")


def _samples_of_index(path: Path, default_source: str) -> list[Sample]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
            missing = [name for name in INDEX_COLUMNS if name not in columns]
            if missing:
                raise DataError(
                    f"{path}:1: the column {', '.join(missing)} is missing; "
                    f"the first line must name {','.join(INDEX_COLUMNS)}"
                )
            rows = [
                (reader.line_num, {key: (row[name] or "").strip() for key, name in columns.items()})
                for row in reader
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); save it as UTF-8 CSV") from error
    problems = [
        f"{path}:{line}: label: '{row['label']}' is no label; write EMPTY or OCCUPIED"
        for line, row in rows
        if row["label"].casefold() not in LABEL_WORDS
    ]
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        shown = problems[:_SHOWN_PROBLEMS] + ([f"... and {more} more"] if more > 0 else [])
        raise DataError("\n".join(shown))
    return [
        Sample(
            path.parent / row["file"],
            LABEL_WORDS[row["label"].casefold()],
            row.get("source") or default_source,
            row["camera"],
            row["slot"],
            row["time"],
            row.get("licence") or row.get("license") or None,
        )
        for _, row in rows
    ]
