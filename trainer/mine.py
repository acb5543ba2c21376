"""A bundle and a pool of unlabelled crops -> the few that are worth a person's label."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.bundle import read_bundle
from edge.classifier import Classifier, open_classifier
from edge.preprocess import crop_whole
from edge.types import ConfigurationError, ImageRGB
from trainer.dataset import Crops, read_dataset
from trainer.mining.choice import choose
from trainer.mining.doubts import (
    DISPUTED,
    OTHER_LIGHTS,
    UNDECIDED,
    Answers,
    Doubt,
    Floats,
    Labelled,
    doubts_of,
    relit,
)
from trainer.mining.pool import PoolCrop, list_pool
from trainer.mining.to_label import hand_out, kept_rows, names_handed_out
from trainer.pictures import read_picture
from trainer.places import require_folder_place
from trainer.progress import progress_bar
from trainer.provenance import mirrored_sources_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mined:
    """What lies in the folder to label now."""

    pool_count: int
    waiting_count: int  # handed out by an earlier run, not labelled yet
    disputed_count: int  # new
    undecided_count: int  # new


def mine(
    bundle_folder: Path, pool: Path, out: Path, count: int, data_folders: Sequence[Path] = ()
) -> Mined:
    """Fill `out` up to `count` crops that wait for a label; the pool is only read.

    Half are those whose answer another witness disputes, half the undecided ones,
    as far as there are. What was handed out before stays, with the labels it got, and is not
    handed out again. `data_folders`, labelled crops, are one more witness.

    Raises:
        ConfigurationError: the bundle is refused or gives no embedding, or a folder is unusable.
    """
    require_folder_place(out)
    bundle = read_bundle(bundle_folder)
    classifier = open_classifier(bundle)
    if "embedding" not in bundle.output_names:
        raise ConfigurationError(
            f"{bundle_folder}: gives no embedding, which tells alike crops; train it again"
        )
    mirrored_sources = mirrored_sources_of(bundle.manifest)
    crops, answers = _ask(classifier, list_pool(pool, out), mirrored_sources)
    labelled = None
    if data_folders:
        dataset = read_dataset(data_folders, bundle.input_size_px, mirrored_sources)
        labelled = Labelled(_embed(classifier, dataset.crops_rgb), dataset.labels > 0.5)
    doubts = doubts_of(crops, answers, labelled)

    kept, names = kept_rows(out), names_handed_out(out)
    waiting_count = sum(not row.label.strip() for row in kept)
    handed_out = [i for i, crop in enumerate(crops) if crop.handed_out_name in names]
    chosen = _choose(doubts, answers.embedding, count - waiting_count, handed_out)
    hand_out(out, kept, [(crops[index], doubt) for index, doubt in chosen])
    kinds = [doubt.kind for _, doubt in chosen]
    return Mined(len(crops), waiting_count, kinds.count(DISPUTED), kinds.count(UNDECIDED))


def _ask(
    classifier: Classifier, listed: Sequence[PoolCrop], mirrored_sources: Sequence[str]
) -> tuple[list[PoolCrop], Answers]:
    """Return the crops that can be read and what the model says of them."""
    crops, probability, in_other_light, embedding = [], [], [], []
    for crop in progress_bar(listed, "looking at the pool", len(listed)):
        picture_rgb = read_picture(crop.file)
        if isinstance(picture_rgb, str):
            log.warning("set aside %s: %s", crop.file, picture_rgb)
            continue
        if crop.source in mirrored_sources:
            picture_rgb = np.ascontiguousarray(picture_rgb[::-1])
        crop_rgb = crop_whole(picture_rgb, classifier.bundle.input_size_px)
        prediction = classifier.predict(crop_rgb)
        crops.append(crop)
        probability.append(prediction.probability)
        embedding.append(_of_length_1(prediction.embedding))
        in_other_light.append(
            [classifier.probability(relit(crop_rgb, gains)) for gains in OTHER_LIGHTS.values()]
        )
    if not crops:
        raise ConfigurationError(f"none of the pool's {len(listed)} pictures can be read")
    return crops, Answers(
        np.array(probability, np.float32),
        np.array(in_other_light, np.float32),
        np.stack(embedding),
        classifier.bundle.empty_at,
        classifier.bundle.occupied_at,
    )


def _embed(classifier: Classifier, crops_rgb: Crops) -> Floats:
    def embedding(crop_rgb: ImageRGB) -> Floats:
        return _of_length_1(classifier.predict(crop_rgb).embedding)

    return np.stack(
        [embedding(c) for c in progress_bar(crops_rgb, "looking at the data", len(crops_rgb))]
    )


def _of_length_1(embedding: Floats) -> Floats:
    return np.asarray(embedding / max(float(np.linalg.norm(embedding)), 1e-6), dtype=np.float32)


def _choose(
    doubts: Sequence[Doubt | None], embedding: Floats, count: int, handed_out: Sequence[int]
) -> list[tuple[int, Doubt]]:
    """Return at most `count` doubtful crops that differ from each other and from `handed_out`."""
    chosen: list[tuple[int, Doubt]] = []
    # Disputes get their half first; what one kind leaves free goes to the other.
    for kind, most in ((DISPUTED, (count + 1) // 2), (UNDECIDED, count), (DISPUTED, count)):
        known = [*handed_out, *(index for index, _ in chosen)]
        free = [
            (index, doubt)
            for index, doubt in enumerate(doubts)
            if doubt is not None and doubt.kind == kind and index not in known
        ]
        picked = choose(
            np.array([doubt.strength for _, doubt in free], np.float32),
            embedding[[index for index, _ in free]],
            min(most, count - len(chosen)),
            embedding[known],
        )
        chosen += [free[position] for position in picked]
    return chosen
