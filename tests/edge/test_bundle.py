"""What a device accepts as a model, tried on copies of the shipped bundle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import (
    BundleRefused,
    install_bundle,
    read_bundle,
    read_golden,
    rollback_bundle,
    sha256_of,
    write_bundle,
)
from edge.classifier import Classifier, RuntimeMissing, load_runtime, open_classifier

SHIPPED = Path(__file__).parents[2] / "models" / "default"


@pytest.fixture
def bundle_path(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "default")
    return tmp_path / "default"


def change_manifest(path, change, rehash=()):
    manifest = json.loads((path / "bundle.json").read_text())
    change(manifest)
    for name in rehash:
        manifest["files"][name] = sha256_of(path / name)
    (path / "bundle.json").write_text(json.dumps(manifest))


def refusal(path, **options):
    with pytest.raises(BundleRefused) as error:
        open_classifier(read_bundle(path), **options)
    return str(error.value)


def test_the_shipped_bundle_passes_its_self_test():
    classifier = Classifier(read_bundle(SHIPPED))
    assert 0 < classifier.self_test() < 0.1


def test_the_shipped_bundle_is_small_and_says_what_it_was_trained_on():
    bundle = read_bundle(SHIPPED)
    assert bundle.model_path.stat().st_size <= 4_000_000
    assert bundle.manifest["trained_on"]
    golden = read_golden(bundle)
    assert len(golden.crops_rgb) >= 16
    assert golden.probability.min() < 0.4
    assert golden.probability.max() > 0.6


def test_every_output_can_be_read():
    bundle = read_bundle(SHIPPED)
    classifier = open_classifier(bundle)
    prediction = classifier.predict(read_golden(bundle).crops_rgb[0])
    assert 0 <= prediction.probability <= 1
    assert prediction.attention.shape == (bundle.input_size_px // 32,) * 2
    assert prediction.embedding.ndim == 1


@pytest.mark.parametrize("name", ["model.tflite", "golden.npz"])
def test_a_flipped_byte_is_refused_by_the_files_name(bundle_path, name):
    file = bundle_path / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert refusal(bundle_path) == (
        f"{file}: its SHA-256 differs from the one in bundle.json: the file is damaged or was "
        "changed; copy the bundle again"
    )


@pytest.mark.parametrize("name", ["model.tflite", "golden.npz"])
def test_a_missing_file_is_named(bundle_path, name):
    (bundle_path / name).unlink()
    assert refusal(bundle_path).startswith(f"{bundle_path / name}: missing; copy the whole folder")


def test_a_copy_without_the_trainers_own_network_is_accepted(bundle_path):
    change_manifest(bundle_path, lambda m: m["files"].update({"network.npz": "0"}))
    (bundle_path / "network.npz").unlink(missing_ok=True)
    assert read_bundle(bundle_path).name == "default"


def test_a_changed_network_is_refused(bundle_path):
    (bundle_path / "network.npz").write_bytes(b"changed")
    change_manifest(bundle_path, lambda m: m["files"].update({"network.npz": "0"}))
    assert refusal(bundle_path).startswith(f"{bundle_path / 'network.npz'}: its SHA-256 differs")


def test_a_missing_folder_is_named(tmp_path):
    assert refusal(tmp_path / "nothing") == (
        f"{tmp_path / 'nothing'}: no such model folder; give the folder that holds bundle.json"
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", "[" * 100_000, '{"format": true}', "\udcff"]
)
def test_a_broken_manifest_is_named(bundle_path, text):
    (bundle_path / "bundle.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert refusal(bundle_path).startswith(f"{bundle_path / 'bundle.json'}: ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(format=99), "format 99 is newer than this program understands"),
        (lambda m: m.update(preprocess_version=0), "made for preprocess version 0"),
        (lambda m: m.update(labels=["OCCUPIED", "EMPTY"]), "labels are"),
        (lambda m: m["outputs"].pop("probability"), "no 'probability' among the outputs"),
        (lambda m: m["outputs"]["probability"].update(tensor="x"), "output 'probability' (x)"),
        (
            lambda m: m["outputs"]["probability"].update(tensor=["x"]),
            "'outputs.probability.tensor'",
        ),
        (lambda m: m["outputs"]["probability"].update(shape=[[], []]), "output 'probability' ("),
        (lambda m: m["outputs"].update(attention=5), "'outputs.attention.tensor' is missing"),
        (lambda m: m["input"].update(size_px=64), "golden.npz: its crops do not fit"),
        (lambda m: m["thresholds"].update(empty_at=0.9), "thresholds must be"),
        (lambda m: m["files"].pop("golden.npz"), "'golden.npz' is not listed"),
        (lambda m: m["files"].update({"../../etc/passwd": "0"}), "is not the name of a file"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_with_the_reason(bundle_path, change, words):
    change_manifest(bundle_path, change)
    if "size_px" in words or "crops do not fit" in words:
        with pytest.raises(BundleRefused, match=words):
            read_golden(read_bundle(bundle_path))
        words = "bundle.json promises"
    assert words in refusal(bundle_path)


def test_a_model_that_disagrees_with_its_golden_crops_is_refused(bundle_path):
    golden = read_golden(read_bundle(bundle_path))
    with (bundle_path / "golden.npz").open("wb") as file:
        np.savez_compressed(
            file,
            crops_rgb=golden.crops_rgb,
            probability=1 - golden.probability,
            names=np.array(golden.names),
        )
    change_manifest(bundle_path, lambda m: None, rehash=["golden.npz"])
    assert f"golden crop '{golden.names[0]}' gives" in refusal(bundle_path)


def test_a_model_slower_than_the_budget_is_refused(bundle_path):
    with pytest.raises(BundleRefused, match=r"one inference takes .* the budget is 0 ms"):
        Classifier(read_bundle(bundle_path)).self_test(budget_s=1e-9)


def test_a_file_that_is_no_model_is_refused(bundle_path):
    (bundle_path / "model.tflite").write_bytes(b"this is no flatbuffer" * 99)
    change_manifest(bundle_path, lambda m: None, rehash=["model.tflite"])
    assert "cannot load it" in refusal(bundle_path)


@pytest.mark.parametrize("data", [b"", b"PK no zip file", b"PK\x05\x06" + bytes(18)])
def test_golden_crops_that_are_no_arrays_are_refused(bundle_path, data):
    (bundle_path / "golden.npz").write_bytes(data)
    change_manifest(bundle_path, lambda m: None, rehash=["golden.npz"])
    assert refusal(bundle_path).startswith(f"{bundle_path / 'golden.npz'}: cannot be read")


def test_golden_crops_that_seem_to_be_encrypted_are_refused(bundle_path):
    path = bundle_path / "golden.npz"
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0].header_offset
    # The flag stands in the local header and in the directory at the end.
    for start in (first + 6, data.rfind(b"PK\x01\x02", 0, data.find(b"PK\x01\x02") + 4) + 8):
        data[start] |= 1
    path.write_bytes(data)
    change_manifest(bundle_path, lambda m: None, rehash=["golden.npz"])
    assert "golden.npz: cannot be read (File 'crops_rgb.npy' is encrypted" in refusal(bundle_path)


def test_a_model_that_is_overwritten_in_place_answers_as_before(bundle_path):
    classifier = open_classifier(read_bundle(bundle_path))
    (bundle_path / "model.tflite").write_bytes(b"")
    assert classifier.self_test() > 0


def test_a_file_that_cannot_be_read_is_named(bundle_path):
    (bundle_path / "model.tflite").unlink()
    (bundle_path / "model.tflite").symlink_to("model.tflite")  # as unreadable to root, too
    assert refusal(bundle_path).startswith(f"{bundle_path / 'model.tflite'}: ")


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", ".."])
def test_a_bundle_is_installed_in_the_models_folder_only(tmp_path, name):
    with pytest.raises(BundleRefused, match="is not the name of a folder"):
        install_bundle(SHIPPED, tmp_path / "models", name)


def test_an_unknown_runtime_says_what_to_install():
    if "tflite_runtime" in sys.modules:
        pytest.skip("tflite-runtime is installed here")
    with pytest.raises(RuntimeMissing, match="install ai-edge-litert"):
        load_runtime("tflite-runtime")


def test_installing_keeps_the_one_before_and_rolling_back_swaps_them(bundle_path, tmp_path):
    models = tmp_path / "models"
    installed = install_bundle(SHIPPED, models, "default")
    change_manifest(bundle_path, lambda m: m.update(name="newer"))
    install_bundle(bundle_path, models, "default")
    assert read_bundle(installed).name == "newer"
    rollback_bundle(installed)
    assert read_bundle(installed).name == read_bundle(SHIPPED).name
    rollback_bundle(installed)
    assert read_bundle(installed).name == "newer"
    assert not [path for path in models.iterdir() if path.suffix == ".tmp"]


ROLL_BACK_UNTIL_KILLED = """
import os, signal, sys
from pathlib import Path
from edge.bundle import rollback_bundle

