"""The ONNX file says what the network says, under our names."""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import OUTPUTS
from edge.types import ConfigurationError
from trainer.commands import export

pytestmark = pytest.mark.trainer
PACKAGES = ("onnx", "onnxruntime", "tf2onnx")
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed: the extra 'onnx'"
)
CROPS_RGB = np.random.default_rng(1).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)


@needs_onnx
@pytest.mark.slow
def test_the_file_says_what_the_network_says(random_network, tmp_path: Path) -> None:
    import onnxruntime

    from trainer.export import export_model
    from trainer.onnx_file import write_onnx

    file = tmp_path / "new folder" / "network.onnx"
    assert write_onnx(random_network, file, CROPS_RGB) < 1e-4
    session = onnxruntime.InferenceSession(file)
    (source,) = session.get_inputs()
    assert (source.name, source.shape) == ("crop_rgb", ["batch", 96, 96, 3])
    assert [output.name for output in session.get_outputs()] == list(OUTPUTS)
    crops = CROPS_RGB.astype(np.float32)
    for answer, expected in zip(
        session.run(None, {"crop_rgb": crops}), export_model(random_network)(crops), strict=True
    ):
        assert answer.shape == expected.shape
        assert np.allclose(answer, expected, atol=1e-3)
    assert [path.name for path in file.parent.iterdir()] == ["network.onnx"]


@needs_onnx
@pytest.mark.slow
def test_the_command_exports_a_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "tiny.onnx"
    told = export.run(argparse.Namespace(bundle=tiny_bundle, out=out))
    assert told.startswith(f"{out}: ")
    assert "Input crop_rgb: float32 (batch, 32, 32, 3), 0..255." in told
    assert out.is_file()


def test_a_name_that_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    arguments = argparse.Namespace(bundle=tmp_path, out=tmp_path / "network.pb")
    with pytest.raises(ConfigurationError, match=r"network\.pb: give a name that ends with \.onnx"):
        export.run(arguments)


@pytest.mark.skipif(not MISSING, reason="the packages are installed")
@pytest.mark.slow
def test_without_the_packages_the_extra_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    arguments = argparse.Namespace(bundle=tiny_bundle, out=tmp_path / "network.onnx")
    with pytest.raises(ConfigurationError, match=r"is missing\); install slotwatch\[train,onnx\]"):
        export.run(arguments)
