"""What a cabinet's own pictures add, with a model that is a mean colour and a brightness."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.classifier import Prediction
from edge.pipeline import region_key
from edge.preprocess import rectangle_polygon
from edge.references import Empty, References
from edge.site import Site
from edge.site_head import SiteHead
from edge.types import Slot

SIZE_PX = 16
SAYS = 0.9
RULE = {"of_logit": 1.0, "of_distance": 3.0, "bias": 9.0}
SLOTS = (
    Slot("A1", rectangle_polygon(0, 0, 40, 40)),
    Slot("A2", rectangle_polygon(50, 0, 40, 40)),
)


class ColourModel:
    """Takes everything for a thing; its embedding is the mean colour."""

    def __init__(self, rule=RULE):
        manifest = {} if rule is None else {"empty_rule": rule}
        self.bundle = SimpleNamespace(name="colour", input_size_px=SIZE_PX, manifest=manifest)
        self.seen = 0

    def predict_all(self, crops_rgb, _names):
        for crop_rgb in crops_rgb:
            assert crop_rgb.shape == (SIZE_PX, SIZE_PX, 3)
            self.seen += 1
            colour = crop_rgb.reshape(-1, 3).mean(axis=0).astype(np.float32)
            yield Prediction(self.probability_of(colour), np.zeros((0, 0), np.float32), colour)

    def probability_of(self, _colour):
        return SAYS


def crop_of(*colour, size_px=SIZE_PX):
    return np.full((size_px, size_px, 3), colour, np.uint8)


def empty_of(crop_rgb, slot=SLOTS[0]):
    return Empty(crop_rgb, region_key(slot), datetime(2026, 1, 1, tzinfo=UTC), is_asked=True)


def site_of(model: Any, references: References, head: SiteHead | None = None) -> Site:
    return Site(model, SLOTS, references, head)


GREY, RED = crop_of(90, 90, 90), crop_of(200, 10, 10)


def test_a_slot_that_looks_as_when_empty_reads_empty_and_another_look_occupied():
    site = site_of(ColourModel(), References().with_empty("A1", empty_of(GREY)))
    assert site.probability("A1", crop_of(120, 120, 120)) < 0.11  # brighter, of the same colour
    assert site.probability("A1", RED) == pytest.approx(SAYS)


def test_without_pictures_of_a_slot_the_models_answer_stays():
    site = site_of(ColourModel(), References().with_empty("A1", empty_of(GREY)))
    assert site.probability("A2", RED) == SAYS


def test_pictures_of_another_region_say_nothing():
    elsewhere = empty_of(GREY, slot=SLOTS[1])
    site = site_of(ColourModel(), References().with_empty("A1", elsewhere))
    assert site.probability("A1", RED) == SAYS


def test_a_model_without_a_rule_is_used_as_it_is_and_that_is_said(caplog):
    site = site_of(ColourModel(rule=None), References().with_empty("A1", empty_of(GREY)))
    assert site.probability("A1", RED) == SAYS
    assert not site.uses_empties
    assert "colour has no rule for pictures of empty slots" in caplog.text


def test_pictures_taken_for_a_model_of_another_size_are_used():
    large = empty_of(crop_of(90, 90, 90, size_px=50))
    site = site_of(ColourModel(), References().with_empty("A1", large))
    assert site.probability("A1", GREY) < 0.11


def test_each_picture_is_embedded_once():
    model = ColourModel()
    site = site_of(model, References().with_empty("A1", empty_of(GREY)))
    assert model.seen == 0  # not at the start: the first states must not wait for it
    for _ in range(5):
        site.probability("A1", RED)
    assert model.seen == 6


def test_new_pictures_count_from_the_next_reading_on():
    site = site_of(ColourModel(), References().with_empty("A1", empty_of(GREY)))
    assert site.distance("A1", RED) == pytest.approx(1 - 220 / np.sqrt(3 * 40200), abs=1e-3)
    site.replace_empties("A1", [GREY, RED])
    assert site.distance("A1", RED) == pytest.approx(0, abs=1e-6)
    assert site.probability("A1", RED) < 0.11
    assert site.distance("A2", RED) is None


def test_a_head_learnt_here_corrects_what_was_known():
    # Red is no thing at this site: minus four of the logit.
    red = RED[0, 0] / np.linalg.norm(RED[0, 0])
    head = SiteHead(np.stack([-4 * red, 100 * red]).astype(np.float32), (0.0, 0.0))
    site = site_of(ColourModel(), References(), head)
    assert site.probability("A1", RED) < 0.4
    assert site_of(ColourModel(), References()).probability("A1", RED) == SAYS


def test_a_model_that_fails_once_does_not_cost_a_slot_its_pictures():
    model: Any = ColourModel()
    site = site_of(model, References().with_empty("A1", empty_of(GREY)))
    works, model.probability_of = model.probability_of, None
    with pytest.raises(TypeError):
        site.probability("A1", GREY)
    model.probability_of = works
    assert site.probability("A1", GREY) < 0.11
