"""`slotwatch-train mine`: a pool of unlabelled crops -> the few worth a label."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.commands import add_bundle_argument
from trainer.mine import mine
from trainer.mining.to_label import PAGE_FILE, TO_LABEL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_bundle_argument(parser)
    parser.add_argument(
        "--pool",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of crops, labelled or not, in any tree; it is only read",
    )
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="labelled crops to compare with; may be repeated",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where the crops to label go"
    )
    parser.add_argument(
        "--count",
        type=_count,
        default=100,
        metavar="N",
        help="as many are to wait for a label at most (default: 100)",
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{count} is less than 1")
    return count


def run(arguments: argparse.Namespace) -> str:
    """Fill the folder; return what lies in it and where to look."""
    mined = mine(arguments.bundle, arguments.pool, arguments.out, arguments.count, arguments.data)
    new_count = mined.disputed_count + mined.undecided_count
    return (
        f"{new_count} of {mined.pool_count} crops chosen: {mined.disputed_count} disputed, "
        f"{mined.undecided_count} undecided; {mined.waiting_count + new_count} wait for a label in "
        f"{arguments.out / TO_LABEL}\n{arguments.out / PAGE_FILE}"
    )
