"""`slotwatch learn`: let a few labelled crops of this cabinet correct the model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bundle import read_bundle
from edge.cameras import IMAGE_SUFFIXES
from edge.cameras.folder import PictureUnreadable, read_picture
from edge.classifier import open_classifier
from edge.commands import Progress, add_config_argument
from edge.learned_head import HEAD_FILE, read_head, undo_head, write_head
from edge.lesson import GARBAGE_PIECES, MOST_CROPS, Labelled, teach
from edge.preprocess import crop_whole
from edge.references import read_references
from edge.settings import read_settings
from edge.site import Site
from edge.site_head import LEAST_OF_A_LABEL, LabelledCrops, Trial
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
    progress = Progress("looking at pictures of no slot", GARBAGE_PIECES)
    lesson = teach(labelled, site, classifier, progress.advance, may_contradict)
    progress.close()
    print("\n".join(_words(lesson.trial, lesson.crops, settings)))
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
    print(
        f"kept in {settings.storage / HEAD_FILE}; a running daemon takes it within 3 seconds.\n"
        "To go back: slotwatch learn --undo"
    )
    return 0


def read_labelled(folder: Path, settings: Settings, size_px: int) -> list[Labelled]:
    """Return the crops of a folder of labels, sorted by name.

    Raises:
        ConfigurationError: with everything that is wrong with the folder and its pictures.
    """
    slot_ids = sorted((slot.id for slot in settings.slots), key=len, reverse=True)
    labelled: list[Labelled] = []
    problems: list[str] = []
    for label in LABELS:
        paths = _pictures(folder / label)
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


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    # Hidden ones are what file managers leave behind.
    return sorted(
        path
        for path in folder.iterdir()
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


def _words(trial: Trial, crops: LabelledCrops, settings: Settings) -> list[str]:
    count, occupied_count = len(crops.is_occupied), int(crops.is_occupied.sum())
    one = "slot" if trial.is_by_slot else "crop"
    empty_at, occupied_at = settings.decision.empty_at, settings.decision.occupied_at

    def line(name: str, probability: npt.NDArray[np.float64], loss: float) -> str:
        reads_occupied, reads_empty = probability >= occupied_at, probability <= empty_at
        right = np.where(crops.is_occupied, reads_occupied, reads_empty).sum()
        wrong = np.where(crops.is_occupied, reads_empty, reads_occupied).sum()
        unknown = count - right - wrong
        return f"{name}: {right} right, {wrong} wrong, {unknown} UNKNOWN (loss {loss:.3f})"

    return [
        f"{count - occupied_count} crops EMPTY, {occupied_count} OCCUPIED",
        line("before", trial.before, trial.loss_before),
        line(f"learnt, each {one} judged without its own labels", trial.after, trial.loss_after),
    ]
