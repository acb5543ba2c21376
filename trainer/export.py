"""Network -> models/<name>/: TFLite, manifest, golden crops, report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.util import modify_model_io_type
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from edge.bundle import FORMAT, GOLDEN_FILE, LABELS, MODEL_FILE, Golden
from edge.classifier import load_runtime
from edge.garbage import GARBAGE
from edge.preprocess import PREPROCESS_VERSION
from edge.types import ImageRGB
from trainer.augment import augment
from trainer.bound import FLOOR, LEAK, Bound
from trainer.dataset import Crops, Dataset
from trainer.drawn import drawn_crop
from trainer.float_file import FloatFile
from trainer.network import Network
from trainer.quiet import native_output_silenced
from trainer.ranges import choose_ranges
from trainer.recipe import Recipe
from trainer.rounding import round_weights

GOLDEN_PER_LABEL = 8
# What lies between the embedding and the probability; no backbone has any of it.
_HEAD_OPERATIONS = ["FULLY_CONNECTED", "MINIMUM", "MAXIMUM", "NEG"]
# Convolutions that stay in floats: in MobileNetV2 half of the error for 4 % of the time.
FIRST_IN_FLOATS = 3
# Runtimes round differently in the last bits of 53 layers; a wrong kernel is off by far more.
GOLDEN_TOLERANCE = 0.1


def export_model(network: Network) -> Any:
    """Return the keras.Model with the three outputs, calibration folded in.

    probability (batch, 1), attention (batch, rows, columns, 1), embedding (batch, features).
    The attention is the class activation map (Zhou et al. 2016): a 1x1 convolution with
    the head's own weights, so its mean is the logit before the bound clips it.
    """
    features = network.backbone.output
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(features)
    dense = keras.layers.Dense(1, name="logit")
    attention = keras.layers.Conv2D(1, 1, name="attention")
    logit = dense(embedding)
    if network.bound is not None:
        largest = _limit(embedding, network, network.bound, LEAK)
        smallest = -_limit(embedding, network, network.bound, -LEAK)
        logit = keras.ops.maximum(keras.ops.minimum(logit, largest), smallest)
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)
    model = keras.Model(network.backbone.input, [probability, attention(features), embedding])
    bias = np.array([network.bias], np.float32)
    dense.set_weights([network.kernel[:, None], bias])
    attention.set_weights([network.kernel[None, None, :, None], bias])
    return model


def _limit(embedding: Any, network: Network, bound: Bound, leak: float) -> Any:
    """Return max(log-odds of a slot, FLOOR) + leak * logit.

    As the larger of two linear layers: additions are the backbone's too, and in integers.
    """
    limits = []
    for kernel, bias in (
        (bound.kernel + leak * network.kernel, bound.bias + leak * network.bias),
        (leak * network.kernel, FLOOR + leak * network.bias),
    ):
        limit = keras.layers.Dense(1)
        limits.append(limit(embedding))
        limit.set_weights([kernel[:, None], np.array([bias], np.float32)])
    return keras.ops.maximum(*limits)


def quantize(
    network: Network, representative_rgb: Crops, first_in_floats: int = FIRST_IN_FLOATS
) -> bytes:
    """Return the TFLite file; `representative_rgb` settles roundings and ranges.

    Integers up to the feature map, but floats for the first convolutions, where errors grow
    most, and for pooling and head: in integers every sure answer would be the same 255/256.
    Its input has scale 1 and zero point 0, so that a device feeds a crop as it is.
    """
    file = calibrated_file(network, representative_rgb[0])
    first = file.convolutions()[:first_in_floats]
    round_weights(file, [c for c in file.convolutions() if c not in first], representative_rgb)
    choose_ranges(file, representative_rgb)
    calibrated = file.to_bytes()
    with native_output_silenced(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated")
        model = mlir_quantize(
            calibrated,
            # By name, because a backbone may pool and squash too (squeeze-and-excite, swish).
            denylisted_nodes=[
                *(file.name(convolution.target) for convolution in first),
                *(
                    output["tensor"]
                    for name, output in describe_outputs(calibrated).items()
                    if name != "attention"
                ),
            ],
            denylisted_ops=_HEAD_OPERATIONS,
        )
        return bytes(modify_model_io_type(model, tf.uint8, tf.float32))


def calibrated_file(network: Network, crop_rgb: ImageRGB) -> FloatFile:
    """Return the network halfway to integers: ranges, of this one crop, and floats still."""
    converter = _converter_of(network, "float32")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # One crop is enough to learn which tensors need a range.
    converter.representative_dataset = lambda: iter([[crop_rgb[None].astype(np.float32)]])
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
    with native_output_silenced(), warnings.catch_warnings():
        # The statistics come from the representative crops; the check does not know of them.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
        # The converter itself lets nobody change what lies between its two steps, nor leave
        # operations out of the second. Its public debugger can do the latter only.
        converter._experimental_calibrate_only = True
        return FloatFile(converter.convert())


def keep_floats(network: Network) -> bytes:
    """Return the TFLite file of a network that integers would spoil; its input is uint8 too."""
    converter = _converter_of(network, "uint8")
    with native_output_silenced():
        return bytes(converter.convert())


def _converter_of(network: Network, kind: str) -> Any:
    """Return a converter of the network to export, whose input is one crop of this type."""
    _, *shape = network.backbone.input.shape
    # With a batch of any length, reshaping would be worked out on the device for every crop.
    crop = keras.Input(batch_shape=(1, *shape), dtype=kind, name="crop_rgb")
    model = keras.Model(crop, export_model(network)(keras.ops.cast(crop, "float32")))
    traced = tf.function(model).get_concrete_function(tf.TensorSpec(crop.shape, kind, "crop_rgb"))
    frozen = convert_variables_to_constants_v2(traced)
    # Not `from_keras_model`, which saves the model and reads it again: three times as long.
    with native_output_silenced():  # It asks for the model, to do just that.
        return tf.lite.TFLiteConverter.from_concrete_functions([frozen])


def representative_crops(train: Dataset, recipe: Recipe) -> Crops:
    """Return crops as the device will see them: both labels alike, every source, all lights."""
    random = np.random.default_rng([recipe.seed, 7])
    cells: dict[tuple[str, bool], list[int]] = {}
    for index, sample in enumerate(train.samples):
        cells.setdefault((sample.source, sample.is_occupied), []).append(index)
    # Sources with one label only would tip the balance: each label gets its half.
    chosen: list[int] = []
    for is_occupied in (False, True):
        of_label = [
            indexes for (_, label), indexes in sorted(cells.items()) if label == is_occupied
        ]
        for position in range(recipe.representative_count // 2):
            chosen.append(int(random.choice(of_label[position % len(of_label)])))
    crops = [
        augment(train.crops_rgb[index], random) if position % 2 else train.crops_rgb[index]
        for position, index in enumerate(chosen)
    ]
    representative_rgb = np.stack(crops)
    # One black and one white pixel each: the device will see both.
    representative_rgb[:, 0, 0] = 0
    representative_rgb[:, 0, 1] = 255
    return representative_rgb


def golden_crops(dataset: Dataset, size_px: int) -> tuple[Crops, tuple[str, ...]]:
    """Return the crops every device replays, and what each is.

    Only drawn pictures: they travel with the bundle, and licences of photos may forbid that.
    The simulator's where there are some, else simple ones.
    """
    crops, names = [], []
    for is_occupied, label in enumerate(LABELS):
        simulated = [
            (crop_rgb, f"{label} {sample.file.stem}")
            for sample, crop_rgb in zip(dataset.samples, dataset.crops_rgb, strict=True)
            if sample.source == "simulator" and sample.is_occupied == bool(is_occupied)
        ]
        step = max(1, len(simulated) // GOLDEN_PER_LABEL)
        chosen = simulated[::step][:GOLDEN_PER_LABEL] or [
            (drawn_crop(size_px, bool(is_occupied), seed), f"{label} drawn {seed}")
            for seed in range(GOLDEN_PER_LABEL)
        ]
        for crop_rgb, name in chosen:
            crops.append(crop_rgb)
            names.append(name)
    for name, draw in GARBAGE.items():
        crops.append(draw(size_px, np.random.default_rng(0)))
        names.append(f"garbage {name}")
    return np.stack(crops), tuple(names)


def describe_outputs(model: bytes) -> dict[str, dict[str, Any]]:
    """Return the manifest's `outputs`: the tensor and shape of each logical output."""
    _, interpreter_class = load_runtime()
    interpreter = interpreter_class(model_content=model)
    outputs = {}
    for detail in interpreter.get_output_details():
        shape = [int(length) for length in detail["shape"]]
        # The converter renames and reorders outputs; their shapes tell them apart.
        name = "attention" if len(shape) == 4 else "probability" if shape[1] == 1 else "embedding"
        outputs[name] = {
            "tensor": detail["name"],
            "shape": shape,
            "dtype": np.dtype(detail["dtype"]).name,
        }
    return outputs


