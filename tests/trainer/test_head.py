"""The linear head: what it is taught counts as much as it should."""

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

from tests.trainer.learning import SMALL
from trainer.head import fit_head

pytestmark = pytest.mark.trainer

COUNT, FEATURES = 200, 16
NOTHING = np.zeros((0, FEATURES), np.float32)


def clouds(middle: float, seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return features that the first one parts at 0, and which are of OCCUPIED."""
    random = np.random.default_rng(seed)
    occupied = np.arange(COUNT) % 2 == 1
    features = random.normal(0, 0.1, (COUNT, FEATURES)).astype(np.float32)
    features[:, 0] += np.where(occupied, middle, -middle)
    return features, occupied


def probabilities(
    head: tuple[npt.NDArray[np.float32], float], features: npt.NDArray[np.float32]
) -> npt.NDArray[np.floating]:
    kernel, bias = head
    return np.asarray(1 / (1 + np.exp(-(features @ kernel + bias))))


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_it_parts_what_can_be_parted(loss: Literal["logistic", "hinge"]) -> None:
    features, occupied = clouds(1.0)
    recipe = replace(SMALL, head_loss=loss)
    head = fit_head(recipe, features, occupied, np.ones(COUNT), NOTHING, 1)
    unseen, of_unseen = clouds(1.0, seed=1)
    assert ((probabilities(head, unseen) > 0.5) == of_unseen).all()


def test_garbage_reads_neither() -> None:
    features, occupied = clouds(1.0)
    random = np.random.default_rng(2)

    def garbage(count: int) -> npt.NDArray[np.float32]:
        # On the side of OCCUPIED, and unlike both in another feature.
        pictures = random.normal(0, 0.03, (count, FEATURES)).astype(np.float32)
        pictures[:, 0] += 0.8
        pictures[:, 1] += 3
        return pictures

    recipe = replace(SMALL, head_c=0.1)
    untaught = fit_head(recipe, features, occupied, np.ones(COUNT), NOTHING, 1)
    assert (probabilities(untaught, garbage(50)) > 0.6).all()
    taught = fit_head(recipe, features, occupied, np.ones(COUNT), garbage(200), 1)
    of_garbage = probabilities(taught, garbage(50))
    assert ((of_garbage > 0.4) & (of_garbage < 0.6)).all()
    assert ((probabilities(taught, features) > 0.5) == occupied).all()


def test_what_weighs_more_decides() -> None:
    # Half the crops say the contrary of the other half.
    features, occupied = clouds(1.0)
    both, contrary = np.concatenate([features, features]), np.concatenate([occupied, ~occupied])
    for is_first_heavy in (True, False):
        weights = np.repeat([1.0, 0.1] if is_first_heavy else [0.1, 1.0], COUNT)
        head = fit_head(SMALL, both, contrary, weights, NOTHING, 1)
        assert ((probabilities(head, features) > 0.5) == (occupied == is_first_heavy)).all()
