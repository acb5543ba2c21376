"""The trainer's command line: exit status and words for people."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from edge.types import ConfigurationError, ImageRGB
from trainer.__main__ import main
from trainer.drawn import drawn_crop
from trainer.recipe import Recipe

pytestmark = pytest.mark.trainer

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "{tmp}/nowhere"], "nowhere: no such folder; give the folder"),
        (["--data", "{tmp}"], "holds neither index.csv nor the folders 'empty' and 'occupied'"),
        (
            ["--data", "{tmp}", "--recipe", "shiped"],
            "--recipe shiped: no such recipe; choose one of efficientnet_b0, ",
        ),
        (["--data", "{tmp}", "--weights", "{tmp}/w.h5"], "w.h5: no such file"),
    ],
)
def test_what_a_user_got_wrong_ends_with_78_and_a_word_about_it(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    drawn_folders: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    if "--weights" in filled:
        drawn_folders(tmp_path)
    assert main(["train", *filled, "--out", str(tmp_path / "out")]) == 78
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_crops_that_cannot_be_split_end_with_78(
    tmp_path: Path,
    tiny_recipe: Recipe,
    save_picture: Callable[[Path, ImageRGB], None],
) -> None:
    from trainer.train import train_bundle

    for is_occupied, name in enumerate(("EMPTY", "OCCUPIED")):
        save_picture(tmp_path / name / "a__c__s__t.png", drawn_crop(32, bool(is_occupied), 1))
    with pytest.raises(ConfigurationError, match="leave the holdout split without both labels"):
        train_bundle([tmp_path], tmp_path / "out", tiny_recipe, None, tmp_path, is_pretrained=False)


def test_what_is_held_out_is_kept_out_of_the_training(
    tmp_path: Path,
    tiny_recipe: Recipe,
    drawn_folders: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    from trainer.train import train_bundle

    drawn_folders(tmp_path)
    first, *others = sorted((tmp_path / "OCCUPIED").iterdir())
    for file in others:
        # One pixel more or less: the same thing to an eye, another picture to a computer.
        picture = cv2.imread(str(first))
        picture[0, others.index(file)] = 0
        cv2.imwrite(str(file), picture)
    with pytest.raises(ConfigurationError, match="leave the train split without both labels"):
        train_bundle([tmp_path], tmp_path / "out", tiny_recipe, None, tmp_path, is_pretrained=False)
    set_aside = [line for line in caplog.messages if line.startswith(f"set aside {tmp_path}")]
    assert len(set_aside) == 8
    assert all("nearly the same as OCCUPIED/drawn__cam" in line for line in set_aside)


def test_help_comes_at_once_without_tensorflow() -> None:
    code = (
        "import sys; from trainer.__main__ import COMMANDS, build_parser; "
        "[build_parser(name).format_help() for name in COMMANDS]; "
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.slow
def test_evaluate_writes_a_report_of_the_shipped_file(
    tmp_path: Path,
    tiny_bundle: Path,
    drawn_folders: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn_folders(tmp_path / "data")
    arguments = ["evaluate", "--bundle", str(tiny_bundle), "--data", str(tmp_path / "data")]
    assert main([*arguments, "--out", str(tmp_path / "report"), "--no-pictures"]) == 0
    assert "all crops: 32 crops, balanced accuracy" in capsys.readouterr().out
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Written without pictures" in page
    assert "data:image" not in page
    assert "The model was trained on crops of drawn, perhaps on these very ones." in page


@pytest.mark.slow
def test_evaluate_claims_no_more_than_names_tell_and_warns_of_answered_garbage(
    tmp_path: Path, tiny_bundle: Path, drawn_folders: Callable[..., None]
) -> None:
    drawn_folders(tmp_path / "data")
    for file in (tmp_path / "data").rglob("drawn__*"):
        file.rename(file.with_name(file.name.replace("drawn__", "yard__")))
    # One that answers everything.
    bundle = shutil.copytree(tiny_bundle, tmp_path / "rash")
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["thresholds"] = {"empty_at": 0.5, "occupied_at": 0.500001}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    arguments = ["evaluate", "--bundle", str(bundle), "--data", str(tmp_path / "data")]
    assert main([*arguments, "--out", str(tmp_path / "report")]) == 0
    text = (tmp_path / "report" / "report.md").read_text()
    assert "On sources whose names it does not know (all crops: 32 crops)" in text
    assert "> Only the names of the sources tell that these crops are new to the model." in text
    assert "> Of 2,000 pictures that show no slot, such as a hand or noise, " in text


def test_evaluating_what_is_no_bundle_ends_with_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--bundle", str(tmp_path), "--data", str(tmp_path)]
    assert main([*arguments, "--out", str(tmp_path / "report")]) == 78
    assert "bundle.json: missing; copy the whole folder the trainer wrote" in (
        capsys.readouterr().err
    )
