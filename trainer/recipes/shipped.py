"""The recipe of models/default: fine-tuned for fixed cameras under changing light.

Command: make train DATA=../shared/data/A_train_pool
"""

from trainer.recipe import Recipe

RECIPE = Recipe(
    name="shipped",
    head_views=1,
    head_epochs=60,
    fine_tune_from="block_3_expand",
    epochs=9,
    garbage_share=0.08,
    crops_per_epoch=5120,
    learning_rate=4e-4,
    holdout_share=0.12,
    test_share=0.12,
    test_from_groups=6,  # five days of one car park are too few to spend two
    # aerial: its two labels lie on disjoint slots of one video, so it teaches the slots too.
    source_weights={
        "pklot": 3.0,
        "simulator": 2.0,
        "priya": 1.5,
        "chess": 0.7,
        "aerial": 0.6,
        "screws": 0.4,
    },
    licences={
        "pklot": "CC BY 4.0 (PKLot, Almeida et al. 2015)",
        "screws": "Apache-2.0",
        "priya": "MIT",
        "simulator": "Apache-2.0 (drawn by slotwatch itself)",
    },
)
