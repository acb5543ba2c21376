"""Pictures of why a bundle answered so: with the shipped bundle, on drawn crops."""

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.bundle import read_bundle, read_golden
from edge.classifier import Classifier
from edge.preprocess import crop_whole
from edge.types import ConfigurationError, ImageRGB
from trainer.__main__ import main
from trainer.dataset import Dataset, Sample
from trainer.explain import Explained, choose_crops, explain, summary
from trainer.explained_crop import ExplainedCrop, encoded, file_names
from trainer.explanations import Explanation, class_activation
from trainer.occlusion import occlusion_sensitivity
from trainer.overlay import overlay

pytestmark = pytest.mark.trainer

SHIPPED = Path(__file__).parents[2] / "models" / "default"
PLAIN = Explanation("Nothing", "The crop again.", lambda crop_rgb: crop_rgb)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(read_bundle(SHIPPED))


@pytest.fixture(scope="module")
def dataset(classifier: Classifier) -> Dataset:
    """Return 4 golden crops of each label, one mislabelled; file names come twice."""
    golden = read_golden(classifier.bundle)
    of_label = [
        [i for i, name in enumerate(golden.names) if name.startswith(label)][:4]
        for label in ("EMPTY", "OCCUPIED")
    ]
    of_label[1][3] = of_label[0][0]
    samples = [
        Sample(Path(folder, f"{number}.png"), folder == "occupied", "drawn", "c", "s", "")
        for folder in ("empty", "occupied")
        for number in range(4)
    ]
    return Dataset(tuple(samples), golden.crops_rgb[of_label[0] + of_label[1]])


def test_the_misclassified_come_first_then_the_least_sure_then_others() -> None:
    occupied = np.array([True, True, True, False, False, False, True, False])
    probability = np.array([0.1, 0.3, 0.9, 0.2, 0.45, 0.01, 0.97, 0.7])
    chosen = choose_crops(occupied, probability, 7)
    assert chosen[:3] == [("misclassified", 0), ("misclassified", 1), ("misclassified", 7)]
    assert chosen[3:5] == [("unsure", 4), ("unsure", 3)]
    assert {kind for kind, _ in chosen[5:]} == {"right"}
    assert {index for _, index in chosen[5:]} < {2, 5, 6}
    assert choose_crops(occupied, probability, 2) == chosen[:2]
    assert choose_crops(occupied, probability, 7) == chosen
    everything = [index for _, index in choose_crops(occupied, probability, 99)]
    assert sorted(everything) == list(range(8))


def crop_of(name: str, kind: str = "right") -> ExplainedCrop:
    grey = np.full((40, 40, 3), 128, np.uint8)
    picture = np.full((320, 320, 3), 50, np.uint8)
    return ExplainedCrop(kind, Sample(Path(name), True, "s", "c", "1", "t"), grey, 0.25, picture)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/1.jpg", "b/1.png", "c/1.jpg"], ["right_1.jpg", "right_1-2.jpg", "right_1-3.jpg"]),
        (["a/x.jpg", "b/X.jpg"], ["right_x.jpg", "right_X-2.jpg"]),
        (["a/1-2.jpg", "a/1.jpg", "b/1.jpg"], ["right_1-2.jpg", "right_1.jpg", "right_1-3.jpg"]),
        (["칸 1 (비어).jpg"], ["right_칸_1_비어_.jpg"]),
        (["a\nb?*<&>\udce9.jpg"], ["right_a_b_.jpg"]),
    ],
)
def test_file_names_never_collide_and_survive_any_character(
    names: list[str], expected: list[str]
) -> None:
    assert file_names([crop_of(name) for name in names]) == expected


def test_the_longest_name_is_one_a_file_system_takes(tmp_path: Path) -> None:
    crops = [crop_of(f"{folder}/{'𠀀' * 63}.jpg", "misclassified") for folder in range(12)]
    names = file_names(crops)
    assert len(set(names)) == 12
    for name in names:
        (tmp_path / name).write_bytes(b"")


def test_a_picture_shows_crop_explanation_and_words() -> None:
    picture_bgr = cv2.imdecode(np.frombuffer(encoded(crop_of("1.jpg")), np.uint8), 1)
    assert picture_bgr.shape == (360, 640, 3)
    assert abs(int(picture_bgr[160, 160, 0]) - 128) < 4  # the crop
    assert abs(int(picture_bgr[160, 480, 0]) - 50) < 4  # the explanation
    assert (picture_bgr[320:] < 100).any()  # words
    assert crop_of("1.jpg").words == "is OCCUPIED, probability of OCCUPIED 0.250"


