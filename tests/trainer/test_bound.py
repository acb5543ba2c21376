"""The bound: no surer of a crop than that it shows a slot at all."""

from dataclasses import replace

import numpy as np
import pytest

from trainer.bound import FLOOR, LEAK, Bound, fit_bound

pytestmark = pytest.mark.trainer

RANDOM = np.random.default_rng(3)


def features_around(middle, count):
    return (RANDOM.normal(0, 1, (count, 8)) + np.asarray(middle)).astype(np.float32)


SLOTS = features_around([6, 0, 0, 0, 0, 0, 0, 0], 600)
GARBAGE = features_around([-6, 0, 0, 0, 0, 0, 0, 0], 400)


def test_slots_keep_their_logit_and_garbage_reads_unknown_whatever_its_logit():
    bound = fit_bound(SLOTS, np.ones(len(SLOTS)), GARBAGE)
    logits = np.where(RANDOM.random(600) < 0.5, -0.8, 0.8).astype(np.float32)
    kept = np.abs(bound.clip(logits, SLOTS))
    assert (kept == np.float32(0.8)).mean() > 0.99
    for logit in (-15.0, -3.0, 3.0, 15.0):
        left = bound.clip(np.full(len(GARBAGE), logit, np.float32), GARBAGE)
        assert (np.sign(left) == np.sign(logit)).all()
        # A p of 0.4 to 0.6.
        assert (np.abs(left) < np.log(0.6 / 0.4)).mean() > 0.99


def test_a_rare_source_of_slots_counts_as_its_weight_says():
    rare = features_around([-6, 6, 0, 0, 0, 0, 0, 0], 20)
    both = np.concatenate([SLOTS, rare])

    def limits_of_the_rare(weight):
        bound = fit_bound(both, np.repeat([1.0, weight], [len(SLOTS), len(rare)]), GARBAGE)
        return np.median(rare @ bound.kernel + bound.bias)

    assert limits_of_the_rare(30.0) > limits_of_the_rare(0.01) + 1


def test_clipped_logits_keep_their_order_and_their_side():
    bound = Bound(np.zeros(2, np.float32), -5.0)
    logits = np.array([-9, -2, -0.05, 0.05, 2, 9], np.float32)
    left = bound.clip(logits, np.zeros((6, 2), np.float32))
    assert left == pytest.approx(
        [-FLOOR - 9 * LEAK, -FLOOR - 2 * LEAK, -0.05, 0.05, FLOOR + 2 * LEAK, FLOOR + 9 * LEAK]
    )


@pytest.mark.slow
def test_the_exported_graph_clips_as_the_network_does(random_network):
    from trainer.export import export_model
    from trainer.network import pooled_features, whole

    crops_rgb = RANDOM.integers(0, 256, (24, 96, 96, 3), dtype=np.uint8)
    features = pooled_features(whole(random_network.backbone), crops_rgb)
    kernel = RANDOM.normal(0, 0.3, features.shape[1:]).astype(np.float32)
    bounded = replace(random_network, bound=Bound(kernel, -float(np.median(features @ kernel))))
    expected = bounded.probabilities(crops_rgb)
    is_clipped = expected != random_network.probabilities(crops_rgb)
    assert 6 < is_clipped.sum() < 24
    exported, *_ = export_model(bounded)(crops_rgb.astype(np.float32))
    assert np.asarray(exported)[:, 0] == pytest.approx(expected, abs=1e-4)
