"""Augmentation changes the light and the place, not the answer."""

import numpy as np
import pytest

from trainer.augment import augment, lean_in, move
from trainer.drawn import drawn_crop
from trainer.light import DARKEST

pytestmark = pytest.mark.trainer


@pytest.mark.parametrize("size_px", [32, 96])
def test_augmented_crops_keep_shape_and_kind(size_px: int) -> None:
    crop_rgb = drawn_crop(size_px, True, 1)
    for seed in range(50):
        view_rgb = augment(crop_rgb, np.random.default_rng(seed), drawn_crop(size_px, True, 2))
        assert view_rgb.shape == (size_px, size_px, 3)
        assert view_rgb.dtype == np.uint8
        assert view_rgb.flags.c_contiguous


def test_the_same_seed_gives_the_same_view_and_leaves_the_crop_alone() -> None:
    crop_rgb, neighbour_rgb = drawn_crop(64, True, 1), drawn_crop(64, False, 2)
    before = crop_rgb.copy()
    first = augment(crop_rgb, np.random.default_rng(4), neighbour_rgb)
    assert np.array_equal(first, augment(crop_rgb, np.random.default_rng(4), neighbour_rgb))
    assert not np.array_equal(first, augment(crop_rgb, np.random.default_rng(5), neighbour_rgb))
    assert np.array_equal(crop_rgb, before)


def test_hardly_a_view_is_so_dark_that_nothing_could_be_told() -> None:
    crop_rgb = drawn_crop(64, True, 3)
    means = [augment(crop_rgb, np.random.default_rng(s)).mean() / 255 for s in range(200)]
    # Gamma and a second shadow may still go a little below what relighting keeps to.
    assert np.quantile(means, 0.02) > DARKEST / 3


def test_a_neighbour_leans_in_from_an_edge_and_stays_below_a_quarter() -> None:
    crop_rgb, neighbour_rgb = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    for seed in range(20):
        view_rgb = lean_in(crop_rgb, neighbour_rgb, np.random.default_rng(seed))
        share = (view_rgb[:, :, 0] > 0).mean()
        assert 0.01 < share < 0.25
        assert not view_rgb[24:40, 24:40].any()


def test_a_moved_crop_still_shows_its_middle() -> None:
    crop_rgb = np.zeros((64, 64, 3), np.uint8)
    crop_rgb[22:42, 22:42] = 255
    for seed in range(20):
        assert (move(crop_rgb, np.random.default_rng(seed))[28:36, 28:36] > 128).mean() > 0.9
