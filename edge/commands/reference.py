"""`slotwatch reference`: remember how this cabinet looks, and its slots when empty."""

from __future__ import annotations

import argparse

from edge.bundle import read_bundle
from edge.cameras.process import CameraProcess, take_only_frame
from edge.classifier import open_classifier
from edge.commands import add_config_argument
from edge.commands.source import add_source_argument, find_source
from edge.settings import read_settings
from edge.showing import Wish, check_frame, slots_asked, take_references
from edge.types import ConfigurationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    add_source_argument(parser)
    parser.add_argument(
        "--empty",
        action="store_true",
        help="every slot is empty now: remember how each one looks",
    )
    parser.add_argument(
        "--light",
        action="store_true",
        help="the same cabinet from the same place in another light (dusk, a lamp, infrared): keep "
        "the pictures of it that there are",
    )
    parser.add_argument(
        "--slot",
        action="append",
        default=[],
        metavar="ID",
        help="this slot is empty now: remember how it looks; may be repeated. The picture of the "
        "cabinet stays as it was",
    )
    parser.add_argument(
        "--forget",
        action="store_true",
        help="with --empty or --slot: first forget how these slots looked when empty, as asked for "
        "or learnt; without them: forget it of every slot, and take nothing new",
    )


def run(arguments: argparse.Namespace) -> int:
    """Take one frame, remember what was asked for and say what that was."""
    if arguments.empty and arguments.slot:
        raise ConfigurationError("--empty means every slot; leave out --slot, or leave out --empty")
    settings = read_settings(arguments.config)
    wish = Wish(arguments.empty, arguments.light, tuple(arguments.slot), arguments.forget)
    slots_asked(settings, wish)  # Before a camera is opened: the name may be wrong.
    frame = classifier = None
    if wish.needs_frame:
        camera_settings = find_source(arguments.source, settings.camera)
        frame = take_only_frame(CameraProcess(camera_settings, once=True), camera_settings)
        check_frame(frame, settings, camera_settings.source)
        if wish.is_empty or wish.slot_ids:
            classifier = open_classifier(read_bundle(settings.model))
    print("\n".join(take_references(wish, settings, frame, classifier)))
    return 0
