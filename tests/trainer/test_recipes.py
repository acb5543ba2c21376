"""Every file in trainer/recipes holds a recipe that could be run, under its own name."""

import json
from pathlib import Path

import pytest

import trainer.recipes
from edge.empties import rule_of
from trainer.backbones import BACKBONES
from trainer.recipes import RECIPES

pytestmark = pytest.mark.trainer

FOLDER = Path(trainer.recipes.__file__).parent
SHIPPED = FOLDER.parent.parent / "models" / "default" / "bundle.json"


def test_every_file_is_a_recipe_under_its_own_name() -> None:
    files = {file.stem for file in FOLDER.glob("*.py")} - {"__init__"}
    assert {"shipped", "head_only", "obvious", "hog_svm", "mobilenet_v2_224"} <= files
    assert set(RECIPES) == files
    assert all(recipe.name == name for name, recipe in RECIPES.items())


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_fits_its_network(name: str) -> None:
    recipe = RECIPES[name]
    backbone = BACKBONES[recipe.backbone]
    if recipe.transfer == "last layers":
        assert backbone.is_pretrained
        assert recipe.learns_after in backbone.cuts
    else:
        assert recipe.learns_after is None
    # Random features under a frozen network would say nothing; HOG's are no weights.
    assert recipe.transfer != "head only" or backbone.is_pretrained or recipe.backbone == "hog"


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_opens_with_its_command_cost_and_result(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text("utf-8").split('"""')[1]
    assert text.splitlines()[0].endswith(".")
    for word in ("Command:", "Cost:", "Result:"):
        assert f"\n{word}" in text, f"{name} does not say its {word}"


def test_the_bundle_that_ships_has_the_rule_of_its_recipe() -> None:
    rule = rule_of(json.loads(SHIPPED.read_text("utf-8")))
    assert rule is not None
    assert rule == RECIPES["shipped"].empty_rule
