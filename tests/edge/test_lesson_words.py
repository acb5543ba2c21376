"""What the person who sorted the crops is told."""

from pathlib import Path

import numpy as np
import pytest

from edge.lesson import Labelled
from edge.lesson_words import is_for_loss_alone, trial_words
from edge.site_head import Trial
from edge.types import DecisionSettings

NO_CROP = np.zeros((8, 8, 3), np.uint8)
DECISION = DecisionSettings()


def lesson_of(*crops, is_by_slot=False):
    """Return trial and crops of (name, is it labelled OCCUPIED, before, after)."""
    labelled = [
        Labelled(Path("labels") / name, None, label, NO_CROP) for name, label, _, _ in crops
    ]
    before, after = (np.array([crop[column] for crop in crops]) for column in (2, 3))
    return Trial(before, after, 0.5, 0.25, 0, 0, 0, 0, is_by_slot, False), labelled


def words_of(*crops, decision=DECISION):
    trial, labelled = lesson_of(*crops)
    return trial_words(trial, labelled, decision)


def test_crops_are_counted_by_how_they_read_before_and_after():
    trial, labelled = lesson_of(
        ("a.png", False, 0.5, 0.1), ("b.png", True, 0.9, 0.6), ("c.png", True, 0.59, 0.59)
    )
    assert trial_words(trial, labelled, DECISION) == [
        "1 crops EMPTY, 2 OCCUPIED",
        "before, by the model and its references alone: 1 right, 0 wrong, 2 UNKNOWN (loss 0.500)",
        "learnt, each crop judged without its own labels: 2 right, 0 wrong, 1 UNKNOWN (loss 0.250)",
    ]


def test_crops_that_contradict_their_labels_are_named_the_surest_first():
    trial, labelled = lesson_of(
        ("mended.png", False, 0.98, 0.05),
        ("right.png", False, 0.02, 0.01),
        ("unsure.png", True, 0.5, 0.41),
        ("taken_out.png", True, 0.3, 0.5),
        ("A1_x.png", False, 0.98, 0.91),
        ("A2_x.png", True, 0.01, 0.02),
        is_by_slot=True,
    )
    said = trial_words(trial, labelled, DECISION)
    assert said[2].startswith("learnt, each slot judged without its own labels: ")
    assert said[3:] == [
        "these contradict their labels, before or as learnt (in brackets the probability of "
        "OCCUPIED); look whether they lie in the right folder:",
        "  A2_x.png: labelled OCCUPIED, reads EMPTY before (0.01), EMPTY as learnt (0.02)",
        "  A1_x.png: labelled EMPTY, reads OCCUPIED before (0.98), OCCUPIED as learnt (0.91)",
        "  taken_out.png: labelled OCCUPIED, reads EMPTY before (0.30), UNKNOWN as learnt (0.50)",
        "  mended.png: labelled EMPTY, reads OCCUPIED before (0.98), EMPTY as learnt (0.05)",
    ]


@pytest.mark.parametrize(("count", "last"), [(10, "  9.png: "), (13, "  ... and 3 more")])
def test_ten_crops_are_named_and_the_others_counted(count, last):
    crops = [(f"{number}.png", False, 0.99 - number / 100, 0.9) for number in range(count)]
    said = words_of(*crops)[4:]
    assert said[-1].startswith(last)
    assert len(said) == min(count, 11)


def test_the_thresholds_are_those_of_the_cabinet():
    strict = DecisionSettings(occupied_at=0.95, empty_at=0.05)
    said = words_of(("a.png", False, 0.9, 0.9), decision=strict)
    assert len(said) == 3
    assert "0 right, 0 wrong, 1 UNKNOWN" in said[1]


@pytest.mark.parametrize(
    ("before", "after", "is_alone"),
    [
        ((0.3, 0.7), (0.1, 0.9), True),
        ((0.7, 0.7), (0.5, 0.7), False),
        ((0.5, 0.7), (0.3, 0.7), False),
        ((0.3, 0.7), (0.3, 0.5), True),
    ],
)
def test_a_lesson_that_counts_no_better_is_for_its_loss_alone(before, after, is_alone):
    trial, labelled = lesson_of(
        ("a.png", False, before[0], after[0]), ("b.png", True, before[1], after[1])
    )
    assert is_for_loss_alone(trial, labelled, DECISION) is is_alone
