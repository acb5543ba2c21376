"""`slotwatch-train train`: labelled crops -> models/NAME."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from trainer.commands import (
    add_data_argument,
    add_pictures_argument,
    add_settings_arguments,
    add_split_arguments,
    summary_of,
    tensorflow_quietly,
    with_split,
)
from trainer.recipe import find_recipe, with_settings
from trainer.recipes import RECIPES
from trainer.weights import cache_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_data_argument(parser)
    add_pictures_argument(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="models/NAME", help="folder of the new bundle"
    )
    parser.add_argument(
        "--recipe",
        default="shipped",
        metavar="NAME",
        help=f"one of {', '.join(sorted(RECIPES))} (default: shipped)",
    )
    add_settings_arguments(parser)
    add_split_arguments(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the recipe's own")


def run(arguments: argparse.Namespace) -> str:
    """Train and write the bundle; return its figures."""
    recipe = with_split(with_settings(find_recipe(arguments.recipe), arguments.set), arguments)
    if arguments.seed is not None:
        recipe = replace(recipe, seed=arguments.seed)
    with tensorflow_quietly():
        from trainer.train import train_bundle
    report = train_bundle(
        arguments.data,
        arguments.out,
        recipe,
        arguments.weights,
        cache_folder(),
        not arguments.no_pictures,
    )
    return f"{summary_of(report)}\n{arguments.out}"
