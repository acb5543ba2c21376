"""`slotwatch snapshot`: one annotated frame, to see whether the regions sit right, or its crops."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

import cv2

from edge.annotate import annotate_frame
from edge.bundle import read_bundle
from edge.cameras.process import CameraProcess, take_only_frame
from edge.classifier import open_classifier
from edge.commands import add_config_argument
from edge.commands.source import add_source_argument, find_source
from edge.inference import build_pipeline
from edge.pipeline import Pipeline
from edge.settings import read_settings
from edge.types import ConfigurationError, Frame, State

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    add_source_argument(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="PNG or JPEG to write: orange OCCUPIED, blue EMPTY, white UNKNOWN, grey not watched",
    )
    parser.add_argument(
        "--crops",
        type=Path,
        metavar="FOLDER",
        help="save each slot's crop there as the model takes it, named SLOT_TIME.png: sorted by "
        "hand into EMPTY and OCCUPIED, they are what `slotwatch learn` takes",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the picture and print what it shows."""
    if arguments.out is None and arguments.crops is None:
        raise ConfigurationError("say what to write: --out FILE, --crops FOLDER, or both")
    if arguments.out is not None and arguments.out.suffix.lower() not in PICTURE_SUFFIXES:
        raise ConfigurationError(f"{arguments.out}: give --out a name that ends in .png or .jpg")
    settings = read_settings(arguments.config)
    camera_settings = find_source(arguments.source, settings.camera)
    with closing(CameraProcess(camera_settings, once=True)) as camera:
        camera.start()  # It starts while the model loads.
        classifier = open_classifier(read_bundle(settings.model))
        frame = take_only_frame(camera, camera_settings)
    pipeline = build_pipeline(settings, classifier)
    result = pipeline.process(frame)
    if arguments.out is not None:
        height_px, width_px = frame.image_rgb.shape[:2]
        picture_rgb = annotate_frame(frame, pipeline, settings.frame_wh, result.readings)
        _write_picture(arguments.out, picture_rgb)
        states = [reading.state for reading in result.readings]
        counts = ", ".join(f"{states.count(state)} {state}" for state in State)
        print(f"{arguments.out}: {width_px}x{height_px}, {counts}")
    if result.unusable is not None:
        print(f"the picture cannot be used: {result.unusable}")
    elif arguments.crops is not None:
        _write_crops(arguments.crops, pipeline, frame)
    return 0


def _write_crops(folder: Path, pipeline: Pipeline, frame: Frame) -> None:
    """Write the crops that the pipeline took of a frame; none of a slot that is out of sight."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be made ({error.strerror})") from error
    # Without colons, which some file systems refuse; with fractions, so that a video's differ.
    time = frame.captured_at.strftime("%Y%m%dT%H%M%S.%f")[:-3]
    count = 0
    for slot in pipeline.slots:
        crop_rgb = pipeline.crop(slot.id, frame)
        if crop_rgb is not None:
            _write_picture(folder / f"{slot.id}_{time}.png", crop_rgb)
            count += 1
    print(f"{folder}: {count} crops; sort them into EMPTY and OCCUPIED for `slotwatch learn`")


def _write_picture(path: Path, picture_rgb: cv2.typing.MatLike) -> None:
    encoded = cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))[1]
    try:
        # cv2.imwrite cannot write to every name a person may choose, and says only False.
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from error
