"""MobileNetV2 1.0 at 224 px, fine-tuned as the shipped recipe is: what the size of a crop is worth.

Command: slotwatch-train train --recipe mobilenet_v2_224 --data DIR --out models/NAME
Cost:    on the device the unit of the others, 2.7 MB.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from dataclasses import replace

from trainer.recipes import shipped

RECIPE = replace(
    shipped.RECIPE,
    name="mobilenet_v2_224",
    backbone="mobilenet_v2_1.0",
    input_size_px=224,
    learns_after="block_5_add",
)
