"""What the sorted crops of one cabinet teach: from pictures to a head, and whether to keep it.

Runs in the command that learns a site, beside a classifier of its own; nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.classifier import Classifier
from edge.garbage import GARBAGE
from edge.site import Site
from edge.site_head import LabelledCrops, SiteHead, Trial, fit_head, try_head
from edge.types import ImageRGB

MOST_CROPS = 400  # all kept in memory, and half of them of each label; a site needs tens
_GARBAGE_OF_A_KIND = 18  # fewer let hands and torn pictures through (docs/decisions/0011)
GARBAGE_PIECES = len(GARBAGE) * _GARBAGE_OF_A_KIND


@dataclass(frozen=True, eq=False)
class Labelled:
    """One crop that a person has sorted."""

    path: Path
    slot_id: str | None  # of its name; None where that names no slot
    is_occupied: bool
    crop_rgb: ImageRGB


@dataclass(frozen=True, eq=False)
class Lesson:
    """What came of some labelled crops."""

    crops: LabelledCrops
    trial: Trial
    head: SiteHead | None  # None where it is refused, or makes the site no better
    is_refused: bool  # most labels contradict how the crops are read, and nobody vouched for them


def _nothing() -> None:
    pass


def teach(
    labelled: Sequence[Labelled],
    site: Site,
    classifier: Classifier,
    advance: Callable[[], None] = _nothing,
    may_contradict: bool = False,
) -> Lesson:
    """Return what crops teach beside the site's empties; `site` has no head and this classifier.

    Labels that mostly contradict how the crops are read turn every state round: as a rule their
    folders were exchanged. They teach nothing unless they `may_contradict`.

    `advance` is called after each of GARBAGE_PIECES pictures of no slot, which take the longest.
    """
    crops = _seen(labelled, site, classifier)
    garbage = _garbage([one.crop_rgb for one in labelled], classifier, advance)
    trial = try_head(crops, garbage)
    is_refused = trial.is_contradicted and not may_contradict
    is_kept = trial.is_better and not is_refused
    return Lesson(crops, trial, fit_head(crops, garbage) if is_kept else None, is_refused)


def _seen(labelled: Sequence[Labelled], site: Site, classifier: Classifier) -> LabelledCrops:
    """Return what the model, and the pictures of empty slots, say of each crop."""
    crops_rgb = [one.crop_rgb for one in labelled]
    known = site.probabilities([one.slot_id or "" for one in labelled], crops_rgb)
    predictions = list(classifier.predict_all(crops_rgb, ["probability", "embedding"]))
    return LabelledCrops(
        np.stack([prediction.embedding for prediction in predictions]),
        np.array([prediction.probability for prediction in predictions]),
        np.array(known),
        np.array([one.is_occupied for one in labelled]),
        tuple(one.slot_id or str(one.path) for one in labelled),
    )


def _garbage(
    crops_rgb: Sequence[ImageRGB], classifier: Classifier, advance: Callable[[], None]
) -> npt.NDArray[np.float32]:
    """Return the embeddings, (count, features), of pictures of no slot, some made of these."""
    embeddings = []
    for number, draw in enumerate(GARBAGE.values()):
        for index in range(_GARBAGE_OF_A_KIND):
            random = np.random.default_rng([number, index])
            crop_rgb = crops_rgb[int(random.integers(len(crops_rgb)))]
            picture_rgb = draw(classifier.bundle.input_size_px, random, crop_rgb)
            embeddings.append(classifier.predict(picture_rgb).embedding)
            advance()
    return np.stack(embeddings)
