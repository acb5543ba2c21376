"""`slotwatch model verify|install|rollback`: model bundles, put in place atomically."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.bundle import install_bundle, previous_bundle, read_bundle, rollback_bundle
from edge.classifier import Classifier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser(
        "verify", help="check a bundle's hashes and replay its golden crops on this device"
    )
    verify.add_argument("bundle", type=Path, help="the bundle's folder, such as models/default")
    install = actions.add_parser(
        "install",
        help="verify a bundle, then put it into a models folder; a running daemon takes it",
    )
    install.add_argument("bundle", type=Path, help="the new bundle's folder")
    install.add_argument(
        "--models",
        type=Path,
        default=Path("models"),
        metavar="DIR",
        help="the models folder (default: models)",
    )
    install.add_argument("--name", default="default", help="the name it gets (default: default)")
    rollback = actions.add_parser("rollback", help="go back to the bundle that was there before")
    rollback.add_argument("bundle", type=Path, help="the installed bundle, such as models/default")


def run(arguments: argparse.Namespace) -> int:
    """Do it; a bundle that is refused changes nothing."""
    if arguments.action == "verify":
        print(_verified(arguments.bundle))
    elif arguments.action == "install":
        print(_verified(arguments.bundle))
        target = install_bundle(arguments.bundle, arguments.models, arguments.name)
        print(f"installed as {target}")
    else:
        print(_verified(previous_bundle(arguments.bundle)))
        target = rollback_bundle(arguments.bundle)
        print(f"{target} is the previous bundle again")
    return 0


def _verified(path: Path) -> str:
    bundle = read_bundle(path)
    classifier = Classifier(bundle)
    median_s = classifier.self_test()
    size_mb = bundle.model_path.stat().st_size / 1e6
    return (
        f"{path}: ok: '{bundle.name}', {bundle.input_size_px} px, {size_mb:.1f} MB, "
        f"{median_s * 1000:.2f} ms per crop on {classifier.runtime}, "
        f"sha256 {bundle.model_sha256[:16]}…"
    )
