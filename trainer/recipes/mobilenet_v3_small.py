"""MobileNetV3-Small at 128 px: the smallest of the pretrained networks.

Command: slotwatch-train train --recipe mobilenet_v3_small --data DIR --out models/NAME
         Its weights come from Keras's address alone; offline, give the file with --weights.
Cost:    on the device 0.45 of MobileNetV2 1.0 at 224 per crop, 1.1 MB.
         Slower than its multiply-adds promise: hard-swish in integers parts it into 18 pieces.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from dataclasses import replace

from trainer.recipes import shipped

RECIPE = replace(
    shipped.RECIPE,
    name="mobilenet_v3_small",
    backbone="mobilenet_v3_small",
    input_size_px=128,
    learns_after="expanded_conv_2_add",  # as far down as the shipped recipe's cut: a map of 16x16
)
