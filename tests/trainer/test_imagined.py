"""Imagined slots: what has to hold whatever is drawn."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.types import ImageRGB
from trainer.imagined import imagined_crops, imagined_pair
from trainer.imagined.marks import MARKS, Mark
from trainer.imagined.materials import MATERIALS, Material
from trainer.imagined.sheet import Sheet, any_colour
from trainer.imagined.standing import STANDING
from trainer.imagined.things import LYING, Thing
from trainer.imagined.tools import TOOLS

pytestmark = pytest.mark.trainer

PAIRS = 150
THINGS = list(dict.fromkeys(LYING + TOOLS + STANDING))  # some are listed twice


@pytest.fixture(scope="module")
def pairs_rgb() -> npt.NDArray[np.uint8]:
    """Return (pairs, 2, size, size, 3): EMPTY, OCCUPIED."""
    crops_rgb, is_occupied = imagined_crops(48, 2 * PAIRS, seed=5)
    assert is_occupied.tolist() == [False, True] * PAIRS
    return crops_rgb.reshape(PAIRS, 2, 48, 48, 3)


def test_the_same_seed_draws_the_same_crops() -> None:
    first, _ = imagined_crops(40, 6, seed=3)
    again, _ = imagined_crops(40, 6, seed=3)
    other, _ = imagined_crops(40, 6, seed=4)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_short_series_begins_a_longer_one() -> None:
    short_rgb, is_occupied = imagined_crops(40, 3, seed=3)
    long_rgb, _ = imagined_crops(40, 6, seed=3)
    assert is_occupied.tolist() == [False, True, False]
    assert np.array_equal(short_rgb, long_rgb[:3])


@pytest.mark.parametrize("size_px", [20, 96, 160])
def test_a_pair_has_the_size_asked_for(size_px: int) -> None:
    for crop_rgb in imagined_pair(size_px, np.random.default_rng(1)):
        assert crop_rgb.shape == (size_px, size_px, 3)
        assert crop_rgb.dtype == np.uint8


def test_every_thing_can_be_seen_in_the_middle_of_its_place(
    pairs_rgb: npt.NDArray[np.uint8],
) -> None:
    soft = np.array([[cv2.blur(crop, (5, 5))[8:40, 8:40] for crop in pair] for pair in pairs_rgb])
    changes = np.ptp(soft.astype(int), axis=1).max(axis=3) > 10
    changed_shares = changes.mean(axis=(1, 2))
    assert changed_shares.min() > 0.05
    assert np.median(changed_shares) > 0.35


def test_a_pair_shows_one_place(pairs_rgb: npt.NDArray[np.uint8]) -> None:
    """What the thing leaves free looks the same: crops of two places would not."""

    def same_share(first: ImageRGB, second: ImageRGB) -> float:
        softened = [cv2.blur(crop, (5, 5)).astype(int) for crop in (first, second)]
        return float((np.abs(softened[0] - softened[1]).max(axis=2) < 16).mean())

    own = [same_share(empty, occupied) for empty, occupied in pairs_rgb]
    strange = [
        same_share(empty, occupied)
        for empty, occupied in zip(pairs_rgb[:-1, 0], pairs_rgb[1:, 1], strict=True)
    ]
    assert np.median(own) > 0.4
    assert np.median(strange) < 0.15


def test_light_and_colour_do_not_tell_the_label(pairs_rgb: npt.NDArray[np.uint8]) -> None:
    brightness = pairs_rgb.mean(axis=(2, 3, 4))
    strength = np.ptp(pairs_rgb.astype(int), axis=4).mean(axis=(2, 3))
    for measure in (brightness, strength):
        # The share of pairs that got brighter (or more colourful), as a coin would fall.
        assert 0.35 < (measure[:, 1] > measure[:, 0]).mean() < 0.65
        assert abs(np.diff(measure.mean(axis=0))[0]) < 0.25 * measure[:, 0].std()


def test_no_empty_place_is_one_plain_shade(pairs_rgb: npt.NDArray[np.uint8]) -> None:
    grey = pairs_rgb[:, 0].mean(axis=3)
    assert np.ptp(grey, axis=(1, 2)).min() > 10


@pytest.mark.parametrize("draw", THINGS, ids=lambda draw: draw.__name__)
def test_a_thing_lies_on_its_sheet_with_place_around_it(draw: Thing) -> None:
    for seed in range(5):
        sheet = draw(64, np.random.default_rng(seed))
        assert 0.02 < sheet.coverage.mean() < 0.95
        assert sheet.coverage.min() >= 0
        assert sheet.coverage.max() == pytest.approx(1, abs=0.01)
        assert np.isfinite(sheet.height).all()
        assert sheet.coverage[0].max() < 0.5  # nothing is cut off at the top


@pytest.mark.parametrize("cover", list(dict.fromkeys(MATERIALS)), ids=lambda cover: cover.__name__)
def test_a_material_is_no_thing(cover: Material) -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        sheet = Sheet(64, any_colour(random))
        cover(sheet, random)
        assert sheet.coverage.max() == 0
        assert np.isfinite(sheet.albedo_rgb).all()


@pytest.mark.parametrize("mark", list(dict.fromkeys(MARKS)), ids=lambda mark: mark.__name__)
def test_a_mark_leaves_its_trace(mark: Mark) -> None:
    traces = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        sheet = Sheet(64, any_colour(random))
        before = sheet.albedo_rgb.copy()
        mark(sheet, random)
        assert np.isfinite(sheet.albedo_rgb).all()
        traces.append(np.abs(sheet.albedo_rgb - before).max() + np.abs(sheet.height).max())
    assert np.median(traces) > 0.005