renames_left = int(sys.argv[2])

def kill_before_rename(event, _):
    global renames_left
    if event == "os.rename":
        if renames_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        renames_left -= 1

sys.addaudithook(kill_before_rename)
rollback_bundle(Path(sys.argv[1]))
"""


def roll_back_until_killed(installed, renames):
    """Roll back in a process that is killed right after so many of its renames."""
    command = [sys.executable, "-c", ROLL_BACK_UNTIL_KILLED, str(installed), str(renames)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


@pytest.fixture
def installed_twice(bundle_path, tmp_path):
    """Return an installed bundle "newer"; the one before it is a copy of the shipped."""
    install_bundle(SHIPPED, tmp_path / "models", "default")
    change_manifest(bundle_path, lambda m: m.update(name="newer"))
    return install_bundle(bundle_path, tmp_path / "models", "default")


def test_a_rollback_that_was_killed_half_way_is_finished_by_repeating_it(installed_twice):
    roll_back_until_killed(installed_twice, renames=1)
    assert not installed_twice.exists()
    rollback_bundle(installed_twice)
    assert read_bundle(installed_twice).name == read_bundle(SHIPPED).name
    rollback_bundle(installed_twice)
    assert read_bundle(installed_twice).name == "newer"
    assert len(list(installed_twice.parent.iterdir())) == 2


def test_what_a_killed_rollback_left_does_not_hinder_the_next(installed_twice):
    roll_back_until_killed(installed_twice, renames=2)
    assert read_bundle(installed_twice).name == read_bundle(SHIPPED).name
    install_bundle(SHIPPED, installed_twice.parent, "default")
    rollback_bundle(installed_twice)
    assert len(list(installed_twice.parent.iterdir())) == 2


def test_a_damaged_bundle_never_replaces_a_working_one(bundle_path, tmp_path):
    models = tmp_path / "models"
    installed = install_bundle(SHIPPED, models, "default")
    (bundle_path / "model.tflite").write_bytes(b"")
    with pytest.raises(BundleRefused, match="SHA-256"):
        install_bundle(bundle_path, models, "default")
    open_classifier(read_bundle(installed))
    with pytest.raises(BundleRefused, match="no previous bundle to go back to"):
        rollback_bundle(installed)


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path):
    for name, age_s in (("old", 90_000), ("young", 60)):
        (tmp_path / f".mine.{name}.tmp").mkdir()
        os.utime(tmp_path / f".mine.{name}.tmp", (time.time() - age_s,) * 2)
    write_bundle(tmp_path / "mine", {}, lambda folder: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.young.tmp", "mine"]


def test_a_bundle_that_fails_half_way_leaves_nothing_behind(tmp_path):
    def fill(folder):
        (folder / "model.tflite").write_bytes(b"x")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_bundle(tmp_path / "models" / "new", {}, fill)
    assert list((tmp_path / "models").iterdir()) == []
