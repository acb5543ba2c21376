"""A frozen ImageNet backbone with a new head: a first model in a minute or two.

Command: slotwatch-train train --recipe head_only --data DIR --out models/NAME
"""

from trainer.recipe import Recipe

RECIPE = Recipe(name="head_only", head_views=1, head_epochs=80)
