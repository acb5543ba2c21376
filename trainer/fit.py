"""Labelled crops + Recipe -> a trained network: head first, then fine-tuning."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.augment import augment, garbage
from trainer.backbones import BACKBONES
from trainer.calibration import Calibration, fit_calibration
from trainer.dataset import Crops, Dataset
from trainer.progress import progress_bar
from trainer.recipe import Recipe
from trainer.splits import balanced_weights

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
_AHEAD = 4  # batches prepared while one is learned


@dataclass(frozen=True, eq=False)
class Network:
    """A backbone and a linear head on its pooled features.

    logit = mean over the feature map @ kernel + bias; the calibration is folded in.
    """

    backbone: Any  # keras.Model: (batch, size, size, 3) 0..255 -> feature map
    kernel: Floats  # (features,)
    bias: float

    def logits(self, crops_rgb: Crops, batch_size: int = 64) -> Floats:
        """Return the logit of OCCUPIED of each crop, shape (count,)."""
        return pooled_features(self.backbone, crops_rgb, batch_size) @ self.kernel + self.bias

    def probabilities(self, crops_rgb: Crops) -> Floats:
        """Return the probability of OCCUPIED of each crop, shape (count,)."""
        return np.asarray(1 / (1 + np.exp(-self.logits(crops_rgb))), dtype=np.float32)

    def calibrated(self, calibration: Calibration) -> Network:
        """Return the network with the calibration folded into its head."""
        scale = calibration.scale
        return Network(self.backbone, self.kernel * np.float32(scale), self.bias * scale)


@dataclass(frozen=True)
class EpochLog:
    """What one pass of fine-tuning did; epoch 0 is the head alone."""

    epoch: int
    train_loss: float | None
    holdout_loss: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """What training gives."""

    network: Network
    calibration: Calibration  # already folded into the network
    epochs: tuple[EpochLog, ...]


def fit(
    recipe: Recipe, train: Dataset, holdout: Dataset, weights_file: Path | None, cache: Path
) -> Fitted:
    """Return the network this recipe makes of the crops.

    `holdout` stops the training and calibrates; without `weights_file` the backbone starts
    from random weights. Frozen features are kept under `cache`.
    """
    keras.utils.set_random_seed(recipe.seed)
    cv2.setNumThreads(1)  # Augmentation runs in threads of its own.
    backbone = BACKBONES[recipe.backbone].build(recipe.input_size_px)
    if weights_file is not None:
        BACKBONES[recipe.backbone].load(backbone, weights_file)
    backbone.trainable = False
    kernel, bias = _fit_head(recipe, backbone, train, cache)
    network = Network(backbone, kernel, bias)
    watch = _watched_crops(holdout, recipe)
    epochs = [EpochLog(0, None, _loss(network, watch))]
    log.info("head: holdout loss %.4f", epochs[0].holdout_loss)
    if recipe.epochs:
        network = _fine_tune(recipe, network, train, watch, epochs)
    calibration = _calibrate(network, holdout, recipe)
    log.info("calibration: scale %.3f", calibration.scale)
    return Fitted(network.calibrated(calibration), calibration, tuple(epochs))


def pooled_features(backbone: Any, crops_rgb: Crops, batch_size: int = 64) -> Floats:
    """Return the mean of the feature map of each crop, shape (count, features)."""
    return np.concatenate(
        [
            _pooled(backbone, tf.constant(crops_rgb[start : start + batch_size], tf.float32))
            for start in range(0, len(crops_rgb), batch_size)
        ]
    )


@tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
def _pooled(backbone: Any, batch: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(backbone(batch, training=False), axis=(1, 2))


def _augmented(crops_rgb: Crops, seed: int) -> Crops:
    """Return one augmented view of each crop, the same for the same seed."""

    def view(index: int) -> npt.NDArray[np.uint8]:
        random = np.random.default_rng([seed, index])
        neighbour_rgb = crops_rgb[random.integers(len(crops_rgb))]
        return augment(crops_rgb[index], random, neighbour_rgb)

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(view, range(len(crops_rgb)))))


def _frozen_features(recipe: Recipe, backbone: Any, crops_rgb: Crops, cache: Path) -> Floats:
    """Return the pooled features of these crops, kept on disk between runs."""
    digest = hashlib.sha256(f"{recipe.backbone}/{crops_rgb.shape}".encode())
    for weight in backbone.get_weights():
        digest.update(weight.tobytes())
    digest.update(crops_rgb.tobytes())
    file = cache / "features" / f"{digest.hexdigest()}.npy"
    if file.is_file():
        return np.asarray(np.load(file), dtype=np.float32)
    features = pooled_features(backbone, crops_rgb)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".part.npy")
    np.save(partial, features)
    partial.replace(file)
    return features


def _fit_head(recipe: Recipe, backbone: Any, train: Dataset, cache: Path) -> tuple[Floats, float]:
    """Return kernel (features,) and bias of a logistic regression on frozen features."""
    views = [train.crops_rgb] + [
        _augmented(train.crops_rgb, recipe.seed * 1000 + view) for view in range(recipe.head_views)
    ]
    features = np.concatenate([_frozen_features(recipe, backbone, v, cache) for v in views])
    targets = np.tile(_smoothed(train.labels, recipe), len(views))
    weights = np.tile(balanced_weights(train.samples, recipe.source_weights), len(views))
    inputs = keras.Input((features.shape[1],))
    head = keras.Model(inputs, keras.layers.Dense(1, name="head")(inputs))
    head.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-3),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    head.fit(
        features,
        targets[:, None],
        sample_weight=weights * len(weights),
        batch_size=256,
        epochs=recipe.head_epochs,
        verbose=0,
    )
    kernel, bias = head.get_layer("head").get_weights()
    return kernel[:, 0], float(bias[0])


def _smoothed(labels: Floats, recipe: Recipe) -> Floats:
    return labels * np.float32(1 - recipe.label_smoothing) + np.float32(recipe.label_smoothing / 2)


def _watched_crops(holdout: Dataset, recipe: Recipe) -> tuple[Crops, Floats, Floats]:
    """Return crops, targets and weights whose loss stops the training.

    Plain crops alone are soon learned by heart; a view of each in another light is not.
    """
    crops_rgb = np.concatenate(
        [holdout.crops_rgb, _augmented(holdout.crops_rgb, recipe.seed * 1000 + 999)]
    )
    weights = balanced_weights(holdout.samples, recipe.source_weights)
    return crops_rgb, np.tile(holdout.labels, 2), np.tile(weights / 2, 2).astype(np.float32)


def _loss(network: Network, watch: tuple[Crops, Floats, Floats]) -> float:
    crops_rgb, targets, weights = watch
    logits = network.logits(crops_rgb)
    return float((weights * (np.logaddexp(0, logits) - targets * logits)).sum())


def _batches(
    recipe: Recipe, train: Dataset, epoch: int, steps: int
) -> Iterator[tuple[Crops, Floats]]:
    """Yield batches of augmented crops with their targets, the same for the same seed."""
    chances = balanced_weights(train.samples, recipe.source_weights)
    targets = _smoothed(train.labels, recipe)
    occupied = np.flatnonzero(train.labels > 0.5)

    def batch(step: int) -> tuple[Crops, Floats]:
        random = np.random.default_rng([recipe.seed, epoch, step])
        chosen = random.choice(len(chances), recipe.batch_size, p=chances)
        crops, answers = [], targets[chosen].copy()
        for position, index in enumerate(chosen):
            if random.random() < recipe.garbage_share:
                crops.append(garbage(recipe.input_size_px, random))
                answers[position] = 0.5
            else:
                neighbour_rgb = train.crops_rgb[random.choice(occupied)]
                crops.append(augment(train.crops_rgb[index], random, neighbour_rgb))
        return np.stack(crops), answers

    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(batch, step) for step in range(min(_AHEAD, steps))]
        for step in range(steps):
            yield pending.pop(0).result()
            if step + _AHEAD < steps:
                pending.append(pool.submit(batch, step + _AHEAD))


def _fine_tune(
    recipe: Recipe,
    network: Network,
    train: Dataset,
    watch: tuple[Crops, Floats, Floats],
    epochs: list[EpochLog],
) -> Network:
    """Return the network with the best holdout loss on the way; adds to `epochs`."""
    backbone = network.backbone
    names = [layer.name for layer in backbone.layers]
    first = names.index(recipe.fine_tune_from) if recipe.fine_tune_from else 0
    backbone.trainable = True
    for position, layer in enumerate(backbone.layers):
        # Batch statistics of a few crops would undo what a million pictures taught.
        layer.trainable = position >= first and not isinstance(
            layer, keras.layers.BatchNormalization
        )
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    dense = keras.layers.Dense(1, name="head")
    model = keras.Model(
        backbone.input, dense(keras.layers.Dropout(recipe.dropout, seed=recipe.seed)(pooled))
    )
    dense.set_weights([network.kernel[:, None], np.array([network.bias], np.float32)])

    steps = max(1, recipe.crops_per_epoch // recipe.batch_size)
    schedule = _WarmUpCosine(recipe, steps * recipe.epochs)
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=recipe.weight_decay, global_clipnorm=1.0
    )
    averages = [tf.Variable(v.value, trainable=False) for v in model.trainable_variables]

    @tf.function  # type: ignore[untyped-decorator]
    def learn(crops: tf.Tensor, targets: tf.Tensor, decay: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(crops, training=True)[:, 0]
            loss = tf.reduce_mean(
                tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
            )
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)  # noqa: B905
        )
        for average, variable in zip(averages, model.trainable_variables):  # noqa: B905
            average.assign(decay * average + (1 - decay) * variable.value)
        return loss

    def averaged() -> Network:
        for average, variable in zip(averages, model.trainable_variables, strict=True):
            variable.assign(average)
        kernel, bias = dense.get_weights()
        return Network(backbone, kernel[:, 0], float(bias[0]))

    best_loss, best_weights, bad_epochs = math.inf, model.get_weights(), 0
    for epoch in range(1, recipe.epochs + 1):
        losses = []
        batches = _batches(recipe, train, epoch, steps)
        for step, (crops, targets) in enumerate(
            progress_bar(batches, f"epoch {epoch}/{recipe.epochs}", steps)
        ):
            # A young average must forget where it started.
            seen = (epoch - 1) * steps + step
            decay = min(recipe.average_decay, (1 + seen) / (10 + seen))
            losses.append(
                learn(tf.constant(crops, tf.float32), tf.constant(targets), tf.constant(decay))
            )
        raw = [variable.numpy() for variable in model.trainable_variables]
        candidate = averaged()
        loss = _loss(candidate, watch)
        epochs.append(EpochLog(epoch, float(np.mean(losses)), loss))
        log.info(
            "epoch %d/%d: train loss %.4f, holdout loss %.4f",
            epoch,
            recipe.epochs,
            epochs[-1].train_loss,
            loss,
        )
        if loss < best_loss:
            best_loss, best_weights, bad_epochs = loss, model.get_weights(), 0
        else:
            bad_epochs += 1
            if bad_epochs >= recipe.patience:
                log.info("no better for %d epochs: stopping", bad_epochs)
                break
        for value, variable in zip(raw, model.trainable_variables, strict=True):
            variable.assign(value)
    model.set_weights(best_weights)
    kernel, bias = dense.get_weights()
    return Network(backbone, kernel[:, 0], float(bias[0]))


class _WarmUpCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Up in a straight line, then down along a cosine to zero."""

    def __init__(self, recipe: Recipe, total_steps: int) -> None:
        self._peak = recipe.learning_rate
        self._total = float(total_steps)
        self._warm_up = max(1.0, recipe.warm_up_share * total_steps)

    def __call__(self, step: Any) -> Any:
        step = tf.cast(step, tf.float32) + 1
        share = tf.clip_by_value((step - self._warm_up) / (self._total - self._warm_up), 0.0, 1.0)
        down = 0.5 * (1 + tf.cos(math.pi * share))
        return self._peak * tf.minimum(step / self._warm_up, 1.0) * down


def _calibrate(network: Network, holdout: Dataset, recipe: Recipe) -> Calibration:
    """Return the calibration on groups that training never saw, both labels counting alike."""
    return fit_calibration(
        network.logits(holdout.crops_rgb),
        holdout.labels,
        balanced_weights(holdout.samples, recipe.source_weights),
    )
