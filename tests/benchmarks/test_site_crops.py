"""What the trainer finds in the crops that are written for it."""

from datetime import UTC, datetime

import numpy as np

from benchmarks.recorded import Recording, Shot
from benchmarks.site_crops import SIZE_PX, write_crops
from edge.cameras.folder import read_picture
from edge.preprocess import rectangle_polygon
from edge.types import DecisionSettings, Slot, State
from trainer.dataset import list_samples


def test_the_trainer_finds_every_known_slot_with_its_label_slot_and_day(tmp_path):
    image_rgb = np.zeros((100, 200, 3), np.uint8)
    image_rgb[:, :100] = (200, 30, 10)
    slots = (
        Slot("s01", rectangle_polygon(10, 10, 64, 64)),
        Slot("s02", rectangle_polygon(110, 10, 64, 64)),
    )
    at = datetime(2013, 2, 22, 6, 25, tzinfo=UTC)
    shot = Shot("2013-02-22_06_25_00.jpg", at, lambda: image_rgb)
    known = (
        (shot, {"s01": State.OCCUPIED, "s02": State.EMPTY}),
        (Shot("2013-03-09_06_25_00.jpg", at, lambda: image_rgb), {"s02": State.EMPTY}),
    )
    recording = Recording("yard", slots, (200, 100), (), {}, DecisionSettings(), (), known)
    assert write_crops(recording, tmp_path) == 3
    found = {(s.slot, s.time[:10], s.is_occupied): s for s in list_samples(tmp_path)}
    assert found.keys() == {
        ("s01", "2013-02-22", True),
        ("s02", "2013-02-22", False),
        ("s02", "2013-03-09", False),
    }
    assert {(s.source, s.camera) for s in found.values()} == {("car_park", "ufpr05")}
    crop_rgb = read_picture(found["s01", "2013-02-22", True].file)
    assert crop_rgb.shape == (SIZE_PX, SIZE_PX, 3)
    assert (crop_rgb == (200, 30, 10)).all()
