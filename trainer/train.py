"""Labelled crops + Recipe -> models/<name>/: the way from reading to the finished bundle."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle import NETWORK_FILE, Golden, read_bundle, write_bundle
from edge.classifier import Classifier, open_classifier
from edge.types import rfc3339, utc_now
from trainer.backbones import BACKBONES
from trainer.cautions import cautions_of, cautions_of_garbage, cautions_of_seen_cameras
from trainer.checkpoint import forget_abandoned_runs
from trainer.dataset import DataError, Dataset
from trainer.evaluate import cost_of, score, score_part
from trainer.export import (
    describe_outputs,
    fill_bundle,
    golden_crops,
    keep_floats,
    manifest_of,
    quantize,
    representative_crops,
)
from trainer.fit import Fitted, Prepared, ReportEpoch, fit, ignore_epoch, prepare
from trainer.learning_curve import LearningPoint, learning_curve
from trainer.logbook import Logbook
from trainer.metrics import difference, figures
from trainer.network import Floats, pooled_features, sigmoid
from trainer.network_file import save_network
from trainer.places import require_bundle_place
from trainer.provenance import package_versions, provenance_of
from trainer.recipe import Recipe
from trainer.report import Report, Scored, write_report
from trainer.splits import SPLITS, Grouping, Split, split_dataset
from trainer.summary import summarize
from trainer.training_data import find_weights, read_for_training
from trainer.trials import try_garbage, try_less_light
from trainer.words import enumerated
from trainer.workers import ALONE, Workers

log = logging.getLogger(__name__)


def train_bundle(
    folders: Sequence[Path],
    out: Path,
    recipe: Recipe,
    weights: Path | None,
    cache: Path,
    has_pictures: bool = True,
    is_pretrained: bool = True,
    logs: Path | None = None,
    workers: Workers = ALONE,
) -> Report:
    """Train on the crops of all folders and write the bundle; return its report.

    `is_pretrained=False` starts from random weights, without any file: for tests. Where
    `logs` is a folder, TensorBoard finds the training there.

    Raises:
        ConfigurationError: the data or the weights are not there or not usable, or `out` is
            no place for a bundle.
    """
    started_s = time.monotonic()
    require_bundle_place(out, folders)
    weights_file = find_weights(recipe, weights, cache) if is_pretrained else None
    dataset, split = _read_and_split(folders, recipe)
    parts = {name: dataset.subset(split.names == name) for name in SPLITS}
    log.info("%s\n", summarize(dataset, split))
    prepared = prepare(recipe, dataset, weights_file)
    learning = _learning_curve(recipe, prepared, split)
    report_epoch = ignore_epoch
    if logs is not None:
        logbook = Logbook(logs / f"{out.name}-{utc_now():%Y%m%d-%H%M%S}")
        logbook.describe(recipe, parts["train"])
        report_epoch = logbook.add
    fitted = _fit(recipe, prepared, split, cache, workers, report_epoch)
    if BACKBONES[recipe.backbone].is_quantizable:
        log.info("quantizing")
        model = quantize(fitted.network, representative_crops(parts["train"], recipe))
    else:
        model = keep_floats(fitted.network)
    # No weight learned from either.
    in_floats = {name: _in_floats(fitted, prepared, split, name) for name in ("test", "holdout")}
    report = _write(
        *(model, fitted, in_floats, recipe, dataset, split, parts, learning),
        *(out, has_pictures, started_s),
    )
    for checkpoint in fitted.checkpoints:
        checkpoint.remove()
    return report


def learn_along(
    folders: Sequence[Path], recipe: Recipe, weights: Path | None, cache: Path, workers: Workers
) -> None:
    """Take a worker's part in what the first worker's `train_bundle` learns; write nothing.

    Raises:
        ConfigurationError: the data or the weights are not there or not usable.
    """
    weights_file = find_weights(recipe, weights, cache)
    dataset, split = _read_and_split(folders, recipe)
    _fit(recipe, prepare(recipe, dataset, weights_file), split, cache, workers)


def _read_and_split(folders: Sequence[Path], recipe: Recipe) -> tuple[Dataset, Split]:
    dataset = read_for_training(folders, recipe)
    split = split_dataset(dataset, recipe)
    for aside in (*dataset.set_aside, *split.set_aside):
        log.warning("set aside %s: %s", aside.file, aside.reason)
    for name in SPLITS:
        if len(set(dataset.labels[split.names == name])) < 2:
            raise DataError(
                f"{', '.join(map(str, folders))}: the crops of cameras, days and slots that are "
                f"kept together leave the {name} split without both labels; add crops of at "
                "least three cameras, days or slots with both labels in each"
            )
    return dataset, split


def _fit(
    recipe: Recipe,
    prepared: Prepared,
    split: Split,
    cache: Path,
    workers: Workers,
    report_epoch: ReportEpoch = ignore_epoch,
) -> Fitted:
    checkpoints = cache / "runs"
    forget_abandoned_runs(checkpoints, time.time())
    is_train, is_holdout = split.names == "train", split.names == "holdout"
    with workers.losses_named():
        return fit(recipe, prepared, is_train, is_holdout, report_epoch, checkpoints, workers)


def _learning_curve(recipe: Recipe, prepared: Prepared, split: Split) -> tuple[LearningPoint, ...]:
    """Return what a head alone learns from parts of the data; nothing where features are random."""
    if recipe.transfer == "from scratch":
        return ()
    # Before fine-tuning changes them: features that saw every crop make a few look like enough.
    features, _ = prepared.first_features
    occupied, groups = prepared.dataset.labels > 0.5, np.array(split.grouping.groups)
    sources = np.array([s.source for s in prepared.dataset.samples])
    train, test = split.names == "train", split.names == "test"
    return learning_curve(
        features[train],
        occupied[train],
        groups[train].tolist(),
        sources[train].tolist(),
        features[test],
        occupied[test],
        seed=recipe.seed,
    )


def _in_floats(fitted: Fitted, prepared: Prepared, split: Split, name: str) -> Floats:
    """Return what the network says, before quantization, of the crops of one split."""
    features = pooled_features(prepared.cut, prepared.views.plain[split.names == name])
    return sigmoid(fitted.network.logits_of(features))


def _held_out_units(split: Split, part: Dataset) -> list[str]:
    """Return what was kept together where these crops come from: "cameras", "days", ..."""
    units = {split.grouping.unit_of_source[sample.source] for sample in part.samples}
    return sorted(f"{unit}s" if " " not in unit else "blocks of files" for unit in units)


def _write(
    model: bytes,
    fitted: Fitted,
    in_floats: Mapping[str, Floats],
    recipe: Recipe,
    dataset: Dataset,
    split: Split,
    parts: Mapping[str, Dataset],
    learning: Sequence[LearningPoint],
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
        classifier = Classifier(read_bundle(draft), threads=os.cpu_count() or 1)
        golden = replace(golden, probability=score(classifier, crops_rgb).astype(np.float32))
        is_quantized = BACKBONES[recipe.backbone].is_quantizable
        numbers = "int8" if is_quantized else "float"
        subject = f"{enumerated(_held_out_units(split, parts['test']))} that training never saw"
        tested = score_part(classifier, f"test ({numbers}, as shipped)", subject, parts["test"])
        watched = score_part(
            classifier,
            f"holdout ({numbers}, as shipped)",
            "the crops that stopped it",
            parts["holdout"],
        )
        thresholds = recipe.empty_at, recipe.occupied_at
        of_crops = partial(score, classifier)
        garbage = try_garbage(of_crops, dataset.crops_rgb, *thresholds)
        light = try_less_light(
            of_crops, tested.crops_rgb, tested.occupied, tested.probability, *thresholds
        )
        cost = cost_of(Classifier(classifier.bundle))
    before = Scored(
        f"test (float, before {'quantization' if is_quantized else 'export'})",
        tested.samples,
        tested.crops_rgb,
        in_floats["test"],
    )
    scored = (tested, before, watched)
    duration_s = time.monotonic() - started_s
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
            "garbage_unknown_share": {
                trial.kind: trial.unknown_count / trial.count for trial in garbage
            },
            "training": {
                "calibration": asdict(fitted.calibration),
                "epochs": [asdict(epoch) for epoch in fitted.epochs],
                "duration_s": round(duration_s),
                "versions": package_versions(),
            },
            "latency": {
                "inference_ms": round(cost.inference_ms, 3),
                "runtime": cost.runtime,
                "machine": cost.machine,
                "threads": 1,
            },
        }
    )
    report = Report(
        title=f"Model bundle {out.name}",
        facts={"bundle": out.name},
        cautions=[
            *cautions_of(dataset.samples, split),
            *cautions_of_seen_cameras(parts["train"].samples, tested.samples),
            *cautions_of_garbage(garbage),
        ],
        parts=scored,
        empty_at=recipe.empty_at,
        occupied_at=recipe.occupied_at,
        set_aside=[
            f"{aside.file.name}: {aside.reason}" for aside in (*dataset.set_aside, *split.set_aside)
        ],
        has_pictures=has_pictures,
        provenance=provenance_of(document),
        quantized=difference(
            np.concatenate([in_floats["test"], in_floats["holdout"]]),
            np.concatenate([tested.probability, watched.probability]),
            *thresholds,
        ),
        garbage=garbage,
        light=light,
        learning=learning,
        cost=cost,
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
