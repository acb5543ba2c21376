"""`slotwatch-train contact-sheet`: what the network sees in training, for people to look at."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.types import ConfigurationError
from trainer.commands import add_data_argument, add_recipe_argument
from trainer.contact_sheet import CROPS_PER_LABEL, draw_sheet, sheet_page, sheet_rows
from trainer.dataset import Sample, list_samples, read_crops
from trainer.recipe import find_recipe

_PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png"}
_PAGE_SUFFIXES = {".html", ".htm"}
# Some cannot be read, and some are copies of others.
_SPARE = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_data_argument(parser)
    add_recipe_argument(parser)
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another one shows other crops and views"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="sheet.jpg, sheet.png or sheet.html"
    )


def run(arguments: argparse.Namespace) -> str:
    """Write the sheet; return its file."""
    out: Path = arguments.out
    suffix = out.suffix.lower()
    if suffix not in _PICTURE_SUFFIXES | _PAGE_SUFFIXES:
        raise ConfigurationError(
            f"--out {out}: the file's ending says what to write; end it in .jpg, .png or .html"
        )
    if arguments.seed < 0:
        raise ConfigurationError(f"--seed {arguments.seed}: give 0 or more")
    recipe = find_recipe(arguments.recipe)
    listed = [sample for folder in arguments.data for sample in list_samples(folder)]
    dataset = read_crops(
        _a_few_of_each(listed, arguments.seed), recipe.input_size_px, recipe.mirrored_sources
    )
    rows = sheet_rows(dataset.samples, dataset.crops_rgb, arguments.seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    if suffix in _PAGE_SUFFIXES:
        out.write_text(sheet_page(rows, f"What the network sees: recipe {recipe.name}"), "utf-8")
    else:
        sheet_bgr = cv2.cvtColor(draw_sheet(rows), cv2.COLOR_RGB2BGR)
        # Not cv2.imwrite: on some systems it cannot write every name.
        out.write_bytes(cv2.imencode(suffix, sheet_bgr)[1].tobytes())
    return str(out)


def _a_few_of_each(listed: Sequence[Sample], seed: int) -> list[Sample]:
    """Return enough samples of each source and label: a sheet needs no thousands decoded."""
    cells: dict[tuple[str, bool], list[Sample]] = defaultdict(list)
    for sample in listed:
        cells[sample.source, sample.is_occupied].append(sample)
    random = np.random.default_rng(seed)
    return [
        cell[index]
        for cell in cells.values()
        for index in random.permutation(len(cell))[: CROPS_PER_LABEL + _SPARE]
    ]
