"""Camera and time of a picture, where the names of its file and folders tell them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePath

# 2013-02-22, 20130222 or 2013_02_22, and a time of day behind it.
_DATE = re.compile(
    r"(?<!\d)(20\d\d|19\d\d)([-_.]?)(\d\d)\2(\d\d)"
    r"(?:[T _-]?([01]\d|2[0-3])[-_:.]?([0-5]\d)(?:[-_:.]?([0-5]\d))?)?(?!\d)"
)
_CAMERA = re.compile(r"(?<![a-z])(?:camera|cam|channel|ch)[-_ ]?[a-z]?\d+", re.IGNORECASE)
# Folders of data sets that name no place.
_NO_PLACE = {
    *("annotations", "data", "frames", "images", "jpegimages", "labels", "obj_train_data"),
    *("pictures", "test", "train", "val", "valid", "validation"),
}


def time_of(picture: PurePath) -> str:
    """Return the time a name tells, the innermost first: 2013-02-22T06:05:00, a day, or "".

    Without a date the last number of the file's name is taken for the frame's: f000123.
    """
    for part in (picture.stem, *reversed(picture.parts[:-1])):
        for found in _DATE.finditer(part):
            year, _, month, day, hour, minute, second = found.groups()
            try:
                text = date(int(year), int(month), int(day)).isoformat()
            except ValueError:
                continue
            return f"{text}T{hour}:{minute}:{second or '00'}" if hour else text
    numbers = re.findall(r"\d+", picture.stem)
    return f"f{numbers[-1].zfill(6)}" if numbers else ""


def camera_of(picture: PurePath) -> str:
    """Return the camera a name tells, else the folders that name a place, else "".

    The path is relative to the folder of the data set.
    """
    for part in (picture.stem, *reversed(picture.parts[:-1])):
        found = _CAMERA.search(part)
        if found:
            return re.sub(r"[-_ ]", "", found.group()).lower()
    folders = [part for part in picture.parts[:-1] if part.casefold() not in _NO_PLACE]
    return "/".join(part for part in folders if not _DATE.fullmatch(part))
