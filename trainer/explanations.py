"""The ways of showing why a bundle answered as it did, as pictures of one crop each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from edge.classifier import Classifier
from edge.types import ConfigurationError, ImageRGB
from trainer.occlusion import occlusion_sensitivity
from trainer.overlay import overlay

if TYPE_CHECKING:  # It brings TensorFlow, which half of the ways do without.
    from trainer.network import Network

SIDE_PX = 320  # of the pictures people look at, at least
_COLOURS = "Yellow is most, dark blue least; each crop has its own scale. "


@dataclass(frozen=True)
class Explanation:
    """What one method makes of a crop."""

    title: str
    reading: str  # how to read its pictures
    draw: Callable[[ImageRGB], ImageRGB]  # crop, uint8 (size, size, 3) -> picture, square
    is_detailed: bool = False  # too much for a small picture


def class_activation(classifier: Classifier, opacity: float) -> Explanation:
    """Return the map that the shipped model puts out itself, as the device shows it.

    Raises:
        ConfigurationError: it puts out none.
    """
    if "attention" not in classifier.bundle.output_names:
        raise ConfigurationError(
            f"{classifier.bundle.model_path}: this model puts out no attention; "
            "use --method occlusion"
        )
    return Explanation(
        "Class activation map",
        f"Where the bundle's model saw OCCUPIED. {_COLOURS}(Zhou et al. 2016.)",
        _laid_over(lambda crop_rgb: classifier.predict(crop_rgb).attention, opacity),
    )


def occlusion(classifier: Classifier, opacity: float) -> Explanation:
    """Return what covering each place changes in the shipped model's answer."""
    return Explanation(
        "Occlusion sensitivity",
        "Blurring what is yellow makes the slot look emptier to the bundle's model. A blurred "
        f"spot may look like a thing itself: see the class activation map too. {_COLOURS}"
        "(Zeiler and Fergus 2014.)",
        _laid_over(lambda crop_rgb: occlusion_sensitivity(classifier, crop_rgb), opacity),
    )


def grad_cam(network: Network, layer: str | None, opacity: float) -> Explanation:
    """Return where a layer of the float network saw OCCUPIED; without a name, the last layer.

    Raises:
        ConfigurationError: there is no such layer.
    """
    from trainer.feature_maps import LayerView, find_layer

    name = find_layer(network, layer)
    return Explanation(
        f"Grad-CAM of layer {name}",
        f"Where this layer of the float network saw OCCUPIED. {_COLOURS}(Selvaraju et al. 2017.)",
        _laid_over(LayerView(network, name).grad_cam, opacity),
    )


def feature_maps(network: Network, layer: str | None) -> Explanation:
    """Return a layer's strongest channels; without a name, of the last layer with a fine map.

    Raises:
        ConfigurationError: there is no such layer.
    """
    from trainer.feature_maps import LayerView, find_layer, strongest_tiles

    name = find_layer(network, layer, is_fine=True)
    view = LayerView(network, name)
    return Explanation(
        f"Feature maps of layer {name}",
        "What this layer's strongest channels put out, strongest first, with their numbers; "
        "white is most.",
        lambda crop_rgb: strongest_tiles(view.maps(crop_rgb)),
        is_detailed=True,
    )


def enlarged(picture_rgb: ImageRGB, side_px: int) -> ImageRGB:
    """Return a square picture at the size people look at."""
    size = cv2.resize(picture_rgb, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(size, dtype=np.uint8)


def _laid_over(
    heat_of: Callable[[ImageRGB], npt.NDArray[np.floating]], opacity: float
) -> Callable[[ImageRGB], ImageRGB]:
    def draw(crop_rgb: ImageRGB) -> ImageRGB:
        side_px = max(SIDE_PX, len(crop_rgb))
        return overlay(enlarged(crop_rgb, side_px), np.atleast_2d(heat_of(crop_rgb)), opacity)

    return draw
