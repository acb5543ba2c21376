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

from trainer.dataset import DataError, Dataset, Sample, SetAside
from trainer.duplicates import near_duplicates
from trainer.recipe import Recipe, SplitBy

SPLITS = ("train", "holdout", "test")
_LEAST_GROUPS = 3  # one to learn from, one to stop and calibrate by, one for the figures
_BLOCKS = 10
FILE_NAMES = "block of file names"  # where nothing says what belongs together


def day_of(time: str) -> str:
    """Return the date a time starts with, or "" when it carries none."""
    match = re.match(r"\d{4}-?\d{2}-?\d{2}(?!\d)", time)
    return match.group() if match else ""


@dataclass(frozen=True)
class Grouping:
    """Which samples belong together, and by what, for each source."""

    groups: tuple[str, ...]  # one per sample
    unit_of_source: Mapping[str, str]  # camera, day, slot, source or FILE_NAMES


def group_samples(samples: Sequence[Sample], split_by: SplitBy = "auto") -> Grouping:
    """Return the groups a split must keep whole.

    "auto" takes, per source, the coarsest of camera, day and slot that gives at least three
    groups. Where names carry nothing, runs of neighbouring file names: they are usually in
    order of time.

    Raises:
        DataError: crops do not say which group of the chosen kind they belong to.
    """
    of_source: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        of_source[sample.source].append(index)
    groups = [""] * len(samples)
    units = {}
    for source, indexes in of_source.items():
        units[source], keys = _unit_and_keys([samples[i] for i in indexes], split_by)
        for index, key in zip(indexes, keys, strict=True):
            groups[index] = f"{source}/{key}"
    return Grouping(tuple(groups), units)


def _unit_and_keys(samples: Sequence[Sample], split_by: SplitBy) -> tuple[str, list[str]]:
    """Return by what a source's samples are grouped, and each one's group."""
    levels = {
        "source": [s.source for s in samples],
        "camera": [s.camera for s in samples],
        "day": [_joined(s.camera, day_of(s.time)) for s in samples],
        "slot": [_joined(s.camera, s.slot) for s in samples],
    }
    if split_by != "auto":
        keys = levels[split_by]
        unsaid = [sample for sample, key in zip(samples, keys, strict=True) if not key]
        if unsaid:
            raise DataError(
                f"--split-by {split_by}: {len(unsaid)} crops of {samples[0].source} do not tell "
                f"their {split_by} (first {unsaid[0].shown}); name them "
                "source__camera__slot__time.jpg, fill in index.csv, or split by something else"
            )
        return split_by, keys
    for unit in ("camera", "day", "slot"):
        if "" not in levels[unit] and len(set(levels[unit])) >= _LEAST_GROUPS:
            return unit, levels[unit]
    return FILE_NAMES, _name_blocks([s.file for s in samples])


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
    Where sources are the groups, they are given away all together; where the recipe names
    sources to test on, they are the test and the others give it nothing.

    Raises:
        DataError: a source to test on is not there.
    """
    _require_sources(recipe.test_sources, samples)
    split_of_group: dict[str, str] = {}
    counts_of: dict[str, dict[str, npt.NDArray[np.float64]]] = defaultdict(
        lambda: defaultdict(lambda: np.zeros(2))
    )
    for sample, group in zip(samples, groups, strict=True):
        if sample.source in recipe.test_sources:
            split_of_group[group] = "test"
        elif sample.source not in recipe.whole_sources:
            pool = "" if recipe.split_by == "source" else sample.source
            counts_of[pool][group][int(sample.is_occupied)] += 1
    # Where no source is as large as the recipe would like for the test, the largest must do.
    for_test = min(recipe.test_from_groups, max(map(len, counts_of.values()), default=0))
    for pool, counts in sorted(counts_of.items()):
        totals = np.maximum(sum(counts.values(), np.zeros(2)), 1)
        free = sorted(counts)
        # Breaks ties, differently per seed.
        random.Random(f"{recipe.seed}/{pool}").shuffle(free)
        shares = {"holdout": recipe.holdout_share, "test": recipe.test_share}
        if recipe.test_sources or len(free) < for_test:
            del shares["test"]
        if len(free) < _LEAST_GROUPS:
            shares = {}
        for name, share in shares.items():
            for group in _closest_to_share({g: counts[g] / totals for g in free}, share):
                split_of_group[group] = name
                free.remove(group)
    return tuple(split_of_group.get(group, "train") for group in groups)


def _require_sources(names: Sequence[str], samples: Sequence[Sample]) -> None:
    known = sorted({s.source for s in samples})
    for name in names:
        if name not in known:
            raise DataError(
                f"--test-source {name}: no crop comes from there; the sources are "
                f"{', '.join(known)}"
            )


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


@dataclass(frozen=True, eq=False)
class Split:
    """Which crops are learned from, which stop and calibrate, and which are for the figures."""

    grouping: Grouping
    names: npt.NDArray[np.str_]  # (count,): one of SPLITS, "" for a crop that was set aside
    set_aside: tuple[SetAside, ...]  # training crops that nearly equal one held out


def split_dataset(dataset: Dataset, recipe: Recipe) -> Split:
    """Return the split of a dataset, without the training crops that would give answers away.

    A crop in training that nearly equals one held out (the same picture saved again, a car
    that stood for days) is set aside there, not where it is held out: so the crops that
    figures are about do not depend on what is learned from.

    Raises:
        DataError: see `group_samples` and `split_groups`.
    """
    samples = dataset.samples
    grouping = group_samples(samples, recipe.split_by)
    names = np.array(split_groups(samples, grouping.groups, recipe))
    train, held_out = np.flatnonzero(names == "train"), np.flatnonzero(names != "train")
    near = near_duplicates(dataset.crops_rgb[train], dataset.crops_rgb[held_out])
    set_aside = []
    for position, other in near.items():
        sample, twin = samples[train[position]], samples[held_out[other]]
        names[train[position]] = ""
        label = "" if twin.is_occupied == sample.is_occupied else f" and is labelled {twin.label}"
        set_aside.append(
            SetAside(sample.file, f"nearly the same as {twin.shown}, which is held out{label}")
        )
    return Split(grouping, names, tuple(set_aside))


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
