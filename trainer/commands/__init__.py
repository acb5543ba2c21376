"""The commands of `slotwatch-train`, one file each, and what they share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import get_args

from edge.types import ConfigurationError
from trainer.metrics import figures
from trainer.quiet import native_output_silenced
from trainer.recipe import Recipe, SplitBy
from trainer.recipes import RECIPES
from trainer.report import Report


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--data`."""
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="folder with index.csv, or with 'empty' and 'occupied' folders; may be repeated",
    )


def add_bundle_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--bundle`."""
    parser.add_argument(
        "--bundle",
        type=Path,
        required=True,
        metavar="models/NAME",
        help="folder of the bundle, as `train --out` wrote it",
    )


def add_recipe_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--recipe`."""
    parser.add_argument(
        "--recipe",
        default="shipped",
        metavar="NAME",
        help=f"one of {', '.join(sorted(RECIPES))} (default: shipped; head_only is the quickest)",
    )


def add_pictures_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--no-pictures`."""
    parser.add_argument(
        "--no-pictures",
        action="store_true",
        help="keep crops out of report.html, where their licences forbid passing them on",
    )


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--split-by` and `--test-source`."""
    parser.add_argument(
        "--split-by",
        choices=get_args(SplitBy),
        help="what is held out as a whole, in place of the recipe's choice (auto: for each "
        "source, cameras, else days, else slots)",
    )
    parser.add_argument(
        "--test-source",
        action="append",
        default=[],
        metavar="NAME",
        help="hold out all crops of this source for the test, and no others; may be repeated",
    )


def with_split(recipe: Recipe, arguments: argparse.Namespace) -> Recipe:
    """Return the recipe with the split that the arguments ask for."""
    return replace(
        recipe,
        split_by=arguments.split_by or recipe.split_by,
        test_sources=tuple(arguments.test_source) or recipe.test_sources,
    )


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--set` and `--weights`."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="instead of the recipe's own, e.g. learning_rate=1e-4; may be repeated",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="ImageNet weights, for a machine without internet",
    )


@contextmanager
def tensorflow_quietly() -> Iterator[None]:
    """Import inside what needs TensorFlow: without its greetings, with a clear word if missing.

    Raises:
        ConfigurationError: the trainer's packages are not installed.
    """
    # TensorFlow and absl greet and warn on stderr otherwise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with native_output_silenced():
            yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the trainer's packages are not installed ({error.name} is missing); "
            "install slotwatch[train]"
        ) from error


def summary_of(report: Report) -> str:
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