def manifest_of(
    recipe: Recipe,
    name: str,
    created_at: str,
    outputs: Mapping[str, Any],
    golden: Golden,
    rest: Mapping[str, Any],
) -> dict[str, Any]:
    """Return bundle.json without the hashes, which `edge.bundle.write_bundle` adds."""
    rule = recipe.empty_rule
    return {
        "format": FORMAT,
        "name": name,
        "created_at": created_at,
        "labels": list(LABELS),
        "input": {"size_px": recipe.input_size_px, "dtype": "uint8", "layout": "RGB"},
        "preprocess_version": PREPROCESS_VERSION,
        "outputs": dict(outputs),
        "thresholds": {"occupied_at": recipe.occupied_at, "empty_at": recipe.empty_at},
        **({} if rule is None else {"empty_rule": asdict(rule)}),
        "golden": {"tolerance": GOLDEN_TOLERANCE, "count": len(golden.names)},
        **rest,
    }


def fill_bundle(model: bytes, golden: Golden) -> Callable[[Path], None]:
    """Return what writes the model and its golden crops into a folder."""

    def fill(folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(model)
        np.savez_compressed(
            folder / GOLDEN_FILE,
            crops_rgb=golden.crops_rgb,
            probability=golden.probability,
            names=np.array(golden.names),
        )

    return fill
