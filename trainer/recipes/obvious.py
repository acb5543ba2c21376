"""The obvious approach: a frozen ImageNet backbone and one dense layer, on the crops as they are.

What a first afternoon gives; every other recipe has to beat it on sources it never saw.

Command: slotwatch-train train --recipe obvious --data DIR --out models/NAME
Cost:    on the device 0.37 of MobileNetV2 1.0 at 224 per crop, 2.7 MB.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from trainer.recipe import Recipe

RECIPE = Recipe(name="obvious", transfer="head only", views=0, garbage_share=0.0)