def test_every_chosen_crop_is_a_file_and_on_the_page(
    classifier: Classifier, dataset: Dataset, tmp_path: Path
) -> None:
    explained = explain(classifier, dataset, PLAIN, tmp_path / "out", 6)
    assert (explained.crop_count, explained.misclassified_count) == (8, 1)
    assert explained.shown_counts == {"misclassified": 1, "unsure": 3, "right": 2}
    assert explained.pointing["drawn c"].count == 4
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert len(files) == 7
    assert {"misclassified_3.jpg", "index.html"} < files
    page = (tmp_path / "out" / "index.html").read_text()
    assert "The crop again." in page
    assert page.count("<figure") == 6
    # Nothing is fetched.
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)


def test_pictures_of_two_runs_do_not_mix(
    classifier: Classifier, dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "misclassified_1.jpg").write_bytes(b"of yesterday")
    with pytest.raises(ConfigurationError, match="is not empty, and pictures of two runs"):
        explain(classifier, dataset, PLAIN, tmp_path, 6)


def test_the_summary_says_when_misclassified_crops_are_left_out() -> None:
    counts = {"misclassified": 1, "unsure": 0, "right": 0}
    assert summary(Explained(20, 3, counts, {})) == [
        "3 of 20 crops are misclassified, 1 of them shown; a greater --count shows more."
    ]
    assert summary(Explained(20, 1, counts, {})) == ["1 of 20 crops is misclassified."]


def test_the_class_activation_map_is_what_the_device_shows(
    classifier: Classifier, dataset: Dataset
) -> None:
    crop_rgb = dataset.crops_rgb[5]
    picture_rgb = class_activation(classifier, 1.0).draw(crop_rgb)
    heat = classifier.predict(crop_rgb).attention
    assert np.array_equal(picture_rgb, overlay(np.zeros((320, 320, 3), np.uint8), heat, 1.0))
    unchanged_rgb = class_activation(classifier, 0.0).draw(crop_rgb)
    shrunk_rgb = crop_whole(unchanged_rgb, len(crop_rgb)).astype(int)
    assert np.abs(shrunk_rgb - crop_rgb).mean() < 5


def test_occlusion_finds_the_only_thing_that_counts() -> None:
    class SpotWatcher:
        """Sees OCCUPIED in a white spot at the top right."""

        def probability(self, crop_rgb: ImageRGB) -> float:
            return float(crop_rgb[10:20, 40:50].mean() / 256)

    crop_rgb = np.zeros((60, 60, 3), np.uint8)
    crop_rgb[10:20, 40:50] = 255
    heat = occlusion_sensitivity(SpotWatcher(), crop_rgb)  # type: ignore[arg-type]
    assert heat.shape == (60, 60)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 10 <= row < 20
    assert 40 <= column < 50
    assert not heat[30:].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--opacity", "1.5"], "--opacity 1.5: give 0 to 1"),
        (["--count", "0"], "--count 0: give at least 1"),
        (["--layer", "out_relu"], "--layer out_relu: the method cam looks at no layer; add --meth"),
    ],
)
def test_what_a_user_got_wrong_ends_with_78(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--bundle", str(SHIPPED), "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["explain", *files, *arguments]) == 78
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_looking_inside_needs_the_network_and_says_so(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "copy"
    bundle.mkdir()
    for file in tiny_bundle.iterdir():
        if file.name != "network.npz":
            (bundle / file.name).write_bytes(file.read_bytes())
    files = ["--bundle", str(bundle), "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["explain", *files, "--method", "grad-cam"]) == 78
    assert "network.npz: missing: the bundle was copied without it" in (
        said := capsys.readouterr().err
    )
    assert "or use --method cam or --method occlusion, which do without it" in said


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grad-cam", "features"])
def test_the_command_looks_inside_a_bundle_of_its_own_trainer(
    method: str,
    tiny_bundle: Path,
    tmp_path: Path,
    drawn_folders: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn_folders(tmp_path / "data")
    files = ["--bundle", str(tiny_bundle), "--data", str(tmp_path / "data")]
    out = tmp_path / "out"
    assert main(["explain", *files, "--out", str(out), "--method", method, "--count", "3"]) == 0
    said = capsys.readouterr().out
    assert "of 32 crops" in said
    assert said.endswith("index.html\n")
    assert len(list(out.glob("*.jpg"))) == 3


@pytest.mark.slow
def test_layers_can_be_listed(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--bundle", str(tiny_bundle), "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["explain", *files, "--layer", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "map", "channels"]
    assert lines[-1].split() == ["out_relu", "1", "x", "1", "1280"]
