"""Find the picture an annotation is about."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from trainer.pictures import PICTURE_SUFFIXES


def files_of(folder: Path, pattern: str) -> list[Path]:
    """Return the files below a folder whose names fit; folders and pipes may be called so too."""
    return [file for file in sorted(folder.rglob(pattern)) if file.is_file()]


class Pictures:
    """The pictures of a folder, to be found by what annotations call them."""

    def __init__(self, folder: Path) -> None:
        self._of_name: dict[str, list[Path]] = defaultdict(list)
        for file in sorted(folder.rglob("*")):
            if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file():
                self._of_name[file.name.casefold()].append(file)
                self._of_name[file.stem.casefold()].append(file)

    def find(self, name: str, annotation: Path) -> Path | str:
        """Return the picture of this name, with or without suffix, or why there is none.

        Of several, the one in the folder most like that of the annotation is meant:
        images/yard/1.jpg belongs to labels/yard/1.txt.
        """
        # Annotations carry whole paths of the machine they were made on, of either kind.
        *folders, last = name.replace("\\", "/").split("/")
        found = self._of_name.get(last.casefold(), [])
        if not found:
            return f"there is no picture '{last}'"
        near = {*annotation.parent.parts, *folders}
        likeness = [len(near.intersection(file.parent.parts)) for file in found]
        best = max(likeness)
        if likeness.count(best) > 1:
            return f"{likeness.count(best)} pictures are called '{last}'"
        return found[likeness.index(best)]
