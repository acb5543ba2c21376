"""Garbage says nothing about a slot, in every kind of it."""

import cv2
import numpy as np
import pytest

from edge.garbage import GARBAGE, TEXTURES, garbage
from trainer.drawn import drawn_crop

pytestmark = pytest.mark.trainer

SIZE_PX = 96


def span_of_forms(picture_rgb: np.ndarray) -> float:
    """Return how many grey levels apart the brightest and the darkest form are."""
    grey = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.ptp(cv2.GaussianBlur(grey, (0, 0), len(grey) / 40)))


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("size_px", [32, 100])
def test_every_kind_fits_the_input(name: str, size_px: int) -> None:
    for crop_rgb in (None, drawn_crop(size_px, True, 1)):
        for seed in range(10):
            picture_rgb = GARBAGE[name](size_px, np.random.default_rng(seed), crop_rgb)
            assert picture_rgb.shape == (size_px, size_px, 3)
            assert picture_rgb.dtype == np.uint8
            assert picture_rgb.flags.c_contiguous


@pytest.mark.parametrize("name", GARBAGE)
def test_the_same_seed_gives_the_same_picture_and_leaves_the_crop_alone(name: str) -> None:
    crop_rgb = drawn_crop(SIZE_PX, True, 1)
    before = crop_rgb.copy()
    first, again = (GARBAGE[name](SIZE_PX, np.random.default_rng(7), crop_rgb) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(crop_rgb, before)
    pictures = [GARBAGE[name](SIZE_PX, np.random.default_rng(s), crop_rgb) for s in range(12)]
    assert len({picture_rgb.tobytes() for picture_rgb in pictures}) > 6


@pytest.mark.parametrize("name", ["black", "white", "grey", "plain"])
def test_plain_kinds_are_plainer_than_the_flattest_real_slot(name: str) -> None:
    spans = [span_of_forms(GARBAGE[name](SIZE_PX, np.random.default_rng(s))) for s in range(40)]
    # An empty slot of `aerial` spans 23 levels, and no real crop less.
    assert max(spans) < 5


@pytest.mark.parametrize("texture", TEXTURES, ids=lambda texture: texture.__name__)
def test_textures_are_stronger_than_a_real_surface(texture) -> None:
    for seed in range(20):
        picture_rgb = texture(SIZE_PX, np.random.default_rng(seed)).astype(np.int16)
        low, high = np.quantile(picture_rgb, [0.02, 0.98], axis=(0, 1))
        assert (high - low).max() > 50


def test_blur_leaves_no_form_of_a_thing() -> None:
    crop_rgb = np.full((SIZE_PX, SIZE_PX, 3), 200, np.uint8)
    crop_rgb[24:72, 24:72] = 20
    for seed in range(20):
        picture_rgb = GARBAGE["blur"](SIZE_PX, np.random.default_rng(seed), crop_rgb)
        steps = np.abs(np.diff(picture_rgb.astype(np.int16), axis=0))
        assert steps.max() <= 6


@pytest.mark.parametrize(("name", "most"), [("hand", 1 / 3), ("torn", 0.56)])
def test_little_of_the_slot_is_left(name: str, most: float) -> None:
    # Two scenes that differ everywhere: where the pictures agree, the scene is hidden.
    scenes = [np.full((SIZE_PX, SIZE_PX, 3), level, np.uint8) for level in (10, 250)]
    for seed in range(40):
        first, second = (
            GARBAGE[name](SIZE_PX, np.random.default_rng(seed), scene_rgb).astype(np.int16)
            for scene_rgb in scenes
        )
        if name == "torn" and not (first[-1] == second[-1]).all():
            continue  # smeared: the rest repeats one row
        assert (np.abs(first - second).max(axis=2) > 100).mean() < most


def test_a_patch_shows_a_spot_of_the_crop() -> None:
    crop_rgb = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8)
    crop_rgb[:, :48], crop_rgb[:, 48:] = (200, 0, 0), (0, 0, 200)
    pictures = [GARBAGE["patch"](SIZE_PX, np.random.default_rng(s), crop_rgb) for s in range(20)]
    one_coloured = [len(np.unique(p.reshape(-1, 3), axis=0)) == 1 for p in pictures]
    assert sum(one_coloured) > 12


def test_garbage_is_of_every_kind_in_turn() -> None:
    random = np.random.default_rng(0)
    means = [garbage(32, random).mean() for _ in range(80)]
    assert min(means) < 10
    assert max(means) > 245
