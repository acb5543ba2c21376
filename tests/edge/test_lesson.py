"""What sorted crops teach, from pictures to a head, with the model that ships."""

from pathlib import Path

import numpy as np
import pytest

from edge.bundle import read_bundle, read_golden
from edge.classifier import Classifier
from edge.lesson import GARBAGE_PIECES, Labelled, teach
from edge.preprocess import apply_plan, plan_crop
from edge.references import References
from edge.site import Site
from tests.racks import HEIGHT_PX, WIDTH_PX, cabinet, slots

MODEL = Path(__file__).parents[2] / "models" / "default"


@pytest.fixture(scope="module")
def classifier():
    return Classifier(read_bundle(MODEL))


def sorted_crops(classifier, is_occupied, names_slots=True):
    """Return the crops of a drawn rack, with these labels whatever they show."""
    size_px, image_rgb = classifier.bundle.input_size_px, cabinet()
    return [
        Labelled(
            Path(f"{slot.id}.png"),
            slot.id if names_slots else None,
            bool(label),
            apply_plan(image_rgb, plan_crop(slot, size_px, (WIDTH_PX, HEIGHT_PX))),
        )
        for slot, label in zip(slots(), is_occupied, strict=True)
    ]


def drawn_things():
    """Return which of the rack's slots hold a thing, by the order in which it is drawn."""
    things, found = np.random.default_rng((9, 0)), []
    for _ in slots():
        found.append(things.random() < 0.6)
        if found[-1]:
            things.integers(0, 255, 3), things.integers(-8, 9, 2), things.integers(12, 22)
    return np.array(found)


def test_a_head_is_taught_to_contradict_the_model(classifier):
    site = Site(classifier, slots(), References())
    labelled = sorted_crops(classifier, ~drawn_things())
    done = []
    lesson = teach(labelled, site, classifier, lambda: done.append(1))
    assert lesson.trial.is_better
    assert len(done) == GARBAGE_PIECES
    taught = Site(classifier, slots(), References(), lesson.head)
    before, after = (
        sum((of.probability("", one.crop_rgb) > 0.5) == one.is_occupied for one in labelled)
        for of in (site, taught)
    )
    assert before + 5 < after


def test_labels_without_sense_leave_no_head(classifier):
    labelled = sorted_crops(classifier, np.arange(len(slots())) % 2 == 0)
    lesson = teach(labelled, Site(classifier, slots(), References()), classifier)
    assert lesson.head is None
    assert not lesson.trial.is_better


@pytest.mark.parametrize("may_contradict", [False, True])
def test_exchanged_labels_teach_nothing_until_someone_vouches(classifier, may_contradict):
    golden = read_golden(classifier.bundle)
    order = np.argsort(golden.probability)
    labelled = [
        Labelled(Path(f"{index}.png"), None, bool(is_occupied), golden.crops_rgb[index])
        for is_occupied, indices in ((True, order[:4]), (False, order[-4:]))
        for index in indices
    ]
    site = Site(classifier, slots(), References())
    lesson = teach(labelled, site, classifier, may_contradict=may_contradict)
    assert lesson.trial.is_better
    assert lesson.is_refused is not may_contradict
    assert (lesson.head is not None) is may_contradict


@pytest.mark.parametrize("names_slots", [True, False])
def test_crops_are_grouped_by_slot_or_each_by_itself(classifier, names_slots):
    labelled = 2 * sorted_crops(classifier, drawn_things(), names_slots)
    lesson = teach(labelled, Site(classifier, slots(), References()), classifier)
    assert len(set(lesson.crops.groups)) == len(slots())
    assert lesson.crops.groups[0] == ("00" if names_slots else "00.png")
