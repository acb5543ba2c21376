"""One picture's boxes -> a slots file for the device."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from trainer.annotations.boxes import AnnotatedPicture, Annotations
from trainer.annotations.crops import require_free
from trainer.annotations.regions import Region, regions_of
from trainer.annotations.slot_names import grid_ids
from trainer.dataset import DataError, as_text
from trainer.pictures import read_picture

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def write_slots(
    annotations: Annotations, out: Path, picture_name: str | None = None
) -> tuple[Path, int, list[str]]:
    """Write the boxes of one picture as slots; return the picture, their number, and what not.

    The picture of this file name, or the one with the most boxes. Slots are called as the
    annotation names them, else A1, A2 ... from the top left.

    Raises:
        DataError: there is no such picture, it cannot be read, or it has no usable box.
    """
    require_free(out)
    picture = _chosen(annotations.pictures, picture_name)
    picture_rgb = read_picture(picture.file)
    if isinstance(picture_rgb, str):
        raise DataError(f"{picture.file}: {picture_rgb}")
    size_wh = picture_rgb.shape[1], picture_rgb.shape[0]
    regions, skipped = regions_of(picture, size_wh)
    if not regions:
        first = f"; {skipped[0]}" if skipped else ""
        raise DataError(f"{picture.file}: has no box that could be a slot{first}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(as_text(_slots_text(picture.file.name, size_wh, regions)), "utf-8")
    return picture.file, len(regions), skipped


def _chosen(pictures: Sequence[AnnotatedPicture], name: str | None) -> AnnotatedPicture:
    fitting = [p for p in pictures if name is None or p.file.name == name]
    if not fitting:
        known = ", ".join(p.file.name for p in pictures[:5])
        raise DataError(
            f"--picture {name}: no annotation is about it; there are {len(pictures)} pictures "
            f"with boxes, like {known}"
            if pictures
            else "no picture has annotations"
        )
    return max(fitting, key=lambda p: len(p.boxes))


def _slots_text(picture_name: str, size_wh: tuple[int, int], regions: Sequence[Region]) -> str:
    names = _given_names(regions)
    are_ids = all(_ID.fullmatch(name) for name in names)
    ids = names if are_ids else grid_ids([region.polygon_px for region in regions])
    lines = [
        f"# The boxes of {picture_name}. Corners begin at each slot's upper left in the picture.",
        f"frame: [{size_wh[0]}, {size_wh[1]}]",
        "slots:",
    ]
    for region, slot_id, name in zip(regions, ids, names, strict=True):
        # Quoted where YAML would take it for a number, a truth value or a list.
        key = slot_id if slot_id[0].isalpha() else json.dumps(slot_id)
        if are_ids or not name:
            lines.append(f"  {key}: {_written(region)}")
        else:
            # Shown to people; an id goes into topics and takes fewer characters.
            label = json.dumps(name, ensure_ascii=False)
            lines += [f"  {key}:", f"    region: {_written(region)}", f"    label: {label}"]
    return "\n".join(lines) + "\n"


def _given_names(regions: Sequence[Region]) -> list[str]:
    """Return the names the annotation gives its slots, "" for all where they are not apart."""
    for names in ([r.box.slot for r in regions], [r.box.class_name for r in regions]):
        if all(names) and len(set(names)) == len(names) > 1:
            return names
    return [""] * len(regions)


def _written(region: Region) -> str:
    """Return a region as the slots file has it: x, y, width, height, or four corners."""
    if region.is_upright:
        (left, top), (right, bottom) = region.polygon_px[0], region.polygon_px[2]
        return f"[{left:.0f}, {top:.0f}, {right - left:.0f}, {bottom - top:.0f}]"
    corners = (f"[{x:.10g}, {y:.10g}]" for x, y in region.polygon_px.astype(float).round(1))
    return f"[{', '.join(corners)}]"
