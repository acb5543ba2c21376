"""A command refuses to write where something else would be lost, before it does any work."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.types import ConfigurationError
from trainer.__main__ import main
from trainer.places import require_bundle_place, require_folder_place

pytestmark = pytest.mark.trainer


@pytest.mark.parametrize("out", [".", "..", "/", "models/.."])
def test_a_bundle_needs_a_name_of_its_own(out: str) -> None:
    with pytest.raises(ConfigurationError, match="not the name of a new folder; give models/NAME"):
        require_bundle_place(Path(out), [])


@pytest.mark.parametrize("name", ["mine", "mine.previous"])
def test_a_folder_that_is_no_bundle_is_neither_moved_nor_deleted(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    require_bundle_place(tmp_path / "mine", [])
    (tmp_path / name / "photo.jpg").touch()
    with pytest.raises(ConfigurationError, match=f"{name} holds something other than a bundle"):
        require_bundle_place(tmp_path / "mine", [])


def test_an_older_bundle_may_be_replaced_unless_the_data_lie_in_it(tmp_path: Path) -> None:
    for name in ("mine", "mine.previous"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.json").touch()
    require_bundle_place(tmp_path / "mine", [tmp_path])
    for data in ("mine", "mine/data", "mine.previous/data"):
        with pytest.raises(ConfigurationError, match="holds something other than a bundle"):
            require_bundle_place(tmp_path / "mine", [tmp_path / data])


@pytest.mark.parametrize(
    "require", [require_folder_place, lambda out: require_bundle_place(out, [])]
)
def test_a_file_in_the_way_is_named(require: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for out in ("file", "file/new", "link/new"):
        with pytest.raises(ConfigurationError, match="is not a folder; give another place"):
            require(tmp_path / out)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match=f"nothing can be written to {tmp_path}; give"):
        require_folder_place(tmp_path / "new")


def test_training_into_its_own_data_touches_nothing(
    tmp_path: Path, drawn_folders: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    drawn_folders(tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    data = str(tmp_path / "data")
    assert main(["train", "--recipe", "hog_svm", "--data", data, "--out", data]) == 78
    assert "data holds something other than a bundle" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["evaluate", "mine"])
def test_a_report_in_a_file_s_place_is_refused_before_the_work(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("kept")
    data = {"evaluate": "--data", "mine": "--pool"}[command]
    arguments = [command, "--bundle", "nowhere", data, "nowhere", "--out", str(tmp_path / "out")]
    assert main(arguments) == 78
    assert "out is not a folder; give another place" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "kept"
