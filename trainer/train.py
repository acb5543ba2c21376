"""Labelled crops + Recipe -> models/<name>/: the way from reading to the finished bundle."""

from __future__ import annotations

import logging
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import NETWORK_FILE, Golden, read_bundle, write_bundle
from edge.classifier import Classifier, open_classifier
from edge.types import rfc3339, utc_now
from trainer.backbones import BACKBONES
from trainer.cautions import cautions_of
from trainer.dataset import DataError, Dataset, list_samples, read_crops
from trainer.evaluate import latency_ms, score, undecided_garbage
from trainer.export import (
    describe_outputs,
    fill_bundle,
    golden_crops,
    manifest_of,
    quantize,
    representative_crops,
)
from trainer.fit import Fitted, fit, forget_runs, prepare
from trainer.metrics import figures
from trainer.network_file import save_network
from trainer.recipe import Recipe
from trainer.report import Report, Scored, write_report
from trainer.splits import SPLITS, Grouping, Split, split_dataset
from trainer.summary import summarize

log = logging.getLogger(__name__)


def train_bundle(
    folders: Sequence[Path],
    out: Path,
    recipe: Recipe,
    weights: Path | None,
    cache: Path,
    has_pictures: bool = True,
    is_pretrained: bool = True,
) -> Report:
    """Train on the crops of all folders and write the bundle; return its report.

    `is_pretrained=False` starts from random weights, without any file: for tests.

    Raises:
        ConfigurationError: the data or the weights are not there or not usable.
    """
    started_s = time.monotonic()
    backbone = BACKBONES[recipe.backbone]
    weights_file = backbone.find_weights(weights, cache) if is_pretrained else None
    dataset = read_for_training(folders, recipe)
    split = split_dataset(dataset, recipe)
    for aside in (*dataset.set_aside, *split.set_aside):
        log.warning("set aside %s: %s", aside.file, aside.reason)
    parts = {name: dataset.subset(split.names == name) for name in SPLITS}
    _require_both_labels(parts, folders)
    log.info("%s\n", summarize(dataset, split))
    prepared = prepare(recipe, dataset, weights_file)
    is_train = split.names == "train"
    checkpoints = cache / "runs"
    fitted = fit(recipe, prepared, is_train, split.names == "holdout", checkpoints=checkpoints)
    log.info("quantizing")
    model = quantize(fitted.network, representative_crops(parts["train"], recipe))
    report = _write(model, fitted, recipe, dataset, split, parts, out, has_pictures, started_s)
    forget_runs(checkpoints, recipe, prepared, is_train)
    return report


def read_for_training(folders: Sequence[Path], recipe: Recipe) -> Dataset:
    """Return the crops of all folders, and the slots the recipe wants drawn.

    Raises:
        ConfigurationError: the data are not there or not usable.
    """
    listed = [sample for folder in folders for sample in list_samples(folder)]
    dataset = read_crops(listed, recipe.input_size_px, recipe.mirrored_sources)
    return with_imagined(dataset, recipe.imagined_crops) if recipe.imagined_crops else dataset


def _require_both_labels(parts: Mapping[str, Dataset], folders: Sequence[Path]) -> None:
    for name, part in parts.items():
        if len({s.is_occupied for s in part.samples}) < 2:
            raise DataError(
                f"{', '.join(map(str, folders))}: the crops of cameras, days and slots that are "
                f"kept together leave the {name} split without both labels; add crops of at "
                "least three cameras, days or slots with both labels in each"
            )


