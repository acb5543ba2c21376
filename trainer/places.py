"""Where a command may write: asked before the work, so that none of it is lost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edge.bundle import MANIFEST_FILE
from edge.types import ConfigurationError


def require_folder_place(out: Path) -> None:
    """Refuse a place where no folder can be written to.

    Raises:
        ConfigurationError: a file stands there or on the way, or it is read-only.
    """
    there = out
    # lexists, because a link to nowhere is in the way too.
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise ConfigurationError(f"--out {out}: {there} is not a folder; give another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"--out {out}: nothing can be written to {there}; give another place, or make it "
            "writable for this user"
        )


def require_bundle_place(out: Path, data_folders: Sequence[Path]) -> None:
    """Refuse a place where a new bundle would move or delete anything but older bundles.

    What stands at `out` becomes `<name>.previous`, and what stood there is deleted.

    Raises:
        ConfigurationError: `out` is no name for a bundle, or something else stands there.
    """
    if out.name in ("", ".."):
        raise ConfigurationError(f"--out {out}: not the name of a new folder; give models/NAME")
    require_folder_place(out.parent)
    target = out.resolve()
    for place in (target, target.with_name(f"{target.name}.previous")):
        if not os.path.lexists(place):
            continue
        require_folder_place(place)
        holds_data = any(folder.resolve().is_relative_to(place) for folder in data_folders)
        is_other = any(place.iterdir()) and not (place / MANIFEST_FILE).is_file()
        if holds_data or is_other:
            raise ConfigurationError(
                f"--out {out}: {place} holds something other than a bundle, which would be moved "
                "or deleted; give another name"
            )
