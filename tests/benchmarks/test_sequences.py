"""What the benchmark of sequences shows a device of other days, on a drawn rack."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recorded import Recording, Shot
from benchmarks.sequences import Drawing, labelled_of, learn, learnt, references_of, watch
from edge.bundle import read_bundle
from edge.classifier import Classifier
from edge.learned_head import read_head
from edge.references import MOST_EMPTIES
from edge.types import DecisionSettings, State
from tests.racks import HEIGHT_PX, WIDTH_PX, cabinet, slots

MODEL = Path(__file__).parents[2] / "models" / "default"
DAYS = range(1, 4 * MOST_EMPTIES)  # so many that more empties are known than are kept
BEGUN_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def classifier():
    return Classifier(read_bundle(MODEL))


def states_of(contents):
    """Return what the drawn rack holds."""
    things, found = np.random.default_rng((9, contents)), {}
    for slot in slots():
        is_occupied = things.random() < 0.6
        found[slot.id] = State.OCCUPIED if is_occupied else State.EMPTY
        if is_occupied:
            things.integers(0, 255, 3), things.integers(-8, 9, 2), things.integers(12, 22)
    return found


def shot(contents):
    """Return a picture of the rack in this day's light; no two of an empty slot are the same."""

    def read():
        return np.clip(cabinet(contents).astype(np.int16) + contents, 0, 255).astype(np.uint8)

    return Shot(f"{contents}.png", BEGUN_AT + timedelta(minutes=contents), read)


def recording(flipped=False):
    """Return two pictures of a rack that was known on other days; `flipped`: as its opposite."""
    opposite = {State.EMPTY: State.OCCUPIED, State.OCCUPIED: State.EMPTY}
    known = tuple(
        (shot(day), {key: opposite[s] if flipped else s for key, s in states_of(day).items()})
        for day in DAYS
    )
    shown = (shot(50), shot(51))
    labels = {slot.id: tuple(states_of(c)[slot.id] for c in (50, 51)) for slot in slots()}
    return Recording(
        "rack",
        slots(),
        (WIDTH_PX, HEIGHT_PX),
        shown,
        labels,
        DecisionSettings(confirm=1),
        (lambda: cabinet(1),),
        known,
    )


def sorted_of(classifier, beside="empties", count=10, seed=1):
    rack, size_px = recording(), classifier.bundle.input_size_px
    references = references_of(rack, beside, size_px)
    return references, labelled_of(rack, references, size_px, Drawing(count, seed))


def test_as_many_crops_of_each_label_are_drawn_as_asked(classifier):
    _, labelled = sorted_of(classifier)
    assert [one.is_occupied for one in labelled] == [False] * 10 + [True] * 10
    for one in labelled:
        is_thing = states_of(int(one.path.stem))[one.slot_id] is State.OCCUPIED
        assert one.is_occupied is is_thing


def test_crops_that_the_device_has_as_empties_are_not_drawn_again(classifier):
    references, labelled = sorted_of(classifier, count=400)
    shown = {e.crop_rgb.tobytes() for of in references.empties.values() for e in of}
    assert shown
    assert not shown & {one.crop_rgb.tobytes() for one in labelled}
    _, with_empties = sorted_of(classifier, "lights", count=400)
    assert sum(not one.is_occupied for one in with_empties) > sum(
        not one.is_occupied for one in labelled
    )


def test_another_seed_draws_other_crops(classifier):
    def drawn(seed):
        return [(one.path, one.slot_id) for one in sorted_of(classifier, seed=seed)[1]]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_what_is_learnt_lies_in_the_storage_of_the_pipeline(classifier, tmp_path):
    rack = recording(flipped=True)
    references = references_of(rack, "lights", classifier.bundle.input_size_px)
    lesson = learn(rack, references, classifier, tmp_path, Drawing(12, 1))
    assert lesson.head is not None
    head = read_head(tmp_path, classifier.bundle.model_sha256)
    assert np.array_equal(head.kernels, lesson.head.kernels)


def test_a_sequence_is_read_with_what_the_labels_taught(classifier):
    def read(rack, beside):
        outcome = watch(rack, classifier, beside, Drawing(12, 1))
        return outcome, np.array([r.probability for of in outcome.readings for r in of])

    opposite = recording(flipped=True)
    plain, without = read(opposite, "empties")
    taught, beside = read(opposite, "labels")
    assert list(learnt([plain])) == []
    (line,) = learnt([taught])
    assert line.measured.startswith("12 EMPTY, 12 OCCUPIED; loss ")
    assert line.measured.endswith(", kept")
    holds_a_thing = np.array(
        [states_of(c)[s.id] is State.OCCUPIED for c in (50, 51) for s in slots()]
    )

    def of_things(probability):
        return probability[holds_a_thing].mean() - probability[~holds_a_thing].mean()

    # The labels say the opposite of what is seen, and the readings follow.
    assert of_things(beside) < of_things(without) - 0.1


def test_labels_that_teach_nothing_are_told(classifier):
    rack = recording()
    senseless = tuple(
        (of_day, {key: list(State)[(i + day) % 2] for i, key in enumerate(states)})
        for day, (of_day, states) in enumerate(rack.known)
    )
    outcome = watch(replace(rack, known=senseless), classifier, "labels", Drawing(9, 1))
    (line,) = learnt([outcome])
    assert line.measured.endswith(", not kept")
