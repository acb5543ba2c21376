"""The formats of annotations: a new one is a file and a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trainer.annotations.boxes import Annotations
from trainer.annotations.coco import read_coco
from trainer.annotations.lookup import Pictures
from trainer.annotations.voc import read_voc
from trainer.annotations.yolo import read_yolo
from trainer.dataset import DataError

FORMATS: dict[str, Callable[[Path, Pictures], Annotations]] = {
    "voc": read_voc,
    "yolo": read_yolo,
    "coco": read_coco,
}
_SHOWN_PROBLEMS = 20


def read_annotations(folder: Path, format_name: str = "auto") -> Annotations:
    """Return what a folder's annotation files say, without opening the pictures.

    Raises:
        DataError: the folder holds no annotations of the format, with "auto" those of
            several, or files with problems: all of them are named.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the one that holds the annotations")
    pictures = Pictures(folder)
    asked = list(FORMATS) if format_name == "auto" else [format_name]
    found = {name: FORMATS[name](folder, pictures) for name in asked}
    there = {name: one for name, one in found.items() if one.pictures or one.skipped}
    # A broken file of another format lies about in many folders; alone, it is the one meant.
    there = there or {name: one for name, one in found.items() if one.problems}
    if not there:
        raise DataError(
            f"{folder}: holds no annotations in the format {' or '.join(asked)}; give the folder "
            "with the XML, text or JSON files and their pictures"
        )
    if len(there) > 1:
        raise DataError(
            f"{folder}: holds annotations in the formats {' and '.join(there)}; choose one with "
            "--format"
        )
    (annotations,) = there.values()
    if annotations.problems:
        more = len(annotations.problems) - _SHOWN_PROBLEMS
        shown = annotations.problems[:_SHOWN_PROBLEMS]
        raise DataError("\n".join([*shown, *([f"... and {more} more"] if more > 0 else [])]))
    return annotations
