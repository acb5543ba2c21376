"""What a model has to multiply, and what one core of this processor could at most.

The limit is arithmetic alone: what the instructions could do in each cycle, were there nothing
to load, to store or to rearrange. Depthwise convolutions and small layers stay far below it in
every runtime, so a measured roof stands beside it: one large matrix product in the same runtime.
Needs the trainer's packages.
"""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from trainer.quiet import native_output_silenced

_WEIGHTED = {
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
}
PRODUCT_ROWS, PRODUCT_SIZE = 256, 1024  # weights of 1 MB as int8: they stay in a core's cache


@dataclass(frozen=True)
class MultiplyAdds:
    """How many one inference takes, by the type of its weights."""

    int8: int
    float32: int

    @property
    def all(self) -> int:
        """Both together."""
        return self.int8 + self.float32


@dataclass(frozen=True)
class InstructionSet:
    """What one core can multiply and add per cycle with the widest instructions it has.

    With as many vector units as the best processors of that kind have (two for products), so
    that no processor does more.
    """

    flag: str  # in /proc/cpuinfo: x86 `flags`, ARM `Features`
    words: str
    int8_per_cycle: int
    float32_per_cycle: int


# The best first. VPDPBUSD and SDOT multiply four bytes and add them up in each 32-bit lane; AVX2
# needs three instructions for 32 products, on three units.
INSTRUCTION_SETS = (
    InstructionSet("avx512_vnni", "AVX-512 VNNI, two units of 512 bits", 128, 32),
    InstructionSet("avx_vnni", "AVX VNNI, two units of 256 bits", 64, 16),
    InstructionSet("avx2", "AVX2 and FMA, units of 256 bits", 32, 16),
    InstructionSet("asimddp", "NEON dot product, two units of 128 bits", 32, 8),
    InstructionSet("asimd", "NEON, two units of 128 bits", 16, 8),
)


@dataclass(frozen=True)
class Core:
    """One core of this processor."""

    name: str
    instructions: InstructionSet
    clock_hz: float  # as the kernel says; a core that speeds up for a while goes beyond

    def limit_ms(self, work: MultiplyAdds) -> float:
        """Return the least time of an inference that arithmetic alone allows, milliseconds."""
        cycles = (
            work.int8 / self.instructions.int8_per_cycle
            + work.float32 / self.instructions.float32_per_cycle
        )
        return 1000 * cycles / self.clock_hz


def count_multiply_adds(model: bytes) -> MultiplyAdds:
    """Return what one inference of a TFLite file multiplies in convolutions and dense layers.

    Counted from the shapes in its graph. Padding counts as well, as the runtimes compute it;
    additions, pooling and activations do not.
    """
    parsed = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    graph = parsed.subgraphs[0]
    counted = {schema.TensorType.INT8: 0, schema.TensorType.FLOAT32: 0}
    for operation in graph.operators:
        code = parsed.operatorCodes[operation.opcodeIndex]
        # Newer numbers stand in one field, older ones in the other.
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        if kind not in _WEIGHTED:
            continue
        weights = graph.tensors[operation.inputs[1]]
        target = graph.tensors[operation.outputs[0]]
        # (filters, ...) or, depthwise, (1, rows, columns, channels).
        is_depthwise = kind == schema.BuiltinOperator.DEPTHWISE_CONV_2D
        per_output = np.prod(weights.shape[1:3] if is_depthwise else weights.shape[1:])
        counted[weights.type] += int(per_output * np.prod(target.shape))
    return MultiplyAdds(counted[schema.TensorType.INT8], counted[schema.TensorType.FLOAT32])


def read_core(cpuinfo: str, highest_khz: str | None = None) -> Core | None:
    """Return what /proc/cpuinfo says of a core, None where it names no known instructions.

    `highest_khz` is the text of `cpuinfo_max_freq`, where the kernel offers one.
    """
    words = set(_first(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo).split())
    instructions = next((known for known in INSTRUCTION_SETS if known.flag in words), None)
    clocks_mhz = [float(text) for text in re.findall(r"^cpu MHz\s*:\s*([\d.]+)$", cpuinfo, re.M)]
    if highest_khz is not None:
        clocks_mhz.append(int(highest_khz) / 1000)
    if instructions is None or not clocks_mhz:
        return None
    name = _first(r"^model name\s*:\s*(.*)$", cpuinfo) or "unnamed processor"
    return Core(name, instructions, max(clocks_mhz) * 1e6)


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.M)
    return match[1] if match else ""


def this_core() -> Core | None:
    """Return this machine's core, None where it cannot be told."""
    highest = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    return read_core(
        Path("/proc/cpuinfo").read_text(), highest.read_text() if highest.exists() else None
    )


def product_model(is_integer: bool) -> bytes:
    """Return one large matrix product as TFLite, int8 or float32: what the runtime can at best."""
    random = np.random.default_rng(1)
    weights = random.normal(0, 0.05, (PRODUCT_SIZE, PRODUCT_SIZE)).astype(np.float32)
    shape = (PRODUCT_ROWS, PRODUCT_SIZE)

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec(shape, tf.float32)]
    )
    def multiply(rows: tf.Tensor) -> tf.Tensor:
        return tf.matmul(rows, weights)

    with native_output_silenced(), warnings.catch_warnings():
        # The statistics come from the representative rows; the check does not know of them.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [multiply.get_concrete_function()], multiply
        )
        if is_integer:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: iter(
                [[random.normal(0, 1, shape).astype(np.float32)]]
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())
