"""Labelled crops + Recipe -> a trained network: head first, then fine-tuning."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path

import cv2
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.backbones import BACKBONES
from trainer.bound import Bound, fit_bound
from trainer.calibration import Calibration, fit_calibration
from trainer.checkpoint import Checkpoint
from trainer.dataset import Dataset
from trainer.fine_tune import EpochLog, Lessons, Watched, fine_tune
from trainer.head import fit_head
from trainer.network import Cut, Floats, Network, cut_backbone, pooled_features, sigmoid
from trainer.recipe import Recipe
from trainer.splits import balanced_weights
from trainer.views import Views, draw_views
from trainer.workers import ALONE, Workers

log = logging.getLogger(__name__)

# So many of each are enough to part slots from garbage by a plane.
_BOUND_SLOTS = 10_000
_BOUND_GARBAGE = 5_000

ReportEpoch = Callable[[EpochLog], None]

# What a recipe says of other things than learning, or of what is learned from and how often:
# a run's key looks at the crops and views themselves.
_NOT_OF_A_RUN = frozenset(
    (
        "name",
        *("views", "imagined_crops", "mirrored_sources", "source_weights"),
        *("holdout_share", "test_share", "test_from_groups"),
        *("split_by", "test_sources", "whole_sources"),
        *("licences", "occupied_at", "empty_at", "representative_count", "empty_rule"),
    )
)


def ignore_epoch(entry: EpochLog) -> None:
    """Stand where nobody asks what an epoch did."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What training gives."""

    network: Network
    calibration: Calibration  # already folded into the network
    epochs: tuple[EpochLog, ...]
    checkpoints: tuple[Checkpoint, ...] = ()  # to be removed when the network is safe elsewhere


@dataclass(frozen=True, eq=False)
class Prepared:
    """A backbone as it came, and everything it will see, drawn once for any number of runs."""

    backbone: object
    cut: Cut
    views: Views  # of every crop of `dataset`
    dataset: Dataset

    @cached_property
    def first_features(self) -> tuple[Floats, Floats]:
        """Features of the crops, and of the garbage, that the backbone makes as it came.

        To be asked for before anything has learned; kept for all runs.
        """
        return (
            pooled_features(self.cut, self.views.plain),
            pooled_features(self.cut, self.views.garbage),
        )


def prepare(recipe: Recipe, dataset: Dataset, weights_file: Path | None) -> Prepared:
    """Return what runs of this recipe on (parts of) this dataset need.

    Without `weights_file` the backbone starts from random weights.
    """
    tf.get_logger().setLevel(logging.ERROR)  # Each run is traced anew, and it would warn of that.
    # Layers without a name of their own are counted, and their names end up in the bundle.
    keras.backend.clear_session()
    keras.utils.set_random_seed(recipe.seed)
    cv2.setNumThreads(1)  # Views are drawn in threads of their own.
    backbone = BACKBONES[recipe.backbone].build(recipe.input_size_px)
    if weights_file is not None:
        BACKBONES[recipe.backbone].load(backbone, weights_file)
    cut = cut_backbone(backbone, recipe)
    return Prepared(backbone, cut, draw_views(recipe, cut, dataset, recipe.seed), dataset)


def fit(
    recipe: Recipe,
    prepared: Prepared,
    is_train: npt.NDArray[np.bool_],
    is_holdout: npt.NDArray[np.bool_],
    report_epoch: ReportEpoch = ignore_epoch,
    checkpoints: Path | None = None,
    workers: Workers = ALONE,
) -> Fitted:
    """Return the network this recipe makes of the crops where `is_train` holds.

    Those of `is_holdout` stop the training, unless the last epoch is kept, and calibrate. Both
    masks have one place per crop of the prepared dataset. Where `checkpoints` is a folder, each
    epoch is kept there, and a run that was interrupted goes on after its last one. The prepared
    backbone's weights are the result's.
    """
    as_it_came = prepared.cut.above_weights()
    lessons = lessons_of(recipe, prepared, is_train)
    watched = watched_of(recipe, prepared, is_holdout)
    key = ""
    if checkpoints is not None and recipe.transfer != "head only":
        key = run_key(recipe, prepared, lessons, watched)
    epochs: list[EpochLog] = []
    files: list[Checkpoint] = []

    def keep(entry: EpochLog) -> None:
        epochs.append(entry)
        report_epoch(entry)
        if entry.train_loss is None:
            log.info("head: held-out loss %.4f", entry.holdout_loss)
        else:
            log.info(
                "epoch %d: loss %.4f, held-out loss %.4f",
                *(entry.epoch, entry.train_loss, entry.holdout_loss),
            )

    def run(number: int, of_lessons: Lessons) -> Network:
        prepared.cut.set_above_weights(as_it_came)
        seed = recipe.seed * 1000 + number
        kernel, bias = _head(recipe, prepared, is_train, of_lessons, seed)
        network = Network(prepared.backbone, kernel, bias)
        keep(EpochLog(number, 0, None, watched.loss(prepared.cut, kernel, bias)))
        if recipe.transfer == "head only":
            return network
        file = None
        if checkpoints is not None:
            file = Checkpoint(checkpoints / f"{key}-{number}.npz")
            files.append(file)
        return fine_tune(
            recipe,
            network,
            prepared.cut,
            of_lessons,
            watched,
            seed,
            lambda epoch, *losses: keep(EpochLog(number, epoch, *losses)),
            file,
            workers,
        )

    network = run(1, lessons)
    if recipe.ensemble > 1:
        members = [_Member.of(network, prepared.cut)]
        for number in range(2, recipe.ensemble + 1):
            members.append(_Member.of(run(number, lessons), prepared.cut))
        if recipe.ensemble_as == "average":
            network = _mean_of(members, prepared)
        else:
            network = run(recipe.ensemble + 1, _taught_by(members, prepared.cut, lessons))
    calibration = fit_calibration(
        pooled_features(prepared.cut, watched.inputs) @ network.kernel + network.bias,
        watched.targets,
        watched.weights,
    )
    log.info("calibration: temperature %.2f", 1 / calibration.scale)
    network = replace(
        network.calibrated(calibration), bound=_bound(prepared.cut, lessons, recipe.seed)
    )
    return Fitted(network, calibration, tuple(epochs), tuple(files))


