"""What the trainer writes is what the device accepts: the whole way on drawn crops."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import BundleRefused, Golden, read_bundle, read_golden
from edge.classifier import Classifier, open_classifier
from edge.empties import EmptyRule, rule_of
from trainer.recipe import Recipe

pytestmark = [pytest.mark.trainer, pytest.mark.slow]


def test_the_device_accepts_the_bundle_with_all_three_outputs(tiny_bundle: Path) -> None:
    classifier = open_classifier(read_bundle(tiny_bundle))
    prediction = classifier.predict(np.full((32, 32, 3), 90, np.uint8))
    assert 0 <= prediction.probability <= 1
    assert prediction.attention.size == 1  # 32 px / 32
    assert prediction.embedding.shape == (1280,)


def test_golden_crops_cover_both_labels_and_garbage(tiny_bundle: Path) -> None:
    golden = read_golden(read_bundle(tiny_bundle))
    assert len(golden.names) >= 16
    kinds = {name.split()[0] for name in golden.names}
    assert kinds == {"EMPTY", "OCCUPIED", "garbage"}


def test_a_crop_is_fed_as_it_is(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    classifier = Classifier(bundle)
    (detail,) = classifier._interpreters[0]._interpreter.get_input_details()
    assert detail["dtype"] is np.uint8
    assert detail["quantization"] == (1.0, 0)


def test_one_flipped_byte_of_the_model_is_refused_by_name(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle, copy)
    data = bytearray((copy / "model.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "model.tflite").write_bytes(data)
    with pytest.raises(BundleRefused, match=r"model\.tflite: its SHA-256 differs"):
        read_bundle(copy)


def test_the_manifest_says_what_it_was_trained_on_and_how_it_did(tiny_bundle: Path) -> None:
    manifest = json.loads((tiny_bundle / "bundle.json").read_text())
    (source,) = manifest["trained_on"]
    assert (source["source"], source["licence"], source["split_by"], source["groups"]) == (
        "drawn",
        "none stated",
        "camera",
        4,
    )
    assert source["counts"] == {
        "train": {"EMPTY": 8, "OCCUPIED": 8},
        "holdout": {"EMPTY": 4, "OCCUPIED": 4},
        "test": {"EMPTY": 4, "OCCUPIED": 4},
    }
    assert manifest["recipe"]["name"] == "tiny"
    assert set(manifest["figures"]) == {
        "test (int8, as shipped)",
        "test (float, before quantization)",
        "holdout (int8, as shipped)",
    }
    assert manifest["latency"]["inference_ms"] > 0


def test_the_manifest_has_the_rule_of_its_recipe_where_there_is_one(tiny_recipe: Recipe) -> None:
    from trainer.export import manifest_of

    golden = Golden(np.zeros((0, 32, 32, 3), np.uint8), np.zeros(0, np.float32), ())
    rule = EmptyRule(1.0, 2.5, 6.0)
    manifests = [
        manifest_of(recipe, "tiny", "2026-01-01T00:00:00Z", {}, golden, {})
        for recipe in (replace(tiny_recipe, empty_rule=rule), tiny_recipe)
    ]
    with_rule, without = (json.loads(json.dumps(manifest)) for manifest in manifests)
    assert rule_of(with_rule) == rule
    assert "empty_rule" not in without


def test_the_report_is_self_contained(tiny_bundle: Path) -> None:
    page = (tiny_bundle / "report.html").read_text()
    assert "<svg" in page
    assert 'src="data:image/jpeg;base64,' in page
    # Nothing is fetched: no script, and no address in a place that loads it.
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "| Crops<br>EMPTY + OCCUPIED | 8<br>4 + 4 |" in (tiny_bundle / "report.md").read_text()


def test_attention_averages_to_the_logit_of_the_calibrated_probability(tiny_recipe: Recipe) -> None:
    from trainer.backbones import BACKBONES
    from trainer.export import export_model
    from trainer.network import Network

    backbone = BACKBONES[tiny_recipe.backbone].build(64)
    kernel = np.random.default_rng(0).normal(0, 0.3, 1280).astype(np.float32)
    network = Network(backbone, kernel, -0.7)
    crops_rgb = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    probability, attention, embedding = (
        np.asarray(output) for output in export_model(network)(crops_rgb.astype(np.float32))
    )
    assert attention.shape == (3, 2, 2, 1)
    logit = attention.mean(axis=(1, 2, 3))
    assert np.allclose(logit, embedding @ kernel - 0.7, atol=1e-4)
    assert np.allclose(1 / (1 + np.exp(-logit)), probability[:, 0], atol=1e-4)
    assert np.allclose(network.probabilities(crops_rgb), probability[:, 0], atol=1e-4)


def test_representative_crops_hold_both_labels_alike_and_the_ends_of_the_range(
    tiny_recipe: Recipe, tmp_path: Path, drawn_folders
) -> None:
    from trainer.dataset import read_dataset
    from trainer.export import representative_crops

    drawn_folders(tmp_path)
    dataset = read_dataset([tmp_path], 32)
    # Nine of ten crops are of one label, as in many a first data set.
    keep = (dataset.labels == 0) | (np.cumsum(dataset.labels) <= 2)
    crops_rgb = representative_crops(dataset.subset(keep), tiny_recipe)
    # Every other one is as it was read, but for one black and one white pixel in its first row.
    plain = [crop[1:].tobytes() for crop in crops_rgb]
    occupied = {c[1:].tobytes() for c in dataset.crops_rgb[dataset.labels == 1]}
    empty = {c[1:].tobytes() for c in dataset.crops_rgb[dataset.labels == 0]}
    assert sum(crop in occupied for crop in plain) == sum(crop in empty for crop in plain) == 5
    assert np.all(crops_rgb.min(axis=(1, 2, 3)) == 0)
    assert np.all(crops_rgb.max(axis=(1, 2, 3)) == 255)
