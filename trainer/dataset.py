"""Labelled crops from disk, and their split into groups that must not be torn apart.

Pictures of one camera, slot or day resemble each other far more than they resemble
what the model will meet. A split that tears them apart measures memory.
"""

from __future__ import annotations

import csv
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.preprocess import crop_whole
from edge.types import ConfigurationError
from trainer.recipe import Recipe

Crops = npt.NDArray[np.uint8]  # (count, size, size, 3), RGB

INDEX_FILE = "index.csv"
INDEX_COLUMNS = ("file", "label", "camera", "slot", "time")
LABEL_WORDS = {"empty": False, "occupied": True}
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
SMALLEST_PX = 8  # as for regions: less than this shows nothing
_LEAST_GROUPS = 3  # one to learn from, one to stop and calibrate by, one for the figures
_BLOCKS = 10
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


def day_of(time: str) -> str:
    """Return the date a time starts with, or "" when it carries none."""
    match = re.match(r"\d{4}-?\d{2}-?\d{2}(?!\d)", time)
    return match.group() if match else ""


@dataclass(frozen=True)
class Grouping:
    """Which samples belong together, and by what, for each source."""

    groups: tuple[str, ...]  # one per sample
    unit_of_source: Mapping[str, str]  # camera, day, slot or "block of file names"


def group_samples(samples: Sequence[Sample]) -> Grouping:
    """Return the groups a split must keep whole.

    Per source the coarsest of camera, day and slot that gives at least three groups. Where
    names carry nothing, runs of neighbouring file names: they are usually in order of time.
    """
    of_source: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        of_source[sample.source].append(index)
    groups = [""] * len(samples)
    units = {}
    for source, indexes in of_source.items():
        levels = {
            "camera": [samples[i].camera for i in indexes],
            "day": [_joined(samples[i].camera, day_of(samples[i].time)) for i in indexes],
            "slot": [_joined(samples[i].camera, samples[i].slot) for i in indexes],
            "block of file names": _name_blocks([samples[i].file for i in indexes]),
        }
        units[source], keys = next(
            (
                (unit, keys)
                for unit, keys in levels.items()
                if "" not in keys and len(set(keys)) > 2
            ),
            ("block of file names", levels["block of file names"]),
        )
        for index, key in zip(indexes, keys, strict=True):
            groups[index] = f"{source}/{key}"
    return Grouping(tuple(groups), units)


def _joined(camera: str, key: str) -> str:
    return f"{camera}/{key}" if key else ""


def _name_blocks(files: Sequence[Path]) -> list[str]:
    """Return the block of each file: runs of equal length over the names of its folder."""
    in_folder: dict[Path, list[Path]] = defaultdict(list)
    for file in sorted(files):
        in_folder[file.parent].append(file)
    block = {
        file: f"block{position * _BLOCKS // len(siblings)}"
        for siblings in in_folder.values()
        for position, file in enumerate(siblings)
    }
    return [block[file] for file in files]


def split_groups(
    samples: Sequence[Sample],
    groups: Sequence[str],
    recipe: Recipe,
) -> tuple[str, ...]:
    """Return the split of each sample: "train", "holdout" or "test".

    Whole groups are given away, per source, so that each split comes as close as it can
    to its share of both labels. A source with fewer than three groups stays in "train".
    """
    split_of_group: dict[str, str] = {}
    for source in sorted({s.source for s in samples}):
        counts: dict[str, npt.NDArray[np.float64]] = defaultdict(lambda: np.zeros(2))
        for sample, group in zip(samples, groups, strict=True):
            if sample.source == source:
                counts[group][int(sample.is_occupied)] += 1
        totals = np.maximum(sum(counts.values(), np.zeros(2)), 1)
        free = sorted(counts)
        # Breaks ties, differently per seed.
        random.Random(f"{recipe.seed}/{source}").shuffle(free)
        shares = {"holdout": recipe.holdout_share, "test": recipe.test_share}
        if len(free) < recipe.test_from_groups:
            del shares["test"]
        if len(free) < _LEAST_GROUPS or source in recipe.whole_sources:
            shares = {}
        for name, share in shares.items():
            for group in _closest_to_share({g: counts[g] / totals for g in free}, share):
                split_of_group[group] = name
                free.remove(group)
    return tuple(split_of_group.get(group, "train") for group in groups)


def _closest_to_share(parts: Mapping[str, npt.NDArray[np.float64]], share: float) -> Iterable[str]:
    """Return groups whose parts of both labels add up to about the share; at least one."""
    chosen: list[str] = []
    if share <= 0:
        return chosen
    held = np.zeros(2)
    while len(parts) - len(chosen) > 1:
        rest = [group for group in parts if group not in chosen]
        distances = [float(((held + parts[group] - share) ** 2).sum()) for group in rest]
        best = int(np.argmin(distances))
        if chosen and distances[best] >= float(((held - share) ** 2).sum()):
            break
        chosen.append(rest[best])
        held = held + parts[rest[best]]
    return chosen


def balanced_weights(
    samples: Sequence[Sample], source_weights: Mapping[str, float]
) -> npt.NDArray[np.float64]:
    """Return how much each sample counts, shape (count,), summing to 1.

    Each source counts by its weight times the square root of its size, half on each label.
    """
    sizes = Counter(s.source for s in samples)
    cells = Counter((s.source, s.is_occupied) for s in samples)
    weights = np.array(
        [
            source_weights.get(s.source, 1.0)
            * sizes[s.source] ** 0.5
            / cells[s.source, s.is_occupied]
            for s in samples
        ]
    )
    return np.asarray(weights / weights.sum(), dtype=np.float64)
