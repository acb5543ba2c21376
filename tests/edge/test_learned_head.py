"""What was learnt of a site outlives restarts, and nothing that happens to its file is fatal."""

import json
import logging

import numpy as np
import pytest

from edge.learned_head import HEAD_FILE, read_head, undo_head, write_head
from edge.site_head import SiteHead

SHA = "a" * 64


def head(value=1.0):
    return SiteHead(np.full((2, 6), value, np.float32), (0.5, -value))


def test_a_head_comes_back_as_it_was_written(tmp_path):
    write_head(tmp_path / "new", head(), SHA)
    found = read_head(tmp_path / "new", SHA)
    assert np.array_equal(found.kernels, head().kernels)
    assert found.biases == (0.5, -1.0)
    assert not list((tmp_path / "new").glob(".*"))


def test_a_site_that_learnt_nothing_is_no_matter(tmp_path, caplog):
    assert read_head(tmp_path, SHA) is None
    assert caplog.records == []


def test_a_head_of_another_model_is_left_out_and_said(tmp_path, caplog):
    write_head(tmp_path, head(), SHA)
    assert read_head(tmp_path, "b" * 64) is None
    assert "learnt with another model" in caplog.text


def change(**values):
    return lambda text: json.dumps({**json.loads(text), **values})


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: "x" * 2_000_000,
        change(format=2),
        change(kernels="AAAA"),
        change(kernels=7),
        change(digest="00"),
        change(biases=[1.0]),
        change(biases=[10.5, -1.0]),
        change(biases=[1.0, float("nan")]),
        change(biases=None),
    ],
)
def test_a_damaged_head_is_left_out_with_a_warning(tmp_path, caplog, damage):
    write_head(tmp_path, head(), SHA)
    path = tmp_path / HEAD_FILE
    path.write_text(damage(path.read_text()))
    with caplog.at_level(logging.WARNING):
        assert read_head(tmp_path, SHA) is None
    assert f"{path}: cannot be read" in caplog.text


def test_undoing_goes_back_one_step_and_then_to_none(tmp_path):
    assert undo_head(tmp_path) is None
    write_head(tmp_path, head(1), SHA)
    write_head(tmp_path, head(2), SHA)
    assert undo_head(tmp_path) is True
    assert read_head(tmp_path, SHA).kernels[0, 0] == 1
    assert undo_head(tmp_path) is False
    assert read_head(tmp_path, SHA) is None
    assert undo_head(tmp_path) is None
