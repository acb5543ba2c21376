"""HOG votes as Dalal and Triggs describe it: by orientation, whatever the light."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.types import ImageRGB
from trainer.backbones import BACKBONES

pytestmark = pytest.mark.trainer

SIZE_PX = 32


@pytest.fixture(scope="module")
def hog() -> Any:
    return BACKBONES["hog"].build(SIZE_PX)


def slope(angle_deg: float, contrast: float = 1.0) -> ImageRGB:
    """Return a crop that gets brighter in this direction, 3 grey levels a pixel at contrast 1."""
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] - SIZE_PX / 2
    angle = np.deg2rad(angle_deg)
    grey = 128 + 3 * contrast * (columns * np.cos(angle) + rows * np.sin(angle))
    return np.repeat(grey[:, :, None].clip(0, 255), 3, axis=2).round().astype(np.uint8)


def inner_block(hog: Any, crop_rgb: ImageRGB) -> npt.NDArray[np.float32]:
    """Return the features of the middle block, (4 cells, 9 orientations)."""
    features = np.asarray(hog(crop_rgb[None].astype(np.float32)))
    return features.reshape(3, 3, 4, 9)[1, 1]


@pytest.mark.parametrize("orientation", range(9))
def test_an_edge_votes_for_its_orientation(hog: Any, orientation: int) -> None:
    for angle_deg in (20 * orientation, 20 * orientation + 180):  # an edge has no sign
        votes = inner_block(hog, slope(angle_deg))
        assert (votes.argmax(axis=1) == orientation).all()


def test_twice_the_contrast_is_the_same_shape(hog: Any) -> None:
    assert np.allclose(inner_block(hog, slope(40)), inner_block(hog, slope(40, 2.0)), atol=0.05)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_where_nothing_is_there_are_no_features(hog: Any, value: int) -> None:
    features = np.asarray(hog(np.full((1, SIZE_PX, SIZE_PX, 3), value, np.float32)))
    assert features.shape == (1, 1, 1, 3 * 3 * 4 * 9)
    assert not features.any()


def test_the_strongest_colour_votes(hog: Any) -> None:
    crop_rgb = np.full((SIZE_PX, SIZE_PX, 3), 128, np.uint8)
    crop_rgb[:, :, 0] = slope(0)[:, :, 0]
    crop_rgb[:, :, 2] = slope(80, 0.3)[:, :, 2]
    assert (inner_block(hog, crop_rgb).argmax(axis=1) == 0).all()
