"""COCO: one JSON file for many pictures.

Of a segmentation with one outline, the outline counts; else the box, turned by the attribute
`rotation` where CVAT wrote one.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from trainer.annotations.boxes import (
    LARGEST_NUMBER,
    AnnotatedPicture,
    Annotations,
    Box,
    Outline,
    are_lengths,
    is_usable,
    pairs,
    turned_outline,
)
from trainer.annotations.lookup import Pictures, files_of

_LISTS = ("images", "annotations", "categories")
_EXPORT = "export it again"


class _Malformed(Exception):
    """A field is missing or of the wrong kind; the message names it."""


def read_coco(folder: Path, pictures: Pictures) -> Annotations:
    """Return what the COCO files of a folder say."""
    result = Annotations()
    for file in files_of(folder, "*.json"):
        try:
            document = json.loads(file.read_bytes())
        except json.JSONDecodeError as error:
            result.problems.append(f"{file}:{error.lineno}: not JSON ({error.msg}); {_EXPORT}")
            continue
        except (ValueError, RecursionError):  # no UTF-8, a number without end, brackets too
            result.problems.append(f"{file}: not JSON; {_EXPORT}")
            continue
        if isinstance(document, dict) and {"images", "annotations"} <= document.keys():
            _read_file(file, document, pictures, result)
    return result


def _read_file(
    file: Path, document: dict[str, Any], pictures: Pictures, result: Annotations
) -> None:
    for name in _LISTS:
        if not isinstance(document.get(name), list):
            result.problems.append(f"{file}: {name}: expected a list; {_EXPORT}")
            return
    names = _collected(file, document, "categories", _category, result)
    images = _collected(file, document, "images", _image, result)
    boxes: dict[Any, list[Box]] = defaultdict(list)
    for index, entry in enumerate(document["annotations"]):
        place = f"{file}: annotations[{index}]"
        try:
            _require_mapping(entry)
            for key, known in (("category_id", names), ("image_id", images)):
                value = entry.get(key)
                if not isinstance(value, int | str) or value not in known:
                    raise _Malformed(f"{key}: there is no {key[:-3]} {value!r}; {_EXPORT}")
            box = Box(names[entry["category_id"]], _outline(entry), place, _slot(entry))
            boxes[entry["image_id"]].append(box)
        except _Malformed as error:
            result.problems.append(f"{place}: {error}")
    for key, (name, size_wh) in images.items():
        picture = pictures.find(name, file)
        if isinstance(picture, str):
            result.skipped.append(f"{file}: {picture}")
        else:
            result.pictures.append(AnnotatedPicture(picture, tuple(boxes[key]), size_wh))


def _collected(
    file: Path, document: dict[str, Any], name: str, read: Any, result: Annotations
) -> dict[Any, Any]:
    """Return the entries of a list by their ids; what is wrong goes to the result."""
    found = {}
    for index, entry in enumerate(document[name]):
        try:
            _require_mapping(entry)
            if not isinstance(entry.get("id"), int | str):
                raise _Malformed(f"id: it is missing; {_EXPORT}")
            found[entry["id"]] = read(entry)
        except _Malformed as error:
            result.problems.append(f"{file}: {name}[{index}]: {error}")
    return found


def _require_mapping(entry: Any) -> None:
    if not isinstance(entry, dict):
        raise _Malformed(f"expected a mapping; {_EXPORT}")


def _category(entry: dict[str, Any]) -> str:
    return _text(entry, "name")


def _image(entry: dict[str, Any]) -> tuple[str, tuple[float, float] | None]:
    size = entry.get("width"), entry.get("height")
    is_sized = all(isinstance(length, int | float) for length in size) and are_lengths(size)  # type: ignore[arg-type]
    return _text(entry, "file_name"), size if is_sized else None  # type: ignore[return-value]


def _text(entry: dict[str, Any], key: str) -> str:
    text = entry.get(key)
    if not isinstance(text, str) or not text.strip():
        raise _Malformed(f"{key}: it is missing; {_EXPORT}")
    return text.strip()


def _outline(entry: dict[str, Any]) -> Outline:
    """Return the outline of an annotation.

    Raises:
        _Malformed: it has none, or one that is not made of numbers.
    """
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, list) and len(segmentation) == 1:
        numbers = _numbers(segmentation[0], "segmentation[0]")
        if len(numbers) < 6 or len(numbers) % 2:
            raise _Malformed(
                f"segmentation[0]: {len(numbers)} numbers; an outline has the x and y of three "
                f"points or more; {_EXPORT}"
            )
        return pairs(numbers)
    box = _numbers(entry.get("bbox"), "bbox")
    if len(box) != 4:
        raise _Malformed(f"bbox: {len(box)} numbers; write [x, y, width, height]")
    x, y, width, height = box
    (degrees,) = _numbers([_attributes(entry).get("rotation", 0)], "attributes.rotation")
    return turned_outline((x + width / 2, y + height / 2), width, height, degrees)


def _numbers(value: Any, name: str) -> list[float]:
    try:
        numbers = [float(number) for number in value]
    except (TypeError, ValueError, OverflowError):
        numbers = [math.nan]
    if not all(map(is_usable, numbers)):
        raise _Malformed(
            f"{name}: expected a list of numbers, none beyond {LARGEST_NUMBER:,.0f}; {_EXPORT}"
        )
    return numbers


def _slot(entry: dict[str, Any]) -> str:
    """Return the attribute `slot`, as CVAT writes attributes."""
    return str(_attributes(entry).get("slot", "")).strip()


def _attributes(entry: dict[str, Any]) -> dict[str, Any]:
    attributes = entry.get("attributes")
    return attributes if isinstance(attributes, dict) else {}
