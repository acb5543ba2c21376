"""What the network sees of each crop, drawn once: the crop, views of it in other light, garbage.

The frozen part of a backbone makes the same of the same picture every time, so its output
is kept instead of the pictures: an epoch then costs what learns, and nothing else. A view of
a 128 px crop takes 16 KiB at the usual cut of MobileNetV2, and 48 KiB where nothing is frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.garbage import garbage
from edge.types import ImageRGB
from trainer.augment import augment
from trainer.dataset import Dataset
from trainer.network import Cut, maps_below
from trainer.progress import progress_bar
from trainer.recipe import Recipe

GARBAGE_LEAST = 400
_GARBAGE_PER_CROP = 0.2

Inputs = npt.NDArray[Any]  # (count, ...): maps at the cut (float16), or crops (uint8)


@dataclass(frozen=True, eq=False)
class Views:
    """Everything one run learns from, as the part above the cut takes it."""

    plain: Inputs  # (crops, ...)
    augmented: tuple[Inputs, ...]  # each like `plain`: another view of every crop
    garbage: Inputs  # (garbage pictures, ...)
    garbage_from: npt.NDArray[np.int64]  # index of the crop that each was made of

    def subset(self, chosen: npt.NDArray[np.bool_]) -> Views:
        """Return the views of the crops where the mask holds, and the garbage made of them."""
        kept = chosen[self.garbage_from]
        position = np.cumsum(chosen) - 1
        return Views(
            self.plain[chosen],
            tuple(view[chosen] for view in self.augmented),
            self.garbage[kept],
            position[self.garbage_from[kept]],
        )


def draw_views(recipe: Recipe, cut: Cut, dataset: Dataset, seed: int) -> Views:
    """Return the views of all crops, the same for the same seed."""
    neighbours = neighbours_of(dataset)

    def view(number: int) -> Callable[[int], ImageRGB]:
        def draw(index: int) -> ImageRGB:
            random = np.random.default_rng([seed, number, index])
            neighbour_rgb = dataset.crops_rgb[random.choice(neighbours[index])]
            return augment(dataset.crops_rgb[index], random, neighbour_rgb)

        return draw

    crops = range(len(dataset.samples))
    count = 0
    if recipe.garbage_share and recipe.views:
        count = max(GARBAGE_LEAST, int(_GARBAGE_PER_CROP * len(crops) * recipe.views))
    random = np.random.default_rng([seed, 8])
    garbage_from = random.integers(0, len(crops), count)

    def draw_garbage(index: int) -> ImageRGB:
        of_this = np.random.default_rng([seed, 9, index])
        return garbage(recipe.input_size_px, of_this, dataset.crops_rgb[garbage_from[index]])

    return Views(
        _drawn_maps(cut, lambda index: dataset.crops_rgb[index], crops, "crops"),
        tuple(
            _drawn_maps(cut, view(number), crops, f"view {number + 1}/{recipe.views}")
            for number in range(recipe.views)
        ),
        _drawn_maps(cut, draw_garbage, range(count), "garbage"),
        garbage_from,
    )


def _drawn_maps(
    cut: Cut, draw: Callable[[int], ImageRGB], indexes: Sequence[int], what: str
) -> Inputs:
    """Return what the frozen part makes of drawn pictures, a few at a time."""
    parts = []
    with ThreadPoolExecutor() as pool:
        for start in progress_bar(range(0, len(indexes), 1024), what):
            pictures = list(pool.map(draw, indexes[start : start + 1024]))
            parts.append(maps_below(cut, np.stack(pictures)))
    return np.concatenate(parts) if parts else np.zeros((0,), np.float16)


def neighbours_of(dataset: Dataset) -> list[npt.NDArray[np.int64]]:
    """Return, for each crop, the crops that may lean into it: occupied ones of its source."""
    of_source = {}
    sources = np.array([s.source for s in dataset.samples])
    for source in sorted(set(sources)):
        occupied = np.flatnonzero((sources == source) & (dataset.labels > 0.5))
        of_source[source] = occupied if len(occupied) else np.flatnonzero(sources == source)
    return [of_source[s.source] for s in dataset.samples]
