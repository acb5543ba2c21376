"""`slotwatch check`: every problem a technician can mend before leaving."""

from __future__ import annotations

import argparse
import sys

from edge.bundle import read_bundle
from edge.cameras import CameraError, CameraUnusable
from edge.cameras.folder import newest_picture
from edge.cameras.process import CameraProcess, take_only_frame
from edge.classifier import open_classifier
from edge.commands import add_config_argument
from edge.parts import read_password
from edge.pipeline import region_key
from edge.quality import fits_slots, judge_frame
from edge.references import read_references
from edge.settings import SettingsInvalid, read_settings, settings_warnings
from edge.sinks.endings import Access
from edge.sinks.trial import try_broker
from edge.types import ConfigurationError, Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    parser.add_argument(
        "--no-camera", action="store_true", help="leave out the camera: check the files alone"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what is right and what is not; return 78 if anything must be changed."""
    try:
        settings = read_settings(arguments.config)
    except SettingsInvalid as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        count = len(error.problems)
        print(f"{count} problem{'s' if count > 1 else ''} to mend", file=sys.stderr)
        return 78
    print(f"ok       {settings.config_path}, {settings.slots_path}: {len(settings.slots)} slots")
    print(_references(settings))
    problems, input_size_px = _check_model(settings)
    if not arguments.no_camera:
        problems += _check_camera(settings)
    warnings = [*settings_warnings(settings, input_size_px), *_check_broker(settings)]
    for warning in warnings:
        print(f"warning  {warning}")
    for text in problems:
        print(f"problem  {text}", file=sys.stderr)
    return 78 if problems else 0


def _references(settings: Settings) -> str:
    """Return a line on what the device was shown of its cabinet."""
    references = read_references(settings.storage)
    if not references.cabinets:
        return (
            "hint     no picture of the cabinet: a bumped camera is not followed; "
            "take one with `slotwatch reference`"
        )
    lights = len(references.cabinets)
    shown = sum(bool(references.of_region(s.id, region_key(s))) for s in settings.slots)
    stale = sum(bool(references.empties.get(s.id)) for s in settings.slots) - shown
    return (
        f"ok       references: the cabinet in {lights} light{'' if lights == 1 else 's'}, "
        f"{shown} of {len(settings.slots)} slots known empty"
        + (f" ({stale} more before their region was moved)" if stale else "")
    )


def _check_model(settings: Settings) -> tuple[list[str], int | None]:
    """Return the problems, and the model's input size when there are none."""
    try:
        classifier = open_classifier(read_bundle(settings.model))
    except ConfigurationError as error:
        return [str(error)], None
    print(f"ok       {settings.model}: '{classifier.bundle.name}' on {classifier.runtime}")
    return [], classifier.bundle.input_size_px


def _check_camera(settings: Settings) -> list[str]:
    try:
        camera_settings = newest_picture(settings.camera)
        frame = take_only_frame(CameraProcess(camera_settings, once=True), camera_settings)
    except (CameraError, CameraUnusable) as error:
        return [f"camera.source: {error}"]
    height_px, width_px = frame.image_rgb.shape[:2]
    if not fits_slots(frame.image_rgb, settings.frame_wh):
        wanted = "x".join(map(str, settings.frame_wh))
        return [
            f"{settings.slots_path}: frame: drawn on {wanted}, the camera gives "
            f"{width_px}x{height_px}, another shape; set camera.resolution or draw the slots again"
        ]
    reason = judge_frame(frame.image_rgb)
    if reason is not None:
        return [f"camera.source: the picture cannot be used: {reason}"]
    print(f"ok       {camera_settings.source}: {width_px}x{height_px}")
    return []


def _check_broker(settings: Settings) -> list[str]:
    """Say when the broker does not let this device in; the daemon itself would wait for it."""
    mqtt = settings.mqtt
    if mqtt is None:
        return []
    try:
        password = read_password(mqtt)
    except ConfigurationError as error:
        # A credential that systemd hands to the service alone is read there.
        return [f"mqtt: {error}; the broker was not asked"]
    access = Access(mqtt.host, mqtt.port, "", mqtt.username, password, mqtt.tls)
    problem = try_broker(access, is_mqtt_5=mqtt.protocol != "3.1.1")
    if problem is not None:
        return [f"mqtt: {problem}; the daemon would keep trying"]
    print(f"ok       mqtt: the broker at {mqtt.host}:{mqtt.port} lets this device in")
    return []
