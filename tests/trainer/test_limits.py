"""Settings that could not be trained with are named before anything is read."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from edge.types import ConfigurationError
from trainer.__main__ import main
from trainer.limits import LIMITS, require_usable
from trainer.recipe import Recipe
from trainer.recipes import RECIPES

pytestmark = pytest.mark.trainer

SOUND = Recipe("sound")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_there_is_can_be_used(name: str) -> None:
    require_usable(RECIPES[name])


def test_every_number_of_a_recipe_has_limits() -> None:
    numbers = {
        field.name
        for field in fields(Recipe)
        if isinstance(getattr(SOUND, field.name), int | float)
    }
    assert set(LIMITS) == numbers


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [-1, 1e12, float("nan")])
def test_a_number_out_of_its_limits_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"^recipe sound: {name}: .* limits; give "):
        require_usable(replace(SOUND, **{name: value}))  # type: ignore[arg-type]


def test_all_that_is_wrong_is_named_at_once() -> None:
    recipe = replace(SOUND, backbone="resnet", empty_at=0.7)
    with pytest.raises(ConfigurationError) as error:
        require_usable(recipe)
    first, second = str(error.value).splitlines()
    assert first == "recipe sound: empty_at: 0.7 is not below occupied_at, 0.6"
    assert second.startswith("recipe sound: backbone: there is no 'resnet'; choose one of ")


@pytest.mark.parametrize("layer", [None, "block_1_expand"])
def test_a_layer_that_parts_nothing_is_refused(layer: str | None) -> None:
    recipe = replace(SOUND, transfer="last layers", learns_after=layer)
    with pytest.raises(ConfigurationError, match=f"cannot be parted after '{layer}'; choose one"):
        require_usable(recipe)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--seed", "-1"], "recipe shipped: seed: -1 is out of its limits; give 0 to "),
        (["compare", "--set", "batch_size=0"], "batch_size: 0 is out of its limits; give 1 to "),
        (["compare", "--seeds", "0"], "--seeds 0: give at least 1"),
        (["contact-sheet", "--seed", "-1"], "--seed -1: give 0 or more"),
    ],
)
def test_commands_refuse_before_they_read(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sheet.jpg"
    assert main([*arguments, "--data", "nowhere", "--out", str(out)]) == 78
    assert message in capsys.readouterr().err
    assert not out.exists()
