"""`slotwatch-train explain`: pictures of why a bundle answered so, misclassified crops first."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from edge.bundle import read_bundle
from edge.classifier import Classifier
from edge.types import Bundle, ConfigurationError
from trainer.commands import add_bundle_argument, add_data_argument, tensorflow_quietly
from trainer.dataset import read_dataset
from trainer.explain import INDEX_FILE, POINTING_HEADER, explain, pointing_rows, summary
from trainer.explanations import (
    Explanation,
    class_activation,
    feature_maps,
    grad_cam,
    occlusion,
)
from trainer.provenance import mirrored_sources_of
from trainer.tables import text_table

# The shipped model alone is enough for these; the others look inside the float network.
_OUTSIDE: dict[str, Callable[[Classifier, float], Explanation]] = {
    "cam": class_activation,
    "occlusion": occlusion,
}
_INSIDE = ("grad-cam", "features")
_LIST = "list"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_bundle_argument(parser)
    add_data_argument(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="new folder for the pictures"
    )
    parser.add_argument(
        "--method",
        choices=(*_OUTSIDE, *_INSIDE),
        default="cam",
        help="cam: where the model saw OCCUPIED, by itself (default); occlusion: what covering a "
        "place changes; grad-cam: the same as cam for any layer; features: what a layer puts out",
    )
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="of grad-cam and features; 'list' shows them all (default: one of the last)",
    )
    parser.add_argument(
        "--opacity",
        type=float,
        default=0.5,
        metavar="0..1",
        help="of the colours over the crop (default: 0.5)",
    )
    parser.add_argument(
        "--count",
        type=int,
        default=60,
        metavar="N",
        help="crops to show: the misclassified, then the least sure, then some others "
        "(default: 60)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Write the pictures; return what they are of."""
    if not 0 <= arguments.opacity <= 1:
        raise ConfigurationError(
            f"--opacity {arguments.opacity:g}: give 0 to 1, 0 for the crop alone"
        )
    if arguments.count < 1:
        raise ConfigurationError(f"--count {arguments.count}: give at least 1")
    bundle = read_bundle(arguments.bundle)
    if arguments.layer == _LIST:
        return _layer_list(bundle)
    if arguments.layer is not None and arguments.method in _OUTSIDE:
        raise ConfigurationError(
            f"--layer {arguments.layer}: the method {arguments.method} looks at no layer; add "
            f"--method {' or --method '.join(_INSIDE)}"
        )
    classifier = Classifier(bundle)
    # How long an inference takes on this machine, busy perhaps, does not matter here.
    classifier.self_test(budget_s=math.inf)
    explanation = _explanation(arguments, classifier)
    mirrored_sources = mirrored_sources_of(bundle.manifest)
    dataset = read_dataset(arguments.data, bundle.input_size_px, mirrored_sources)
    explained = explain(classifier, dataset, explanation, arguments.out, arguments.count)
    table = text_table(POINTING_HEADER, pointing_rows(explained), words=1)
    return "\n".join(
        [
            *summary(explained),
            *(table if explained.pointing else []),
            str(arguments.out / INDEX_FILE),
        ]
    )


def _explanation(arguments: argparse.Namespace, classifier: Classifier) -> Explanation:
    if arguments.method in _OUTSIDE:
        return _OUTSIDE[arguments.method](classifier, arguments.opacity)
    with tensorflow_quietly():
        from trainer.network_file import network_of_bundle
    try:
        network = network_of_bundle(classifier.bundle)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error}, or use --method {' or --method '.join(_OUTSIDE)}, which do without it"
        ) from error
    if arguments.method == "features":
        return feature_maps(network, arguments.layer)
    return grad_cam(network, arguments.layer, arguments.opacity)


def _layer_list(bundle: Bundle) -> str:
    with tensorflow_quietly():
        from trainer.feature_maps import layers_of
        from trainer.network_file import network_of_bundle
    layers = layers_of(network_of_bundle(bundle))
    rows = [
        (layer.name, f"{layer.rows} x {layer.columns}", str(layer.channels)) for layer in layers
    ]
    return "\n".join(text_table(("layer", "map", "channels"), rows, words=1))
