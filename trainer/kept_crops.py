"""What a network says of the crops left out, kept beside the figures of a comparison.

One .npz per recipe, seed and source left out: rules on top of a network are tried on them in
seconds, without training it again.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from edge.bundle import ARRAYS_UNREADABLE
from edge.scores import Bools

log = logging.getLogger(__name__)

FOLDER = "crops"


@dataclass(frozen=True, eq=False)
class KeptCrops:
    """The crops one fold leaves out, in the order of the data set, and pieces of garbage.

    Embeddings are the float network's pooled features, float16: their rounding moves a cosine
    distance by less than 1e-6.
    """

    logits: npt.NDArray[np.float32]  # (crops,), of OCCUPIED, as the bound clips them
    embeddings: npt.NDArray[np.float16]  # (crops, features)
    occupied: Bools  # (crops,)
    sources: npt.NDArray[np.str_]  # (crops,)
    cameras: npt.NDArray[np.str_]  # (crops,), "" where nothing says
    slots: npt.NDArray[np.str_]  # (crops,), "" where nothing says
    garbage_logits: npt.NDArray[np.float32]  # (pieces,)
    garbage_embeddings: npt.NDArray[np.float16]  # (pieces, features)


def kept_file(out: Path, key: str, seed: int, fold: str) -> Path:
    """Return where a comparison writing to the folder `out` keeps the crops of a fold.

    `key` tells recipes, their settings and the data apart: `trainer.compare.comparison_key`.
    """
    # A fold may have any name that a command line can hold.
    return out / FOLDER / f"{key}-{seed}-{quote(fold, safe='')}.npz"


def write_kept(file: Path, kept: KeptCrops) -> None:
    """Replace the file as a whole: an interruption leaves the one before, or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.stem}.{os.getpid()}.part")
    arrays: dict[str, Any] = {field.name: getattr(kept, field.name) for field in fields(kept)}
    try:
        with partial.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **arrays)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def read_kept(file: Path) -> KeptCrops | None:
    """Return the crops; None where there is no file, or none that can be read."""
    if not file.is_file():
        return None
    try:
        # numpy leaves a file it opened itself open when it is no zip file.
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            return KeptCrops(**{field.name: arrays[field.name] for field in fields(KeptCrops)})
    except ARRAYS_UNREADABLE as error:
        log.warning("%s: cannot be read (%s); its crops are left out", file, error)
        return None
