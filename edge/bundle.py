"""Read, verify and write models/<name>/: what the trainer makes and the device accepts.

Nothing here runs the model: `edge.classifier` does, and replays the golden crops.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.preprocess import PREPROCESS_VERSION
from edge.types import Bundle, ConfigurationError

FORMAT = 1
LABELS = ("EMPTY", "OCCUPIED")
OUTPUTS = ("probability", "attention", "embedding")
MODEL_FILE = "model.tflite"
MANIFEST_FILE = "bundle.json"
GOLDEN_FILE = "golden.npz"
NETWORK_FILE = "network.npz"  # the trainer's, for looking inside: a copy may leave it out
# What reading an .npz can raise: it is a zip file of arrays, and one of the last two comes where
# a bit of its index flipped.
ARRAYS_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError),
)
_MANIFEST_LIMIT_BYTES = 1 << 20
_MODEL_LIMIT_BYTES = 64 << 20
_ABANDONED_AFTER_S = 24 * 3600.0  # no bundle takes so long to write


class BundleRefused(ConfigurationError):
    """The bundle is not what its manifest promises; the message names the file and the reason."""


@dataclass(frozen=True, eq=False)
class Golden:
    """Raw crops with the outputs they must give on every device."""

    crops_rgb: npt.NDArray[np.uint8]  # (count, size, size, 3)
    probability: npt.NDArray[np.float32]  # (count,), 0..1
    names: tuple[str, ...]  # what each crop is, for messages


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Return the verified bundle in this folder.

    Raises:
        BundleRefused: a file is missing or changed, or the manifest does not fit this program.
    """
    manifest_path = path / MANIFEST_FILE
    if not path.is_dir():
        raise BundleRefused(f"{path}: no such model folder; give the folder that holds bundle.json")
    try:
        if manifest_path.stat().st_size > _MANIFEST_LIMIT_BYTES:
            raise BundleRefused(f"{manifest_path}: larger than 1 MiB; this is no bundle manifest")
        manifest = json.loads(manifest_path.read_text("utf-8"))
    except FileNotFoundError:
        raise BundleRefused(
            f"{manifest_path}: missing; copy the whole folder the trainer wrote"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleRefused(
            f"{manifest_path}: cannot be read ({error}); copy the bundle again"
        ) from error
    if not isinstance(manifest, dict):
        raise BundleRefused(f"{manifest_path}: not a bundle manifest; copy the bundle again")
    return _bundle_from_manifest(path, manifest_path, manifest)


def _bundle_from_manifest(path: Path, manifest_path: Path, manifest: dict[str, Any]) -> Bundle:
    def field(key: str, kind: type | tuple[type, ...]) -> Any:
        value: Any = manifest
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise BundleRefused(
                f"{manifest_path}: '{key}' is missing or of the wrong kind; train or copy it again"
            )
        return value

    format_number = field("format", int)
    if format_number > FORMAT:
        raise BundleRefused(
            f"{manifest_path}: format {format_number} is newer than this program understands "
            f"({FORMAT}); update slotwatch"
        )
    preprocess_version = field("preprocess_version", int)
    if preprocess_version != PREPROCESS_VERSION:
        raise BundleRefused(
            f"{manifest_path}: made for preprocess version {preprocess_version}, this program has "
            f"{PREPROCESS_VERSION}; retrain the model with this version"
        )
    if tuple(field("labels", list)) != LABELS:
        raise BundleRefused(
            f"{manifest_path}: labels are {manifest['labels']}, expected {list(LABELS)}"
        )
    outputs = field("outputs", dict)
    unknown = set(OUTPUTS) - set(outputs)
    if "probability" in unknown:
        raise BundleRefused(f"{manifest_path}: no 'probability' among the outputs")
    for name in set(OUTPUTS) & set(outputs):
        field(f"outputs.{name}.tensor", str)
        field(f"outputs.{name}.shape", list)
    files = field("files", dict)
    for name in (MODEL_FILE, GOLDEN_FILE):
        if name not in files:
            raise BundleRefused(f"{manifest_path}: '{name}' is not listed under 'files'")
    for name, digest in files.items():
        # A manifest must not make the device read files outside its own folder.
        if not isinstance(name, str) or Path(name).name != name:
            raise BundleRefused(
                f"{manifest_path}: {name!r} is not the name of a file in the bundle"
            )
        if name != NETWORK_FILE or (path / name).exists():
            _check_file(path / name, digest)
    occupied_at = float(field("thresholds.occupied_at", (int, float)))
    empty_at = float(field("thresholds.empty_at", (int, float)))
    if not 0.0 <= empty_at < occupied_at <= 1.0:
        raise BundleRefused(f"{manifest_path}: thresholds must be 0 <= empty_at < occupied_at <= 1")
    return Bundle(
        name=str(field("name", str)),
        path=path,
        model_path=path / MODEL_FILE,
        model_sha256=files[MODEL_FILE],
        input_size_px=int(field("input.size_px", int)),
        preprocess_version=preprocess_version,
        output_names=tuple(name for name in OUTPUTS if name in outputs),
        occupied_at=occupied_at,
        empty_at=empty_at,
        golden_tolerance=float(field("golden.tolerance", (int, float))),
        manifest=manifest,
    )


def _check_file(path: Path, digest: object) -> None:
    try:
        if not path.is_file():
            raise BundleRefused(f"{path}: missing; copy the whole folder the trainer wrote")
        if path.stat().st_size > _MODEL_LIMIT_BYTES:
            raise BundleRefused(f"{path}: larger than 64 MiB; this is no file of a bundle")
        found = sha256_of(path)
    except OSError as error:
        raise BundleRefused(
            f"{path}: cannot be read ({error.strerror}); make it readable for this user"
        ) from error
    if found != digest:
        raise BundleRefused(
            f"{path}: its SHA-256 differs from the one in {MANIFEST_FILE}: the file is "
            "damaged or was changed; copy the bundle again"
        )


def read_golden(bundle: Bundle) -> Golden:
    """Return the bundle's golden crops.

    Raises:
        BundleRefused: the file does not hold what it must.
    """
    path = bundle.path / GOLDEN_FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            golden = Golden(
                arrays["crops_rgb"],
                arrays["probability"].astype(np.float32),
                tuple(str(name) for name in arrays["names"]),
            )
    except ARRAYS_UNREADABLE as error:
        raise BundleRefused(f"{path}: cannot be read ({error}); copy the bundle again") from error
    size_px = bundle.input_size_px
    if (
        golden.crops_rgb.dtype != np.uint8
        or golden.crops_rgb.shape[1:] != (size_px, size_px, 3)
        or golden.probability.ndim != 1
        or not len(golden.crops_rgb) == len(golden.probability) == len(golden.names) > 0
    ):
        raise BundleRefused(f"{path}: its crops do not fit the model's input; train it again")
    return golden


def write_bundle(path: Path, manifest: Mapping[str, Any], fill: Callable[[Path], None]) -> None:
    """Write a bundle so that a half-written one never exists under its name.

    `fill(folder)` writes every file but the manifest; their hashes are added to the manifest here.
    An existing bundle of that name is kept as `<name>.previous`.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_beside(path)
    temporary.mkdir()
    try:
        fill(temporary)
        files = {p.name: sha256_of(p) for p in sorted(temporary.iterdir())}
        document = {**manifest, "files": files}
        (temporary / MANIFEST_FILE).write_text(
            json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8"
        )
        _replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary_beside(target: Path) -> Path:
    """Return where to make a bundle that gets this name; remove what killed processes left."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        if time.time() - left.stat().st_mtime > _ABANDONED_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    return temporary


def _replace_folder(source: Path, target: Path) -> None:
    """Put a finished folder under its name, keeping the one before as `<name>.previous`."""
    for file in source.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    previous = target.with_name(f"{target.name}.previous")
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)
        target.rename(previous)
    source.rename(target)


