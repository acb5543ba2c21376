"""Views of crops: drawn once, the same each time, of the crops they are said to be of."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer.learning import SMALL, drawn_dataset
from trainer.views import GARBAGE_LEAST, Views, draw_views, neighbours_of

pytestmark = pytest.mark.trainer

TWO_VIEWS = replace(SMALL, views=2)


@pytest.fixture(scope="module")
def drawn() -> Views:
    return views_with_seed(1)


def views_with_seed(seed: int) -> Views:
    from trainer.network import Cut

    # Without a frozen part: the pictures themselves.
    return draw_views(TWO_VIEWS, Cut(None, None), drawn_dataset(), seed)


def test_the_same_seed_draws_the_same_views(drawn: Views) -> None:
    again, other = views_with_seed(1), views_with_seed(2)
    pairs = list(zip(drawn.augmented, again.augmented, strict=True))
    assert all(np.array_equal(one, two) for one, two in pairs)
    assert np.array_equal(drawn.garbage, again.garbage)
    assert not np.array_equal(drawn.augmented[0], other.augmented[0])
    assert not np.array_equal(drawn.garbage, other.garbage)


def test_crops_stay_as_they_were_read_and_each_view_is_another(drawn: Views) -> None:
    assert np.array_equal(drawn.plain, drawn_dataset().crops_rgb)
    assert len(drawn.augmented) == 2
    assert drawn.augmented[0].shape == drawn.plain.shape
    assert not np.array_equal(drawn.augmented[0], drawn.augmented[1])
    assert len(drawn.garbage) == GARBAGE_LEAST


def test_a_subset_leaves_out_garbage_made_of_crops_that_are_left_out(drawn: Views) -> None:
    chosen = np.arange(len(drawn.plain)) % 3 == 0
    subset = drawn.subset(chosen)
    assert np.array_equal(subset.plain, drawn.plain[chosen])
    assert np.array_equal(subset.augmented[1], drawn.augmented[1][chosen])
    indexes = np.flatnonzero(chosen)
    kept = np.isin(drawn.garbage_from, indexes)
    assert 0 < kept.sum() < len(kept)
    assert np.array_equal(subset.garbage, drawn.garbage[kept])
    assert np.array_equal(indexes[subset.garbage_from], drawn.garbage_from[kept])


def test_without_views_or_a_share_of_garbage_there_is_none() -> None:
    from trainer.network import Cut

    for recipe in (replace(SMALL, views=0), replace(SMALL, garbage_share=0.0)):
        assert len(draw_views(recipe, Cut(None, None), drawn_dataset(), 1).garbage) == 0


def test_neighbours_are_occupied_crops_of_the_same_source() -> None:
    dataset = drawn_dataset()
    for sample, neighbours in zip(dataset.samples, neighbours_of(dataset), strict=True):
        others = [dataset.samples[index] for index in neighbours]
        assert len(others) == 6
        assert {other.source for other in others} == {sample.source}
        assert all(other.is_occupied for other in others)


def test_a_source_without_occupied_crops_is_its_own_neighbour() -> None:
    dataset = drawn_dataset()
    empty = np.array([s.source == "one" and not s.is_occupied for s in dataset.samples])
    (first, *_) = neighbours_of(dataset.subset(empty))
    assert first.tolist() == list(range(6))
