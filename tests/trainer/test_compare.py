"""Recipes beside each other: the source left out teaches nothing, and figures are kept."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.empties import EmptyRule
from edge.types import ConfigurationError
from tests.trainer.learning import SMALL, drawn_dataset
from trainer.compare import (
    FoldFigures,
    compare,
    comparison_key,
    folds_of,
    read_figures,
    table_of,
)
from trainer.dataset import Dataset
from trainer.kept_crops import kept_file, read_kept
from trainer.metrics import figures
from trainer.network import sigmoid
from trainer.training_data import with_imagined

pytestmark = pytest.mark.trainer

HEAD = replace(SMALL, name="head", transfer="head only", views=1)


def relabelled(dataset: Dataset, chosen: Any) -> Dataset:
    """Return the dataset with the labels of the chosen crops turned round."""
    samples = tuple(
        replace(sample, is_occupied=sample.is_occupied != bool(turn))
        for sample, turn in zip(dataset.samples, chosen, strict=True)
    )
    return replace(dataset, samples=samples)


@pytest.mark.slow
def test_the_source_left_out_is_neither_learned_nor_watched(tmp_path: Path) -> None:
    dataset = drawn_dataset(24, ("one", "two", "three"))
    fold = {"two": folds_of(dataset, {})["two"]}
    (row,) = compare(HEAD, dataset, fold, 1, None, tmp_path / "a.jsonl")
    turned = relabelled(dataset, fold["two"])
    (other,) = compare(HEAD, turned, fold, 1, None, tmp_path / "b.jsonl")
    # The same network, to the last digit of its calibration; only what counts as right differs.
    assert (row.scale, row.garbage_answered) == (other.scale, other.garbage_answered)
    assert row.auc is not None
    assert other.auc is not None
    assert row.auc == pytest.approx(1 - other.auc)
    assert row.crops == 16
    # Labels of what is learned do make another network.
    taught = relabelled(dataset, folds_of(dataset, {})["one"])
    (third,) = compare(HEAD, taught, fold, 1, None, tmp_path / "c.jsonl")
    assert third.scale != row.scale


@pytest.mark.slow
def test_what_the_file_holds_is_not_measured_again(tmp_path: Path) -> None:
    dataset = drawn_dataset()
    folds = folds_of(dataset, {})
    rows = compare(HEAD, dataset, folds, 1, None, tmp_path / "figures.jsonl")
    assert [(row.recipe, row.seed, row.fold) for row in rows] == [
        ("head", 1, "one"),
        ("head", 1, "two"),
    ]
    assert read_figures(tmp_path / "figures.jsonl") == rows
    # There are no such weights: measuring anything would fail.
    absent = tmp_path / "absent.h5"
    assert compare(HEAD, dataset, folds, 1, absent, tmp_path / "figures.jsonl") == rows
    others = (
        (HEAD, dataset, folds, 2),
        (replace(HEAD, label_smoothing=0.1), dataset, folds, 1),
        (HEAD, relabelled(dataset, folds["one"]), folds, 1),
        (HEAD, dataset, folds_of(dataset, {"two": ["one/camera0"]}), 1),
    )
    for recipe, crops, of_crops, seeds in others:
        with pytest.raises(ValueError, match="has no pretrained weights"):
            compare(recipe, crops, of_crops, seeds, absent, tmp_path / "figures.jsonl")


@pytest.mark.slow
def test_what_the_network_says_of_the_crops_is_kept_beside_the_figures(tmp_path: Path) -> None:
    dataset = drawn_dataset()
    folds = folds_of(dataset, {})
    for row in compare(HEAD, dataset, folds, 1, None, tmp_path / "figures.jsonl"):
        kept = read_kept(kept_file(tmp_path, row.key, row.seed, row.fold))
        assert kept is not None
        assert set(kept.sources) == {row.fold}
        assert kept.occupied.tolist() == (dataset.labels[folds[row.fold]] > 0.5).tolist()
        assert figures(kept.occupied, sigmoid(kept.logits)).auc == row.auc
        assert kept.embeddings.shape == (row.crops, kept.garbage_embeddings.shape[1])


def test_the_rule_a_comparison_gives_does_not_make_it_another() -> None:
    dataset = drawn_dataset()
    with_rule = replace(HEAD, empty_rule=EmptyRule(1.0, 2.0, 3.0))
    assert comparison_key(with_rule, dataset) == comparison_key(HEAD, dataset)


def test_a_line_that_a_killed_run_left_torn_is_measured_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = FoldFigures("tiny", 1, "a", 10, 0.9, 0.8, 0.9, None, 0.7, 20, 1.0, "key")
    line = json.dumps(asdict(row))
    (tmp_path / "figures.jsonl").write_text(f"{line}\n{line[:40]}")
    assert read_figures(tmp_path / "figures.jsonl") == [row]
    assert "figures.jsonl:2: no figures; they are measured again" in caplog.text


def test_a_source_is_a_fold_and_what_is_drawn_is_none() -> None:
    dataset = with_imagined(drawn_dataset(), 4)
    folds = folds_of(dataset, {})
    assert list(folds) == ["one", "two"]
    of_one = [sample.source == "one" for sample in dataset.samples]
    assert folds["one"].tolist() == of_one


def test_cameras_named_together_are_a_fold_of_their_own() -> None:
    dataset = drawn_dataset()
    folds = folds_of(dataset, {"far": ["one/camera1", "two/camera1"]})
    assert list(folds) == ["far", "one", "two"]
    of_far = {s.camera for s, far in zip(dataset.samples, folds["far"], strict=True) if far}
    assert of_far == {"camera1"}
    assert sum(fold.sum() for fold in folds.values()) == len(dataset.samples)


def only_empty_in_two(dataset: Dataset) -> Dataset:
    keep = np.array([s.source == "one" or not s.is_occupied for s in dataset.samples])
    return dataset.subset(keep)


@pytest.mark.parametrize(
    ("change", "together", "message"),
    [
        (
            lambda dataset: dataset,
            {"far": ["one/attic"]},
            "--together: no crop is of one/attic; there are one/camera0, one/camera1, two/camera0",
        ),
        (
            lambda dataset: dataset.subset(np.array([s.source == "one" for s in dataset.samples])),
            {},
            "comparing needs crops of two sources at least: one to learn from, one to be scored on",
        ),
        (only_empty_in_two, {}, "two: all its crops have one label; give it a fold with both"),
    ],
)
def test_what_cannot_be_compared_is_named(
    change: Callable[[Dataset], Dataset], together: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        folds_of(change(drawn_dataset()), together)
    assert message in str(raised.value)


def test_the_table_has_means_over_seeds_and_folds() -> None:
    def row(seed: int, fold: str, auc: float | None) -> FoldFigures:
        return FoldFigures("tiny", seed, fold, 10, auc, 0.8, 0.9, None, 0.7, 20, 1.0, "key")

    rows = [row(1, "a", 0.9), row(2, "a", 0.8), row(1, "b", 0.7), row(2, "b", None)]
    _, _, of_a, of_b, mean = table_of(rows).splitlines()
    assert of_a == "| tiny | a | 10 | 0.850 (0.800-0.900) | 0.800 | 0.900 | - | 0.700 | 1.0% |"
    assert of_b.startswith("| tiny | b | 10 | 0.700 (")
    assert mean.startswith("| **tiny** | **mean** |  | 0.800 (0.800-0.800) |")
