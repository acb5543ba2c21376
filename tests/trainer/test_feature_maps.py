"""Looking at a network's layers."""

import numpy as np
import pytest

from edge.types import ConfigurationError, ImageRGB

pytestmark = pytest.mark.trainer

SIZE_PX = 96  # of the random network


@pytest.fixture(scope="module")
def crop_rgb() -> ImageRGB:
    return np.random.default_rng(1).integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)


def test_grad_cam_on_the_last_layer_is_the_class_activation_map(random_network, crop_rgb) -> None:
    from trainer.export import export_model
    from trainer.feature_maps import LayerView, find_layer

    _, attention, _ = export_model(random_network)(crop_rgb[None].astype(np.float32))
    activation = np.asarray(attention)[0, :, :, 0] - random_network.bias
    heat = LayerView(random_network, find_layer(random_network, None)).grad_cam(crop_rgb)
    assert heat.shape == (3, 3)
    assert np.ptp(activation) > 1e-3
    # Each of the nine cells has a ninth of the logit's gradient.
    assert np.allclose(heat * 9, activation, atol=1e-4)


def test_grad_cam_works_on_a_middle_layer_of_a_frozen_network(random_network, crop_rgb) -> None:
    from trainer.feature_maps import LayerView

    random_network.backbone.trainable = False
    heat = LayerView(random_network, "block_6_expand_relu").grad_cam(crop_rgb)
    random_network.backbone.trainable = True
    assert heat.shape == (12, 12)
    assert np.ptp(heat) > 0


def test_feature_maps_are_what_the_layer_puts_out(random_network, crop_rgb) -> None:
    from trainer.feature_maps import LayerView

    scaled = LayerView(random_network, "scale").maps(crop_rgb)
    assert np.allclose(scaled, crop_rgb / 127.5 - 1, atol=1e-5)


def test_layers_are_listed_from_the_crop_to_the_head(random_network) -> None:
    from trainer.feature_maps import Layer, find_layer, layers_of

    layers = layers_of(random_network)
    assert layers[0] == Layer("scale", SIZE_PX, SIZE_PX, 3)
    assert layers[-1] == Layer("out_relu", 3, 3, 1280)
    assert find_layer(random_network, None) == "out_relu"
    # 6x6 is too coarse to show forms.
    assert find_layer(random_network, None, is_fine=True) == "block_6_expand_relu"
    assert find_layer(random_network, "Conv1") == "Conv1"


def test_a_mistyped_layer_is_answered_with_similar_ones(random_network) -> None:
    from trainer.feature_maps import find_layer

    with pytest.raises(ConfigurationError) as error:
        find_layer(random_network, "block_4_ad")
    message = str(error.value)
    assert message.startswith("--layer block_4_ad: no such layer; did you mean block_4_add, ")
    assert "'--layer list' shows all" in message


def test_the_strongest_channel_comes_first() -> None:
    from trainer.feature_maps import strongest_tiles

    maps = np.zeros((2, 2, 20), np.float32)
    maps[..., 13] = 5  # white all over
    maps[0, 0, 7] = 4
    tiles_rgb = strongest_tiles(maps)
    first, second, third = (tiles_rgb[60, 60 + 128 * position, 0] for position in range(3))
    assert (first, third) == (255, 0)
    assert 0 < second < 255


def test_fewer_channels_than_tiles_leave_white() -> None:
    from trainer.feature_maps import strongest_tiles

    assert (strongest_tiles(np.eye(3, dtype=np.float32)[..., None])[300:] == 255).all()
