"""Score crops with the file that ships, through the class the device uses."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bundle import read_bundle
from edge.classifier import Classifier, open_classifier
from edge.types import Bundle
from trainer.cautions import cautions_of_garbage
from trainer.dataset import Crops, Dataset, read_dataset
from trainer.places import require_folder_place
from trainer.progress import progress_bar
from trainer.provenance import mirrored_sources_of, provenance_of
from trainer.report import Cost, Report, Scored, write_report
from trainer.trials import try_garbage, try_less_light
from trainer.words import enumerated

log = logging.getLogger(__name__)


def score(classifier: Classifier, crops_rgb: Crops) -> npt.NDArray[np.float64]:
    """Return the probability of OCCUPIED of each crop, shape (count,)."""
    answers = classifier.predict_all(crops_rgb, ["probability"])
    predictions = progress_bar(answers, "scoring", len(crops_rgb))
    return np.array([prediction.probability for prediction in predictions], np.float64)


def score_part(classifier: Classifier, title: str, subject: str, dataset: Dataset) -> Scored:
    """Return the crops with their probabilities and, where the model has them, attention maps."""
    crops_rgb = dataset.crops_rgb
    predictions = list(
        progress_bar(classifier.predict_all(crops_rgb), f"scoring {title}", len(crops_rgb))
    )
    has_attention = bool(predictions) and predictions[0].attention.size > 0
    return Scored(
        title,
        dataset.samples,
        dataset.crops_rgb,
        np.array([p.probability for p in predictions], np.float64),
        subject,
        # A map of one cell comes without its axes.
        np.stack([np.atleast_2d(p.attention) for p in predictions]) if has_attention else None,
    )


def latency_ms(classifier: Classifier, size_px: int, repeats: int = 50) -> float:
    """Return the median time of one inference on this machine."""
    crop_rgb = np.full((size_px, size_px, 3), 128, np.uint8)
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        classifier.probability(crop_rgb)
        durations.append(time.perf_counter() - start)
    return float(np.median(durations) * 1000)


def cost_of(classifier: Classifier) -> Cost:
    """Return what the classifier's bundle costs here."""
    bundle = classifier.bundle
    return Cost(
        bundle.model_path.stat().st_size,
        latency_ms(classifier, bundle.input_size_px),
        classifier.runtime,
        platform.machine(),
    )


def evaluate_bundle(
    path: Path, folders: Sequence[Path], out: Path, has_pictures: bool = True
) -> Report:
    """Score a bundle on labelled crops and write report.md and report.html into `out`.

    Raises:
        ConfigurationError: the bundle is refused, or the data or `out` are not usable.
    """
    require_folder_place(out)
    bundle = read_bundle(path)
    classifier = open_classifier(bundle)
    mirrored_sources = mirrored_sources_of(bundle.manifest)
    dataset = read_dataset(folders, bundle.input_size_px, mirrored_sources)
    for aside in dataset.set_aside:
        log.warning("set aside %s: %s", aside.file, aside.reason)
    known = _known_sources(bundle, dataset)
    subject = (
        "crops of sources it was trained on" if known else "sources whose names it does not know"
    )
    part = score_part(classifier, "all crops", subject, dataset)
    thresholds = bundle.empty_at, bundle.occupied_at
    of_crops = partial(score, classifier)
    garbage = try_garbage(of_crops, dataset.crops_rgb, *thresholds)
    report = Report(
        title=f"Evaluation of {bundle.name}",
        facts={
            "bundle": f"{bundle.name}, model {bundle.model_sha256[:12]}",
            "evaluated on": enumerated([folder.name for folder in folders]),
        },
        cautions=[_caution(known), *cautions_of_garbage(garbage)],
        parts=[part],
        empty_at=bundle.empty_at,
        occupied_at=bundle.occupied_at,
        set_aside=[f"{aside.file.name}: {aside.reason}" for aside in dataset.set_aside],
        has_pictures=has_pictures,
        provenance=provenance_of(bundle.manifest),
        garbage=garbage,
        light=try_less_light(
            of_crops, dataset.crops_rgb, part.occupied, part.probability, *thresholds
        ),
        cost=cost_of(classifier),
    )
    out.mkdir(parents=True, exist_ok=True)
    write_report(out, report)
    return report


def _known_sources(bundle: Bundle, dataset: Dataset) -> list[str]:
    """Return the sources of these crops that, by their name, the bundle was trained on."""
    trained_on = {source.name for source in provenance_of(bundle.manifest).sources}
    return sorted(trained_on & {sample.source for sample in dataset.samples})


def _caution(known: Sequence[str]) -> str:
    if not known:
        return (
            "Only the names of the sources tell that these crops are new to the model. If training "
            "saw their cameras under another name, the figures flatter."
        )
    return (
        f"The model was trained on crops of {enumerated(known)}, perhaps on these very ones. "
        "These figures tell how well it remembers, not how it does on a camera it has not seen."
    )
