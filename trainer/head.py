"""The linear head on frozen features: scikit-learn's solvers, folded into one kernel and bias."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from trainer.network import Floats
from trainer.recipe import Recipe

_MOST_STEPS = 1000


def fit_head(
    recipe: Recipe,
    features: Floats,
    occupied: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
    garbage_features: Floats,
    seed: int,
) -> tuple[Floats, float]:
    """Return kernel (features,) and bias of the logit of OCCUPIED.

    `features` (count, features) with `weights` (count,), how much each counts; garbage
    (its count, features) gets the recipe's share of all weight, half of it for each label.
    """
    count = len(garbage_features)
    share = recipe.garbage_share if count else 0.0
    # Without garbage there may be no second axis either.
    garbage = garbage_features.reshape(count, features.shape[1])
    inputs = np.concatenate([features, garbage, garbage])
    labels = np.concatenate([occupied, np.ones(count, bool), np.zeros(count, bool)])
    of_garbage = np.full(2 * count, share / max(2 * count, 1))
    all_weights = np.concatenate([weights / weights.sum() * (1 - share), of_garbage])
    # Solvers want numbers of one size; the scaling is folded into the kernel afterwards.
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    solver = (
        LogisticRegression(C=recipe.head_c, max_iter=_MOST_STEPS)
        if recipe.head_loss == "logistic"
        else LinearSVC(C=recipe.head_c, max_iter=_MOST_STEPS, random_state=seed)
    )
    solver.fit((inputs - mean) / spread, labels, sample_weight=all_weights * len(all_weights))
    kernel = solver.coef_[0] / spread
    bias = float(solver.intercept_[0] - mean @ kernel)
    return kernel.astype(np.float32), bias
