"""The split into groups that must not be torn apart, and how much each crop counts.

Pictures of one camera, slot or day resemble each other far more than they resemble
what the model will meet. A split that tears them apart measures memory.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainer.dataset import Sample
from trainer.recipe import Recipe

_LEAST_GROUPS = 3  # one to learn from, one to stop and calibrate by, one for the figures
_BLOCKS = 10


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
