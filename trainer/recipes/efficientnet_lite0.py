"""EfficientNet-Lite0 at 128 px: EfficientNet made for integers.

Command: slotwatch-train train --recipe efficientnet_lite0 --data DIR --out models/NAME
Cost:    on the device 0.48 of MobileNetV2 1.0 at 224 per crop, 3.9 MB.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from dataclasses import replace

from trainer.recipes import shipped

RECIPE = replace(
    shipped.RECIPE,
    name="efficientnet_lite0",
    backbone="efficientnet_lite0",
    input_size_px=128,
    learns_after="block4_add",  # as far down as the shipped recipe's cut: a map of 16x16
)
