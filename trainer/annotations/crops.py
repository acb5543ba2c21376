"""Annotated pictures -> labelled crops, cut as the device cuts them."""

from __future__ import annotations

import csv
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.preprocess import apply_plan, plan_crop
from edge.types import ImageRGB, Slot
from trainer.annotations.boxes import AnnotatedPicture, Annotations
from trainer.annotations.class_names import ClassMeaning
from trainer.annotations.origins import camera_of, time_of
from trainer.annotations.regions import Region, longest_side_px, regions_of
from trainer.annotations.slot_names import SlotNames
from trainer.dataset import INDEX_FILE, DataError, as_text
from trainer.pictures import SMALLEST_PX, read_picture
from trainer.progress import progress_bar

_COLUMNS = ("file", "label", "source", "camera", "slot", "time", "licence")
_LARGEST_CROP_PX = 512  # of turned boxes; no recipe takes more than half of it
_NAME_LENGTH = 40  # characters of a picture's name that its crops keep
SKIPPED_FILE = "skipped.txt"


@dataclass(frozen=True)
class Written:
    """What an import made."""

    empty_count: int
    occupied_count: int
    picture_count: int
    skipped: tuple[str, ...]  # boxes and pictures that were left out, with the reason


def write_crops(
    annotations: Annotations,
    meaning: ClassMeaning,
    folder: Path,
    out: Path,
    licence: str = "",
    camera: str = "",
) -> Written:
    """Cut every box out of its picture into `out`, in the trainer's layout with index.csv.

    `folder` is where the pictures lie; its name becomes the crops' source. Without
    `camera` it is what names of files and folders tell. `out` appears when all is done.

    Raises:
        DataError: `out` holds something already, or not one box gave a crop.
    """
    require_free(out)
    skipped = list(annotations.skipped)
    rows: list[dict[str, str]] = []
    slot_names = SlotNames()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=out.parent) as temporary:
        draft = Path(temporary, out.name)
        for label in ("EMPTY", "OCCUPIED"):
            (draft / label).mkdir(parents=True)
        for picture in progress_bar(annotations.pictures, "cutting", len(annotations.pictures)):
            path = picture.file.relative_to(folder)
            origin = {
                "source": as_text(folder.resolve().name),
                "camera": camera or as_text(camera_of(path)),
                "time": time_of(path),
                "licence": licence,
            }
            for region, crop_rgb in _crops(picture, meaning, skipped):
                slot = as_text(slot_names.name_of(origin["camera"], region))
                label = "OCCUPIED" if meaning.is_occupied(region.box.class_name) else "EMPTY"
                # Names of slots may hold anything, also a slash.
                words = (
                    as_text(path.stem)[:_NAME_LENGTH],
                    re.sub(r"[^\w-]", "-", slot)[:_NAME_LENGTH],
                )
                file = f"{label}/{'_'.join(words)}_{len(rows) + 1:06}.png"
                _write_png(draft / file, crop_rgb)
                rows.append({"file": file, "label": label, "slot": slot, **origin})
        if not rows:
            first = f"; the first: {skipped[0]}" if skipped else ""
            raise DataError(f"{folder}: not one box gave a crop ({len(skipped)} skipped{first})")
        _write_index(draft / INDEX_FILE, rows)
        if skipped:
            (draft / SKIPPED_FILE).write_text(as_text("\n".join(skipped)) + "\n", "utf-8")
        draft.rename(out)
    labels = [row["label"] for row in rows]
    return Written(
        labels.count("EMPTY"), labels.count("OCCUPIED"), len(annotations.pictures), tuple(skipped)
    )


def require_free(out: Path) -> None:
    """Refuse to write over something.

    Raises:
        DataError: a file or a folder that is not empty stands there.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise DataError(f"{out}: holds something already; give a new name, or delete it first")


def _crops(
    picture: AnnotatedPicture, meaning: ClassMeaning, skipped: list[str]
) -> list[tuple[Region, ImageRGB]]:
    """Return the picture's regions that have a label, and their crops; adds to `skipped`."""
    picture_rgb = read_picture(picture.file)
    if isinstance(picture_rgb, str):
        skipped.append(f"{picture.file}: {picture_rgb}")
        return []
    height_px, width_px = picture_rgb.shape[:2]
    regions, left_out = regions_of(picture, (width_px, height_px))
    skipped += left_out
    return [
        (region, _crop(picture_rgb, region))
        for region in regions
        if meaning.is_occupied(region.box.class_name) is not None
    ]


def _crop(picture_rgb: ImageRGB, region: Region) -> ImageRGB:
    """Return an upright region as it is, any other rectified, about as large as it was.

    The trainer and the device scale either to the model's input with the same function.
    """
    if region.is_upright:
        left, top = region.polygon_px[0].astype(int)
        right, bottom = region.polygon_px[2].astype(int)
        return picture_rgb[top:bottom, left:right]
    side_px = int(np.clip(longest_side_px(region.polygon_px), SMALLEST_PX, _LARGEST_CROP_PX))
    height_px, width_px = picture_rgb.shape[:2]
    plan = plan_crop(Slot("box", region.polygon_px), side_px, (width_px, height_px))
    return apply_plan(picture_rgb, plan)


def _write_png(file: Path, crop_rgb: ImageRGB) -> None:
    _, data = cv2.imencode(".png", cv2.cvtColor(crop_rgb, cv2.COLOR_RGB2BGR))
    file.write_bytes(data.tobytes())


def _write_index(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
