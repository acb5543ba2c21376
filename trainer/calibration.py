"""The temperature that makes probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Calibration:
    """`logit * scale` is the calibrated logit.

    There is no bias on purpose: pictures that show no slot are taught as 0.5, and any
    bias would move them into an answer.
    """

    scale: float = 1.0  # one over the temperature


def fit_calibration(
    logits: npt.NDArray[np.floating],
    targets: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating],
    steps: int = 50,
) -> Calibration:
    """Return the scale with the least weighted log loss (Guo et al. 2017), by Newton's method.

    All shapes (count,); targets 0..1. A weak prior keeps it near 1 where the crops say
    little, as when a model parts them without a single error.
    """
    weights = weights / weights.sum() * len(weights)
    prior_weight, scale = len(weights) * 0.01, 1.0
    for _ in range(steps):
        probability = 1 / (1 + np.exp(-logits * scale))
        slope = float((logits * weights * (probability - targets)).sum())
        curve = float((logits**2 * weights * probability * (1 - probability)).sum())
        step = (slope + prior_weight * (scale - 1)) / (curve + prior_weight)
        # Far from the optimum a full Newton step overshoots.
        scale -= step * min(1.0, 0.5 / max(abs(step), 1e-9))
        if abs(step) < 1e-6:
            break
    return Calibration(scale=max(scale, 0.05))
