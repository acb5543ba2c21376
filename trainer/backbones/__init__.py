"""Networks without a head; add a file and a line to add one."""

from __future__ import annotations

from trainer.backbones.backbone import Backbone
from trainer.backbones.efficientnet_lite0 import EFFICIENTNET_LITE0
from trainer.backbones.hog import HOG
from trainer.backbones.keras_applications import (
    EFFICIENTNET_B0,
    MOBILENET_V2,
    MOBILENET_V3_SMALL,
)
from trainer.backbones.small_cnn import SMALL_CNN

BACKBONES: dict[str, Backbone] = {
    "mobilenet_v2_1.0": MOBILENET_V2,
    "mobilenet_v3_small": MOBILENET_V3_SMALL,
    "efficientnet_b0": EFFICIENTNET_B0,
    "efficientnet_lite0": EFFICIENTNET_LITE0,
    "small_cnn": SMALL_CNN,
    "hog": HOG,
}
