"""Histograms of oriented gradients and a linear support vector machine (Dalal and Triggs 2005).

What one did before networks: the yardstick that needs no ImageNet.

Command: slotwatch-train train --recipe hog_svm --data DIR --out models/NAME
Cost:    on the device 0.10 of MobileNetV2 1.0 at 224 per crop, 20 KB, in floats.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from dataclasses import replace

from trainer.recipes import shipped

RECIPE = replace(
    shipped.RECIPE,
    name="hog_svm",
    backbone="hog",
    input_size_px=64,  # as wide as their window; 49 blocks of 36 numbers
    transfer="head only",
    learns_after=None,
    views=2,
    head_loss="hinge",
)
