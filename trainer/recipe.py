"""What one training run does, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.types import ConfigurationError


@dataclass(frozen=True)
class Recipe:
    """One experiment. The files in `trainer/recipes/` each hold one."""

    name: str
    backbone: str = "mobilenet_v2_1.0"  # one of BACKBONES
    input_size_px: int = 128  # side of a crop
    seed: int = 1

    # The head, on frozen features: plain crops and so many augmented views of each.
    head_views: int = 1
    head_epochs: int = 60

    # Fine-tuning; `epochs=0` keeps the backbone as it came.
    fine_tune_from: str | None = None  # name of the first layer that learns
    epochs: int = 0
    crops_per_epoch: int = 4096  # drawn anew each epoch, balanced over sources and labels
    batch_size: int = 32
    learning_rate: float = 3e-4  # after the warm-up, before the decay
    warm_up_share: float = 0.1  # of all steps
    weight_decay: float = 1e-4
    dropout: float = 0.2
    label_smoothing: float = 0.05
    garbage_share: float = 0.06  # of each batch: pictures that show no slot, taught as 0.5
    average_decay: float = 0.995  # of the running average of the weights, which is what is kept
    patience: int = 4  # epochs without a better holdout loss before stopping

    # Shares of each source's groups that training never sees.
    holdout_share: float = 0.15  # early stopping and calibration
    test_share: float = 0.15  # figures only
    test_from_groups: int = 3  # a source with fewer groups gives none to the test

    # Sources of which training gets every group, because they have so few.
    whole_sources: tuple[str, ...] = ()
    # Sources whose crops are upside-down mirror images of what a device cuts.
    mirrored_sources: tuple[str, ...] = ()

    # How often a source is drawn, relative to the others (1.0 when not listed).
    source_weights: Mapping[str, float] = field(default_factory=dict)
    # Licence of a source, where its index.csv does not say.
    licences: Mapping[str, str] = field(default_factory=dict)

    occupied_at: float = 0.6
    empty_at: float = 0.4
    representative_count: int = 300  # crops that calibrate the quantization


def find_recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises:
        ConfigurationError: there is none; the message lists those there are.
    """
    from trainer.recipes import RECIPES

    try:
        return RECIPES[name]
    except KeyError:
        raise ConfigurationError(
            f"--recipe {name}: no such recipe; choose one of {', '.join(sorted(RECIPES))}"
        ) from None
