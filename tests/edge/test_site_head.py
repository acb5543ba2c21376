"""A few labelled crops correct the model, as far as they can be trusted."""

from dataclasses import replace

import numpy as np
import pytest

from edge.site_head import LabelledCrops, SiteHead, fit_head, try_head

FEATURES = 64
SLOT, THING, GARBAGE = np.eye(FEATURES)[:3]


def pictures(middle, count, seed=0):
    """Return embeddings around one direction, of any length."""
    random = np.random.default_rng(seed)
    lengths = random.uniform(1, 20, (count, 1))
    return lengths * (middle + 0.05 * random.standard_normal((count, FEATURES)))


def site(empty_says=0.3, occupied_says=0.7, each=8):
    """Return crops of a site on which the model says this, whatever they show."""
    says = np.repeat([empty_says, occupied_says], each)
    embeddings = np.concatenate(
        [pictures(SLOT, each, 1), pictures(SLOT + 0.6 * THING, each, 2)]
    ).astype(np.float32)
    is_occupied = np.arange(2 * each) >= each
    return LabelledCrops(embeddings, says, says, is_occupied, tuple(map(str, range(2 * each))))


NOTHING = pictures(GARBAGE, 60, 3).astype(np.float32)


def said(head, middle, of_model, known=None, seed=9):
    """Return what a head says of ten new crops, the least and the greatest."""
    answers = [
        head.probability(embedding.astype(np.float32), of_model, known or of_model)
        for embedding in pictures(middle, 10, seed)
    ]
    return min(answers), max(answers)


def test_labels_turn_a_model_that_reads_a_site_the_wrong_way_round():
    head = fit_head(site(empty_says=0.8, occupied_says=0.2), NOTHING)
    assert said(head, SLOT, 0.8)[1] < 0.4
    assert said(head, SLOT + 0.6 * THING, 0.2)[0] > 0.6


@pytest.mark.parametrize("probability", [1e-6, 1 - 1e-6])
def test_one_label_against_a_certain_model_upsets_nothing(probability):
    crops = site(1e-6, 1 - 1e-6)
    known = crops.known.copy()
    known[3 if probability > 0.5 else 11] = probability
    head = fit_head(replace(crops, of_model=known, known=known), NOTHING)
    assert np.abs(head.kernels[0]).max() < 50
    assert said(head, SLOT, 0.01)[1] < 0.4
    assert said(head, SLOT + 0.6 * THING, 0.99)[0] > 0.6
    assert said(head, GARBAGE, 0.53)[0] > 0.4


def test_a_sure_model_takes_more_than_one_crop_to_be_moved():
    crops = site(0.01, 0.99)
    chosen = np.arange(16)
    wrong = replace(crops, is_occupied=(chosen >= 8) ^ (chosen == 3))
    head = fit_head(wrong, NOTHING)
    assert said(head, SLOT, 0.01)[1] < 0.4
    assert said(head, SLOT + 0.6 * THING, 0.99)[0] > 0.6


def test_what_shows_no_slot_stays_between_the_thresholds():
    head = fit_head(site(0.5, 0.9), NOTHING)
    least, most = said(head, GARBAGE, 0.53)
    assert 0.4 < least < most < 0.6
    # The distance to an empty picture is large for anything; that alone makes it sure.
    least, most = said(head, GARBAGE, 0.53, known=0.99999)
    assert 0.4 < least < most < 0.6


def test_the_head_is_as_sure_as_the_model_was_where_the_site_looks_new():
    head = fit_head(site(), NOTHING)
    elsewhere = np.eye(FEATURES)[5]
    assert said(head, elsewhere, 0.999)[0] > 0.95
    assert 0.4 < said(head, elsewhere, 0.5, known=0.9999)[1] < 0.6


@pytest.mark.parametrize(("probability", "is_answered"), [(0.3, False), (0.7, False), (0.9, True)])
def test_a_site_answers_only_what_is_well_beyond_the_thresholds(probability, is_answered):
    adds_nothing = SiteHead(np.zeros((2, FEATURES), np.float32), (0.0, 99.0))
    answer = adds_nothing.probability(np.ones(FEATURES, np.float32), probability, probability)
    assert (answer <= 0.4 or answer >= 0.6) is is_answered


def test_a_model_that_is_certain_and_wrong_throughout_is_corrected():
    head = fit_head(site(1 - 1e-6, 1 - 1e-6), NOTHING)
    assert said(head, SLOT, 0.6, known=0.6)[1] < 0.4
    assert np.abs(head.kernels[0]).max() < 50


