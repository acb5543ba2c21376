"""The contract of every network in BACKBONES: scaling inside, cuts that hold, a file that runs."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle import Golden, read_bundle, write_bundle
from edge.classifier import Classifier
from trainer.backbones import BACKBONES
from trainer.drawn import drawn_crop
from trainer.recipe import Recipe
from trainer.weights import cache_folder

pytestmark = [pytest.mark.trainer, pytest.mark.slow]

SIZE_PX = 64
OCCUPIED = np.arange(8) % 2 == 1
CROPS_RGB = np.stack([drawn_crop(SIZE_PX, bool(o), seed) for seed, o in enumerate(OCCUPIED)])
ENDS_RGB = np.stack([np.full((SIZE_PX, SIZE_PX, 3), v, np.uint8) for v in (0, 255)])
SEEN_RGB = np.concatenate([CROPS_RGB, ENDS_RGB])


def settled(name: str) -> Any:
    """Return the network with random weights and the batch statistics of what it will see.

    With those it comes with, a random network's answer shrinks to nothing on its way.
    """
    import keras

    keras.utils.set_random_seed(0)
    network = BACKBONES[name].build(SIZE_PX)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(SEEN_RGB.astype(np.float32), training=True)
    return network


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return {name: settled(name) for name in BACKBONES}


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_a_network_takes_raw_crops_and_gives_a_map(name: str, networks: dict[str, Any]) -> None:
    network = networks[name]
    assert network.input.shape == (None, SIZE_PX, SIZE_PX, 3)
    rows, columns = network.output.shape[1:3]
    assert (rows, columns) == ((1, 1) if name == "hog" else (2, 2))
    features = np.asarray(network(CROPS_RGB.astype(np.float32), training=False))
    assert np.isfinite(features).all()
    # It tells the crops apart, and 0..255 neither drowns in the scaling nor blows it up.
    assert 1e-3 < features.std(axis=0).mean() < 1e2


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_a_network_may_be_parted_after_each_of_its_cuts(
    name: str, networks: dict[str, Any]
) -> None:
    from trainer.network import cut_backbone

    crops = CROPS_RGB[:2].astype(np.float32)
    pooled = np.asarray(networks[name](crops, training=False)).mean(axis=(1, 2))
    for layer in BACKBONES[name].cuts:
        recipe = Recipe("cut", backbone=name, transfer="last layers", learns_after=layer)
        cut = cut_backbone(networks[name], recipe)
        parted = np.asarray(cut.above(cut.below(crops, training=False), training=False))
        assert np.allclose(parted, pooled, atol=1e-3), layer


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_the_device_runs_every_network_and_says_what_the_trainer_says(
    name: str, networks: dict[str, Any], tmp_path: Path
) -> None:
    from trainer.export import describe_outputs, fill_bundle, keep_floats, manifest_of, quantize
    from trainer.network import Network

    maps = np.asarray(networks[name](CROPS_RGB.astype(np.float32), training=False))
    features = maps.mean(axis=(1, 2))
    kernel = features[OCCUPIED].mean(axis=0) - features[~OCCUPIED].mean(axis=0)
    logits = features @ kernel
    kernel /= logits.std()
    network = Network(networks[name], kernel, float(-logits.mean() / logits.std()))

    is_quantizable = BACKBONES[name].is_quantizable
    model = quantize(network, SEEN_RGB) if is_quantizable else keep_floats(network)
    expected = network.probabilities(CROPS_RGB)
    golden = Golden(CROPS_RGB, expected, tuple(map(str, OCCUPIED)))
    recipe = Recipe(name, backbone=name, input_size_px=SIZE_PX)
    manifest = manifest_of(recipe, name, "2024-05-01", describe_outputs(model), golden, {})
    write_bundle(tmp_path / name, manifest, fill_bundle(model, golden))

    classifier = Classifier(read_bundle(tmp_path / name))
    predictions = [classifier.predict(crop_rgb) for crop_rgb in CROPS_RGB]
    answers = np.array([prediction.probability for prediction in predictions])
    # Random layers blow up what rounding does to them; trained ones move by about 0.02.
    assert np.abs(answers - expected).max() < (0.25 if is_quantizable else 1e-5)
    assert predictions[0].attention.shape == maps.shape[1:3]
    assert predictions[0].embedding.shape == (features.shape[1],)


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v3_small"])
def test_weights_without_a_classifier_are_copied_from_keras_files(
    name: str, networks: dict[str, Any], tmp_path: Path
) -> None:
    import keras

    family = {
        "efficientnet_b0": keras.applications.EfficientNetB0,
        "mobilenet_v3_small": keras.applications.MobileNetV3Small,
    }[name]
    theirs = family(input_shape=(96, 96, 3), include_top=False, weights=None)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    crops = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3)).astype(np.float32)
    if name == "efficientnet_b0":
        # What Keras does with `weights="imagenet"`, undone where it scales once more.
        mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        their_crops = (255 * (crops / 255 - mean) / deviation).astype(np.float32)
    else:
        their_crops = crops
    theirs(their_crops, training=True)
    expected = np.asarray(theirs(their_crops, training=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras would rather write its newer format.
        theirs.save(tmp_path / "weights.h5")
    ours = BACKBONES[name].build(96)
    BACKBONES[name].load(ours, tmp_path / "weights.h5")
    assert np.ptp(expected) > 0.1
    assert np.allclose(ours(crops, training=False), expected, atol=1e-2)


def test_efficientnet_lite0_reads_its_own_weights() -> None:
    backbone = BACKBONES["efficientnet_lite0"]
    file = cache_folder() / "weights" / backbone.weights.name
    if not file.is_file():
        pytest.skip(f"{file}: not there; train the recipe efficientnet_lite0 once")
    network = backbone.build(SIZE_PX)
    backbone.load(network, file)
    maps = np.asarray(network(CROPS_RGB.astype(np.float32), training=False))
    # The batch statistics belong to these weights: nothing dies away, nothing blows up.
    assert 0.05 < maps.mean() < 1.0
    assert 0.05 < (maps > 0).mean() < 0.9
