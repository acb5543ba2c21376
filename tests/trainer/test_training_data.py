"""What a run starts from: crops, drawn slots, a recipe with its settings."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.types import ConfigurationError
from tests.trainer.learning import SMALL, drawn_dataset
from trainer.recipe import Recipe, with_settings
from trainer.training_data import find_weights, with_imagined

pytestmark = pytest.mark.trainer


def test_imagined_slots_are_one_more_source_with_a_camera_per_place() -> None:
    dataset = drawn_dataset()
    mixed = with_imagined(dataset, 6)
    assert np.array_equal(mixed.crops_rgb[:-6], dataset.crops_rgb)
    assert mixed.samples[:-6] == dataset.samples
    drawn = mixed.samples[-6:]
    assert mixed.crops_rgb[-6:].shape == (6, 32, 32, 3)
    assert {sample.source for sample in drawn} == {"imagined"}
    assert [sample.camera for sample in drawn] == [f"place{n}" for n in (0, 0, 1, 1, 2, 2)]
    assert sum(sample.is_occupied for sample in drawn) == 3
    assert {sample.licence for sample in drawn} == {"drawn by this program"}


def test_random_weights_need_no_file(tmp_path: Path) -> None:
    recipe = Recipe("scratch", transfer="from scratch")
    assert find_weights(recipe, tmp_path / "nowhere.h5", tmp_path) is None


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("learning_rate=1e-4", "learning_rate", 1e-4),
        ("epochs=7", "epochs", 7),
        ("transfer=from scratch", "transfer", "from scratch"),
        ("learns_after=block_5_add", "learns_after", "block_5_add"),
        ("backbone=small_cnn", "backbone", "small_cnn"),
    ],
)
def test_a_setting_takes_the_place_of_the_recipes_own(setting: str, field: str, value: Any) -> None:
    changed = with_settings(SMALL, [setting])
    assert getattr(changed, field) == value
    assert type(getattr(changed, field)) is type(value)
    others = {f.name for f in fields(Recipe)} - {field}
    assert all(getattr(changed, name) == getattr(SMALL, name) for name in others)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "--set epochs: write FIELD=VALUE with one of name, backbone, input_size_px"),
        ("epoch=3", "--set epoch=3: write FIELD=VALUE with one of name"),
        ("source_weights=3", "--set source_weights=3: write FIELD=VALUE with one of"),
        ("empty_rule=3", "--set empty_rule=3: write FIELD=VALUE with one of"),
        ("epochs=many", "--set epochs=many: 'many' is no number"),
        ("epochs=1.5", "--set epochs=1.5: '1.5' is no number"),
        (
            "transfer=all",
            "--set transfer=all: choose one of head only, last layers, whole network, from scratch",
        ),
    ],
)
def test_a_setting_that_does_not_fit_is_named(setting: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        with_settings(SMALL, [setting])
    assert message in str(raised.value)
