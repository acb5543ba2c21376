"""The recipe of models/default: fine-tuned for fixed cameras under changing light.

Command: make train DATA=../shared/data/A_train_pool
"""

from trainer.recipe import Recipe

RECIPE = Recipe(
    name="shipped",
    head_views=1,
    head_epochs=60,
    fine_tune_from="block_3_expand",
    epochs=8,
    crops_per_epoch=5120,
    learning_rate=3e-4,
    holdout_share=0.12,
    test_share=0.12,
    # aerial: its two labels lie on disjoint slots of one video, so it teaches the slots too.
    source_weights={"pklot": 2.0, "simulator": 2.0, "aerial": 0.4, "screws": 0.5},
    licences={
        "pklot": "CC BY 4.0 (PKLot, Almeida et al. 2015)",
        "screws": "Apache-2.0",
        "priya": "MIT",
        "simulator": "Apache-2.0 (drawn by slotwatch itself)",
    },
)
