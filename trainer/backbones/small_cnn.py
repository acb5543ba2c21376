"""A small network that learns from the crops alone, without ImageNet."""

from __future__ import annotations

from typing import Any

from trainer.backbones.backbone import Backbone

_FEATURES = (16, 32, 64, 128, 256)  # of the blocks; each halves the picture's sides


def _build(input_size_px: int) -> Any:
    import keras

    crop = keras.Input((input_size_px, input_size_px, 3), name="crop_rgb")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scale")(crop)
    for block, features in enumerate(_FEATURES, start=1):
        name = f"block{block}"
        x = keras.layers.Conv2D(features, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
        x = keras.layers.MaxPooling2D(name=f"{name}_pool")(x)
    return keras.Model(crop, x, name="small_cnn")


SMALL_CNN = Backbone(
    build=_build, cuts=tuple(f"block{block}_pool" for block in range(1, len(_FEATURES)))
)
