"""The same seed on the same machine makes the same bundle."""

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.recipe import Recipe

pytestmark = [pytest.mark.trainer, pytest.mark.slow]


def test_the_same_seed_gives_the_same_model_to_the_last_byte(
    tiny_bundle: Path, tiny_recipe: Recipe, drawn_folders: Callable[..., None], tmp_path: Path
) -> None:
    from trainer.train import train_bundle

    drawn_folders(tmp_path / "data" / "train")
    again = tmp_path / "again"
    train_bundle([tmp_path / "data"], again, tiny_recipe, None, tmp_path, is_pretrained=False)
    assert (again / "model.tflite").read_bytes() == (tiny_bundle / "model.tflite").read_bytes()
    # What an interrupted run would have gone on from is not left behind.
    assert list((tmp_path / "runs").iterdir()) == []
