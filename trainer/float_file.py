"""A float TFLite file before it is quantized: its weights, its ranges, what flows through it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from trainer.dataset import Crops
from trainer.progress import progress_bar
from trainer.quiet import native_output_silenced

Floats = npt.NDArray[np.float32]

_KINDS = {number: name for name, number in vars(schema.BuiltinOperator).items()}


@dataclass(frozen=True)
class Convolution:
    """A convolution with bias, by the numbers of its tensors."""

    source: int  # what it reads, (1, rows, columns, channels)
    weights: int  # (filters, rows, columns, channels); depthwise (1, rows, columns, channels)
    bias: int  # (filters,); depthwise (channels,)
    target: int  # what it writes
    is_depthwise: bool
    stride: int
    is_padded: bool


class FloatFile:
    """The file `TFLiteConverter` makes when it only calibrates: floats, and a range per tensor."""

    def __init__(self, model: bytes) -> None:
        self._model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
        self._graph = self._model.subgraphs[0]

    def to_bytes(self) -> bytes:
        """Return the file as it is now."""
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self._model))

    def name(self, tensor: int) -> str:
        """Return what the converter calls this tensor."""
        return str(self._graph.tensors[tensor].name.decode())

    def kinds(self) -> dict[int, str]:
        """Return what makes each tensor that is computed, as TFLite calls it: CONV_2D, ADD..."""
        kinds = {}
        for operation in self._graph.operators:
            code = self._model.operatorCodes[operation.opcodeIndex]
            # Newer numbers stand in one field, older ones in the other.
            kind = _KINDS[max(code.builtinCode, code.deprecatedBuiltinCode)]
            kinds.update({int(output): kind for output in operation.outputs})
        return kinds

    def convolutions(self) -> list[Convolution]:
        """Return the convolutions whose weights and bias are nobody else's."""
        kinds = self.kinds()
        uses = Counter(int(i) for operation in self._graph.operators for i in operation.inputs)
        found = []
        for operation in self._graph.operators:
            kind = kinds[int(operation.outputs[0])]
            if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D") or len(operation.inputs) < 3:
                continue
            source, weights, bias = (int(i) for i in operation.inputs)
            # The attention has the head's own bias.
            if uses[weights] == uses[bias] == 1:
                options = operation.builtinOptions
                found.append(
                    Convolution(
                        source,
                        weights,
                        bias,
                        int(operation.outputs[0]),
                        kind == "DEPTHWISE_CONV_2D",
                        options.strideW,
                        options.padding == schema.Padding.SAME,
                    )
                )
        return found

    def constant(self, tensor: int) -> Floats:
        """Return a copy of weights or of a bias."""
        described = self._graph.tensors[tensor]
        raw = bytes(self._model.buffers[described.buffer].data)
        return np.frombuffer(raw, np.float32).reshape(described.shape).copy()

    def set_constant(self, tensor: int, values: npt.NDArray[Any]) -> None:
        """Put other weights or another bias in place."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
        # A buffer of its own: equal constants, such as biases of zeros, share one.
        self._graph.tensors[tensor].buffer = len(self._model.buffers)
        self._model.buffers.append(buffer)

    def ranged(self) -> list[int]:
        """Return the tensors whose range is asked for: the input and what is computed."""
        return [int(i) for i in self._graph.inputs] + [
            tensor
            for tensor in self.kinds()
            if self._graph.tensors[tensor].quantization is not None
            and self._graph.tensors[tensor].quantization.min is not None
        ]

    def input(self) -> int:
        """Return the tensor that the crop goes into."""
        return int(self._graph.inputs[0])

    def range_of(self, tensor: int) -> tuple[float, float]:
        """Return the smallest and largest value the integers will stand for."""
        quantization = self._graph.tensors[tensor].quantization
        return float(quantization.min[0]), float(quantization.max[0])

    def set_range(self, tensor: int, smallest: float, largest: float) -> None:
        """Say which values the integers will stand for."""
        quantization = self._graph.tensors[tensor].quantization
        quantization.min = np.array([smallest], np.float32)
        quantization.max = np.array([largest], np.float32)

    def values(self, tensors: list[int], crops_rgb: Crops) -> Iterator[dict[int, Floats]]:
        """Yield what these tensors hold for each crop."""
        with native_output_silenced(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated")
            interpreter = tf.lite.Interpreter(
                model_content=self.to_bytes(),
                # Or a delegate would keep to itself what lies between.
                experimental_op_resolver_type=(
                    tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                ),
                experimental_preserve_all_tensors=True,
            )
            interpreter.allocate_tensors()
        for crop_rgb in progress_bar(crops_rgb, "quantizing", len(crops_rgb)):
            interpreter.set_tensor(self.input(), crop_rgb[None].astype(np.float32))
            interpreter.invoke()
            yield {tensor: interpreter.get_tensor(tensor) for tensor in tensors}
