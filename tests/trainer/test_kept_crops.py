"""What a network says of the crops left out survives on disk, or is left out with a word."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from trainer.kept_crops import KeptCrops, kept_file, read_kept, write_kept

KEPT = KeptCrops(
    np.array([1.5, -2.0], np.float32),
    np.ones((2, 3), np.float16),
    np.array([True, False]),
    np.array(["yard", "yard"]),
    np.array(["cam1", ""]),
    np.array(["A1", ""]),
    np.array([0.1], np.float32),
    np.zeros((1, 3), np.float16),
)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    file = kept_file(tmp_path, "key", 1, "yard")
    write_kept(file, KEPT)
    found = read_kept(file)
    assert found is not None
    for field in fields(KEPT):
        before, after = getattr(KEPT, field.name), getattr(found, field.name)
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)


def test_a_name_cannot_leave_the_folder_nor_meet_another(tmp_path: Path) -> None:
    files = [kept_file(tmp_path, "key", 1, fold) for fold in ("../yard", "..%2Fyard", ".._yard")]
    assert {file.parent for file in files} == {tmp_path / "crops"}
    assert len(set(files)) == 3


def test_a_write_that_fails_leaves_the_file_before(tmp_path: Path) -> None:
    file = tmp_path / "kept.npz"
    write_kept(file, KEPT)
    unwritable = replace(KEPT, garbage_logits=np.array([object()]))
    with pytest.raises(ValueError, match="allow_pickle"):
        write_kept(file, unwritable)
    assert read_kept(file) is not None
    assert [left.name for left in tmp_path.iterdir()] == ["kept.npz"]


@pytest.mark.parametrize("size", [0, 20, 400])
def test_a_torn_file_is_left_out_with_a_word(
    size: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "kept.npz"
    write_kept(file, KEPT)
    file.write_bytes(file.read_bytes()[:size])
    assert read_kept(file) is None
    assert "kept.npz: cannot be read" in caplog.text


def test_no_file_is_nothing_to_speak_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_kept(tmp_path / "absent.npz") is None
    assert not caplog.text