def _write(
    model: bytes,
    fitted: Fitted,
    recipe: Recipe,
    dataset: Dataset,
    split: Split,
    parts: Mapping[str, Dataset],
    out: Path,
    has_pictures: bool,
    started_s: float,
) -> Report:
    outputs = describe_outputs(model)
    crops_rgb, names = golden_crops(dataset, recipe.input_size_px)
    golden = Golden(crops_rgb, np.zeros(len(names), np.float32), names)
    created_at = rfc3339(utc_now())

    def manifest(rest: Mapping[str, Any]) -> dict[str, Any]:
        return manifest_of(recipe, out.name, created_at, outputs, golden, rest)

    with tempfile.TemporaryDirectory() as folder:
        # The file that ships is scored by the class that runs it, so it needs a bundle first.
        draft = Path(folder, out.name)
        write_bundle(draft, manifest({}), fill_bundle(model, golden))
        classifier = Classifier(read_bundle(draft))
        golden = replace(golden, probability=score(classifier, crops_rgb).astype(np.float32))
        scored = [
            Scored(
                f"{name} (int8, as shipped)",
                parts[name].samples,
                parts[name].crops_rgb,
                score(classifier, parts[name].crops_rgb),
            )
            for name in ("test", "holdout")
        ]
        garbage = undecided_garbage(
            classifier, recipe.input_size_px, recipe.empty_at, recipe.occupied_at
        )
        inference_ms = latency_ms(classifier, recipe.input_size_px)
        runtime = classifier.runtime
    float_probability = fitted.network.probabilities(parts["test"].crops_rgb)
    scored.insert(
        1,
        Scored(
            "test (float, before quantization)",
            parts["test"].samples,
            parts["test"].crops_rgb,
            float_probability,
        ),
    )
    difference = np.abs(float_probability - scored[0].probability)
    duration_s = time.monotonic() - started_s
    report = Report(
        title=f"Model bundle {out.name}",
        facts={
            "recipe": f"{recipe.name}, seed {recipe.seed}",
            "made": f"{created_at}, in {duration_s / 60:.0f} min on {platform.machine()}",
            "crops": ", ".join(f"{len(p.samples)} {name}" for name, p in parts.items()),
            "kept together": ", ".join(
                f"{source} by {unit}"
                for source, unit in sorted(split.grouping.unit_of_source.items())
            ),
            "float to int8": f"largest change {difference.max():.3f}, mean {difference.mean():.4f}",
            "model": f"{len(model) / 1e6:.2f} MB, {inference_ms:.2f} ms per crop ({runtime}, "
            "one thread)",
            "garbage that reads UNKNOWN": ", ".join(
                f"{name} {share:.0%}" for name, share in garbage.items()
            ),
        },
        cautions=list(cautions_of(dataset.samples, split)),
        parts=scored,
        empty_at=recipe.empty_at,
        occupied_at=recipe.occupied_at,
        set_aside=[
            f"{aside.file.name}: {aside.reason}" for aside in (*dataset.set_aside, *split.set_aside)
        ],
        has_pictures=has_pictures,
    )
    document = manifest(
        {
            "recipe": asdict(recipe),
            "trained_on": _trained_on(dataset, split.grouping, parts, recipe),
            "figures": {
                part.title: asdict(
                    figures(part.occupied, part.probability, recipe.empty_at, recipe.occupied_at)
                )
                for part in scored
            },
            "garbage_unknown_share": garbage,
            "training": {
                "calibration": asdict(fitted.calibration),
                "epochs": [asdict(epoch) for epoch in fitted.epochs],
                "duration_s": round(duration_s),
            },
            "latency": {
                "inference_ms": round(inference_ms, 3),
                "runtime": runtime,
                "machine": platform.machine(),
                "threads": 1,
            },
        }
    )
    fill_model = fill_bundle(model, golden)

    def fill(folder: Path) -> None:
        fill_model(folder)
        save_network(folder / NETWORK_FILE, fitted.network, recipe.backbone, recipe.input_size_px)
        write_report(folder, report)

    write_bundle(out, document, fill)
    open_classifier(read_bundle(out))
    return report


def _trained_on(
    dataset: Dataset, grouping: Grouping, parts: Mapping[str, Dataset], recipe: Recipe
) -> list[dict[str, Any]]:
    rows = []
    for source in sorted({s.source for s in dataset.samples}):
        licences = {s.licence for s in dataset.samples if s.source == source and s.licence}
        of_source = {
            g for s, g in zip(dataset.samples, grouping.groups, strict=True) if s.source == source
        }
        counts = {
            name: Counter(
                "OCCUPIED" if s.is_occupied else "EMPTY" for s in part.samples if s.source == source
            )
            for name, part in parts.items()
        }
        rows.append(
            {
                "source": source,
                "licence": ", ".join(sorted(licences))
                or recipe.licences.get(source, "none stated"),
                "split_by": grouping.unit_of_source[source],
                "groups": len(of_source),
                "counts": {name: dict(sorted(count.items())) for name, count in counts.items()},
            }
        )
    return rows
