"""A backbone and a linear head: what training makes, before it becomes a file for a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from edge.types import ConfigurationError
from trainer.bound import Bound
from trainer.calibration import Calibration
from trainer.dataset import Crops
from trainer.recipe import Recipe

Floats = npt.NDArray[np.float32]
_BATCH = 64


def sigmoid(logits: Floats) -> Floats:
    """Return the probability of OCCUPIED that a logit of it means, same shape."""
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Network:
    """A backbone and a linear head on its pooled features.

    logit = mean over the feature map @ kernel + bias, clipped by the bound if there is one;
    the calibration is folded in.
    """

    backbone: Any  # keras.Model: (batch, size, size, 3) 0..255 -> feature map
    kernel: Floats  # (features,)
    bias: float
    bound: Bound | None = None

    def logits_of(self, features: Floats) -> Floats:
        """Return the logit of OCCUPIED, shape (count,), from features (count, features)."""
        logits = features @ self.kernel + np.float32(self.bias)
        return logits if self.bound is None else self.bound.clip(logits, features)

    def logits(self, crops_rgb: Crops) -> Floats:
        """Return the logit of OCCUPIED of each crop, shape (count,)."""
        return self.logits_of(pooled_features(whole(self.backbone), crops_rgb))

    def probabilities(self, crops_rgb: Crops) -> Floats:
        """Return the probability of OCCUPIED of each crop, shape (count,)."""
        return sigmoid(self.logits(crops_rgb))

    def calibrated(self, calibration: Calibration) -> Network:
        """Return the network with the calibration folded into its head."""
        scale = calibration.scale
        return replace(self, kernel=self.kernel * np.float32(scale), bias=self.bias * scale)


@dataclass(frozen=True, eq=False)
class Cut:
    """A backbone in two parts that share its weights: what stays as it came, what learns."""

    below: Any  # keras.Model: crops 0..255 -> map at the cut; None: everything learns
    above: Any  # keras.Model: map at the cut (or crops) -> pooled features; None: nothing learns

    def above_weights(self) -> tuple[npt.NDArray[Any], ...]:
        """Return the weights of the part that learns."""
        return () if self.above is None else tuple(self.above.get_weights())

    def set_above_weights(self, weights: Sequence[npt.NDArray[Any]]) -> None:
        """Put back what `above_weights` returned."""
        if self.above is not None:
            self.above.set_weights(weights)


def whole(backbone: Any) -> Cut:
    """Return the backbone in one part, crops -> pooled features."""
    return Cut(None, keras.Model(backbone.input, _pooled(backbone)))


def cut_backbone(backbone: Any, recipe: Recipe) -> Cut:
    """Return the backbone parted as the recipe's transfer says.

    Raises:
        ConfigurationError: there is no such layer.
    """
    if recipe.transfer in ("whole network", "from scratch"):
        return whole(backbone)
    if recipe.transfer == "head only":
        return Cut(keras.Model(backbone.input, _pooled(backbone)), None)
    names = [layer.name for layer in backbone.layers]
    if recipe.learns_after not in names:
        raise ConfigurationError(
            f"recipe {recipe.name}: learns_after: {recipe.backbone} has no layer "
            f"'{recipe.learns_after}'; choose one of {', '.join(names)}"
        )
    middle = backbone.get_layer(recipe.learns_after).output
    return Cut(keras.Model(backbone.input, middle), keras.Model(middle, _pooled(backbone)))


def maps_below(cut: Cut, crops_rgb: Crops) -> npt.NDArray[Any]:
    """Return what the part above the cut learns from: maps, pooled features, or the crops.

    Maps are float16; of a backbone that stays as it came the pooled features, float32.
    """
    if cut.below is None:
        return crops_rgb
    dtype = np.float32 if cut.above is None else np.float16
    return _predicted(cut.below, crops_rgb, dtype)


def pooled_features(cut: Cut, inputs: npt.NDArray[Any]) -> Floats:
    """Return the mean of the feature map of each input of the part above the cut.

    Shape (count, features).
    """
    if cut.above is None or not len(inputs):
        return np.asarray(inputs, dtype=np.float32)
    return _predicted(cut.above, inputs, np.float32)


def _pooled(backbone: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D()(backbone.output)


def _predicted(part: Any, inputs: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    outputs = []
    for start in range(0, len(inputs), _BATCH):
        batch = inputs[start : start + _BATCH].astype(np.float32)
        count = len(batch)
        if start:
            # Of another size than the first it would be traced anew, which takes longer.
            batch = np.resize(batch, (_BATCH, *batch.shape[1:]))
        outputs.append(part.predict_on_batch(batch)[:count].astype(dtype))
    return np.concatenate(outputs)
