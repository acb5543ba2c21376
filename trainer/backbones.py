"""Networks without a head: raw RGB 0..255 in, a feature map out, scaling inside the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.weights import find_mobilenet_v2_weights


@dataclass(frozen=True)
class Backbone:
    """One network.

    `build(input_size_px)` gives a keras.Model (batch, size, size, 3) float 0..255 ->
    (batch, size/32, size/32, features), with random weights. `find_weights(given, cache)`
    gives the file of its pretrained weights; `load(model, file)` puts them in.
    """

    build: Callable[[int], Any]
    find_weights: Callable[[Path | None, Path], Path]
    load: Callable[[Any, Path], None]


def _build_mobilenet_v2(input_size_px: int) -> Any:
    import keras

    crop = keras.Input((input_size_px, input_size_px, 3), name="crop_rgb")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scale")(crop)
    network = keras.applications.MobileNetV2(input_tensor=scaled, include_top=False, weights=None)
    # Keras would name the input in a list otherwise, and warn at every call with a plain batch.
    return keras.Model(crop, network.output)


def _load_mobilenet_v2(model: Any, file: Path) -> None:
    """Copy layer by layer: the file belongs to the network with its classifier, at 224 px."""
    import keras

    whole = keras.applications.MobileNetV2(weights=None)
    whole.load_weights(str(file))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(whole.get_layer(layer.name).get_weights())


BACKBONES: dict[str, Backbone] = {
    "mobilenet_v2_1.0": Backbone(
        _build_mobilenet_v2, find_mobilenet_v2_weights, _load_mobilenet_v2
    ),
}
