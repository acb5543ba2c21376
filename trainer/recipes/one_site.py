"""The whole network, for one site that has labelled crops of several days: it knows no other.

Command: slotwatch-train train --recipe one_site --data DIR --out models/NAME
Cost:    five minutes on two slow cores and 4.3 GB of memory for 1,000 crops; on the device 0.36
         of MobileNetV2 1.0 at 224 per crop, as the shipped recipe.
Result:  see "Real sequences through the whole pipeline" in docs/benchmarks.md.
"""

from dataclasses import replace

from trainer.recipes import shipped

RECIPE = replace(
    shipped.RECIPE,
    name="one_site",
    transfer="whole network",
    learns_after=None,
    views=12,  # about as many as epochs: no picture is learned by heart
    imagined_crops=0,
    epochs=12,
    crops_per_epoch=1024,
    plain_share=0.0,
    learning_rate=2e-4,
    weight_decay=1e-2,
    # What is held out is not learned well, and belongs to the site: a slot in twenty each.
    holdout_share=0.05,
    test_share=0.05,
    split_by="slot",
    keeps="last epoch",
    whole_sources=(),
    source_weights={},
    # The shipped one is fitted to what the shipped recipe's embedding says.
    empty_rule=None,
)
