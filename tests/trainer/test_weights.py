"""Pretrained weights are checked, and when none can be had the way out is told."""

from pathlib import Path

import pytest

from trainer.weights import MOBILENET_V2_FILE, WeightsUnavailable, find_mobilenet_v2_weights

pytestmark = pytest.mark.trainer


def offline(target: Path) -> None:
    raise OSError("the network is unreachable")


def forged(target: Path) -> None:
    target.write_bytes(b"other weights")


@pytest.fixture(autouse=True)
def without_a_keras_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def test_a_given_file_that_is_missing_or_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="no such file"):
        find_mobilenet_v2_weights(tmp_path / "w.h5", tmp_path)
    (tmp_path / "w.h5").write_bytes(b"something else")
    with pytest.raises(WeightsUnavailable, match=f"is not that of {MOBILENET_V2_FILE}"):
        find_mobilenet_v2_weights(tmp_path / "w.h5", tmp_path)


def test_when_no_way_works_every_reason_and_the_remedy_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable) as error:
        find_mobilenet_v2_weights(None, tmp_path, {"the moon": offline, "a stranger": forged})
    message = str(error.value)
    assert "the moon: the network is unreachable" in message
    assert "a stranger: the file's SHA-256 is not the known one" in message
    assert message.endswith("and give it with --weights FILE")
    # Nothing half-fetched or forged stays behind to be trusted later.
    assert not list((tmp_path / "weights").iterdir())


def test_a_damaged_cache_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / MOBILENET_V2_FILE).write_bytes(b"damaged")
    asked = []

    def fetch(target: Path) -> None:
        asked.append(target)
        raise OSError("offline")

    with pytest.raises(WeightsUnavailable):
        find_mobilenet_v2_weights(None, tmp_path, {"here": fetch})
    assert len(asked) == 1
