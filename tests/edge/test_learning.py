"""When a slot's look is kept as one more picture of it when empty, over hours of drawn frames."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.learning import CALM_FOR_S, FADING_SHARE, Learner
from edge.pipeline import Pipeline, region_key
from edge.preprocess import rectangle_polygon
from edge.references import (
    MOST_LIGHTS,
    CabinetPicture,
    Empty,
    References,
    read_references,
    write_references,
)
from edge.site import Site
from edge.types import CameraSettings, DecisionSettings, Frame, Settings, Slot
from tests import racks
from tests.edge.test_site import ColourModel

START = datetime(2026, 11, 21, 6, tzinfo=UTC)
SLOT = Slot("A1", rectangle_polygon(0, 0, 40, 40))
EVERY_S = 300.0
HOUR = int(CALM_FOR_S / EVERY_S)

EMPTY, OCCUPIED = (90, 90, 90), (200, 10, 10)
EMPTY_AT_DUSK = (60, 90, 130)  # far enough from EMPTY to be another look, near enough to be empty


class BluntModel(ColourModel):
    """Sure that red is OCCUPIED and that everything else is not."""

    def probability_of(self, colour):
        red, green, _ = colour
        return 0.99 if red > 1.5 * green else 0.01


class Cabinet:
    """One slot, its pipeline and what learns from it."""

    def __init__(self, storage: Path, references: References):
        settings = Settings(
            *("bench", CameraSettings("folder"), (SLOT,), (100, 100)),
            *(storage, storage, storage, storage),
            decision=DecisionSettings(confirm=1, unknown_after_s=EVERY_S),
        )
        rule = {"of_logit": 1.0, "of_distance": 1.0, "bias": 3.0}
        model: Any = BluntModel(rule)
        site = Site(model, settings.slots, references)
        self.pipeline = Pipeline((SLOT,), (100, 100), settings.decision, site.probabilities, 16)
        self.learner = Learner(settings, site, references)
        self.sequence = 0

    def show(self, colour, frames):
        """Return in how many of these frames something was learnt."""
        learnt = 0
        for _ in range(frames):
            image_rgb = np.zeros((100, 100, 3), np.uint8)
            image_rgb[:, 50:] = np.linspace(0, 255, 50).astype(np.uint8)[None, :, None]
            image_rgb[:40, :40] = colour
            now_s = self.sequence * EVERY_S
            frame = Frame(image_rgb, self.sequence, START + timedelta(seconds=now_s), now_s)
            result = self.pipeline.process(frame)
            self.pipeline.commit(result.changes)
            learnt += self.learner.look(frame, self.pipeline, result.readings) is not None
            self.sequence += 1
        return learnt


@pytest.fixture
def asked():
    crop_rgb = np.full((16, 16, 3), EMPTY, np.uint8)
    return References().with_empty("A1", Empty(crop_rgb, region_key(SLOT), START, is_asked=True))


def colours(storage):
    return [tuple(int(v) for v in e.crop_rgb[0, 0]) for e in read_references(storage).empties["A1"]]


def test_another_light_on_a_slot_that_was_shown_empty_is_learnt_after_an_hour(tmp_path, asked):
    cabinet = Cabinet(tmp_path, asked)
    assert cabinet.show(EMPTY_AT_DUSK, HOUR) == 0
    assert cabinet.show(EMPTY_AT_DUSK, 1) == 1
    assert colours(tmp_path) == [EMPTY_AT_DUSK]
    assert cabinet.show(EMPTY_AT_DUSK, 3 * HOUR) == 0  # known by now


def test_a_look_that_is_known_is_not_written_again(tmp_path, asked):
    assert Cabinet(tmp_path, asked).show(EMPTY, 3 * HOUR) == 0
    assert not (tmp_path / "references").exists()


def test_an_hour_with_a_break_is_no_hour(tmp_path, asked):
    cabinet = Cabinet(tmp_path, asked)
    for _ in range(4):
        assert cabinet.show(EMPTY_AT_DUSK, HOUR) == 0
        assert cabinet.show(OCCUPIED, 1) == 0


def test_a_slot_that_nobody_showed_and_that_never_changed_is_not_believed(tmp_path):
    assert Cabinet(tmp_path, References()).show(EMPTY, 5 * HOUR) == 0


def test_a_slot_whose_states_were_told_apart_is_believed(tmp_path):
    cabinet = Cabinet(tmp_path, References())
    cabinet.show(OCCUPIED, 3)
    assert cabinet.show(EMPTY, HOUR + 1) == 1
    assert colours(tmp_path) == [EMPTY]


def test_a_full_disk_learns_nothing_and_hinders_nothing(tmp_path, asked, caplog):
    (tmp_path / "references").write_text("a file where the folder should be")
    assert Cabinet(tmp_path, asked).show(EMPTY_AT_DUSK, HOUR + 2) == 0
    assert "how A1 looks when empty cannot be kept" in caplog.text


class Rack:
    """A drawn rack with a reference, watched over hours; the empties' rule is not used."""

    def __init__(self, storage: Path):
        frame_wh = (racks.WIDTH_PX, racks.HEIGHT_PX)
        settings = Settings(
            *("bench", CameraSettings("folder"), racks.slots(), frame_wh),
            *(storage, storage, storage, storage),
        )
        self.reference_rgb = racks.cabinet()
        picture = CabinetPicture(self.reference_rgb, {}, START)
        references = References().with_cabinet(picture)
        model: Any = BluntModel(rule=None)
        site = Site(model, settings.slots, references)
        self.pipeline = Pipeline(
            *(racks.slots(), frame_wh, settings.decision, site.probabilities, 16),
            [self.reference_rgb],
        )
        write_references(storage, references)
        self.learner = Learner(settings, site, references)
        self.storage = storage
        self.sequence = 0

    def show(self, image_rgb, learns=True):
        """Return why the frame was refused, and whether its light was learnt."""
        now_s = self.sequence * EVERY_S
        frame = Frame(image_rgb, self.sequence, START + timedelta(seconds=now_s), now_s)
        result = self.pipeline.process(frame)
        self.sequence += 1
        if not learns:
            return result.unusable, None
        return result.unusable, self.learner.look(frame, self.pipeline, result.readings)

    def evening(self, seed=3):
        """Yield the rack as shadows with sharp edges fall on it, ever darker."""
        is_dark = np.random.default_rng(seed).random((60, 80)) < 0.5
        wh = (racks.WIDTH_PX, racks.HEIGHT_PX)
        shadow = cv2.resize(is_dark.astype(np.float32), wh, interpolation=cv2.INTER_NEAREST)
        for depth in np.linspace(0, 0.95, 30):
            yield (self.reference_rgb * (1 - depth * shadow[..., None])).astype(np.uint8)


