"""What a file of integers loses against the network in floats, and how little that may be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from trainer.drawn import drawn_crop

pytestmark = pytest.mark.trainer


def inputs_that_move_together(random: np.random.Generator, count: int = 16) -> Any:
    """Return inputs, (400, count), as layers get them: never negative, all from a few causes."""
    causes = random.normal(size=(400, 4)) @ random.normal(size=(4, count))
    return np.maximum(causes + random.normal(0, 0.3, size=(400, count)), 0)


def test_weights_rounded_together_change_a_layer_less_than_each_rounded_to_the_nearest() -> None:
    from trainer.rounding import rounded_filters

    random = np.random.default_rng(0)
    inputs = inputs_that_move_together(random)
    filters = random.normal(size=(32, 16))
    deviations = inputs - inputs.mean(axis=0)
    rounded = rounded_filters(filters, (deviations.T @ deviations / len(inputs))[None])
    steps = np.abs(filters).max(axis=1, keepdims=True) / 127
    nearest = np.round(filters / steps) * steps

    def error(of: Any) -> float:
        return float(np.square(deviations @ (of - filters).T).mean())

    assert error(rounded) < 0.7 * error(nearest)


def test_rounded_weights_lie_on_the_steps_that_the_converter_will_take() -> None:
    from trainer.rounding import rounded_filters

    random = np.random.default_rng(1)
    filters = random.normal(size=(32, 9))
    inputs = inputs_that_move_together(random, 9)
    rounded = rounded_filters(filters, np.cov(inputs.T)[None])
    # The converter takes the largest weight of a filter for 127 steps.
    integers = rounded / (np.abs(rounded).max(axis=1, keepdims=True) / 127)
    assert np.allclose(integers, np.round(integers), atol=1e-9)
    assert np.array_equal(np.abs(rounded).max(axis=1), np.abs(filters).max(axis=1))


def test_a_filter_of_zeros_and_inputs_that_never_vary_are_no_trouble() -> None:
    from trainer.rounding import rounded_filters

    assert np.array_equal(rounded_filters(np.zeros((2, 3)), np.zeros((1, 3, 3))), np.zeros((2, 3)))


def test_rare_values_do_not_stretch_the_range() -> None:
    from trainer.ranges import least_error_range

    values = np.random.default_rng(0).laplace(0, 1, 200_000).astype(np.float32)
    low, high = least_error_range(values, float(values.min()), float(values.max()))
    assert values.min() < 1.1 * low < 0
    assert values.max() > 1.1 * high > 0


def test_values_that_fill_their_range_keep_all_of_it() -> None:
    from trainer.ranges import least_error_range

    values = np.linspace(0, 6, 5000, dtype=np.float32)
    assert least_error_range(values, 0.0, 6.0) == (0.0, 6.0)
    assert least_error_range(np.zeros(5, np.float32), 0.0, 0.0) == (0.0, 0.0)


@pytest.mark.parametrize("size_px", [16, 17])
def test_rounding_leaves_the_mean_of_every_channel_where_it_was(size_px: int) -> None:
    import keras

    from trainer.export import calibrated_file
    from trainer.network import Network
    from trainer.rounding import round_weights

    keras.utils.set_random_seed(0)
    padded = {"strides": 2, "padding": "same", "bias_initializer": "random_normal"}
    crop = keras.Input((size_px, size_px, 3))
    features = keras.layers.Rescaling(1 / 255)(crop)
    features = keras.layers.Conv2D(8, 3, activation="relu6", **padded)(features)
    features = keras.layers.DepthwiseConv2D(3, activation="relu6", **padded)(features)
    backbone = keras.Model(
        crop, keras.layers.Conv2D(16, 1, bias_initializer="random_normal")(features)
    )
    network = Network(backbone, np.ones(16, np.float32), 0.0)
    crops_rgb = np.random.default_rng(0).integers(0, 256, (40, size_px, size_px, 3), np.uint8)

    file = calibrated_file(network, crops_rgb[0])
    convolutions = file.convolutions()[:3]  # Behind them comes the attention.
    assert [convolution.is_depthwise for convolution in convolutions] == [False, True, False]
    for convolution in convolutions:
        before = file_means(file, convolution.target, crops_rgb)
        weights = file.constant(convolution.weights)
        round_weights(file, [convolution], crops_rgb)
        assert not np.array_equal(file.constant(convolution.weights), weights)
        # Not to the last digit: some outputs are cut off at 0.
        assert np.allclose(file_means(file, convolution.target, crops_rgb), before, atol=2e-4)


def file_means(file: Any, tensor: int, crops_rgb: Any) -> Any:
    maps = [values[tensor] for values in file.values([tensor], crops_rgb)]
    return np.mean(maps, axis=(0, 1, 2, 3))


@pytest.fixture(scope="module")
def drawn_crops() -> Any:
    """Return 30 drawn crops of 96 px, each with a black and a white pixel."""
    crops_rgb = np.stack([drawn_crop(96, seed % 2 == 0, seed) for seed in range(30)])
    crops_rgb[:, 0, 0] = 0
    crops_rgb[:, 0, 1] = 255
    return crops_rgb


@pytest.fixture(scope="module")
def run_file() -> Callable[[bytes, Any], tuple[Any, Any]]:
    """Return what runs a TFLite file on crops: embeddings, and its input's scale and zero point."""
    from edge.classifier import load_runtime
    from trainer.export import describe_outputs

    def run(model: bytes, crops_rgb: Any) -> tuple[Any, Any]:
        _, interpreter_class = load_runtime()
        interpreter = interpreter_class(model_content=model)
        interpreter.allocate_tensors()
        (detail,) = interpreter.get_input_details()
        tensor = describe_outputs(model)["embedding"]["tensor"]
        (index,) = (o["index"] for o in interpreter.get_output_details() if o["name"] == tensor)
        embeddings = []
        for crop_rgb in crops_rgb:
            interpreter.set_tensor(detail["index"], crop_rgb[None])
            interpreter.invoke()
            embeddings.append(interpreter.get_tensor(index)[0].copy())
        return np.stack(embeddings), (detail["dtype"], detail["quantization"])

    return run


@pytest.mark.slow
def test_integers_follow_the_floats_on_crops_that_settled_nothing(
    random_network: Any, drawn_crops: Any, run_file: Callable[[bytes, Any], tuple[Any, Any]]
) -> None:
    from trainer.export import quantize
    from trainer.network import pooled_features, whole

    unseen = drawn_crops[20:]
    embeddings, described = run_file(quantize(random_network, drawn_crops[:20]), unseen)
    assert described == (np.uint8, (1.0, 0))
    floats = pooled_features(whole(random_network.backbone), unseen)
    # Weights that never learned carry errors far: a trained network is off by 0.1.
    assert np.linalg.norm(embeddings - floats) < 0.4 * np.linalg.norm(floats)
