"""What TensorBoard shows of a training: curves, the recipe, what the network sees.

Written by TensorFlow alone: `tf.summary.write` needs no tensorboard package, unlike its
siblings for scalars, texts and images. Only looking takes one.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import cv2
import tensorflow as tf

from trainer.contact_sheet import contact_sheet
from trainer.dataset import Dataset
from trainer.fine_tune import EpochLog
from trainer.recipe import Recipe

# TensorBoard's names of what can draw a value.
_Plugin = Literal["scalars", "text", "images"]


class Logbook:
    """Event files of one training: `run1`, `run2`, ... hold the curves of an ensemble's runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def describe(self, recipe: Recipe, train: Dataset) -> None:
        """Write the recipe as a table, and a contact sheet of what is learned from."""
        lines = ["| setting | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in asdict(recipe).items()]
        sheet_rgb = contact_sheet(train.samples, train.crops_rgb, recipe.seed)
        height_px, width_px, _ = sheet_rgb.shape
        _, png = cv2.imencode(".png", cv2.cvtColor(sheet_rgb, cv2.COLOR_RGB2BGR))
        picture = [str(width_px), str(height_px), png.tobytes()]
        self._write("about", 0, "text", {"recipe": ["\n".join(lines)]})
        self._write("about", 0, "images", {"what the network sees": picture})

    def add(self, entry: EpochLog) -> None:
        """Write what an epoch did; epoch 0 is the head alone."""
        values = {
            name: tf.constant(value, tf.float32)
            for name in ("train_loss", "holdout_loss", "learning_rate")
            if (value := getattr(entry, name)) is not None
        }
        self._write(f"run{entry.run}", entry.epoch, "scalars", values)

    def _write(self, name: str, step: int, plugin: _Plugin, values: dict[str, Any]) -> None:
        if name not in self._writers:
            self._writers[name] = tf.summary.create_file_writer(str(self._folder / name))
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = plugin
        with self._writers[name].as_default() as writer:
            for tag, value in values.items():
                tf.summary.write(tag, value, step, metadata)
            # People watch while it learns.
            writer.flush()
