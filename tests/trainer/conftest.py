"""Tiny drawn data sets, and one tiny bundle that several tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.types import ImageRGB
from trainer.drawn import drawn_crop
from trainer.recipe import Recipe

# MobileNetV2 with random weights at the smallest size it takes: seconds instead of minutes.
TINY = Recipe(
    name="tiny",
    input_size_px=32,
    transfer="last layers",
    learns_after="block_15_add",
    views=1,
    epochs=1,
    crops_per_epoch=16,
    batch_size=8,
    holdout_share=0.25,
    test_share=0.25,
    representative_count=20,
)


def write_picture(file: Path, picture_rgb: ImageRGB) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))


def write_drawn_folders(folder: Path, names: tuple[str, str] = ("EMPTY", "OCCUPIED")) -> None:
    """Write 4 cameras with 4 crops of each label, their origin in their names."""
    for is_occupied, name in enumerate(names):
        for camera in range(4):
            for number in range(4):
                file = folder / name / f"drawn__cam{camera}__s{number}__2024-01-0{number + 1}.png"
                write_picture(file, drawn_crop(40, bool(is_occupied), camera * 10 + number))


@pytest.fixture
def save_picture() -> Callable[[Path, ImageRGB], None]:
    return write_picture


@pytest.fixture
def drawn_folders() -> Callable[..., None]:
    return write_drawn_folders


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    return TINY


@pytest.fixture(scope="session")
def random_network() -> Any:
    """Return a trainer.network.Network of 96 px, feature map 3x3, for reading only.

    Random weights alone would let every signal die away on its way through the layers.
    """
    import keras

    from trainer.backbones import BACKBONES
    from trainer.network import Network

    keras.utils.set_random_seed(0)
    backbone = BACKBONES["mobilenet_v2_1.0"].build(96)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    random = np.random.default_rng(0)
    backbone(random.uniform(0, 255, (8, 96, 96, 3)).astype(np.float32), training=True)
    return Network(backbone, random.normal(0, 0.3, 1280).astype(np.float32), -0.7)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a bundle trained on drawn crops, for reading only."""
    from trainer.train import train_bundle

    folder = tmp_path_factory.mktemp("tiny")
    write_drawn_folders(folder / "data" / "train")
    out = folder / "models" / "tiny"
    train_bundle([folder / "data"], out, TINY, None, folder / "cache", is_pretrained=False)
    return out
