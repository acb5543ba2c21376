"""Temperature and bias that make probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Calibration:
    """`logit * scale + bias` is the calibrated logit."""

    scale: float = 1.0  # one over the temperature
    bias: float = 0.0


def fit_calibration(
    logits: npt.NDArray[np.floating],
    targets: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating],
    steps: int = 50,
) -> Calibration:
    """Return the calibration with the least weighted log loss (Platt 1999), by Newton's method.

    All shapes (count,); targets 0..1. A weak prior keeps it near the identity where the
    crops say little, as when a model parts them without a single error.
    """
    weights = weights / weights.sum() * len(weights)
    prior_weight, prior_mean = len(weights) * 0.01, np.array([1.0, 0.0])
    inputs = np.stack([logits, np.ones_like(logits)], 1).astype(np.float64)
    value = prior_mean.copy()
    for _ in range(steps):
        probability = 1 / (1 + np.exp(-inputs @ value))
        slope = inputs.T @ (weights * (probability - targets)) + prior_weight * (value - prior_mean)
        curve = (inputs * (weights * probability * (1 - probability))[:, None]).T @ inputs
        step = np.linalg.solve(curve + prior_weight * np.eye(2), slope)
        # Far from the optimum a full Newton step overshoots.
        value = value - step * min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-9))
        if float(np.abs(step).max()) < 1e-6:
            break
    return Calibration(scale=float(max(value[0], 0.05)), bias=float(value[1]))
