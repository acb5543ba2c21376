"""Choose crops that are doubtful and unlike each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# A second label of the same picture teaches nothing. On a day of a car park, three quarters of
# the neighbouring frames of a slot lie within 0.003, half of all pairs of crops beyond 0.016.
SAME_SCENE = 0.004


def choose(strength: Floats, embedding: Floats, count: int, known: Floats) -> list[int]:
    """Return at most `count` indexes, the most worth first.

    Greedy farthest points (Gonzalez 1985), each distance times the strength of the doubt,
    so that a hundred frames of one scene give one crop. Strength (candidates,) is 0..1,
    embeddings (candidates, features) and `known` (any, features), what need not be chosen
    again, are of length 1; the distance is 1 - cosine, 0..1.
    """
    nearest = np.ones(len(strength), np.float32)
    for row in known:
        nearest = np.minimum(nearest, 1 - embedding @ row)
    chosen: list[int] = []
    while len(chosen) < count:
        worth = np.where(nearest > SAME_SCENE, strength * nearest, 0)
        if not worth.any():
            break
        best = int(worth.argmax())
        chosen.append(best)
        nearest = np.minimum(nearest, 1 - embedding @ embedding[best])
        nearest[best] = 0  # rounding may leave a crop a little away from itself
    return chosen
