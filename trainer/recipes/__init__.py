"""One file per recipe; add a file and a line to add one."""

from __future__ import annotations

from trainer.recipe import Recipe
from trainer.recipes import head_only, shipped

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (shipped.RECIPE, head_only.RECIPE)}