def test_crops_near_the_middle_read_unknown_and_keep_their_order():
    head = fit_head(site(), NOTHING)
    embedding = pictures(SLOT + 0.3 * THING, 1)[0].astype(np.float32)
    answers = [head.probability(embedding, p, p) for p in (0.02, 0.3, 0.5, 0.7, 0.98)]
    assert answers == sorted(answers)
    assert len(set(answers)) == 5


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_extremes_stay_probabilities(probability):
    head = fit_head(site(), NOTHING)
    for embedding in (np.zeros(FEATURES, np.float32), 1e4 * np.ones(FEATURES, np.float32)):
        assert 0 <= head.probability(embedding, probability, probability) <= 1


def test_the_length_of_an_embedding_says_nothing():
    head = fit_head(site(), NOTHING)
    embedding = pictures(SLOT, 1)[0].astype(np.float32)
    assert head.probability(3 * embedding, 0.4, 0.4) == pytest.approx(
        head.probability(embedding, 0.4, 0.4), abs=1e-5
    )


def test_labels_of_a_misread_site_are_worth_keeping():
    trial = try_head(site(0.7, 0.9), NOTHING)
    assert trial.is_better
    assert (trial.after[:8] < 0.4).all()
    assert (trial.before[:8] == 0.7).all()


def test_labels_that_no_picture_bears_out_are_refused():
    trial = try_head(replace(site(0.5, 0.5), is_occupied=np.arange(16) % 2 == 0), NOTHING)
    assert trial.loss_after > trial.loss_before
    assert not trial.is_better


def test_what_is_wrong_more_often_is_refused_whatever_its_loss():
    trial = try_head(site(0.7, 0.9), NOTHING)
    assert (trial.wrong_before, trial.wrong_after) == (8, 0)
    assert not replace(trial, wrong_after=9).is_better


@pytest.mark.parametrize(("right_after", "is_better"), [(353, False), (372, False), (373, True)])
def test_one_more_wrong_answer_is_worth_twenty_right_ones(right_after, is_better):
    trial = try_head(site(0.7, 0.9), NOTHING)
    many = replace(trial, wrong_before=0, wrong_after=1, right_before=353, right_after=right_after)
    assert many.is_better is is_better


@pytest.mark.parametrize(
    ("empty_reads", "occupied_reads", "is_contradicted"),
    [
        ([0.9], [0.1], True),
        ([0.9, 0.5], [0.1, 0.5], True),
        ([0.9, 0.9, 0.9, 0.1], [0.1, 0.1, 0.1, 0.9], True),
        # As many right ones, of one label or of both; and a model that reads one state alone.
        ([0.9], [0.1, 0.9], False),
        ([0.9, 0.1], [0.1, 0.9], False),
        ([0.9], [0.9, 0.9, 0.9, 0.5], False),
        ([0.1], [0.1], False),
        # Too few of them to tell.
        ([0.9] + [0.5] * 7, [0.1] + [0.5] * 7, False),
        ([0.1], [0.9], False),
    ],
)
def test_labels_are_contradicted_where_most_answers_to_either_are_wrong(
    empty_reads, occupied_reads, is_contradicted
):
    crops = site(0.7, 0.9)
    known = np.where(crops.is_occupied, np.resize(occupied_reads, 16), np.resize(empty_reads, 16))
    assert try_head(replace(crops, known=known), NOTHING).is_contradicted is is_contradicted


def test_right_and_wrong_answers_are_told_from_unsure_ones():
    trial = try_head(site(0.5, 0.9), NOTHING)
    assert (trial.wrong_before, trial.right_before) == (0, 8)
    assert (trial.wrong_after, trial.right_after) == (0, 16)


def test_a_model_that_is_right_already_is_left_alone():
    assert not try_head(site(1e-6, 1 - 1e-6), NOTHING).is_better


def test_a_slot_is_judged_without_its_own_other_crops():
    crops = replace(site(0.7, 0.9), groups=tuple("ABCDEFGH" * 2))
    assert try_head(crops, NOTHING).is_by_slot
    # Each label from one slot alone: leaving it out leaves nothing to learn.
    crops = replace(site(0.7, 0.9), groups=tuple("A" * 8 + "B" * 8))
    assert not try_head(crops, NOTHING).is_by_slot


def test_more_crops_than_parts_are_all_judged():
    trial = try_head(site(0.7, 0.9, each=30), NOTHING)
    assert (trial.after > 0).all()
    assert trial.is_better
