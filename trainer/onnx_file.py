"""The float network of a bundle as an ONNX file, for runtimes other than the device's."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tf2onnx  # noqa: F401 - Keras exports with it; missed here, it is missed before the work

from edge.bundle import LABELS, OUTPUTS
from edge.types import SlotwatchError
from trainer.dataset import Crops
from trainer.export import export_model
from trainer.network import Network
from trainer.quiet import native_output_silenced

_LARGEST_DIFFERENCE = 1e-3  # of probabilities; both compute in float32


class ExportDiffers(SlotwatchError):
    """The file's answers are not those of the network."""


def write_onnx(network: Network, file: Path, crops_rgb: Crops) -> float:
    """Write the network; return how far the file's probabilities are off on these crops.

    Input `crop_rgb` float32 (batch, size, size, 3) 0..255; outputs `probability` (batch, 1),
    `attention` (batch, rows, columns, 1), `embedding` (batch, features).

    Raises:
        ExportDiffers: by more than the last digits; nothing was written then.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.stem}.{os.getpid()}.onnx")
    model = export_model(network)
    crops = crops_rgb.astype(np.float32)
    expected = np.asarray(model(crops)[0])  # Keras exports only what was called before.
    try:
        with native_output_silenced(), warnings.catch_warnings():
            # Of numpy, about what Keras mends in the converter.
            warnings.simplefilter("ignore")
            model.export(str(partial), format="onnx", verbose=False)
        onnx.save(_with_names(onnx.load(partial)), partial)
        session = onnxruntime.InferenceSession(partial)
        difference = float(
            np.abs(session.run(["probability"], {"crop_rgb": crops})[0] - expected).max()
        )
        if not difference <= _LARGEST_DIFFERENCE:
            raise ExportDiffers(
                f"{file}: not written: its probabilities would differ from the network's by "
                f"{difference:.4f}; try other versions of tf2onnx and onnxruntime"
            )
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with our names for its outputs in place of the converter's."""
    graph = model.graph
    names = {output.name: name for output, name in zip(graph.output, OUTPUTS, strict=True)}
    for node in graph.node:
        for position, output in enumerate(node.output):
            node.output[position] = names.get(output, output)
        for position, source in enumerate(node.input):
            node.input[position] = names.get(source, source)
    for value in graph.output:
        value.name = names[value.name]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(model, {"labels": ",".join(LABELS), "layout": "RGB, 0..255"})
    onnx.checker.check_model(model)
    return model
