"""`slotwatch-train export`: a bundle's float network for other runtimes."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.bundle import read_bundle, read_golden
from edge.types import ConfigurationError
from trainer.commands import add_bundle_argument, tensorflow_quietly


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_bundle_argument(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.onnx", help="the new ONNX file"
    )


def run(arguments: argparse.Namespace) -> str:
    """Write the file; say what goes in and comes out."""
    out: Path = arguments.out
    if out.suffix != ".onnx":
        raise ConfigurationError(f"--out {out}: give a name that ends with .onnx")
    bundle = read_bundle(arguments.bundle)
    with tensorflow_quietly():
        from trainer.network_file import network_of_bundle
    network = network_of_bundle(bundle)
    try:
        from trainer.onnx_file import write_onnx
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the packages for ONNX are not installed ({error.name} is missing); "
            "install slotwatch[train,onnx]"
        ) from error
    difference = write_onnx(network, out, read_golden(bundle).crops_rgb)
    size_px = bundle.input_size_px
    return (
        f"{out}: {out.stat().st_size / 1e6:.1f} MB, in floats. Input crop_rgb: float32 "
        f"(batch, {size_px}, {size_px}, 3), 0..255. Its probabilities are the network's to "
        f"{difference:.0e} on the golden crops."
    )
