"""What TensorBoard finds of a training."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.trainer.learning import SMALL, drawn_dataset

pytestmark = pytest.mark.trainer


def values_in(folder: Path) -> dict[tuple[str, str], list[tuple[int, Any]]]:
    """Return (kind, tag) -> (step, what it holds) of the one event file in a folder."""
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    (file,) = folder.iterdir()
    values = defaultdict(list)
    for record in tf.data.TFRecordDataset(str(file)):
        event = event_pb2.Event.FromString(record.numpy())
        for value in event.summary.value:
            kind = value.metadata.plugin_data.plugin_name
            values[kind, value.tag].append((event.step, tf.make_ndarray(value.tensor)))
    return dict(values)


def test_curves_of_each_run_are_written_epoch_by_epoch(tmp_path: Path) -> None:
    from trainer.fine_tune import EpochLog
    from trainer.logbook import Logbook

    logbook = Logbook(tmp_path)
    logbook.add(EpochLog(1, 0, None, 0.5))
    logbook.add(EpochLog(1, 1, 0.25, 0.375, 0.125))
    logbook.add(EpochLog(2, 0, None, 0.75))
    # Read while the logbook is open: people watch while it learns.
    assert values_in(tmp_path / "run1") == {
        ("scalars", "holdout_loss"): [(0, 0.5), (1, 0.375)],
        ("scalars", "train_loss"): [(1, 0.25)],
        ("scalars", "learning_rate"): [(1, 0.125)],
    }
    assert values_in(tmp_path / "run2") == {("scalars", "holdout_loss"): [(0, 0.75)]}


def test_the_recipe_and_what_the_network_sees_can_be_looked_at(tmp_path: Path) -> None:
    from trainer.contact_sheet import contact_sheet
    from trainer.logbook import Logbook

    dataset = drawn_dataset()
    Logbook(tmp_path).describe(SMALL, dataset)
    values = values_in(tmp_path / "about")
    ((_, text),) = values["text", "recipe"]
    assert "| learning_rate | 0.001 |" in text.item().decode()
    ((_, (width, height, png)),) = values["images", "what the network sees"]
    sheet_bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert sheet_bgr.shape[:2] == (int(height), int(width))
    expected_rgb = contact_sheet(dataset.samples, dataset.crops_rgb, SMALL.seed)
    assert np.array_equal(sheet_bgr[:, :, ::-1], expected_rgb)
