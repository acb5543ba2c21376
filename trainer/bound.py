"""How sure the head may be of a crop: no surer than that it shows a slot at all.

A linear head on features that it never learned to tell apart is as sure of a wall, a hand or a
torn picture as of a slot. So a second linear layer on the same features tells slots from
garbage, and the logit of the answer is clipped to its logit: what is no slot reads close to 0.5.
A small part of what is cut off stays, so that the clipped ones keep their order. It is part of
the graph, eight small operations; the device has no code for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float32]

# What garbage keeps of its logit, and of what is cut off: with logits up to 15 it reads 0.4 to
# 0.6, and still says which way it leans.
FLOOR = 0.1
LEAK = 0.02
_C = 0.01  # inverse strength of the regularisation, as in scikit-learn
_MOST_STEPS = 200
_GARBAGE_BELOW = 0.9995  # share of garbage whose bound is no more than FLOOR


@dataclass(frozen=True, eq=False)
class Bound:
    """`max(features @ kernel + bias, FLOOR)` limits the logit of either label, but for the LEAK."""

    kernel: Floats  # (features,)
    bias: float

    def clip(self, logits: Floats, features: Floats) -> Floats:
        """Return the logits, shape (count,), each cut off at LEAK of itself beyond its limit."""
        limit = np.maximum(features @ self.kernel + np.float32(self.bias), np.float32(FLOOR))
        leak = np.float32(LEAK) * logits
        return np.clip(logits, leak - limit, leak + limit)


def fit_bound(slots: Floats, weights: npt.NDArray[np.float64], garbage: Floats) -> Bound:
    """Return the bound that parts features of slots from those of garbage.

    Shapes (count, features); `weights` (slots,), how much each slot counts. The logit of
    "this is a slot" is shifted until nearly all garbage lies below 0.
    """
    inputs = np.concatenate([slots, garbage])
    is_slot = np.arange(len(inputs)) < len(slots)
    # Both kinds count alike.
    all_weights = np.concatenate([weights / weights.sum(), np.full(len(garbage), 1 / len(garbage))])
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    solver = LogisticRegression(C=_C, max_iter=_MOST_STEPS)
    solver.fit((inputs - mean) / spread, is_slot, sample_weight=all_weights * len(inputs) / 2)
    kernel = (solver.coef_[0] / spread).astype(np.float32)
    of_garbage = garbage @ kernel
    return Bound(kernel, float(-np.quantile(of_garbage, _GARBAGE_BELOW)))
