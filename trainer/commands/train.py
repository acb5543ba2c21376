"""`slotwatch-train train`: labelled crops -> models/NAME."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from edge.types import ConfigurationError
from trainer.cluster import enter_cluster, is_in_cluster
from trainer.commands import (
    add_data_argument,
    add_pictures_argument,
    add_recipe_argument,
    add_settings_arguments,
    add_split_arguments,
    summary_of,
    tensorflow_quietly,
    with_split,
)
from trainer.exit_status import exit_status_of
from trainer.limits import require_usable
from trainer.local_workers import run_as_workers
from trainer.recipe import find_recipe, with_settings
from trainer.weights import cache_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_data_argument(parser)
    add_pictures_argument(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="models/NAME", help="folder of the new bundle"
    )
    add_recipe_argument(parser)
    add_settings_arguments(parser)
    add_split_arguments(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the recipe's own")
    parser.add_argument(
        "--logs", type=Path, metavar="DIR", help="write there what TensorBoard shows"
    )
    workers = parser.add_argument_group("learning in several processes, with the same result")
    workers.add_argument(
        "--workers", type=int, default=1, metavar="N", help="so many on this machine (default: 1)"
    )
    workers.add_argument(
        "--cluster",
        metavar="HOST:PORT,HOST:PORT,...",
        help="addresses of workers on several machines; start this command on each of them",
    )
    workers.add_argument(
        "--worker-index",
        type=int,
        metavar="I",
        help="which of the --cluster this is, from 0; the first one writes the bundle",
    )


def run(arguments: argparse.Namespace) -> str:
    """Train and write the bundle; return its figures."""
    recipe = with_split(with_settings(find_recipe(arguments.recipe), arguments.set), arguments)
    if arguments.seed is not None:
        recipe = replace(recipe, seed=arguments.seed)
    require_usable(recipe)
    if not 1 <= arguments.workers <= recipe.batch_size:
        raise ConfigurationError(
            f"--workers {arguments.workers}: each needs a crop of every batch; choose from 1 to "
            f"{recipe.batch_size}, or a larger batch_size"
        )
    if arguments.workers > 1 and not is_in_cluster():
        run_as_workers(arguments.workers, _work, arguments)
        return f"learned by {arguments.workers} workers together"
    if arguments.cluster is not None:
        _enter(arguments.cluster, arguments.worker_index)
    with tensorflow_quietly():
        from trainer.train import learn_along, train_bundle
        from trainer.workers import join_workers
    workers = join_workers()
    if workers.index > 0:
        learn_along(arguments.data, recipe, arguments.weights, cache_folder(), workers)
        return f"learned along; the first worker writes {arguments.out}"
    report = train_bundle(
        arguments.data,
        arguments.out,
        recipe,
        arguments.weights,
        cache_folder(),
        not arguments.no_pictures,
        logs=arguments.logs,
        workers=workers,
    )
    return f"{summary_of(report)}\n{arguments.out}: read {arguments.out / 'report.html'}"


def _work(arguments: argparse.Namespace) -> None:
    """Be one of the workers on this machine."""
    sys.exit(exit_status_of(partial(run, arguments)))


def _enter(cluster: str, index: int | None) -> None:
    addresses = cluster.split(",")
    if not all(re.fullmatch(r"[^:]+:\d+", address) for address in addresses):
        raise ConfigurationError(f"--cluster {cluster}: write HOST:PORT,HOST:PORT")
    if index is None or not 0 <= index < len(addresses):
        raise ConfigurationError(
            f"--worker-index {index}: say which of the {len(addresses)} this machine is, from 0 "
            f"to {len(addresses) - 1}"
        )
    enter_cluster(addresses, index)
