"""Score crops with the file that ships, through the class the device uses."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bundle import read_bundle
from edge.classifier import Classifier, open_classifier
from trainer.dataset import Crops, read_dataset
from trainer.garbage import GARBAGE
from trainer.progress import progress_bar
from trainer.report import Report, Scored, write_report

log = logging.getLogger(__name__)


def score(classifier: Classifier, crops_rgb: Crops) -> npt.NDArray[np.float64]:
    """Return the probability of OCCUPIED of each crop, shape (count,)."""
    return np.array(
        [classifier.probability(crop) for crop in progress_bar(crops_rgb, "scoring")], np.float64
    )


def undecided_garbage(
    classifier: Classifier, size_px: int, empty_at: float, occupied_at: float, count: int = 40
) -> dict[str, float]:
    """Return, for each kind of garbage, the share that reads UNKNOWN."""
    shares = {}
    for name, draw in GARBAGE.items():
        crops_rgb = np.stack(
            # Seeds that training does not use.
            [draw(size_px, np.random.default_rng([99, index])) for index in range(count)]
        )
        probability = score(classifier, crops_rgb)
        shares[name] = float(((probability > empty_at) & (probability < occupied_at)).mean())
    return shares


def latency_ms(classifier: Classifier, size_px: int, repeats: int = 50) -> float:
    """Return the median time of one inference on this machine."""
    crop_rgb = np.full((size_px, size_px, 3), 128, np.uint8)
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        classifier.probability(crop_rgb)
        durations.append(time.perf_counter() - start)
    return float(np.median(durations) * 1000)


def evaluate_bundle(
    path: Path, folders: Sequence[Path], out: Path, has_pictures: bool = True
) -> Report:
    """Score a bundle on labelled crops and write report.md and report.html into `out`.

    Raises:
        ConfigurationError: the bundle is refused, or the data are not usable.
    """
    bundle = read_bundle(path)
    classifier = open_classifier(bundle)
    recipe = bundle.manifest.get("recipe", {})
    dataset = read_dataset(folders, bundle.input_size_px, recipe.get("mirrored_sources", ()))
    for aside in dataset.set_aside:
        log.warning("set aside %s: %s", aside.file, aside.reason)
    probability = score(classifier, dataset.crops_rgb)
    garbage = undecided_garbage(
        classifier, bundle.input_size_px, bundle.empty_at, bundle.occupied_at
    )
    report = Report(
        title=f"Evaluation of {bundle.name}",
        facts={
            "bundle": f"{bundle.name}, model {bundle.model_sha256[:12]}",
            "data": ", ".join(folder.name for folder in folders),
            "runtime": classifier.runtime,
            "garbage that reads UNKNOWN": ", ".join(
                f"{name} {share:.0%}" for name, share in garbage.items()
            ),
        },
        cautions=[],
        parts=[Scored("all crops", dataset.samples, dataset.crops_rgb, probability)],
        empty_at=bundle.empty_at,
        occupied_at=bundle.occupied_at,
        set_aside=[f"{aside.file.name}: {aside.reason}" for aside in dataset.set_aside],
        has_pictures=has_pictures,
    )
    out.mkdir(parents=True, exist_ok=True)
    write_report(out, report)
    return report