def install_bundle(source: Path, models: Path, name: str | None = None) -> Path:
    """Copy a verified bundle into a models folder under its name; return where it is.

    The caller runs the self-test on `source` first. The bundle that was there stays as
    `<name>.previous` for `rollback_bundle`.

    Raises:
        BundleRefused: the source is no intact bundle.
    """
    bundle = read_bundle(source)
    name = name or bundle.name
    if Path(name).name != name or name == "..":
        raise BundleRefused(f"{name!r} is not the name of a folder; give one without slashes")
    models.mkdir(parents=True, exist_ok=True)
    target = (models / name).resolve()
    if target == source.resolve():
        raise BundleRefused(f"{source}: already installed under this name")
    temporary = _temporary_beside(target)
    try:
        shutil.copytree(source, temporary)
        read_bundle(temporary)  # The copy is what will run.
        _replace_folder(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def previous_bundle(target: Path) -> Path:
    """Return the folder of the bundle that was installed before this one.

    Raises:
        BundleRefused: there is none.
    """
    target = target.resolve()
    previous = target.with_name(f"{target.name}.previous")
    if not previous.is_dir():
        raise BundleRefused(f"{previous}: there is no previous bundle to go back to")
    return previous


def rollback_bundle(target: Path) -> Path:
    """Swap a bundle with the one that was installed before it; return its folder.

    The caller runs the self-test on `previous_bundle` first.

    Raises:
        BundleRefused: there is no intact previous bundle.
    """
    target = target.resolve()
    previous = previous_bundle(target)
    read_bundle(previous)
    # Not a name that `_temporary_beside` sweeps up: after a kill a whole bundle lies here. It is
    # always the same name, so that a repeated rollback finds it, or the next one replaces it.
    aside = target.with_name(f".{target.name}.aside")
    if target.exists():
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
    previous.rename(target)
    if aside.exists():
        aside.rename(previous)
    return target
