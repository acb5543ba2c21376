"""Labelled crops + bundle -> pictures of why it answered so, the misclassified first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.classifier import Classifier
from edge.scores import Bools, Floats
from edge.types import ConfigurationError
from trainer.dataset import Dataset
from trainer.evaluate import score_part
from trainer.explained_crop import ExplainedCrop, encoded, file_names
from trainer.explanations import Explanation
from trainer.places import require_folder_place
from trainer.pointing import RIM_SHARE, Pointing, pointing_of_cameras
from trainer.progress import progress_bar
from trainer.report_blocks import Block, Picture, Section, Table
from trainer.report_page import page
from trainer.words import counted, percent

INDEX_FILE = "index.html"
# What is shown, in this order.
KINDS = {
    "misclassified": "On the wrong side of 0.5, the surest first. Look at these before all "
    "others: is the label right, is the region?",
    "unsure": "Right, but nearest to 0.5.",
    "right": "A sample of the others.",
}
POINTING_HEADER = ("camera", "OCCUPIED", "inside", "strongest inside", "none")


@dataclass(frozen=True)
class Explained:
    """What was found on the way; the pictures are on disk."""

    crop_count: int
    misclassified_count: int
    shown_counts: Mapping[str, int]  # of each of KINDS
    pointing: Mapping[str, Pointing]  # of `pointing_of_cameras`; empty without attention


def explain(
    classifier: Classifier, dataset: Dataset, explanation: Explanation, out: Path, count: int
) -> Explained:
    """Write a picture of each of up to `count` crops and a page of them all into `out`.

    Raises:
        ConfigurationError: `out` holds something already, or nothing can be written there.
    """
    require_folder_place(out)
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(
            f"--out {out}: is not empty, and pictures of two runs must not mix; give a new folder"
        )
    scored = score_part(classifier, "all crops", "these crops", dataset)
    chosen = choose_crops(scored.occupied, scored.probability, count)
    crops = [
        ExplainedCrop(
            kind,
            scored.samples[index],
            scored.crops_rgb[index],
            float(scored.probability[index]),
            explanation.draw(scored.crops_rgb[index]),
        )
        for kind, index in progress_bar(chosen, explanation.title)
    ]
    explained = Explained(
        len(scored.samples),
        int((scored.occupied != (scored.probability >= 0.5)).sum()),
        {kind: sum(crop.kind == kind for crop in crops) for kind in KINDS},
        {} if scored.attention is None else pointing_of_cameras(scored.samples, scored.attention),
    )
    out.mkdir(parents=True, exist_ok=True)
    for crop, name in zip(crops, file_names(crops), strict=True):
        (out / name).write_bytes(encoded(crop))
    text = _page(f"Why {classifier.bundle.name} answers so", explanation, explained, crops)
    # A file name from another system may hold what UTF-8 cannot.
    (out / INDEX_FILE).write_text(text, "utf-8", errors="replace")
    return explained


def choose_crops(occupied: Bools, probability: Floats, count: int) -> list[tuple[str, int]]:
    """Return (kind, index) of up to `count` crops, in the order of KINDS.

    The misclassified come before all others; what room they leave is shared by the least
    sure of the right ones and a sample of the rest, the same every time.
    """
    is_wrong = occupied != (probability >= 0.5)
    distance = np.abs(probability - 0.5)
    by_distance = np.argsort(distance, kind="stable")
    wrong = by_distance[is_wrong[by_distance]][::-1][:count]
    right = by_distance[~is_wrong[by_distance]]
    unsure, rest = np.split(right, [(count - len(wrong) + 1) // 2])
    sample = np.random.default_rng(0).permutation(rest)[: count - len(wrong) - len(unsure)]
    return [
        (kind, int(index))
        for kind, indexes in zip(KINDS, (wrong, unsure, sample), strict=True)
        for index in indexes
    ]


def summary(explained: Explained) -> list[str]:
    """Return what was shown and where the attention lies, in sentences."""
    shown = explained.shown_counts["misclassified"]
    missing = explained.misclassified_count - shown
    sentences = [
        f"{explained.misclassified_count:,} of {counted(explained.crop_count, 'crop')} "
        f"{'is' if explained.misclassified_count == 1 else 'are'} misclassified"
        + (f", {shown:,} of them shown; a greater --count shows more." if missing else ".")
    ]
    whole = explained.pointing.get("all cameras")
    if whole is not None and whole.inner_share is not None:
        sentences.append(
            f"By the class activation map, {percent(whole.inner_share)} of the attention to "
            f"OCCUPIED crops lies in the slot, not on its rim (the outer 1/{round(1 / RIM_SHARE)} "
            f"along each side; spread evenly: {percent(whole.uniform_inner_share)}). Its strongest "
            f"place is inside in {percent(whole.peak_inside_share)} of them (by chance: "
            f"{percent(whole.uniform_peak_inside_share)})."
        )
    return sentences


def pointing_rows(explained: Explained) -> list[tuple[str, ...]]:
    """Return a row for each camera, under POINTING_HEADER."""
    return [
        (
            camera,
            f"{result.count:,}",
            percent(result.inner_share),
            percent(result.peak_inside_share),
            f"{result.blind_count:,}",
        )
        for camera, result in explained.pointing.items()
    ]


def _page(
    title: str, explanation: Explanation, explained: Explained, crops: list[ExplainedCrop]
) -> str:
    sections = [Section(explanation.title, [explanation.reading])]
    sections += [
        Section(
            f"{kind.capitalize()} ({explained.shown_counts[kind]})",
            [reading, *(_picture(crop, explanation) for crop in crops if crop.kind == kind)],
        )
        for kind, reading in KINDS.items()
        if explained.shown_counts[kind]
    ]
    if explained.pointing:
        sections.append(Section("Slot or rim", _pointing_blocks(explained)))
    return page(title, summary(explained), [], sections)


def _picture(crop: ExplainedCrop, explanation: Explanation) -> Picture:
    origin = f"{crop.sample.source} {crop.sample.camera}".strip()
    caption = f"{crop.words}\n{crop.sample.file.name} ({origin})"
    return Picture(crop.crop_rgb, crop.picture_rgb, caption, explanation.is_detailed)


def _pointing_blocks(explained: Explained) -> list[Block]:
    return [
        "By the class activation map, whatever is shown above. A crop is the slot, so what stands "
        "in it is in the middle. Attention on the rim means that the model watches edges, "
        "neighbours or shadows. The last column counts OCCUPIED crops in which it saw nothing of "
        "OCCUPIED anywhere.",
        Table(POINTING_HEADER, pointing_rows(explained)),
    ]
