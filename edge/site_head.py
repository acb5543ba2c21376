"""What a handful of labelled crops of one cabinet adds to what was known before.

The head is a linear layer on the model's embedding that corrects the logit of the answer. It is
fitted as the most likely correction under a prior that holds it near nothing (logistic regression
with an offset, solved in its dual form: as many unknowns as crops, not as features), so a few
labels move the answer little, and many move it far. A second layer, fitted on the same crops
against pictures of no slot, says how much a crop looks like this cabinet: beyond that, and beyond
what the model itself dared, no answer is sure (decision 7 is the same idea, for all cabinets).
Nothing here does input or output; a head is fitted by a command and used by the inference thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.empties import logit_of
from edge.types import DecisionSettings

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

LEAST_OF_A_LABEL = 3  # crops; fewer say nothing that leaving one out could confirm
MOST_PARTS = 40  # to leave out one after another: the cost of many crops stays seconds

# Chosen on the chess boards and the aerial car park (docs/decisions/0011), shown on the others.
_VARIANCE = 100.0  # of the correction, for two embeddings of length 1 at a right angle
_BIAS_VARIANCE = 1.0
# Of how much a crop looks like the cabinet: nothing does until its labels say so.
_BOUND_PRIOR = -2.0
_BOUND_ZERO = 0.3
_BOUND_SLOPE = 5.0
# Taken from every logit: of a cabinet that training has not seen, crops near the middle are
# wrong more often than they say, and UNKNOWN costs less than a walk for nothing.
_CAUTION = 1.0
_LEAK = 0.02  # of what is cut off, so that crops keep their order; as in the model's own bound
_MOST_LOGIT = 13.8  # of a probability of one in a million
_LEAST_GAIN = 0.001  # of the loss; on a site that is read right already, less is rounding
# Worth one more wrong answer. Of few labels none is: a head of twenty crops or less that is wrong
# more often is never kept. Of hundreds a single one would undo what they teach.
_RIGHT_FOR_A_WRONG = 20
# Of the crops, to contradict how they are read before the labels are doubted: of a cabinet that
# the model hardly answers, the few answers may well be wrong.
_LEAST_CONTRADICTED = 0.25
_NEWTON_STEPS = 50
_NEWTON_END = 1e-6
_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class LabelledCrops:
    """Crops of one cabinet that a person has labelled."""

    embeddings: Floats  # (count, features)
    of_model: Floats  # (count,), the model's probability of OCCUPIED
    known: Floats  # (count,), the same beside the slot's empties; where it has none, the model's
    is_occupied: Bools  # (count,)
    groups: tuple[str, ...]  # crops of one group are alike: the slot's id, or one for each crop

    def part(self, chosen: Bools) -> LabelledCrops:
        """Return the crops where `chosen` (count,) is True."""
        return LabelledCrops(
            self.embeddings[chosen],
            self.of_model[chosen],
            self.known[chosen],
            self.is_occupied[chosen],
            tuple(g for g, is_chosen in zip(self.groups, chosen, strict=True) if is_chosen),
        )


@dataclass(frozen=True, eq=False)
class SiteHead:
    """Two linear layers on the embedding, scaled to length 1."""

    kernels: npt.NDArray[np.float32]  # (2, features): the correction, the likeness to the cabinet
    biases: tuple[float, float]

    def probability(
        self, embedding: npt.NDArray[np.float32], of_model: float, known: float
    ) -> float:
        """Return the probability of OCCUPIED, 0..1, of one crop.

        `embedding` is (features,), `of_model` the model's own probability, `known` the one that
        `edge.empties.beside_empties` made of it, or `of_model` again.
        """
        correction, likeness = self.kernels @ embedding
        length = max(math.sqrt(float(embedding @ embedding)), 1e-9)
        logit = logit_of(known) + float(correction) / length + self.biases[0]
        bound = max(float(likeness) / length + self.biases[1], abs(logit_of(of_model)))
        return _sigmoid(_bounded(logit, bound))


def _bounded(logit: float, bound: float) -> float:
    leak = _LEAK * abs(logit)
    held = min(max(abs(logit) - _CAUTION, leak), leak + bound)
    return math.copysign(held, logit)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -_MOST_LOGIT), _MOST_LOGIT)))


def fit_head(crops: LabelledCrops, garbage: Floats) -> SiteHead:
    """Return the head of these crops; `garbage` (count, features) is of pictures of no slot."""
    inputs = _unit(crops.embeddings)
    offset = np.array([logit_of(float(p)) for p in crops.known])
    correction = _layer(inputs, inputs.mean(axis=0), crops.is_occupied, offset)
    nothing = _unit(garbage)
    everything = np.concatenate([inputs, nothing])
    middle = (inputs.mean(axis=0) + nothing.mean(axis=0)) / 2
    is_slot = np.arange(len(everything)) < len(inputs)
    prior = np.full(len(everything), _BOUND_PRIOR)
    kernel, bias = _layer(everything, middle, is_slot, prior)
    bias = _BOUND_SLOPE * (bias + _BOUND_PRIOR - _BOUND_ZERO)
    kernels = np.stack([correction[0], _BOUND_SLOPE * kernel]).astype(np.float32)
    return SiteHead(kernels, (correction[1], bias))


def _unit(embeddings: Floats) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(lengths, 1e-9), dtype=np.float64)


def _layer(
    inputs: npt.NDArray[np.float64],
    middle: npt.NDArray[np.float64],
    is_so: Bools,
    offset: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], float]:
    """Return kernel (features,) and bias of what is best added to the logits `offset` (count,).

    The mode of a Gaussian process for classification with a linear covariance, by Newton's
    method (Rasmussen and Williams 2006, algorithm 3.1).
    """
    centred = inputs - middle
    covariance = _VARIANCE * (centred @ centred.T) + _BIAS_VARIANCE
    dual = np.zeros(len(inputs))
    gained = _gain(dual, covariance, offset, is_so)
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(offset + covariance @ dual, -_MOST_LOGIT, _MOST_LOGIT)))
        # The curvature of a sure and right answer is none, and its root is divided by.
        weights = np.maximum(p * (1 - p), _LEAST_WEIGHT)
        target = weights * (covariance @ dual) + is_so - p
        root = np.sqrt(weights)
        system = np.eye(len(inputs)) + root[:, None] * covariance * root
        step = target - root * np.linalg.solve(system, root * (covariance @ target)) - dual
        # A sure and wrong answer has no curvature either, and a whole step leaps past the top.
        while (gain := _gain(dual + step, covariance, offset, is_so)) < gained:
            step /= 2
            if np.abs(step).max() < _NEWTON_END:
                break
        dual, gained = dual + step, max(gain, gained)
        if np.abs(step).max() < _NEWTON_END:
            break
    kernel = _VARIANCE * (dual @ centred)
    return kernel, float(_BIAS_VARIANCE * dual.sum() - middle @ kernel)


def _gain(
    dual: npt.NDArray[np.float64],
    covariance: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    is_so: Bools,
) -> float:
    """Return the logarithm of how likely labels and correction are together, but for a constant."""
    added = covariance @ dual
    signed = np.where(is_so, 1, -1) * (offset + added)
    return float(-np.logaddexp(0, -signed).sum() - dual @ added / 2)


@dataclass(frozen=True)
class Trial:
    """What is said of labelled crops, each by a head that has not seen it, beside what was.

    The losses are the mean of minus the logarithm of the probability that the true label got,
    both labels alike; the head's caution counts in both, so that only its correction is judged.
    """

    before: npt.NDArray[np.float64]  # (count,), probability of OCCUPIED without a head
    after: npt.NDArray[np.float64]  # (count,), by the head of the other crops
    loss_before: float
    loss_after: float
    wrong_before: int  # crops of which the opposite is answered
    wrong_after: int
    right_before: int  # crops that are answered, and rightly
    right_after: int
    is_by_slot: bool  # whole slots were left out, not single crops
    is_contradicted: bool  # as when EMPTY and OCCUPIED are mixed up

    @property
    def is_better(self) -> bool:
        """Whether the head is worth keeping: nearer to the truth, and not wrong much more often."""
        is_nearer = self.loss_after < self.loss_before - _LEAST_GAIN
        more_wrong = self.wrong_after - self.wrong_before
        more_right = max(self.right_after - self.right_before, 0)
        return is_nearer and _RIGHT_FOR_A_WRONG * more_wrong <= more_right


def try_head(crops: LabelledCrops, garbage: Floats) -> Trial:
    """Return what heads of the other crops say of each: whole slots left out where that goes."""
    by_slot = _parts(crops.groups)
    is_by_slot = len(set(crops.groups)) < len(crops.groups) and _can_learn(crops, by_slot)
    parts = by_slot if is_by_slot else _parts([str(index) for index in range(len(crops.groups))])
    after = np.zeros(len(parts))
    for part in np.unique(parts):
        head = fit_head(crops.part(parts != part), garbage)
        for index in np.flatnonzero(parts == part):
            after[index] = head.probability(
                crops.embeddings[index], float(crops.of_model[index]), float(crops.known[index])
            )
    before = np.asarray(crops.known, dtype=np.float64)
    cautious = np.array([_sigmoid(_bounded(logit_of(p), math.inf)) for p in before])
    return Trial(
        before,
        after,
        _loss(crops.is_occupied, cautious),
        _loss(crops.is_occupied, after),
        _answered(~crops.is_occupied, before),
        _answered(~crops.is_occupied, after),
        _answered(crops.is_occupied, before),
        _answered(crops.is_occupied, after),
        is_by_slot,
        _is_contradicted(crops.is_occupied, before),
    )


def _is_contradicted(is_occupied: Bools, probability: npt.NDArray[np.float64]) -> bool:
    """Return whether many answers contradict the labels, and of either label most of them do.

    A model that takes every slot for OCCUPIED contradicts one label alone: it has much to learn.
    """
    labels = (~is_occupied, is_occupied)
    wrong = [_answered(~is_occupied[label], probability[label]) for label in labels]
    right = [_answered(is_occupied[label], probability[label]) for label in labels]
    is_each = all(more > less for more, less in zip(wrong, right, strict=True))
    return is_each and sum(wrong) > _LEAST_CONTRADICTED * len(probability)


def _answered(as_occupied: Bools, probability: npt.NDArray[np.float64]) -> int:
    """Return how many crops get this answer, OCCUPIED where True, and none by being unsure."""
    usual = DecisionSettings()
    is_so = np.where(as_occupied, probability >= usual.occupied_at, probability <= usual.empty_at)
    return int(is_so.sum())


def _parts(groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the number of the part that each crop belongs to, shape (count,)."""
    numbers = {group: number % MOST_PARTS for number, group in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[group] for group in groups])


def _can_learn(crops: LabelledCrops, parts: npt.NDArray[np.int64]) -> bool:
    """Return whether both labels are left, twice each, whichever part is left out."""
    return all(
        crops.is_occupied[parts != part].sum() > 1 and (~crops.is_occupied[parts != part]).sum() > 1
        for part in np.unique(parts)
    )


def _loss(is_occupied: Bools, probability: npt.NDArray[np.float64]) -> float:
    of_truth = np.clip(np.where(is_occupied, probability, 1 - probability), 1e-6, 1)
    return float(
        -(np.log(of_truth[is_occupied]).mean() + np.log(of_truth[~is_occupied]).mean()) / 2
    )
