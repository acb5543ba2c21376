"""A run of training small enough to be repeated in every test: a small CNN on drawn crops."""

from pathlib import Path
from typing import Any

import numpy as np

from trainer.dataset import Dataset, Sample
from trainer.drawn import drawn_crop
from trainer.recipe import Recipe

SMALL = Recipe(
    name="small",
    backbone="small_cnn",
    input_size_px=32,
    transfer="last layers",
    learns_after="block2_pool",
    views=1,
    epochs=3,
    crops_per_epoch=27,
    batch_size=9,
    learning_rate=1e-3,
    average_decay=0.5,
)


def drawn_dataset(per_label: int = 12, sources: tuple[str, ...] = ("one", "two")) -> Dataset:
    """Return drawn crops of 32 px: sources, two cameras in each, labels by turns."""
    samples, crops = [], []
    for number in range(2 * per_label):
        source = sources[number // 4 % len(sources)]
        camera = f"camera{number // 2 % 2}"
        file = Path(f"{number}.png")
        samples.append(Sample(file, bool(number % 2), source, camera, "", "2024-05-01"))
        crops.append(drawn_crop(32, bool(number % 2), number))
    return Dataset(tuple(samples), np.stack(crops))


def holdout_of(dataset: Dataset) -> Any:
    """Return a mask: every second pair of crops is held out."""
    return np.arange(len(dataset.samples)) // 2 % 2 == 1


def learn(recipe: Recipe = SMALL, **options: Any) -> Any:
    """Return the trainer.fit.Fitted of drawn crops, and the weights of its backbone."""
    from trainer.fit import fit, prepare

    dataset = drawn_dataset()
    prepared = prepare(recipe, dataset, None)
    is_holdout = holdout_of(dataset)
    return fit(recipe, prepared, ~is_holdout, is_holdout, **options)


def weights_of(fitted: Any) -> list[Any]:
    """Return every number of the network."""
    network = fitted.network
    return [*network.backbone.get_weights(), network.kernel, np.float32(network.bias)]
