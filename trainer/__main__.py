"""The command line of the trainer: `slotwatch-train`, or `python -m trainer`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge.types import ConfigurationError, SlotwatchError
from trainer.metrics import figures
from trainer.quiet import native_output_silenced
from trainer.recipe import find_recipe
from trainer.recipes import RECIPES
from trainer.report import Report
from trainer.weights import cache_folder

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = argparse.ArgumentParser(
        prog="slotwatch-train",
        description="Make a model bundle from labelled crops, and say how good it is.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="labelled crops -> models/NAME")
    _add_data(train)
    train.add_argument(
        "--out", type=Path, required=True, metavar="models/NAME", help="folder of the new bundle"
    )
    train.add_argument(
        "--recipe",
        default="shipped",
        metavar="NAME",
        help=f"one of {', '.join(sorted(RECIPES))} (default: shipped)",
    )
    train.add_argument(
        "--weights", type=Path, metavar="FILE", help="ImageNet weights, where no network is"
    )
    train.add_argument("--seed", type=int, metavar="N", help="instead of the recipe's own")

    evaluate = commands.add_parser("evaluate", help="figures and plots of a bundle")
    evaluate.add_argument("--bundle", type=Path, required=True, metavar="models/NAME")
    _add_data(evaluate)
    evaluate.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where the report goes"
    )
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder with index.csv, or with 'empty' and 'occupied' folders; may be repeated",
    )
    parser.add_argument(
        "--no-pictures",
        action="store_true",
        help="keep crops out of report.html, where their licences forbid passing them on",
    )


def run(arguments: argparse.Namespace) -> str:
    """Do what was asked and return what to tell the user.

    Raises:
        SlotwatchError: it cannot be done; the message is for the user.
    """
    has_pictures = not arguments.no_pictures
    if arguments.command == "evaluate":
        from trainer.evaluate import evaluate_bundle

        report = evaluate_bundle(arguments.bundle, arguments.data, arguments.out, has_pictures)
        return f"{summary(report)}\n{arguments.out / 'report.html'}"
    recipe = find_recipe(arguments.recipe)
    if arguments.seed is not None:
        recipe = replace(recipe, seed=arguments.seed)
    # TensorFlow and absl greet and warn on stderr otherwise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with native_output_silenced():
            from trainer.train import train_bundle
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the trainer's packages are not installed ({error.name} is missing); "
            "install slotwatch[train]"
        ) from error
    report = train_bundle(
        arguments.data, arguments.out, recipe, arguments.weights, cache_folder(), has_pictures
    )
    return f"{summary(report)}\n{arguments.out}"


def summary(report: Report) -> str:
    """Return the figures of each part in one line."""
    lines = []
    for part in report.parts:
        result = figures(part.occupied, part.probability, report.empty_at, report.occupied_at)
        accuracy, auc = (
            "-" if value is None else f"{value:.4f}"
            for value in (result.balanced_accuracy, result.auc)
        )
        lines.append(
            f"{part.title}: {len(part.samples)} crops, balanced accuracy {accuracy}, AUC {auc}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0, 78 for a wrong configuration or data, else 1."""
    parsed = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("trainer").setLevel(logging.INFO)
    try:
        print(run(parsed))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIGURATION
    except (SlotwatchError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; no bundle was written", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
