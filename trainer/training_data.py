"""What a run starts from: labelled crops, slots the program draws itself, pretrained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from trainer.backbones import BACKBONES
from trainer.dataset import Dataset, Sample, list_samples, read_crops
from trainer.imagined import imagined_crops
from trainer.recipe import Recipe

IMAGINED = "imagined"
DRAWN_SOURCES = (IMAGINED, "simulator")  # drawn by this program: for learning, not for figures
_IMAGINED_SEED = 1


def find_weights(recipe: Recipe, given: Path | None, cache: Path) -> Path | None:
    """Return the file of the pretrained weights the recipe starts from, None for random ones.

    Raises:
        WeightsUnavailable: they cannot be had, or `given` is not their file.
    """
    if recipe.transfer == "from scratch":
        return None
    return BACKBONES[recipe.backbone].find_weights(given, cache)


def read_for_training(folders: Sequence[Path], recipe: Recipe) -> Dataset:
    """Return the crops of all folders, and the slots the recipe wants drawn.

    Raises:
        ConfigurationError: the data are not there or not usable.
    """
    listed = [sample for folder in folders for sample in list_samples(folder)]
    dataset = read_crops(listed, recipe.input_size_px, recipe.mirrored_sources)
    return with_imagined(dataset, recipe.imagined_crops) if recipe.imagined_crops else dataset


def with_imagined(dataset: Dataset, count: int) -> Dataset:
    """Return the crops and so many drawn ones, as one more source with a camera per place."""
    size_px = dataset.crops_rgb.shape[1]
    crops_rgb, is_occupied = imagined_crops(size_px, count, _IMAGINED_SEED)
    samples = tuple(
        Sample(
            Path(f"imagined-{number}.png"),
            bool(occupied),
            IMAGINED,
            camera=f"place{number // 2}",
            slot="",
            time="",
            licence="drawn by this program",
        )
        for number, occupied in enumerate(is_occupied)
    )
    return replace(
        dataset,
        samples=dataset.samples + samples,
        crops_rgb=np.concatenate([dataset.crops_rgb, crops_rgb]),
    )
