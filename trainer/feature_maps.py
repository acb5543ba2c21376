"""What the layers of a network make of a crop: feature maps, and Grad-CAM on any of them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edge.types import ConfigurationError, ImageRGB
from trainer.network import Network

Floats = npt.NDArray[np.float32]
TILES = 16
_TILES_ACROSS = 4
_TILE_PX = 120
_GAP_PX = 8
_FINE = 8  # rows from which a map shows forms


@dataclass(frozen=True)
class Layer:
    """A layer whose output is a map over the crop."""

    name: str
    rows: int
    columns: int
    channels: int


def layers_of(network: Network) -> list[Layer]:
    """Return the layers one can look at, from the crop to the feature map the head sees."""
    # The crop itself, and a map with a margin, show nothing new.
    plain = (keras.layers.InputLayer, keras.layers.ZeroPadding2D)
    return [
        Layer(layer.name, *layer.output.shape[1:])
        for layer in network.backbone.layers
        if not isinstance(layer, plain) and len(layer.output.shape) == 4
    ]


def find_layer(network: Network, name: str | None, is_fine: bool = False) -> str:
    """Return the name of a layer; without one, the last, or the last with a fine map.

    Raises:
        ConfigurationError: there is none of this name; the message lists similar ones.
    """
    layers = layers_of(network)
    names = [layer.name for layer in layers]
    if name is None:
        fine = [layer.name for layer in layers if layer.rows >= _FINE]
        return fine[-1] if is_fine and fine else names[-1]
    if name not in names:
        similar = difflib.get_close_matches(name, names, 5, 0.4) or names[-5:]
        raise ConfigurationError(
            f"--layer {name}: no such layer; did you mean {', '.join(similar)}? "
            f"'--layer list' shows all {len(names)}"
        )
    return name


class LayerView:
    """One layer of a network, open to look at."""

    def __init__(self, network: Network, layer: str) -> None:
        """Open the layer of this name; `find_layer` checks names that users give."""
        backbone = network.backbone
        both = keras.Model(backbone.input, [backbone.get_layer(layer).output, backbone.output])

        @tf.function  # type: ignore[untyped-decorator]
        def run(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(batch)  # A frozen backbone has no variable that is watched.
                maps, features = both(batch, training=False)
                pooled = tf.reduce_mean(features, axis=(1, 2))
                logit = tf.reduce_sum(pooled * network.kernel) + network.bias
            return maps[0], tape.gradient(logit, maps)[0]

        self._run: Any = run

    def maps(self, crop_rgb: ImageRGB) -> Floats:
        """Return what the layer puts out for a crop, (rows, columns, channels)."""
        return self._maps_and_gradients(crop_rgb)[0]

    def grad_cam(self, crop_rgb: ImageRGB) -> Floats:
        """Return where the layer saw OCCUPIED, (rows, columns), any range.

        Grad-CAM (Selvaraju et al. 2017): the channels' maps, each weighted by the mean
        gradient of the logit over it. What speaks for EMPTY is negative here; the paper sets
        it to zero. On the last layer this is the class activation map without its bias, up
        to scale.
        """
        maps, gradients = self._maps_and_gradients(crop_rgb)
        return np.asarray(maps @ gradients.mean(axis=(0, 1)), dtype=np.float32)

    def _maps_and_gradients(self, crop_rgb: ImageRGB) -> tuple[Floats, Floats]:
        maps, gradients = self._run(tf.constant(crop_rgb[None], tf.float32))
        return maps.numpy(), gradients.numpy()


def strongest_tiles(maps: Floats) -> ImageRGB:
    """Return the channels with the strongest mean, tiled, strongest first, each with its number.

    `maps` is (rows, columns, channels). All tiles share one scale of grey.
    """
    order = np.argsort(-np.abs(maps).mean(axis=(0, 1)), kind="stable")[:TILES]
    chosen = maps[..., order]
    low, high = float(chosen.min()), float(chosen.max())
    grey = ((chosen - low) / ((high - low) or 1.0) * 255).round().astype(np.uint8)
    pitch_px = _TILE_PX + _GAP_PX
    picture_rgb = np.full((pitch_px * _TILES_ACROSS, pitch_px * _TILES_ACROSS, 3), 255, np.uint8)
    for position, channel in enumerate(order):
        tile = cv2.resize(grey[..., position], (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_CUBIC)
        row, column = divmod(position, _TILES_ACROSS)
        top, left = row * pitch_px, column * pitch_px
        picture_rgb[top : top + _TILE_PX, left : left + _TILE_PX] = tile[..., None]
        # White on black can be read on any tile.
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(
                picture_rgb,
                str(channel),
                (left + 4, top + 14),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.42,
                colour,
                thickness,
                cv2.LINE_AA,
            )
    return picture_rgb
