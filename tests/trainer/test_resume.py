"""A run that was killed goes on where it was, and ends as if nothing had happened."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainer.learning import SMALL, drawn_dataset, holdout_of, learn, weights_of
from trainer.checkpoint import KEPT_DAYS, Checkpoint, Progress, forget_abandoned_runs
from trainer.recipe import Recipe

pytestmark = pytest.mark.trainer


def learn_until_killed(checkpoints: Path) -> None:
    def report(entry: Any) -> None:
        # Between learning an epoch and keeping it: the work of that epoch is lost.
        if entry.epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    learn(checkpoints=checkpoints, report_epoch=report)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_network(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=learn_until_killed, args=(tmp_path,)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with caplog.at_level(logging.INFO, "trainer"):
        taken_up = learn(checkpoints=tmp_path)
    assert "going on after epoch 1 of an interrupted run" in caplog.messages
    uninterrupted = learn()
    assert taken_up.epochs == uninterrupted.epochs
    for got, expected in zip(weights_of(taken_up), weights_of(uninterrupted), strict=True):
        assert np.array_equal(got, expected)


@pytest.fixture(scope="module")
def key_of() -> Callable[..., str]:
    """Return what gives the key of a run, of a recipe and a dataset changed a little."""
    from trainer.fit import lessons_of, prepare, run_key, watched_of

    def key(recipe: Recipe = SMALL, change: Callable[..., Any] = lambda dataset: dataset) -> str:
        dataset = change(drawn_dataset())
        prepared = prepare(recipe, dataset, None)
        is_holdout = holdout_of(dataset)
        lessons = lessons_of(recipe, prepared, ~is_holdout)
        return run_key(recipe, prepared, lessons, watched_of(recipe, prepared, is_holdout))

    return key


def with_first_sample(**changes: Any) -> Callable[[Any], Any]:
    def change(dataset: Any) -> Any:
        first, *rest = dataset.samples
        return replace(dataset, samples=(replace(first, **changes), *rest))

    return change


def with_one_pixel_changed(dataset: Any) -> Any:
    crops_rgb = dataset.crops_rgb.copy()
    crops_rgb[0, 16, 16] = 255 - crops_rgb[0, 16, 16]
    return replace(dataset, crops_rgb=crops_rgb)


def held_out_reordered(dataset: Any) -> Any:
    order = np.arange(len(dataset.samples))
    order[[0, 2]] = order[[2, 0]]  # one from training, one held out, of one label
    samples = tuple(dataset.samples[index] for index in order)
    return replace(dataset, samples=samples, crops_rgb=dataset.crops_rgb[order])


@pytest.mark.parametrize(
    "changed",
    [
        {"recipe": replace(SMALL, seed=2)},
        {"recipe": replace(SMALL, learning_rate=2e-3)},
        {"recipe": replace(SMALL, garbage_share=0.1)},
        {"recipe": replace(SMALL, source_weights={"one": 2.0})},
        {"recipe": replace(SMALL, views=2)},
        {"change": with_first_sample(is_occupied=True)},
        {"change": with_first_sample(source="two")},
        {"change": with_one_pixel_changed},
        {"change": held_out_reordered},
    ],
    ids=["seed", "rate", "garbage", "weights", "views", "label", "source", "pixel", "split"],
)
def test_what_matters_makes_another_run(changed: dict[str, Any], key_of: Any) -> None:
    assert key_of(**changed) != key_of()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"recipe": replace(SMALL, name="other")},
        {"recipe": replace(SMALL, licences={"one": "MIT"})},
        {"recipe": replace(SMALL, representative_count=5)},
        {"recipe": replace(SMALL, occupied_at=0.7)},
        {"change": with_first_sample(file=Path("moved.png"))},
    ],
    ids=["again", "name", "licences", "quantization", "thresholds", "file"],
)
def test_what_does_not_matter_makes_the_same_run(changed: dict[str, Any], key_of: Any) -> None:
    assert key_of(**changed) == key_of()


def test_a_checkpoint_comes_back_as_it_was_written(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "runs" / "a.npz")
    progress = Progress().after(0.7, 0.6, [np.ones(2)]).after(0.5, 0.65, [np.zeros(2)])
    checkpoint.write(progress.with_state([np.arange(3), np.float32(2)]))
    found = checkpoint.read()
    assert found is not None
    assert (found.losses, found.best_loss, found.bad_epochs) == (((0.7, 0.6), (0.5, 0.65)), 0.6, 1)
    assert [value.tolist() for value in found.best_weights] == [[1, 1]]
    assert [value.tolist() for value in found.state] == [[0, 1, 2], 2]
    checkpoint.remove()
    assert checkpoint.read() is None


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_checkpoint_starts_anew(
    damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.npz").write_bytes(damage)
    assert Checkpoint(tmp_path / "a.npz").read() is None
    assert "starting anew" in caplog.text


def test_a_checkpoint_whose_index_has_a_flipped_bit_starts_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint(tmp_path / "a.npz")
    checkpoint.write(Progress())
    data = bytearray(checkpoint.file.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # "this file is encrypted"
    checkpoint.file.write_bytes(data)
    assert checkpoint.read() is None
    assert "encrypted" in caplog.text


def test_a_run_outlives_a_checkpoint_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "runs").touch()  # in the folder's place: it stands for a full disk
    Checkpoint(tmp_path / "runs" / "a.npz").write(Progress())
    assert "a.npz: cannot be written (File exists); the training goes on" in caplog.text
    assert [file.name for file in tmp_path.iterdir()] == ["runs"]


def test_runs_nobody_came_back_for_are_forgotten(tmp_path: Path) -> None:
    old, young = tmp_path / "old.npz", tmp_path / "young.npz"
    now_s = time.time()
    for file, age_days in ((old, KEPT_DAYS + 1), (young, KEPT_DAYS - 1)):
        file.touch()
        os.utime(file, (now_s - age_days * 86400,) * 2)
    forget_abandoned_runs(tmp_path, now_s)
    assert [file.name for file in tmp_path.iterdir()] == ["young.npz"]
    forget_abandoned_runs(tmp_path / "nowhere", now_s)


def test_the_checkpoints_of_a_finished_run_can_be_removed(tmp_path: Path) -> None:
    fitted = learn(replace(SMALL, epochs=1), checkpoints=tmp_path)
    assert [checkpoint.file for checkpoint in fitted.checkpoints] == list(tmp_path.iterdir())
