"""`slotwatch-train import`: boxes drawn with other programs -> labelled crops or a slots file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from trainer.annotations.class_names import EMPTY_NAMES, OCCUPIED_NAMES, class_meaning
from trainer.annotations.crops import SKIPPED_FILE, write_crops
from trainer.annotations.formats import FORMATS, read_annotations
from trainer.annotations.slots import write_slots

_SHOWN_SKIPPED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--from",
        dest="folder",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with the annotation files and their pictures",
    )
    parser.add_argument("--format", choices=["auto", *FORMATS], default="auto")
    parser.add_argument(
        "--as",
        dest="kind",
        choices=["crops", "slots"],
        default="crops",
        help="labelled crops to train on, or one picture's boxes as a slots file for a device",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="new folder of the crops, or new slots file"
    )
    for option, names in (("--empty", EMPTY_NAMES), ("--occupied", OCCUPIED_NAMES)):
        parser.add_argument(
            option,
            action="append",
            default=[],
            metavar="NAME",
            help=f"a class that means {option[2:].upper()}, beside {', '.join(names)}",
        )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="NAME", help="a class to leave out"
    )
    parser.add_argument(
        "--licence", default="", metavar="TEXT", help="of the pictures, for the crops' index.csv"
    )
    parser.add_argument(
        "--camera",
        default="",
        metavar="NAME",
        help="that took all these pictures, where names of files and folders do not tell",
    )
    parser.add_argument(
        "--picture",
        metavar="NAME",
        help="for slots: whose boxes (default: the picture with the most)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Write crops or a slots file; return what was made and what was left out."""
    annotations = read_annotations(arguments.folder, arguments.format)
    out = arguments.out
    if arguments.kind == "slots":
        picture, count, skipped = write_slots(annotations, out, arguments.picture)
        return "\n".join([f"{out}: {count} slots of {picture.name}", *_shown(skipped, "")])
    names = [box.class_name for picture in annotations.pictures for box in picture.boxes]
    meaning = class_meaning(names, arguments.empty, arguments.occupied, arguments.ignore)
    written = write_crops(
        annotations, meaning, arguments.folder, out, arguments.licence, arguments.camera
    )
    crops = written.empty_count + written.occupied_count
    return "\n".join(
        [
            f"{out}: {crops} crops ({written.empty_count} EMPTY, {written.occupied_count} "
            f"OCCUPIED) of {written.picture_count} pictures",
            *_shown(written.skipped, f"; all in {out / SKIPPED_FILE}"),
        ]
    )


def _shown(skipped: Sequence[str], rest: str) -> list[str]:
    more = len(skipped) - _SHOWN_SKIPPED
    lines = [f"skipped: {line}" for line in skipped[:_SHOWN_SKIPPED]]
    return [*lines, *([f"... and {more} more{rest}"] if more > 0 else [])]
