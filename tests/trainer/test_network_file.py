"""The float network that travels with a bundle."""

import re
from pathlib import Path

import numpy as np
import pytest

from edge.types import ConfigurationError

pytestmark = pytest.mark.trainer


@pytest.fixture(scope="module")
def network_file(random_network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from trainer.network_file import save_network

    file = tmp_path_factory.mktemp("network") / "network.npz"
    save_network(file, random_network, "mobilenet_v2_1.0", 96)
    return file


def test_rounding_moves_no_probability_by_more_than_two_thousandths(
    random_network, network_file: Path
) -> None:
    from trainer.network_file import load_network

    crops_rgb = np.random.default_rng(1).integers(0, 256, (16, 96, 96, 3), dtype=np.uint8)
    loaded = load_network(network_file)
    before, after = random_network.probabilities(crops_rgb), loaded.probabilities(crops_rgb)
    assert np.ptp(before) > 0.05
    assert 0 < np.abs(after - before).max() < 0.002
    assert network_file.stat().st_size < 5_000_000


def test_a_missing_network_says_what_to_do(tmp_path: Path) -> None:
    from trainer.network_file import load_network

    with pytest.raises(ConfigurationError, match=r"network\.npz: missing: the bundle was copied"):
        load_network(tmp_path / "network.npz")


def test_a_damaged_network_says_so(network_file: Path, tmp_path: Path) -> None:
    from trainer.network_file import load_network

    copy = tmp_path / "network.npz"
    copy.write_bytes(network_file.read_bytes()[:-1000])
    with pytest.raises(ConfigurationError, match=r"network\.npz: cannot be read .* copy it again"):
        load_network(copy)


def test_a_flipped_bit_in_the_index_is_damage_too(network_file: Path, tmp_path: Path) -> None:
    from trainer.network_file import load_network

    data = bytearray(network_file.read_bytes())
    for found in list(re.finditer(b"PK\x01\x02", data)):  # each array's line in the index
        data[found.start() + 8] |= 1  # "this file is encrypted"
    (tmp_path / "network.npz").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"cannot be read .*encrypted.* copy it again"):
        load_network(tmp_path / "network.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": np.array("resnet")}, "its backbone 'resnet' is none of "),
        ({"input_size_px": np.array("32 px")}, "cannot be read"),
        ({"weight_0000": np.zeros((3, 3, 3, 7))}, "its weights are not those of 'mobilenet_v2"),
    ],
)
def test_a_network_of_another_version_is_refused(
    change: dict[str, np.ndarray], message: str, network_file: Path, tmp_path: Path
) -> None:
    from trainer.network_file import load_network

    with np.load(network_file) as arrays:
        np.savez(tmp_path / "network.npz", **{**arrays, **change})
    with pytest.raises(ConfigurationError, match=message):
        load_network(tmp_path / "network.npz")
