"""Is more data worth it?"""

import numpy as np
import pytest

from trainer.learning_curve import LearningPoint, is_worth_it, learning_curve

pytestmark = pytest.mark.trainer


def drawn_features(groups: int, of_group: int, seed: int):
    """Return features whose labels are parted along 30 directions, a shift for each group."""
    random = np.random.default_rng(seed)
    direction = np.random.default_rng(0).normal(0, 1, 30)
    names = np.repeat(np.arange(groups), of_group)
    shift = random.normal(0, 1.0, (groups, 30))[names]
    features = random.normal(0, 1, (groups * of_group, 30)) + shift
    return features, features @ direction > 0, [f"camera {name}" for name in names]


def test_more_groups_of_a_hard_task_are_worth_it() -> None:
    features, occupied, groups = drawn_features(64, 4, 1)
    unseen, unseen_occupied, _ = drawn_features(100, 4, 2)
    points = learning_curve(features, occupied, groups, ["a"] * 256, unseen, unseen_occupied)
    assert [point.groups for point in points] == [8, 16, 32, 64]
    assert [point.crops for point in points] == [32, 64, 128, 256]
    assert points[0].balanced_accuracy < points[-1].balanced_accuracy - 0.05
    assert points[0].low < points[0].balanced_accuracy < points[0].high
    assert points[-1].low == points[-1].high  # all groups can be drawn in one way only
    assert points == learning_curve(
        features, occupied, groups, ["a"] * 256, unseen, unseen_occupied
    )


def test_draws_without_both_labels_are_left_out() -> None:
    features = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    occupied = np.array([False, False, True, True])
    points = learning_curve(
        features, occupied, list("aabb"), ["a"] * 4, features, occupied, (0.5, 1.0)
    )
    assert [point.share for point in points] == [1.0]


def test_every_draw_holds_groups_of_every_source() -> None:
    # Only the crops of "rare" are OCCUPIED: a draw without them would be left out.
    features = np.arange(20.0)[:, None]
    occupied = np.arange(20) >= 18
    groups = [str(number) for number in range(20)]
    sources = ["many"] * 18 + ["rare"] * 2
    points = learning_curve(features, occupied, groups, sources, features, occupied, (0.1, 0.5))
    assert [(point.share, point.groups) for point in points] == [(0.1, 3), (0.5, 10)]


def points_of(*accuracies: tuple[float, float, float]) -> list[LearningPoint]:
    return [
        LearningPoint(share, int(share * 8), int(share * 80), *accuracy)
        for share, accuracy in zip((0.5, 1.0), accuracies, strict=True)
    ]


@pytest.mark.parametrize(
    ("before", "last", "words"),
    [
        ((0.9, 0.89, 0.91), (0.95, 0.95, 0.95), "Still rising: from 4 to 8 groups it gained 5.0"),
        ((0.9, 0.80, 0.99), (0.92, 0.92, 0.92), "Perhaps still rising: from 4 to 8 groups"),
        ((0.9, 0.89, 0.91), (0.901, 0.901, 0.901), "moved by +0.1 points. More crops of the same"),
        ((0.9, 0.89, 0.91), (0.88, 0.88, 0.88), "Flat: from 4 to 8 groups"),
    ],
)
def test_the_sentence_says_what_the_curve_does(
    before: tuple[float, float, float], last: tuple[float, float, float], words: str
) -> None:
    assert words in is_worth_it(points_of(before, last))


def test_one_point_says_nothing() -> None:
    assert is_worth_it([LearningPoint(1.0, 3, 30, 0.9, 0.9, 0.9)]) == ""
