"""EfficientNet-B0 at 128 px with dropout 0.3: more accurate on ImageNet than any other one here.

Command: slotwatch-train train --recipe efficientnet_b0 --data DIR --out models/NAME
         Its weights come from Keras's address alone; offline, give the file with --weights.
Cost:    on the device 0.72 of MobileNetV2 1.0 at 224 per crop, 4.8 MB.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from dataclasses import replace

from trainer.recipes import shipped

RECIPE = replace(
    shipped.RECIPE,
    name="efficientnet_b0",
    backbone="efficientnet_b0",
    input_size_px=128,
    learns_after="block3b_add",  # as far down as the shipped recipe's cut: a map of 16x16
    dropout=0.3,
)
