"""Labelled crops from disk."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.preprocess import crop_whole
from edge.types import ConfigurationError, ImageRGB
from trainer.duplicates import same_pictures
from trainer.pictures import PICTURE_SUFFIXES, read_picture
from trainer.progress import progress_bar

Crops = npt.NDArray[np.uint8]  # (count, size, size, 3), RGB

INDEX_FILE = "index.csv"
INDEX_COLUMNS = ("file", "label", "camera", "slot", "time")
LABEL_WORDS = {"empty": False, "occupied": True}
_SHOWN_PROBLEMS = 20
# SLOT_TIME.png, as `slotwatch snapshot --crops` calls them, and "SLOT_TIME (1)", a copy.
_NAME_ON_A_DEVICE = re.compile(
    r"(?P<slot>.*[^_])_(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"T(?P<clock>[0-9]{6}\.[0-9]{3})(?: \([0-9]+\))?"
)


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

    @property
    def label(self) -> str:
        """EMPTY or OCCUPIED."""
        return "OCCUPIED" if self.is_occupied else "EMPTY"

    @property
    def shown(self) -> str:
        """The file with its folder: names alone repeat under both labels."""
        return f"{self.file.parent.name}/{self.file.name}"


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
    """Return the crops of all folders; for what is set aside see `read_crops`.

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
    """Return the listed samples with their pictures; what cannot be used is set aside.

    That is what cannot be read or is too small or too large, every further copy of the same
    picture, and all copies of one that stands under both labels. Crops of
    `mirrored_sources` are turned the right way up, so that a slot's own top-left is the
    crop's, as on the device.

    Raises:
        DataError: no picture with one of the labels can be read.
    """
    samples: list[Sample] = []
    crops: list[ImageRGB] = []
    digests: list[bytes] = []
    set_aside: list[SetAside] = []
    for sample in progress_bar(listed, "reading", len(listed)):
        picture_rgb = read_picture(sample.file)
        if isinstance(picture_rgb, str):
            set_aside.append(SetAside(sample.file, picture_rgb))
            continue
        samples.append(sample)
        digest = hashlib.blake2b(str(picture_rgb.shape).encode(), digest_size=16)
        digest.update(picture_rgb.tobytes())
        digests.append(digest.digest())
        if sample.source in mirrored_sources:
            picture_rgb = np.ascontiguousarray(picture_rgb[::-1])
        crops.append(crop_whole(picture_rgb, size_px))
    copies = _copies(samples, digests)
    set_aside += [SetAside(samples[index].file, reason) for index, reason in copies.items()]
    kept = [index for index in range(len(samples)) if index not in copies]
    _require_both_labels([samples[index] for index in kept], set_aside)
    return Dataset(
        tuple(samples[index] for index in kept),
        np.stack([crops[index] for index in kept]),
        tuple(set_aside),
    )


def _copies(samples: Sequence[Sample], digests: Sequence[bytes]) -> dict[int, str]:
    """Return the samples that are there already or stand under both labels, each with why."""
    repeated, conflicting = same_pictures(digests, [s.is_occupied for s in samples])
    reasons = {
        index: f"the same picture as {samples[first].shown}" for index, first in repeated.items()
    }
    for index, other in conflicting.items():
        reasons[index] = (
            f"the same picture as {samples[other].shown}, which is labelled "
            f"{samples[other].label}; keep the one that is right"
        )
    return dict(sorted(reasons.items()))


def _require_both_labels(samples: Sequence[Sample], set_aside: Sequence[SetAside]) -> None:
    for word, is_occupied in LABEL_WORDS.items():
        if not any(sample.is_occupied == is_occupied for sample in samples):
            first = f", the first {set_aside[0].file}: {set_aside[0].reason}" if set_aside else ""
            raise DataError(
                f"no readable picture is labelled {word.upper()} ({len(set_aside)} files were "
                f"set aside{first}); training and evaluation need both labels"
            )


def list_samples(folder: Path) -> list[Sample]:
    """Return what a data folder lists, in a fixed order, without opening the pictures.

    Raises:
        DataError: see `read_dataset`.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder that holds the labelled crops")
    nested = _child_folder(folder, "train")
    source = as_text(folder.name)
    for root in [folder] if nested is None else [folder, nested]:
        if (root / INDEX_FILE).is_file():
            return _samples_of_index(root / INDEX_FILE, source)
        labelled = {word: _child_folder(root, word) for word in LABEL_WORDS}
        if any(labelled.values()):
            return [
                sample
                for word, child in labelled.items()
                if child is not None
                for sample in _samples_of_folder(child, LABEL_WORDS[word], source)
            ]
    raise DataError(
        f"{folder}: holds neither {INDEX_FILE} nor the folders 'empty' and 'occupied' "
        "(nor a 'train' folder with them); see docs/training.md for the layout. Boxes of Pascal "
        "VOC, YOLO or COCO become crops with `slotwatch-train import`"
    )


def _child_folder(folder: Path, name: str) -> Path | None:
    """Return the subfolder of this name in any case."""
    return next(
        (p for p in sorted(folder.iterdir()) if p.is_dir() and p.name.casefold() == name), None
    )


def _samples_of_folder(folder: Path, is_occupied: bool, source: str) -> Iterator[Sample]:
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file():
            camera = as_text("/".join(file.relative_to(folder).parts[:-1]))
            name = as_text(file.stem)
            parts = name.split("__")
            if of_device := _NAME_ON_A_DEVICE.fullmatch(name):
                time = "{year}-{month}-{day}T{clock}".format(**of_device.groupdict())
                yield Sample(file, is_occupied, source, camera, of_device["slot"], time)
            elif len(parts) == 4:
                # source__camera__slot__time.jpg carries its origin.
                yield Sample(file, is_occupied, *parts)
            else:
                yield Sample(file, is_occupied, source, camera, "", "")


def as_text(name: str) -> str:
    """Return a file's name with "?" for bytes that are no UTF-8, so that it can be written."""
    return name.encode("utf-8", errors="replace").decode("utf-8")


def _samples_of_index(path: Path, default_source: str) -> list[Sample]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
            missing = [name for name in INDEX_COLUMNS if name not in columns]
            if missing:
                raise DataError(
                    f"{path}:1: the column {', '.join(missing)} is missing; "
                    f"the first line must name {','.join(INDEX_COLUMNS)}, with commas between"
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
