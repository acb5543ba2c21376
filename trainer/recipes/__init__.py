"""One file per recipe, which holds its RECIPE; add a file to add one."""

from __future__ import annotations

import importlib
import pkgutil

from trainer.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    module.name: importlib.import_module(f"{__name__}.{module.name}").RECIPE
    for module in pkgutil.iter_modules(__path__)
}
