"""Figures against values worked out by hand."""

import numpy as np

from edge.scores import area_under_roc, balanced_accuracy


def test_balanced_accuracy_weighs_both_classes_alike():
    labels = np.array([True] * 8 + [False] * 2)
    answers = np.array([True] * 8 + [True, False])
    assert balanced_accuracy(labels, answers) == 0.75


def test_area_counts_pairs_in_the_right_order():
    labels = np.array([True, True, False, False])
    assert area_under_roc(labels, np.array([0.9, 0.4, 0.5, 0.1])) == 0.75


def test_ties_count_half():
    assert area_under_roc(np.array([True, False]), np.array([0.5, 0.5])) == 0.5


def test_a_missing_class_has_no_figure():
    assert area_under_roc(np.array([True]), np.array([0.5])) is None
    assert balanced_accuracy(np.array([True]), np.array([True])) is None
