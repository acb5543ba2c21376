"""What the trainer knows of one network without a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.weights import WeightsFile, WeightsUnavailable, find_weights


def load_nothing(model: Any, file: Path) -> None:
    """Stand where a network has no pretrained weights."""
    raise ValueError(f"{file}: {model.name} has no pretrained weights")


@dataclass(frozen=True)
class Backbone:
    """One network: raw RGB 0..255 in, a feature map out, scaling inside the graph.

    `build(input_size_px)` gives a keras.Model (batch, size, size, 3) float 0..255 ->
    (batch, rows, columns, features), with random weights; `load(model, file)` puts the
    pretrained ones in.
    """

    build: Callable[[int], Any]
    weights: WeightsFile | None = None  # None: it learns from random weights, or not at all
    load: Callable[[Any, Path], None] = load_nothing
    # Layers after which the network may be parted: one tensor, all later layers hang on it.
    cuts: tuple[str, ...] = ()
    is_quantizable: bool = True  # False: integers would cost more than they save

    @property
    def is_pretrained(self) -> bool:
        """Whether there are ImageNet weights to start from."""
        return self.weights is not None

    def find_weights(self, given: Path | None, cache: Path) -> Path | None:
        """Return the file of the pretrained weights, None for a network that has none.

        Raises:
            WeightsUnavailable: they cannot be had, or `given` is not their file.
        """
        if self.weights is not None:
            return find_weights(self.weights, given, cache)
        if given is not None:
            raise WeightsUnavailable(
                f"--weights {given}: this recipe's network has no pretrained weights; "
                "leave --weights out"
            )
        return None
