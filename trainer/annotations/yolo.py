"""YOLO: one text file per picture, a line per box, in shares of the picture.

`class x y width height` (of the middle), or `class x1 y1 x2 y2 x3 y3 ...`, an outline of three
points or more. Names come from classes.txt, obj.names or the `names` of data.yaml.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from trainer.annotations.boxes import AnnotatedPicture, Annotations, Box, pairs, upright_outline
from trainer.annotations.lookup import Pictures, files_of

_NAME_FILES = ("classes.txt", "obj.names")
_OTHER_FILES = ("classes.txt", "readme", "license", "licence")  # as their names begin
# A little more than 1: programs round, and boxes are drawn over the edge.
_LARGEST_SHARE = 1.5
_MOST_DIGITS = 6  # of a class's number


class _Malformed(Exception):
    """A line is no box; the message says why."""


def read_yolo(folder: Path, pictures: Pictures) -> Annotations:
    """Return what the YOLO files of a folder say."""
    result = Annotations()
    of_file: dict[Path, Path] = {}
    for file in files_of(folder, "*.txt"):
        if file.name.casefold().startswith(_OTHER_FILES):
            continue
        picture = pictures.find(file.stem, file)
        if not isinstance(picture, str):
            of_file[file] = picture
        # Lists of pictures (train.txt) and notes lie about, but not among the labels.
        elif "labels" in (part.casefold() for part in file.relative_to(folder).parts):
            result.skipped.append(f"{file}: {picture}")
    names = _class_names(folder, result) if of_file else {}
    for file, picture in of_file.items():
        boxes = tuple(_boxes(file, names, result))
        result.pictures.append(AnnotatedPicture(picture, boxes, units_wh=(1, 1)))
    return result


def _boxes(file: Path, names: dict[int, str], result: Annotations) -> list[Box]:
    boxes = []
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        result.problems.append(f"{file}: not a text file; export it again")
        return []
    for number, line in enumerate(lines, start=1):
        place = f"{file}:{number}"
        try:
            if line.strip():
                boxes.append(_box(line.split(), names, place))
        except _Malformed as error:
            result.problems.append(f"{place}: {error}")
    return boxes


def _box(words: list[str], names: dict[int, str], place: str) -> Box:
    """Return the box of one line.

    Raises:
        _Malformed: it is none.
    """
    if len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
        raise _Malformed(
            f"{len(words)} words; write 'class x y width height', or 'class' and the x and y of "
            "three points or more"
        )
    if not _is_class(words[0]):
        raise _Malformed(f"class: '{words[0][:20]}' is no whole number; write the class's number")
    number = int(words[0])
    if names and number not in names:
        raise _Malformed(f"class: there is no class {number}; the names end with {max(names)}")
    shares = [_share(word) for word in words[1:]]
    if len(shares) == 4:
        x, y, width, height = shares
        outline = upright_outline(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    else:
        outline = pairs(shares)
    return Box(names.get(number, str(number)), outline, place)


def _is_class(word: str) -> bool:
    # Python refuses to read thousands of digits.
    return word.isdecimal() and len(word) <= _MOST_DIGITS


def _share(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Malformed(f"'{word}' is no number; write shares of the picture, like 0.25")
    if abs(value) > _LARGEST_SHARE:
        raise _Malformed(f"{word} is no share of the picture; divide pixels by its size")
    return value


def _class_names(folder: Path, result: Annotations) -> dict[int, str]:
    """Return the name of each class number; none where no file has them."""
    for name in _NAME_FILES:
        for file in files_of(folder, name):
            lines = file.read_text("utf-8-sig", errors="replace").splitlines()
            return dict(enumerate(line.strip() for line in lines if line.strip()))
    for file in (*files_of(folder, "*.yaml"), *files_of(folder, "*.yml")):
        try:
            # Every value as text: names like `no` or `1` would become something else.
            document = yaml.load(file.read_text("utf-8-sig"), Loader=yaml.BaseLoader)  # noqa: S506
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            where = getattr(error, "problem_mark", None)
            line = f":{where.line + 1}" if where else ""
            result.problems.append(f"{file}{line}: not YAML; export it again")
            continue
        names = _names_in(document)
        if names:
            return names
    return {}


def _names_in(document: Any) -> dict[int, str]:
    names = document.get("names") if isinstance(document, dict) else None
    named = dict(enumerate(names)) if isinstance(names, list) else {}
    if isinstance(names, dict):
        named = {int(key): name for key, name in names.items() if _is_class(str(key))}
    # Nothing but text: aliases can make a list of lists that no memory holds once written out.
    return {number: name for number, name in named.items() if isinstance(name, str)}
