"""`slotwatch snapshot`: one annotated frame, to see whether the regions sit right."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2

from edge.annotate import annotate
from edge.bundle import read_bundle
from edge.cameras import CameraError
from edge.cameras.process import CameraProcess
from edge.classifier import open_classifier
from edge.commands import add_config_argument
from edge.inference import build_pipeline
from edge.preprocess import scale_slots
from edge.settings import read_settings
from edge.types import ConfigurationError, State

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    parser.add_argument(
        "--source", metavar="PATH", help="a picture, folder or video instead of the camera"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="PNG or JPEG to write: orange OCCUPIED, blue EMPTY, white UNKNOWN, grey not watched",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the picture and print what it shows."""
    if arguments.out.suffix.lower() not in PICTURE_SUFFIXES:
        raise ConfigurationError(f"{arguments.out}: give --out a name that ends in .png or .jpg")
    settings = read_settings(arguments.config)
    source = arguments.source or settings.camera.source
    camera = CameraProcess(replace(settings.camera, source=source), once=True)
    camera.start()
    try:
        classifier = open_classifier(read_bundle(settings.model))
        frame = camera.next_frame(max(10.0, settings.camera.stall_after_s))
    finally:
        camera.close()
    if frame is None:
        raise CameraError(f"{source}: no picture in it")
    pipeline = build_pipeline(settings, classifier)
    result = pipeline.process(frame)
    height_px, width_px = frame.image_rgb.shape[:2]
    slots = scale_slots(settings.slots, settings.frame_wh, (width_px, height_px))
    picture = annotate(frame.image_rgb, slots, {r.slot_id: r for r in result.readings})
    _write_picture(arguments.out, picture)
    states = [reading.state for reading in result.readings]
    counts = ", ".join(f"{states.count(state)} {state}" for state in State)
    print(f"{arguments.out}: {width_px}x{height_px}, {counts}")
    if result.unusable is not None:
        print(f"the picture cannot be used: {result.unusable}")
    return 0


def _write_picture(path: Path, picture_rgb: cv2.typing.MatLike) -> None:
    encoded = cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))[1]
    try:
        # cv2.imwrite cannot write to every name a person may choose, and says only False.
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error
