"""A slot beside its own pictures when empty: what the network alone cannot know of a cabinet.

The embedding of an empty slot changes little from day to day, and a thing in it changes it
much. How far a crop's embedding lies from the nearest of the slot's own empties is therefore
a second opinion that no training on this cabinet is needed for. Both opinions are put into one
probability by a logistic rule that the trainer fits on cabinets it did not train on and
writes into the bundle. It may turn the model's answer round or make it less sure, never surer:
a hand or a torn picture lies far from every empty slot, and only the model knows that it is no
thing either. Without pictures of the empty slot the model's answer stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Embeddings = npt.NDArray[np.float32]  # (count, features), each of length 1

LEAST_DISTANCE = 1e-4  # two crops of one still picture; its logarithm must stay finite
_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class EmptyRule:
    """logit = `of_logit` * the model's + `of_distance` * log(cosine distance) + `bias`.

    Cut off where it is further from 0 than the model's.
    """

    of_logit: float
    of_distance: float
    bias: float


def rule_of(manifest: Mapping[str, Any]) -> EmptyRule | None:
    """Return the rule of a bundle's manifest; None where it has none that can be used."""
    entry: Any = manifest.get("empty_rule")
    try:
        rule = EmptyRule(*(float(entry[name]) for name in ("of_logit", "of_distance", "bias")))
    except (KeyError, TypeError, ValueError):
        return None
    is_usable = all(map(math.isfinite, (rule.of_logit, rule.of_distance, rule.bias)))
    return rule if is_usable else None


def unit(embeddings: npt.NDArray[np.floating]) -> Embeddings:
    """Return embeddings, shape (count, features), scaled to length 1."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(lengths, 1e-9), dtype=np.float32)


def distance_of(embedding: npt.NDArray[np.floating], empties: Embeddings) -> float:
    """Return the cosine distance, 0..2, of one embedding (features,) to the nearest empty."""
    length = float(np.linalg.norm(embedding))
    return 1.0 - float((empties @ embedding).max()) / max(length, 1e-9)


def logit_of(probability: float) -> float:
    """Return the logit of a probability, 0..1; that of a certain one is finite."""
    p = min(max(probability, _LEAST_PROBABILITY), 1 - _LEAST_PROBABILITY)
    return math.log(p / (1 - p))


def beside_empties(probability: float, distance: float, rule: EmptyRule) -> float:
    """Return the probability of OCCUPIED, 0..1, that model and distance give together."""
    of_model = logit_of(probability)
    logit = (
        rule.of_logit * of_model
        + rule.of_distance * math.log(max(distance, LEAST_DISTANCE))
        + rule.bias
    )
    # Without this limit 98 % of pictures that show no slot read OCCUPIED: docs/decisions/0010.
    limit = abs(of_model)
    logit = min(max(logit, -limit), limit)
    return 1 / (1 + math.exp(-logit))