def test_light_that_changes_over_hours_is_learnt_before_the_cabinet_is_lost(tmp_path):
    rack = Rack(tmp_path)
    shown = [rack.show(image_rgb) for image_rgb in rack.evening()]
    assert {reason for reason, _ in shown} == {None}
    assert "light" in [learnt for _, learnt in shown]
    assert [c.is_asked for c in read_references(tmp_path).cabinets][:2] == [True, False]
    assert rack.pipeline.scene.shown_share is not None


def test_without_learning_its_movements_could_not_be_followed_any_more(tmp_path):
    rack = Rack(tmp_path)
    for image_rgb in rack.evening():
        rack.show(image_rgb, learns=False)
    assert rack.pipeline.scene.shown_share is None


def test_a_camera_that_turns_away_teaches_nothing(tmp_path):
    rack = Rack(tmp_path)
    rack.show(rack.reference_rgb)
    learnt = [rack.show(racks.elsewhere())[1] for _ in range(6)]
    assert learnt == [None] * 6


def test_the_usual_light_is_not_learnt_again(tmp_path):
    rack = Rack(tmp_path)
    assert {rack.show(racks.cabinet(contents)) for contents in range(12)} == {(None, None)}
    assert not (tmp_path / "references" / "learnt").exists()


def test_no_more_lights_are_compared_with_than_are_kept(tmp_path, monkeypatch):
    rack = Rack(tmp_path)
    compared = []
    monkeypatch.setattr(rack.pipeline.scene, "compare_with", compared.append)
    # Shadows that fall elsewhere each evening.
    for evening in range(MOST_LIGHTS + 2):
        for image_rgb in rack.evening(seed=evening):
            rack.show(image_rgb)
    assert len(compared) > MOST_LIGHTS
    assert max(map(len, compared)) == 1 + MOST_LIGHTS  # the one that was asked for


def test_a_light_in_which_nothing_can_be_found_does_not_teach_for_ever(tmp_path):
    rack = Rack(tmp_path)
    waves = 90 + 60 * np.sin(np.arange(racks.WIDTH_PX) / 20)
    plain_rgb = np.tile(waves[None, :, None], (racks.HEIGHT_PX, 1, 3)).astype(np.uint8)
    rack.pipeline.scene.compare_with([rack.reference_rgb, plain_rgb])
    for image_rgb in rack.evening():
        rack.show(image_rgb)
        if (rack.pipeline.scene.shown_share or 1.0) < FADING_SHARE:
            break
    random = np.random.default_rng(1)
    shown = [rack.show(plain_rgb + random.integers(0, 3, plain_rgb.shape, np.uint8))]
    shown += [rack.show(plain_rgb + random.integers(0, 3, plain_rgb.shape, np.uint8))]
    assert shown == [(None, None)] * 2


def test_a_gap_between_frames_is_no_hour_of_calm(tmp_path, asked):
    cabinet = Cabinet(tmp_path, asked)
    cabinet.show(EMPTY_AT_DUSK, HOUR - 1)
    cabinet.sequence += 2 * HOUR  # the camera was lost
    assert cabinet.show(EMPTY_AT_DUSK, HOUR) == 0
    assert cabinet.show(EMPTY_AT_DUSK, 1) == 1
