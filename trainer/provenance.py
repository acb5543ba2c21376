"""Where a model comes from, read from its manifest: what a report shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from edge.bundle import BundleRefused

SPLITS = ("train", "holdout", "test")
_PACKAGES = (
    "tensorflow",
    "keras",
    "ai-edge-litert",
    "scikit-learn",
    "numpy",
    "opencv-python-headless",
)


@dataclass(frozen=True)
class SourceFacts:
    """One source of crops, and what became of them."""

    name: str
    licence: str
    split_by: str
    groups: int
    counts: tuple[tuple[int, int], ...]  # (EMPTY, OCCUPIED) in each of SPLITS


@dataclass(frozen=True)
class EpochLoss:
    """The loss after one pass of training; epoch 0 is the head alone."""

    run: int  # 1, or one of several networks that were made one
    epoch: int
    train_loss: float | None
    holdout_loss: float


@dataclass(frozen=True)
class Provenance:
    """What the manifest says of how the model was made. Empty where it says nothing."""

    created_at: str = ""
    duration_s: float | None = None
    sources: tuple[SourceFacts, ...] = ()
    recipe: tuple[tuple[str, str], ...] = ()  # setting, value
    versions: tuple[tuple[str, str], ...] = ()  # package, version
    epochs: tuple[EpochLoss, ...] = ()
    temperature: float | None = None


def provenance_of(manifest: Mapping[str, Any]) -> Provenance:
    """Return what a bundle's manifest says of how it was made.

    Raises:
        BundleRefused: it says it in another way than the trainer does.
    """
    try:
        return _provenance(manifest)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleRefused(
            "bundle.json: what it says of recipe, training and sources is not as slotwatch-train "
            f"writes it ({error}); copy the bundle again"
        ) from error


def mirrored_sources_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the sources whose crops are turned round before they are scored.

    Raises:
        BundleRefused: the manifest's recipe is none.
    """
    recipe = manifest.get("recipe", {})
    sources = recipe.get("mirrored_sources", []) if isinstance(recipe, dict) else None
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise BundleRefused("bundle.json: its recipe is damaged; copy the bundle again")
    return tuple(sources)


def _provenance(manifest: Mapping[str, Any]) -> Provenance:
    training = manifest.get("training", {})
    scale = training.get("calibration", {}).get("scale")
    return Provenance(
        created_at=str(manifest.get("created_at", "")),
        duration_s=training.get("duration_s"),
        sources=tuple(_source(entry) for entry in manifest.get("trained_on", ())),
        recipe=tuple(
            (str(name).replace("_", " "), _plain(value))
            for name, value in manifest.get("recipe", {}).items()
            # The table of sources has them already.
            if name != "licences"
        ),
        versions=tuple(training.get("versions", {}).items()),
        epochs=tuple(
            EpochLoss(
                int(entry.get("run", 1)),
                int(entry["epoch"]),
                entry.get("train_loss"),
                float(entry["holdout_loss"]),
            )
            for entry in training.get("epochs", ())
        ),
        temperature=1 / scale if scale else None,
    )


def _source(entry: Mapping[str, Any]) -> SourceFacts:
    counts = entry.get("counts", {})
    return SourceFacts(
        str(entry.get("source", "")),
        str(entry.get("licence", "none stated")),
        str(entry.get("split_by", "")),
        int(entry.get("groups", 0)),
        tuple(
            (int(counts.get(s, {}).get("EMPTY", 0)), int(counts.get(s, {}).get("OCCUPIED", 0)))
            for s in SPLITS
        ),
    )


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages a model depends on, of those that are installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
