"""`slotwatch learn`: let a few labelled crops of this cabinet correct the model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from edge.bundle import read_bundle
from edge.cameras import IMAGE_SUFFIXES
from edge.cameras.folder import PictureUnreadable, read_picture
from edge.classifier import open_classifier
from edge.commands import Progress, add_config_argument
from edge.learned_head import HEAD_FILE, read_head, undo_head, write_head
from edge.lesson import GARBAGE_PIECES, MOST_CROPS, Labelled, teach
from edge.lesson_words import is_for_loss_alone, trial_words
from edge.preprocess import crop_whole
from edge.references import read_references
from edge.settings import read_settings
from edge.site import Site
from edge.site_head import LEAST_OF_A_LABEL
from edge.types import ConfigurationError, ImageRGB, Settings, State

LABELS = (State.EMPTY, State.OCCUPIED)
_SMALLEST_PX = 8  # as for regions: less than this shows nothing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--labels",
        type=Path,
        metavar="FOLDER",
        help="holds EMPTY/ and OCCUPIED/ with crops of this cabinet, as `slotwatch snapshot "
        "--crops` saves them; a name that begins with a slot's id and _ uses what is remembered "
        "of that slot",
    )
    what.add_argument("--undo", action="store_true", help="forget what was learnt last")
    parser.add_argument(
        "--allow-contradicting",
        action="store_true",
        help="learn also from labels of which most contradict how the crops are read: these labels "
        "are right, and EMPTY and OCCUPIED are not mixed up",
    )


def run(arguments: argparse.Namespace) -> int:
    """Learn or forget, and say what came of it."""
    settings = read_settings(arguments.config)
    try:
        if arguments.undo:
            return _undo(settings)
        return _learn(settings, arguments.labels, arguments.allow_contradicting)
    except OSError as error:
        raise ConfigurationError(
            f"{settings.storage / HEAD_FILE}: cannot be written ({error.strerror})"
        ) from error


def _undo(settings: Settings) -> int:
    outcome = undo_head(settings.storage)
    if outcome is None:
        raise ConfigurationError(f"{settings.storage}: nothing was learnt here, nothing to undo")
    if outcome:
        print("forgotten; what was learnt before it is used again")
    else:
        print("forgotten; the cabinet is read by the model and its references alone")
    return 0


def _learn(settings: Settings, folder: Path, may_contradict: bool) -> int:
    classifier = open_classifier(read_bundle(settings.model))
    if "embedding" not in classifier.bundle.output_names:
        raise ConfigurationError(
            f"{settings.model}: this model puts out no embedding, which learning needs; install "
            "a bundle of the present trainer"
        )
    labelled = read_labelled(folder, settings, classifier.bundle.input_size_px)
    site = Site(classifier, settings.slots, read_references(settings.storage))
    with Progress("looking at pictures of no slot", GARBAGE_PIECES) as progress:
        lesson = teach(labelled, site, classifier, progress.advance, may_contradict)
    print("\n".join(trial_words(lesson.trial, labelled, settings.decision)))
    is_known = read_head(settings.storage, classifier.bundle.model_sha256) is not None
    stays = "what was learnt before stays in use" if is_known else "the model stays as it is"
    if lesson.is_refused:
        raise ConfigurationError(
            f"{folder}: most labels contradict how the crops are read; if EMPTY and OCCUPIED are "
            "mixed up, exchange the two folders; if the labels are right, add "
            f"--allow-contradicting (not kept: {stays})"
        )
    if lesson.head is None:
        print(f"not kept: these labels make it no better; {stays}")
        return 0
    write_head(settings.storage, lesson.head, classifier.bundle.model_sha256)
    is_for_loss = is_for_loss_alone(lesson.trial, labelled, settings.decision)
    why = ", for its loss alone: no more crops are right and no fewer wrong" if is_for_loss else ""
    replaced = "; it replaces what was learnt before" if is_known else ""
    print(
        f"kept in {settings.storage / HEAD_FILE}{why}{replaced}; a running daemon takes it within "
        "3 seconds.\n"
        "To go back: slotwatch learn --undo"
    )
    return 0


def read_labelled(folder: Path, settings: Settings, size_px: int) -> list[Labelled]:
    """Return the crops of a folder of labels, sorted by name.

    Raises:
        ConfigurationError: with everything that is wrong with the folder and its pictures.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            f"{folder}: there is no such folder; give the one that holds EMPTY and OCCUPIED"
        )
    slot_ids = sorted((slot.id for slot in settings.slots), key=len, reverse=True)
    labelled: list[Labelled] = []
    problems: list[str] = []
    for label in LABELS:
        paths = _pictures(folder, label)
        if len(paths) < LEAST_OF_A_LABEL:
            problems.append(
                f"{folder / label}: {len(paths)} pictures; put at least {LEAST_OF_A_LABEL} crops "
                f"of {label} slots there"
            )
        if len(paths) > MOST_CROPS // 2:
            problems.append(
                f"{folder / label}: {len(paths)} pictures; leave the {MOST_CROPS // 2} that "
                "differ most"
            )
            continue
        for path in paths:
            crop_rgb = _crop(path, size_px)
            if isinstance(crop_rgb, str):
                problems.append(f"{path}: {crop_rgb}; take it out of the folder")
                continue
            slot_id = next((name for name in slot_ids if path.name.startswith(f"{name}_")), None)
            labelled.append(Labelled(path, slot_id, label is State.OCCUPIED, crop_rgb))
    problems += _contradictions(labelled)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return labelled


def _contradictions(labelled: Sequence[Labelled]) -> list[str]:
    """Return what is wrong with pictures that lie in both folders."""
    occupied = {one.crop_rgb.tobytes(): one.path for one in labelled if one.is_occupied}
    return [
        f"{one.path}: the same picture as {occupied[one.crop_rgb.tobytes()]}; leave it where it "
        "belongs"
        for one in labelled
        if not one.is_occupied and one.crop_rgb.tobytes() in occupied
    ]


def _pictures(folder: Path, label: State) -> list[Path]:
    """Return the pictures of a label, whose folder may be named in lower case."""
    return sorted(
        path
        for of_label in folder.iterdir()
        if of_label.name.upper() == label and of_label.is_dir()
        for path in of_label.iterdir()
        # Hidden ones are what file managers leave behind.
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def _crop(path: Path, size_px: int) -> ImageRGB | str:
    """Return a picture as the model takes it, or why it cannot be used."""
    try:
        image_rgb = read_picture(path)
    except PictureUnreadable as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if min(image_rgb.shape[:2]) < _SMALLEST_PX:
        return f"smaller than {_SMALLEST_PX} pixels"
    return crop_whole(image_rgb, size_px)
