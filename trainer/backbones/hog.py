"""Histograms of oriented gradients (Dalal and Triggs 2005) as a network without weights.

A linear head on it is their detector. Operations that TFLite has built in alone, so the
device runs it like any other network.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.backbones.backbone import Backbone

_ORIENTATIONS = 9  # over half a turn: a bright edge on dark counts as its reverse
_CELL_PX = 8
_WEAK = 1.0  # grey levels: gradients around this are the sensor's noise, not to be blown up
_CLIP = 0.2  # of a block's length, so that one glaring edge does not drown the others


def _build(input_size_px: int) -> Any:
    import keras
    from keras import ops

    crop = keras.Input((input_size_px, input_size_px, 3), name="crop_rgb")
    across, down = _gradients(crop)
    cells = ops.average_pool(_votes(across, down), _CELL_PX, _CELL_PX)
    # Each block is a cell with its neighbours to the right and below.
    blocks = ops.concatenate(
        [
            cells[:, :-1, :-1],
            cells[:, :-1, 1:],
            cells[:, 1:, :-1],
            cells[:, 1:, 1:],
        ],
        axis=-1,
    )
    blocks = _unit_length(ops.minimum(_unit_length(blocks, _WEAK), _CLIP), 1e-3)
    # One place with all features instead of a map: what counts is where an edge lies, and
    # the head's pooling would average that away.
    features = ops.reshape(blocks, (-1, 1, 1, int(np.prod(blocks.shape[1:]))))
    return keras.Model(crop, features, name="hog")


def _gradients(crop: Any) -> tuple[Any, Any]:
    """Return the gradient of each pixel's strongest colour, (batch, size, size, 1) each."""
    from keras import ops

    padded = ops.pad(crop, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    strength = across * across + down * down
    is_strongest = _is_peak(strength)
    count = ops.sum(is_strongest, axis=-1, keepdims=True)  # colours tie where all is grey
    return (
        ops.sum(is_strongest * across, axis=-1, keepdims=True) / count,
        ops.sum(is_strongest * down, axis=-1, keepdims=True) / count,
    )


def _votes(across: Any, down: Any) -> Any:
    """Return each pixel's vote, its gradient's length, under its orientation.

    (batch, size, size, 1) twice -> (batch, size, size, 9). The nearest orientation is the
    one on which the gradient's shadow is longest.
    """
    from keras import ops

    angles = np.pi * np.arange(_ORIENTATIONS) / _ORIENTATIONS
    shadows = ops.abs(
        across * np.cos(angles).astype(np.float32) + down * np.sin(angles).astype(np.float32)
    )
    return _is_peak(shadows) * ops.sqrt(across * across + down * down)


def _is_peak(values: Any) -> Any:
    """Return 1.0 where a value is the largest of its last axis, else 0.0."""
    from keras import ops

    return ops.cast(values >= ops.max(values, axis=-1, keepdims=True), "float32")


def _unit_length(vectors: Any, floor: float) -> Any:
    from keras import ops

    squares = ops.sum(vectors * vectors, axis=-1, keepdims=True)
    return vectors / ops.sqrt(squares + floor * floor)


HOG = Backbone(build=_build, is_quantizable=False)
