"""Is more data worth it? What a head learns from an eighth, a quarter, a half, all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.scores import Bools, balanced_accuracy
from trainer.progress import progress_bar

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
_DRAWS = 5
_REGULARISATION = 0.02  # inverse strength, the default of `Recipe.head_c`
_WORTH_IT = 0.005  # half a point


@dataclass(frozen=True)
class LearningPoint:
    """How good a head is that learned from some of the groups."""

    share: float  # of the training groups
    groups: int
    crops: int  # on average over the draws
    balanced_accuracy: float  # on average over the draws, on crops it never saw
    low: float  # the worst draw
    high: float  # the best


def learning_curve(
    features: npt.NDArray[np.floating],
    occupied: Bools,
    groups: Sequence[str],
    sources: Sequence[str],
    unseen_features: npt.NDArray[np.floating],
    unseen_occupied: Bools,
    shares: Sequence[float] = SHARES,
    draws: int = _DRAWS,
    seed: int = 0,
) -> tuple[LearningPoint, ...]:
    """Return a point for each share of the groups, the same for the same seed.

    Features are (count, features), of a backbone that learned from none of these crops: one
    fine-tuned on all of them makes little data look like enough. Whole groups are drawn,
    since more of the same camera is not more data: the same share of each source's, one at
    least, since what a whole new source brings is another question. Draws without both labels
    are left out.
    """
    groups_of = {
        source: np.unique([g for g, s in zip(groups, sources, strict=True) if s == source])
        for source in sorted(set(sources))
    }
    random = np.random.default_rng(seed)
    plan = []
    for share in shares:
        for _ in range(draws if share < 1 else 1):
            drawn = {
                name
                for names in groups_of.values()
                for name in random.permutation(names)[: max(1, round(share * len(names)))]
            }
            plan.append((share, len(drawn), np.array([group in drawn for group in groups])))
    learned: dict[float, list[tuple[int, int, float]]] = {}
    for share, count, chosen in progress_bar(plan, "learning curve"):
        if 0 < occupied[chosen].sum() < chosen.sum():
            reads = _read(features[chosen], occupied[chosen], unseen_features)
            accuracy = balanced_accuracy(unseen_occupied, reads)
            if accuracy is not None:
                learned.setdefault(share, []).append((count, int(chosen.sum()), accuracy))
    points = []
    for share, results in learned.items():
        accuracies = [accuracy for _, _, accuracy in results]
        points.append(
            LearningPoint(
                share,
                results[0][0],
                round(float(np.mean([crops for _, crops, _ in results]))),
                float(np.mean(accuracies)),
                min(accuracies),
                max(accuracies),
            )
        )
    return tuple(points)


def _read(
    features: npt.NDArray[np.floating],
    occupied: Bools,
    unseen_features: npt.NDArray[np.floating],
) -> Bools:
    """Return what a logistic regression on these features makes of others."""
    # It takes two seconds to import, and a help text must come at once.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=_REGULARISATION, class_weight="balanced", max_iter=1000),
    )
    head.fit(features, occupied)
    return np.asarray(head.predict(unseen_features), dtype=np.bool_)


def is_worth_it(points: Sequence[LearningPoint]) -> str:
    """Return what the curve says, in a sentence; "" with fewer than two points."""
    if len(points) < 2:
        return ""
    before, last = points[-2], points[-1]
    gain = last.balanced_accuracy - before.balanced_accuracy
    spread = before.high - before.low
    doubled = f"from {before.groups} to {last.groups} groups"
    if gain < _WORTH_IT:
        return (
            f"Flat: {doubled} the balanced accuracy moved by {gain * 100:+.1f} points. More crops "
            "of the same kind will hardly help; crops of other cameras, or of what it gets "
            "wrong, may."
        )
    if gain < spread / 2:
        return (
            f"Perhaps still rising: {doubled} it gained {gain * 100:.1f} points, but which groups "
            f"were drawn made {spread * 100:.1f} points of difference."
        )
    return (
        f"Still rising: {doubled} it gained {gain * 100:.1f} points. More groups (cameras, days "
        "and slots rather than more frames of the same) are worth collecting."
    )
