"""Training as a whole, on drawn crops: it learns, stops in time, and makes one network."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from tests.trainer.learning import SMALL, drawn_dataset, holdout_of, learn, weights_of
from trainer.checkpoint import Checkpoint
from trainer.recipe import Recipe, Transfer

pytestmark = pytest.mark.trainer

QUICK = replace(SMALL, epochs=1)


def batch_statistics_of(backbone: Any) -> list[Any]:
    return [w.numpy() for w in backbone.non_trainable_variables if "moving" in w.path]


def prepared_for(recipe: Recipe) -> Any:
    from trainer.fit import prepare

    return prepare(recipe, drawn_dataset(), None)


def test_the_loss_falls_as_it_learns() -> None:
    recipe = replace(SMALL, transfer="from scratch", epochs=4, crops_per_epoch=90)
    epochs = learn(recipe).epochs
    assert [epoch.epoch for epoch in epochs] == [0, 1, 2, 3, 4]
    assert epochs[0].train_loss is None
    assert epochs[4].train_loss < 0.7 * epochs[1].train_loss
    assert epochs[4].holdout_loss < epochs[0].holdout_loss


def test_the_learning_rate_warms_up_and_decays() -> None:
    rates = [epoch.learning_rate for epoch in learn(replace(SMALL, warm_up_share=0.4)).epochs]
    assert rates[0] is None
    assert rates[1] < rates[2] > rates[3] > 0
    assert max(rates[1:]) <= SMALL.learning_rate


@pytest.mark.parametrize("transfer", ["last layers", "whole network", "from scratch"])
def test_only_random_weights_learn_batch_statistics_of_their_own(transfer: Transfer) -> None:
    from trainer.fit import fit

    recipe = replace(QUICK, transfer=transfer)
    prepared = prepared_for(recipe)
    before = batch_statistics_of(prepared.backbone)
    is_holdout = holdout_of(prepared.dataset)
    fit(recipe, prepared, ~is_holdout, is_holdout)
    after = batch_statistics_of(prepared.backbone)
    assert len(before) == 10  # mean and variance of five layers
    for one, two in zip(before, after, strict=True):
        assert np.array_equal(one, two) == (transfer != "from scratch")


def test_layers_below_the_cut_stay_as_they_came() -> None:
    from trainer.fit import fit

    prepared = prepared_for(QUICK)
    layers = {name: prepared.backbone.get_layer(name) for name in ("block2_conv", "block3_conv")}
    before = {name: layer.get_weights()[0] for name, layer in layers.items()}
    is_holdout = holdout_of(prepared.dataset)
    fit(QUICK, prepared, ~is_holdout, is_holdout)
    is_same = {n: np.array_equal(layer.get_weights()[0], before[n]) for n, layer in layers.items()}
    assert is_same == {"block2_conv": True, "block3_conv": False}


def test_whole_network_goes_on_from_the_weights_it_came_with() -> None:
    from trainer.fit import fit, prepare

    recipe = replace(QUICK, transfer="whole network", learning_rate=1e-4)
    prepared = prepare(recipe, drawn_dataset(), None)
    backbone: Any = prepared.backbone
    convolutions = [each for each in backbone.layers if each.name.endswith("_conv")]
    before = [layer.get_weights()[0] for layer in convolutions]
    is_holdout = holdout_of(prepared.dataset)
    fit(recipe, prepared, ~is_holdout, is_holdout)
    assert len(before) == 5
    for layer, came in zip(convolutions, before, strict=True):
        (learned, *_) = layer.get_weights()
        # Few and small steps: another beginning would be as far off as the weights are large.
        assert 0 < np.abs(learned - came).max() < 0.1 * np.abs(came).max()


@pytest.mark.parametrize("keeps", ["best epoch", "last epoch"])
def test_it_stops_when_nothing_gets_better_and_keeps_the_best_unless_told_otherwise(
    keeps: Literal["best epoch", "last epoch"],
) -> None:
    from trainer.fine_tune import fine_tune
    from trainer.fit import lessons_of, watched_of
    from trainer.network import Network

    recipe = replace(SMALL, warm_up_share=0.0, epochs=6, patience=2, keeps=keeps)
    prepared = prepared_for(recipe)
    is_holdout = holdout_of(prepared.dataset)
    watched = watched_of(recipe, prepared, is_holdout)
    # Judged by the opposite labels, whatever is learned is worse than what was before.
    watched = replace(watched, targets=1 - watched.targets)
    losses: list[float] = []
    network = fine_tune(
        recipe,
        Network(prepared.backbone, np.zeros(256, np.float32), 0.0),
        prepared.cut,
        lessons_of(recipe, prepared, ~is_holdout),
        watched,
        1,
        lambda epoch, train_loss, holdout_loss, rate: losses.append(holdout_loss),
    )
    best = int(np.argmin(losses))
    kept = best if keeps == "best epoch" else 5
    assert best < 3
    assert len(losses) == (best + 1 + recipe.patience if keeps == "best epoch" else recipe.epochs)
    assert watched.loss(prepared.cut, network.kernel, network.bias) == pytest.approx(losses[kept])


def test_a_head_alone_leaves_the_backbone_as_it_came() -> None:
    from trainer.fit import fit

    recipe = replace(SMALL, transfer="head only")
    prepared = prepared_for(recipe)
    before = prepared.backbone.get_weights()
    is_holdout = holdout_of(prepared.dataset)
    fitted = fit(recipe, prepared, ~is_holdout, is_holdout)
    after = fitted.network.backbone.get_weights()
    assert all(np.array_equal(one, two) for one, two in zip(before, after, strict=True))
    assert [(epoch.run, epoch.epoch) for epoch in fitted.epochs] == [(1, 0)]


def test_the_obvious_approach_has_neither_views_nor_garbage_nor_a_bound() -> None:
    recipe = replace(QUICK, transfer="head only", views=0, garbage_share=0.0)
    assert learn(recipe).network.bound is None


def test_an_averaged_ensemble_is_the_mean_of_its_members(tmp_path: Path) -> None:
    recipe = replace(QUICK, ensemble=2, ensemble_as="average")
    fitted = learn(recipe, checkpoints=tmp_path)
    assert {epoch.run for epoch in fitted.epochs} == {1, 2}
    members = [progress.best_weights for c in fitted.checkpoints if (progress := c.read())]
    assert len(members) == 2
    assert not np.allclose(members[0][0], members[1][0], atol=1e-6)
    means = [np.mean(values, axis=0) for values in zip(*members, strict=True)]
    # The last four are the head's and those of the layer that tells slots from garbage.
    learned = fitted.network.backbone.get_weights()[-len(means) + 4 :]
    for mean, got in zip(means[:-4], learned, strict=True):
        assert np.allclose(got, mean, atol=1e-6)
    kernel = means[-4][:, 0] * fitted.calibration.scale
    assert np.allclose(fitted.network.kernel, kernel, atol=1e-5)


def test_a_distilled_ensemble_is_one_network_that_learned_last(tmp_path: Path) -> None:
    recipe = replace(QUICK, ensemble=2, ensemble_as="distilled")
    fitted = learn(recipe, checkpoints=tmp_path)
    assert {epoch.run for epoch in fitted.epochs} == {1, 2, 3}
    last = Checkpoint(fitted.checkpoints[-1].file).read()
    assert last is not None
    kernel = last.best_weights[-4][:, 0] * fitted.calibration.scale
    assert np.allclose(fitted.network.kernel, kernel, atol=1e-5)
    # With the members' own seed it would have learned something else from the labels.
    assert not np.allclose(fitted.network.kernel, learn(QUICK).network.kernel, atol=1e-4)


def test_the_same_seed_gives_the_same_network_and_another_seed_another() -> None:
    first, again, other = (learn(recipe) for recipe in (QUICK, QUICK, replace(QUICK, seed=2)))
    pairs = zip(weights_of(first), weights_of(again), strict=True)
    assert all(np.array_equal(one, two) for one, two in pairs)
    assert not np.array_equal(first.network.kernel, other.network.kernel)
