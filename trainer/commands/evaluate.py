"""`slotwatch-train evaluate`: figures and plots of a bundle on labelled crops."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.commands import (
    add_bundle_argument,
    add_data_argument,
    add_pictures_argument,
    summary_of,
)
from trainer.evaluate import evaluate_bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_bundle_argument(parser)
    add_data_argument(parser)
    add_pictures_argument(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where the report goes"
    )


def run(arguments: argparse.Namespace) -> str:
    """Write the report; return its figures."""
    report = evaluate_bundle(
        arguments.bundle, arguments.data, arguments.out, not arguments.no_pictures
    )
    return f"{summary_of(report)}\n{arguments.out / 'report.html'}"
