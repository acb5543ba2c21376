"""The camera, picture, folder or video that a command looks at."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from edge.cameras.folder import newest_picture
from edge.types import CameraSettings


def add_source_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--source`."""
    parser.add_argument(
        "--source", metavar="PATH", help="a picture, folder or video instead of the camera"
    )


def find_source(source: str | None, camera: CameraSettings) -> CameraSettings:
    """Return the camera to look at; of a folder its newest picture, and print which that is."""
    asked = replace(camera, source=source or camera.source)
    found = newest_picture(asked)
    if found.source != asked.source:
        print(f"{asked.source}: its newest picture is {Path(found.source).name}")
    return found
