"""What one crop costs, in the unit that carries from machine to machine: MobileNetV2 at 224 px.

    python -m benchmarks.model_cost models/default [models/OTHER ...]

The unit is MobileNetV2 1.0 at 224 px (random weights, all its convolutions in integers),
measured in turn with the bundles in this run, some crops in a row, one thread each. Needs the
trainer's packages.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from edge.bundle import read_bundle
from edge.classifier import Classifier, load_runtime

LIMIT = 0.41  # 0.6 ms where the unit takes 1.46 ms
MOST_BYTES = 4_000_000
ROUNDS = 40
IN_A_ROW = 16  # as a device classifies the slots of a frame, the weights in its cache


def unit_model() -> bytes:
    """Return MobileNetV2 1.0 at 224 px as TFLite, integers inside."""
    import keras

    from trainer.backbones import BACKBONES
    from trainer.export import quantize
    from trainer.network import Network

    keras.utils.set_random_seed(1)
    backbone = BACKBONES["mobilenet_v2_1.0"].build(224)
    random = np.random.default_rng(1)
    crops_rgb = random.integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    kernel = random.normal(0, 0.03, backbone.output.shape[-1]).astype(np.float32)
    return quantize(Network(backbone, kernel, 0.0), crops_rgb, first_in_floats=0)


class Invoked:
    """One model whose inference is timed."""

    def __init__(self, name: str, model: bytes) -> None:
        """Load the model, with one thread."""
        self.name, self.size_bytes = name, len(model)
        _, interpreter_class = load_runtime()
        self._interpreter = interpreter_class(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        (detail,) = self._interpreter.get_input_details()
        crop = np.random.default_rng(2).integers(0, 256, detail["shape"], dtype=np.uint8)
        self._interpreter.set_tensor(detail["index"], crop)
        self.durations_ms: list[float] = []

    def invoke(self) -> None:
        """Run it once and keep how long it took."""
        started_s = time.perf_counter()
        self._interpreter.invoke()
        self.durations_ms.append((time.perf_counter() - started_s) * 1000)

    @property
    def median_ms(self) -> float:
        """The median of all runs."""
        return statistics.median(self.durations_ms)


def main() -> int:
    """Print the table; return 1 when a bundle is beyond the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundles", nargs="+", type=Path, metavar="models/NAME")
    arguments = parser.parse_args()
    unit = Invoked("MobileNetV2 1.0, 224 px (the unit)", unit_model())
    models = [unit]
    for path in arguments.bundles:
        bundle = read_bundle(path)
        Classifier(bundle)  # It must be one that a device accepts.
        models.append(
            Invoked(f"{bundle.name}, {bundle.input_size_px} px", bundle.model_path.read_bytes())
        )
    for _ in range(ROUNDS):
        for model in models:
            for _ in range(IN_A_ROW):
                model.invoke()
    print(f"{'model':36} {'size':>8} {'ms a crop':>10} {'ratio':>6}   limit {LIMIT}, 4 MB")
    for model in models:
        ratio = model.median_ms / unit.median_ms
        print(
            f"{model.name:36} {model.size_bytes / 1e6:5.2f} MB {model.median_ms:10.3f} {ratio:6.3f}"
        )
    is_within = all(
        model.median_ms <= LIMIT * unit.median_ms and model.size_bytes <= MOST_BYTES
        for model in models[1:]
    )
    return 0 if is_within else 1


if __name__ == "__main__":
    sys.exit(main())