def _bound(cut: Cut, lessons: Lessons, seed: int) -> Bound | None:
    """Return the bound on the features as they are now; None where no garbage was drawn."""
    views = lessons.views
    if not len(views.garbage):
        return None
    # In other light too: a dark slot is a slot.
    random = np.random.default_rng(seed)
    slots, weights = [], []
    for view in (views.plain, *views.augmented):
        chosen = random.random(len(view)) < _BOUND_SLOTS / (len(view) * (1 + len(views.augmented)))
        slots.append(pooled_features(cut, view[chosen]))
        weights.append(lessons.chances[chosen])
    garbage = views.garbage[random.permutation(len(views.garbage))[:_BOUND_GARBAGE]]
    return fit_bound(np.concatenate(slots), np.concatenate(weights), pooled_features(cut, garbage))


def run_key(recipe: Recipe, prepared: Prepared, lessons: Lessons, watched: Watched) -> str:
    """Return a name for everything a run depends on: what it starts from and what it sees."""
    settings = {name: v for name, v in asdict(recipe).items() if name not in _NOT_OF_A_RUN}
    digest = hashlib.sha256(f"{sorted(settings.items())} {tf.__version__}".encode())
    views = lessons.views
    for array in (
        *(*prepared.cut.above_weights(), views.plain, *views.augmented, views.garbage),
        *(lessons.plain_targets, lessons.chances),
        *(watched.inputs, watched.targets, watched.weights),
    ):
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def lessons_of(recipe: Recipe, prepared: Prepared, is_train: npt.NDArray[np.bool_]) -> Lessons:
    """Return what a run learns from: views of the crops where the mask holds, and garbage."""
    views = prepared.views.subset(is_train)
    smoothing = np.float32(recipe.label_smoothing)
    targets = prepared.dataset.labels[is_train] * (1 - smoothing) + smoothing / 2
    return Lessons(
        views,
        targets,
        (targets,) * len(views.augmented),
        balanced_weights([*compress(prepared.dataset.samples, is_train)], recipe.source_weights),
    )


def watched_of(recipe: Recipe, prepared: Prepared, is_holdout: npt.NDArray[np.bool_]) -> Watched:
    """Return the held-out crops as they were read, never a view of them."""
    return Watched(
        prepared.views.plain[is_holdout],
        prepared.dataset.labels[is_holdout],
        balanced_weights([*compress(prepared.dataset.samples, is_holdout)], recipe.source_weights),
    )


def _head(
    recipe: Recipe, prepared: Prepared, is_train: npt.NDArray[np.bool_], lessons: Lessons, seed: int
) -> tuple[Floats, float]:
    if recipe.transfer == "from scratch":
        # Random features say nothing yet.
        random = np.random.default_rng(seed)
        features = prepared.cut.above.output.shape[-1]
        return random.normal(0, features**-0.5, features).astype(np.float32), 0.0
    of_crops, of_garbage = prepared.first_features
    # Views of a backbone that stays as it came are features already.
    more = lessons.views.augmented if recipe.transfer == "head only" else ()
    return fit_head(
        recipe,
        np.concatenate([of_crops[is_train], *more]),
        np.tile(prepared.dataset.labels[is_train] > 0.5, 1 + len(more)),
        np.tile(lessons.chances, 1 + len(more)),
        of_garbage[is_train[prepared.views.garbage_from]],
        seed,
    )


@dataclass(frozen=True, eq=False)
class _Member:
    """One network of an ensemble."""

    weights: tuple[npt.NDArray[np.float32], ...]  # of the part above the cut
    kernel: Floats
    bias: float

    @classmethod
    def of(cls, network: Network, cut: Cut) -> _Member:
        return cls(cut.above_weights(), network.kernel, network.bias)


def _mean_of(members: Sequence[_Member], prepared: Prepared) -> Network:
    """Return the network whose weights are the members' mean (Wortsman et al. 2022)."""
    prepared.cut.set_above_weights(
        [np.mean(values, axis=0) for values in zip(*(m.weights for m in members), strict=True)]
    )
    kernel = np.mean([member.kernel for member in members], axis=0)
    return Network(prepared.backbone, kernel, float(np.mean([m.bias for m in members])))


def _taught_by(members: Sequence[_Member], cut: Cut, lessons: Lessons) -> Lessons:
    """Return the lessons with what the members say together as targets (Hinton et al. 2015)."""
    views = lessons.views

    def taught(inputs: npt.NDArray[np.float16]) -> Floats:
        logits = []
        for member in members:
            cut.set_above_weights(member.weights)
            logits.append(pooled_features(cut, inputs) @ member.kernel + member.bias)
        return sigmoid(np.mean(logits, axis=0))

    return replace(
        lessons,
        plain_targets=taught(views.plain),
        augmented_targets=tuple(taught(view) for view in views.augmented),
    )
