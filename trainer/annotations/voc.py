"""Pascal VOC: one XML file per picture.

Corners are taken as the edges of pixels, as today's programs write them; the original
challenge counted pixels from 1, which is one pixel more. Turned boxes are read as
roLabelImg writes them (`robndbox`), outlines as exports of Roboflow do (`polygon`).
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

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
    upright_outline,
)
from trainer.annotations.lookup import Pictures, files_of

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_TURNED = ("cx", "cy", "w", "h", "angle")
_SHOWN_CHARACTERS = 20


class _Malformed(Exception):
    """A field is missing or no number; the message names it."""


def read_voc(folder: Path, pictures: Pictures) -> Annotations:
    """Return what the VOC files of a folder say."""
    result = Annotations()
    for file in files_of(folder, "*.xml"):
        try:
            # Expat, below, refuses entities that grow without bounds and fetches none.
            root = ElementTree.parse(file).getroot()  # noqa: S314
        except ElementTree.ParseError as error:
            what = error.msg.partition(":")[0]
            result.problems.append(f"{file}:{error.position[0]}: not XML ({what}); export it again")
            continue
        except (LookupError, ValueError) as error:  # its first line names an encoding
            result.problems.append(f"{file}:1: not XML ({error}); save it as UTF-8")
            continue
        if root.tag == "annotation":
            _read_picture(file, root, pictures, result)
    return result


def _read_picture(
    file: Path, root: ElementTree.Element, pictures: Pictures, result: Annotations
) -> None:
    # Renamed files keep the old name inside.
    picture = pictures.find(root.findtext("filename", "").strip() or file.stem, file)
    if isinstance(picture, str):
        picture_of_stem = pictures.find(file.stem, file)
        if isinstance(picture_of_stem, str):
            result.skipped.append(f"{file}: {picture}")
            return
        picture = picture_of_stem
    boxes = []
    for number, element in enumerate(root.findall("object"), start=1):
        place = f"{file}: object {number}"
        try:
            name = element.findtext("name", "").strip()
            if not name:
                raise _Malformed("name: it is missing; name the object's class")
            boxes.append(Box(name, _outline(element), place, _slot(element)))
        except _Malformed as error:
            result.problems.append(f"{place}: {error}")
    result.pictures.append(AnnotatedPicture(picture, tuple(boxes), _size_wh(root)))


def _outline(element: ElementTree.Element) -> Outline:
    """Return the most exact outline an object has.

    Raises:
        _Malformed: it has none, or one with a field that is no number.
    """
    polygon, turned = element.find("polygon"), element.find("robndbox")
    if polygon is not None and len(polygon) >= 6:
        names = [f"{axis}{point}" for point in range(1, len(polygon) // 2 + 1) for axis in "xy"]
        return pairs([_number(polygon, name) for name in names])
    if turned is not None:
        x, y, width, height, radians = (_number(turned, name) for name in _TURNED)
        return turned_outline((x, y), width, height, math.degrees(radians))
    upright = element.find("bndbox")
    if upright is None:
        raise _Malformed("bndbox: it is missing; draw the box again")
    return upright_outline(*(_number(upright, name) for name in _SIDES))


def _number(element: ElementTree.Element, name: str) -> float:
    text = element.findtext(name)
    if text is None:
        raise _Malformed(f"{element.tag}.{name}: it is missing; write a number of pixels")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not is_usable(value):
        raise _Malformed(
            f"{element.tag}.{name}: '{text.strip()[:_SHOWN_CHARACTERS]}' is no number up to "
            f"{LARGEST_NUMBER:,.0f}; write pixels"
        )
    return value


def _slot(element: ElementTree.Element) -> str:
    """Return the attribute `slot`, as CVAT writes attributes."""
    for attribute in element.findall("attributes/attribute"):
        if attribute.findtext("name", "").strip().casefold() == "slot":
            return attribute.findtext("value", "").strip()
    return ""


def _size_wh(root: ElementTree.Element) -> tuple[float, float] | None:
    size = root.find("size")
    if size is None:
        return None
    try:
        width, height = _number(size, "width"), _number(size, "height")
    except _Malformed:
        return None
    # Many programs write 0 where they do not know.
    return (width, height) if are_lengths((width, height)) else None
