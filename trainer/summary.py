"""What a data set holds and how it will be split, for a person, before training starts."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trainer.cautions import cautions_of
from trainer.dataset import Crops, Dataset, Sample
from trainer.duplicates import distinct_count
from trainer.pictures import header_size_wh
from trainer.splits import SPLITS, Split, day_of
from trainer.tables import COLUMNS, text_table

_MOST_ROWS = 40
_MOST_CAMERAS = 12  # of a source, each with a line of its own


class CameraRow(NamedTuple):
    """The crops of one camera, or of one source that has many."""

    source: str
    camera: str  # or how many there are
    empty_count: int
    occupied_count: int
    slot_count: int  # 0 where nothing says
    day_count: int  # 0 where nothing says
    distinct: int  # not counting those that nearly equal another
    sides_px: tuple[int, int, int] | None  # shorter sides: smallest, median, largest; of files


class SplitRow(NamedTuple):
    """How the groups of one source are given away."""

    source: str
    unit: str  # what is kept together
    group_count: int
    counts: tuple[int, ...]  # of crops in each of SPLITS


@dataclass(frozen=True)
class Summary:
    """Counts, sizes and the split of a data set, and what to be careful about."""

    empty_count: int
    occupied_count: int
    cameras: tuple[CameraRow, ...]
    splits: tuple[SplitRow, ...]
    set_aside_count: int
    cautions: tuple[str, ...]

    def __str__(self) -> str:
        """Return tables and cautions, at most 80 columns wide."""
        total = self.empty_count + self.occupied_count
        lines = [
            f"{total} crops: {self.empty_count} EMPTY, {self.occupied_count} OCCUPIED; "
            f"{self.set_aside_count} set aside",
            "",
            *_camera_table(self.cameras),
            "",
            *_split_table(self.splits),
        ]
        for caution in self.cautions:
            lines += ["", *textwrap.wrap(f"! {caution}", COLUMNS, subsequent_indent="  ")]
        return "\n".join(lines)


def summarize(dataset: Dataset, split: Split) -> Summary:
    """Return what the data set holds; opens every file once more, for its size."""
    cameras = tuple(_camera_rows(dataset))
    splits = tuple(_split_rows(dataset.samples, split))
    labels = Counter(sample.is_occupied for sample in dataset.samples)
    return Summary(
        labels[False],
        labels[True],
        cameras,
        splits,
        len(dataset.set_aside) + len(split.set_aside),
        tuple(cautions_of(dataset.samples, split)),
    )


def _camera_rows(dataset: Dataset) -> list[CameraRow]:
    cameras: dict[str, set[str]] = defaultdict(set)
    for sample in dataset.samples:
        cameras[sample.source].add(sample.camera)
    of_row: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, sample in enumerate(dataset.samples):
        count = len(cameras[sample.source])
        shown = sample.camera if count <= _MOST_CAMERAS else f"{count} cameras"
        of_row[sample.source, shown].append(index)
    return [
        _camera_row(*row, [dataset.samples[index] for index in indexes], dataset.crops_rgb[indexes])
        for row, indexes in sorted(of_row.items())
    ]


def _camera_row(source: str, camera: str, samples: Sequence[Sample], crops_rgb: Crops) -> CameraRow:
    occupied_count = sum(sample.is_occupied for sample in samples)
    return CameraRow(
        source,
        camera,
        len(samples) - occupied_count,
        occupied_count,
        len({(s.camera, s.slot) for s in samples if s.slot}),
        len({day_of(s.time) for s in samples} - {""}),
        distinct_count(crops_rgb),
        _sides_px(samples),
    )


def _sides_px(samples: Sequence[Sample]) -> tuple[int, int, int] | None:
    sizes = (header_size_wh(sample.file) for sample in samples)
    # Drawn crops have no file.
    sides = [min(size) for size in sizes if not isinstance(size, str)]
    return (min(sides), int(np.median(sides)), max(sides)) if sides else None


def _split_rows(samples: Sequence[Sample], split: Split) -> list[SplitRow]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    groups = defaultdict(set)
    for sample, name, group in zip(samples, split.names, split.grouping.groups, strict=True):
        counts[sample.source][str(name)] += 1
        groups[sample.source].add(group)
    return [
        SplitRow(
            source,
            split.grouping.unit_of_source[source],
            len(groups[source]),
            tuple(counts[source][name] for name in SPLITS),
        )
        for source in sorted(counts)
    ]


def _camera_table(rows: Sequence[CameraRow]) -> list[str]:
    header = ("source", "camera", "EMPTY", "OCCUPIED", "slots", "days", "distinct", "side px")
    cells = [
        (
            row.source,
            row.camera or "-",
            str(row.empty_count),
            str(row.occupied_count),
            str(row.slot_count or "-"),
            str(row.day_count or "-"),
            str(row.distinct),
            "{}/{}/{}".format(*row.sides_px) if row.sides_px else "-",
        )
        for row in rows[:_MOST_ROWS]
    ]
    lines = text_table(header, cells, words=2)
    if len(rows) > _MOST_ROWS:
        lines.append(f"... and {len(rows) - _MOST_ROWS} more cameras")
    return lines


def _split_table(rows: Sequence[SplitRow]) -> list[str]:
    header = ("source", "kept together by", "groups", *SPLITS)
    cells = [
        (row.source, row.unit, str(row.group_count), *map(str, row.counts))
        for row in rows[:_MOST_ROWS]
    ]
    lines = text_table(header, cells, words=2)
    if len(rows) > _MOST_ROWS:
        lines.append(f"... and {len(rows) - _MOST_ROWS} more sources")
    return lines
