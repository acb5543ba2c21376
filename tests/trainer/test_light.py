"""Changing light leaves something to be seen, and reaches a fifth of what it was."""

import numpy as np
import pytest

from trainer.drawn import drawn_crop
from trainer.light import DARKEST, GLARES, SHADOWS, cast_glare, change_light, dim, shows_forms

pytestmark = pytest.mark.trainer

SIZE_PX = 64


def light_of(picture_rgb: np.ndarray) -> np.ndarray:
    return np.divide(picture_rgb, 255, dtype=np.float32)


def test_a_third_of_the_light_is_a_usual_case_and_a_fifth_occurs() -> None:
    light = np.full((SIZE_PX, SIZE_PX, 3), 0.5, np.float32)
    light[16:48, 16:48] = 0.3
    shares = np.array(
        [
            change_light(light, np.random.default_rng(seed)).clip(0, 1).mean() / light.mean()
            for seed in range(400)
        ]
    )
    assert (shares < 0.45).mean() > 0.07
    assert 0.1 < np.quantile(shares, 0.02) < 0.25
    # Most of what training sees is still a day.
    assert (shares < 0.6).mean() < 0.35


def test_what_the_light_would_wash_out_stays_as_it_was() -> None:
    light = light_of(drawn_crop(SIZE_PX, False, 1)) * np.float32(0.02) + np.float32(0.98)
    for seed in range(100):
        changed = change_light(light, np.random.default_rng(seed))
        assert changed is light or shows_forms(changed)


@pytest.mark.parametrize(
    ("base", "form", "is_shown"),
    [
        (0.5, 0.4, True),
        (0.04, 0.03, True),
        (0.5, 0.499, False),
        # One grey level is something in the dark, and nothing in bright light.
        (0.03, 0.02, True),
        (0.9, 0.89, False),
    ],
)
def test_forms_are_shown_by_a_spread_of_brightness(
    base: float, form: float, is_shown: bool
) -> None:
    light = np.full((SIZE_PX, SIZE_PX, 3), base, np.float32)
    light[:32] = form
    assert shows_forms(light) is is_shown


def test_a_burnt_out_crop_shows_no_forms_though_a_dark_corner_is_left() -> None:
    light = np.full((SIZE_PX, SIZE_PX, 3), 1.2, np.float32)
    light[:, :, 2] = 0.7
    light[:8, :8] = 0
    assert not shows_forms(light)
    light[16:] = 0.8
    assert shows_forms(light)


def test_grain_is_no_form() -> None:
    random = np.random.default_rng(0)
    light = random.normal(0.5, 0.02, (SIZE_PX, SIZE_PX, 3)).astype(np.float32)
    assert not shows_forms(light)
    light[:32] += np.float32(0.1)
    assert shows_forms(light)


def test_dusk_stops_above_black() -> None:
    for level in (0.1, 0.05, 0.02):
        light = np.full((SIZE_PX, SIZE_PX, 3), level, np.float32)
        for seed in range(20):
            dark = dim(light, np.random.default_rng(seed))
            assert dark.mean() > min(level, DARKEST) * 0.95
            assert dark.mean() < level * 1.05


@pytest.mark.parametrize("glare", GLARES, ids=lambda glare: glare.__name__)
def test_glare_adds_light_and_leaves_most_of_the_crop_to_be_seen(glare) -> None:
    masks = [glare(SIZE_PX, np.random.default_rng(seed)) for seed in range(20)]
    for mask in masks:
        assert mask.shape == (SIZE_PX, SIZE_PX)
        assert mask.dtype == np.float32
        assert mask.min() >= 0
        assert (mask > 0.5).mean() < 0.25
    assert max(mask.max() for mask in masks) > 0.2
    assert len({mask.tobytes() for mask in masks}) == 20


def test_glare_is_nearly_white() -> None:
    light = np.zeros((SIZE_PX, SIZE_PX, 3), np.float32)
    for seed in range(20):
        added = cast_glare(light, np.random.default_rng(seed)).sum(axis=(0, 1))
        assert added.min() > 0.6 * added.max() > 0


@pytest.mark.parametrize("shadow", SHADOWS, ids=lambda shadow: shadow.__name__)
def test_shadows_are_masks_and_differ_from_seed_to_seed(shadow) -> None:
    masks = [shadow(SIZE_PX, np.random.default_rng(seed)) for seed in range(8)]
    for mask in masks:
        assert mask.shape == (SIZE_PX, SIZE_PX)
        assert mask.dtype == np.float32
        assert set(np.unique(mask)) <= {0.0, 1.0}
    assert len({mask.tobytes() for mask in masks}) > 4
