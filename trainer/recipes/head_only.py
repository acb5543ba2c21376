"""A frozen ImageNet backbone with a new head: a first model in half a minute.

Command: slotwatch-train train --recipe head_only --data DIR --out models/NAME
Cost:    see docs/benchmarks.md.
Result:  see "Sources nobody trained on" in docs/benchmarks.md.
"""

from trainer.recipe import Recipe

RECIPE = Recipe(name="head_only", transfer="head only", views=1, representative_count=100)
