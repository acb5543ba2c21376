"""`slotwatch-train compare`: recipes on sources that training never saw."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.types import ConfigurationError
from trainer.commands import add_data_argument, add_settings_arguments, tensorflow_quietly
from trainer.limits import require_usable
from trainer.recipe import find_recipe, with_settings
from trainer.recipes import RECIPES
from trainer.weights import cache_folder

FIGURES_FILE = "figures.jsonl"
TABLE_FILE = "table.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_data_argument(parser)
    parser.add_argument(
        "--recipe",
        action="append",
        metavar="NAME",
        help=f"may be repeated; of {', '.join(sorted(RECIPES))} (default: shipped)",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="runs per recipe and source (default: 3)"
    )
    parser.add_argument(
        "--together",
        action="append",
        default=[],
        metavar="NAME=SOURCE/CAMERA,...",
        help="leave out these cameras as one source, instead of the whole source; may be repeated",
    )
    add_settings_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help=f"gets {TABLE_FILE}, {FIGURES_FILE} and what the networks say of the crops; what is "
        "there already is not measured again",
    )


def run(arguments: argparse.Namespace) -> str:
    """Measure what is missing, write the table and return it."""
    recipes = [
        with_settings(find_recipe(name), arguments.set) for name in arguments.recipe or ["shipped"]
    ]
    for recipe in recipes:
        require_usable(recipe)
    if arguments.seeds < 1:
        raise ConfigurationError(f"--seeds {arguments.seeds}: give at least 1")
    together = dict(_parted(text) for text in arguments.together)
    with tensorflow_quietly():
        from trainer.compare import compare, folds_of, table_of
        from trainer.empty_table import empty_table
        from trainer.training_data import find_weights, read_for_training
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, with_a_picture = [], []
    for recipe in recipes:
        weights_file = find_weights(recipe, arguments.weights, cache_folder())
        dataset = read_for_training(arguments.data, recipe)
        folds = folds_of(dataset, together)
        of_recipe = compare(
            recipe, dataset, folds, arguments.seeds, weights_file, arguments.out / FIGURES_FILE
        )
        rows += of_recipe
        with_a_picture.append(empty_table(recipe, of_recipe, arguments.out))
    table = "\n\n".join([table_of(rows), *with_a_picture])
    (arguments.out / TABLE_FILE).write_text(table + "\n", "utf-8")
    return table


def _parted(text: str) -> tuple[str, list[str]]:
    name, equals, cameras = text.partition("=")
    if not (name and equals and cameras):
        raise ConfigurationError(f"--together {text}: write NAME=SOURCE/CAMERA,SOURCE/CAMERA")
    return name, cameras.split(",")
