"""`slotwatch-train summary`: what labelled crops hold, and how they will be split."""

from __future__ import annotations

import argparse

from trainer.commands import (
    add_data_argument,
    add_recipe_argument,
    add_split_arguments,
    with_split,
)
from trainer.dataset import read_dataset
from trainer.recipe import find_recipe
from trainer.splits import split_dataset
from trainer.summary import summarize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_data_argument(parser)
    add_split_arguments(parser)
    add_recipe_argument(parser)


def run(arguments: argparse.Namespace) -> str:
    """Return tables and cautions."""
    recipe = with_split(find_recipe(arguments.recipe), arguments)
    dataset = read_dataset(arguments.data, recipe.input_size_px, recipe.mirrored_sources)
    split = split_dataset(dataset, recipe)
    aside = [f"{one.file}: {one.reason}" for one in (*dataset.set_aside, *split.set_aside)]
    return "\n".join(
        [str(summarize(dataset, split)), *(["", "Set aside:"] if aside else []), *aside]
    )
