"""A small network from random weights: what a million other pictures are worth.

Command: slotwatch-train train --recipe small_cnn --data DIR --out models/NAME
Cost:    on the device 0.18 of MobileNetV2 1.0 at 224 per crop, 0.4 MB.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from dataclasses import replace

from trainer.recipes import shipped

RECIPE = replace(
    shipped.RECIPE,
    name="small_cnn",
    backbone="small_cnn",
    input_size_px=64,
    transfer="from scratch",
    learns_after=None,
    epochs=20,
    learning_rate=1e-3,
    patience=6,
)
