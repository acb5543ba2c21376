"""Fine-tuning: the part of a backbone above the cut learns with the head on top.

Batch statistics of a pretrained network stay as they came: those of a few crops would undo
what a million pictures taught. A network from random weights learns its own.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.checkpoint import Checkpoint, Progress
from trainer.network import Cut, Floats, Network, pooled_features
from trainer.progress import progress_bar
from trainer.recipe import Recipe
from trainer.views import Inputs, Views
from trainer.workers import ALONE, Workers, total

log = logging.getLogger(__name__)

_CLIP_NORM = 1.0
_SLOT_WEIGHT = 0.5  # of telling slots from garbage, beside telling their labels


@dataclass(frozen=True)
class EpochLog:
    """What one pass of fine-tuning did; epoch 0 is the head alone."""

    run: int  # of an ensemble, from 1
    epoch: int
    train_loss: float | None
    holdout_loss: float
    learning_rate: float | None = None  # half-way through the epoch


@dataclass(frozen=True, eq=False)
class Lessons:
    """What is learned from: views of crops, what they should say, how often each is drawn."""

    views: Views
    plain_targets: Floats  # (crops,), probability of OCCUPIED
    augmented_targets: tuple[Floats, ...]  # of each view
    chances: npt.NDArray[np.float64]  # (crops,), summing to 1


@dataclass(frozen=True, eq=False)
class Watched:
    """Views whose loss stops the training."""

    inputs: Inputs
    targets: Floats
    weights: npt.NDArray[np.float64]  # summing to 1

    def loss(self, cut: Cut, kernel: Floats, bias: float) -> float:
        """Return the weighted log loss of the network."""
        logits = pooled_features(cut, self.inputs) @ kernel + bias
        return float((self.weights * (np.logaddexp(0, logits) - self.targets * logits)).sum())


def fine_tune(
    recipe: Recipe,
    network: Network,
    cut: Cut,
    lessons: Lessons,
    watched: Watched,
    seed: int,
    report: Callable[[int, float, float, float], None] = lambda *_: None,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
) -> Network:
    """Return the network with the best holdout loss on the way, or that of the last epoch.

    `report(epoch, train_loss, holdout_loss, learning_rate)` is called after each epoch, also
    after those that a checkpoint remembers. The backbone's own weights change. Several
    workers come to the same network as one; of them, the first writes the checkpoint.
    """
    model, dense, slot = _model(recipe, network, cut, workers)
    variables = model.trainable_variables
    steps = max(1, recipe.crops_per_epoch // recipe.batch_size)
    schedule = _WarmUpCosine(recipe, steps * recipe.epochs)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)
    optimizer.build(variables)
    averages = [tf.Variable(variable.value, trainable=False) for variable in variables]
    learn = _learning_step(recipe, model, dense, slot, optimizer, averages, seed, workers)

    def head() -> tuple[Floats, float]:
        kernel, bias = dense.get_weights()
        return kernel[:, 0], float(bias[0])

    def rate(epoch: int) -> float:
        return float(schedule((epoch - 0.5) * steps))

    progress = Progress(best_weights=tuple(model.get_weights()))
    kept = [*model.variables, *averages, *optimizer.variables]
    if (found := _found(checkpoint, workers)) is not None:
        progress = found
        for variable, value in zip(kept, found.state, strict=True):
            variable.assign(value)
        for epoch, of_epoch in enumerate(found.losses, 1):
            report(epoch, *of_epoch, rate(epoch))
    for epoch in range(len(progress.losses) + 1, recipe.epochs + 1):
        if progress.bad_epochs >= recipe.patience:
            log.info("no better for %d epochs: stopping", progress.bad_epochs)
            break
        losses = []
        batches = _batches(recipe, lessons, seed, epoch, steps)
        for step, (inputs, targets) in enumerate(
            progress_bar(batches, f"epoch {epoch}/{recipe.epochs}", steps)
        ):
            seen = (epoch - 1) * steps + step
            # A young average must forget where it started.
            decay = min(recipe.average_decay, (1 + seen) / (10 + seen))
            losses.append(
                learn(
                    tf.constant(workers.part_of(inputs), tf.float32),
                    tf.constant(workers.part_of(targets), tf.float32),
                    tf.constant(decay, tf.float32),
                    tf.constant(seen),
                )
            )
        raw = [variable.numpy() for variable in variables]
        for variable, average in zip(variables, averages, strict=True):
            variable.assign(average)
        train_loss = float(np.mean([float(loss) for loss in losses]))
        # Other machines may round otherwise, and all workers must stop after the same epoch.
        holdout_loss = float(np.mean(workers.of_each(watched.loss(cut, *head()))))
        progress = progress.after(
            train_loss, holdout_loss, model.get_weights(), recipe.keeps == "last epoch"
        )
        for variable, value in zip(variables, raw, strict=True):
            variable.assign(value)
        report(epoch, train_loss, holdout_loss, rate(epoch))
        if checkpoint is not None and workers.index == 0:
            checkpoint.write(progress.with_state([variable.numpy() for variable in kept]))
    model.set_weights(progress.best_weights)
    return Network(network.backbone, *head())


def _found(checkpoint: Checkpoint | None, workers: Workers) -> Progress | None:
    """Return where the run was interrupted; None where not all workers find the same."""
    found = None if checkpoint is None else checkpoint.read()
    epochs = workers.of_each(0 if found is None else len(found.losses))
    if len(set(epochs)) > 1:
        log.warning("not all workers share the folder of the interrupted run: starting anew")
        return None
    if found is not None:
        log.info("going on after epoch %d of an interrupted run", len(found.losses))
    return found


def _model(recipe: Recipe, network: Network, cut: Cut, workers: Workers) -> tuple[Any, Any, Any]:
    """Return the part that learns, its layer for the answer and its layer for "this is a slot".

    The second keeps slots and garbage apart in the features; `trainer.bound` fits the one that
    ships when the features are done.
    """
    for layer in cut.above.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = recipe.transfer == "from scratch"
            # Statistics of the whole batch, not of one worker's part of it.
            layer.synchronized = workers.count > 1
        else:
            layer.trainable = True
    dense = keras.layers.Dense(1, name="head")
    slot = keras.layers.Dense(1, kernel_initializer="zeros", name="slot")
    pooled = cut.above.output
    model = keras.Model(cut.above.input, [dense(pooled), slot(pooled), pooled])
    dense.set_weights([network.kernel[:, None], np.array([network.bias], np.float32)])
    return model, dense, slot


def _learning_step(
    recipe: Recipe,
    model: Any,
    dense: Any,
    slot: Any,
    optimizer: Any,
    averages: Sequence[Any],
    seed: int,
    workers: Workers,
) -> Any:
    """Return what learns from one batch: (inputs, targets (count, 2), decay, step) -> loss."""
    variables = model.trainable_variables

    def gradients_of(inputs: tf.Tensor, targets: tf.Tensor, kept: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            *_, pooled = model(inputs, training=True)
            answer, is_slot = targets[:, 0], targets[:, 1]
            answered, seen_as_slot = dense(pooled * kept)[:, 0], slot(pooled * kept)[:, 0]
            loss_of = tf.nn.sigmoid_cross_entropy_with_logits
            # What is no slot has no answer; what it has is being none.
            losses = is_slot * loss_of(labels=answer, logits=answered)
            losses += _SLOT_WEIGHT * loss_of(labels=is_slot, logits=seen_as_slot)
            # Not their mean: parts of a batch that do not come out even have more and less.
            loss = tf.reduce_sum(losses) / recipe.batch_size
        loss, *gradients = total([loss, *tape.gradient(loss, variables)])
        return loss, gradients

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def learn(inputs: tf.Tensor, targets: tf.Tensor, decay: tf.Tensor, step: tf.Tensor) -> Any:
        # Drawn by the number of the step, so that a run taken up again draws the same, and
        # for the whole batch, so that workers together draw what one would.
        kept = tf.nn.experimental.stateless_dropout(
            tf.ones((recipe.batch_size, dense.kernel.shape[0])), recipe.dropout, seed=[seed, step]
        )
        loss, gradients = workers.run(gradients_of, inputs, targets, workers.part_of(kept))
        gradients, _ = tf.clip_by_global_norm(gradients, _CLIP_NORM)
        optimizer.apply_gradients(zip(gradients, variables))  # noqa: B905 - tf.function
        for average, variable in zip(averages, variables):  # noqa: B905
            average.assign(decay * average + (1 - decay) * variable.value)
        return loss

    return learn


def _batches(recipe: Recipe, lessons: Lessons, seed: int, epoch: int, steps: int) -> Any:
    """Yield batches of inputs with their targets, the same for the same seed and epoch.

    Targets (batch, 2): the probability of OCCUPIED, and 1 for a slot or 0 for garbage.
    """
    random = np.random.default_rng([seed, epoch])
    views, garbage_count = lessons.views, len(lessons.views.garbage)
    for _ in range(steps):
        inputs, targets = [], []
        for index in random.choice(len(lessons.chances), recipe.batch_size, p=lessons.chances):
            if garbage_count and random.random() < recipe.garbage_share:
                which = int(random.integers(garbage_count))
                inputs.append(views.garbage[which])
                targets.append((0.5, 0.0))
            elif not views.augmented or random.random() < recipe.plain_share:
                inputs.append(views.plain[index])
                targets.append((lessons.plain_targets[index], 1.0))
            else:
                number = int(random.integers(len(views.augmented)))
                inputs.append(views.augmented[number][index])
                targets.append((lessons.augmented_targets[number][index], 1.0))
        yield np.stack(inputs), np.array(targets, np.float32)


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
