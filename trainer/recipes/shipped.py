"""The recipe of models/default: fine-tuned for cabinets it has never seen.

Command: make train DATA=../shared/data/A_train_pool ARGS=--no-pictures
Cost:    ten minutes on two slow cores, most of it drawing views; on the device 0.36 of
         MobileNetV2 1.0 at 224 per crop, 2.8 MB.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from edge.empties import EmptyRule
from trainer.recipe import Recipe

RECIPE = Recipe(
    name="shipped",
    transfer="last layers",
    learns_after="block_5_add",
    views=4,
    imagined_crops=4000,
    epochs=3,
    learning_rate=5e-5,
    holdout_share=0.12,
    test_share=0.12,
    test_from_groups=6,
    # pklot: five days of one car park, too few to spend one. The others are drawn.
    whole_sources=("pklot", "imagined"),
    # Cut from bottom-left on; slots files begin at the top-left.
    mirrored_sources=("pklot",),
    # aerial: its two labels lie on disjoint slots of one video, so it teaches the slots too.
    source_weights={
        "imagined": 2.0,
        "pklot": 2.5,
        "priya": 1.2,
        "screws": 0.6,
        "aerial": 0.3,
    },
    licences={
        "pklot": "CC BY 4.0 (PKLot, Almeida et al. 2015)",
        "screws": "Apache-2.0",
        "priya": "MIT",
        "simulator": "drawn by this program",
    },
    # Fitted on five sources left out, three seeds of each: docs/decisions/0010.
    empty_rule=EmptyRule(of_logit=1.02, of_distance=2.666, bias=6.526),
)
