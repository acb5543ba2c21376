"""Does the model look at what is in the slot, or at the slot's rim?

The idea is the pointing game (Zhang et al. 2018), for slots that never move: a crop is the
slot, so what stands in it is in the middle, and attention on the rim means that the model
watches edges, neighbours or shadows. The rim is the outer eighth along each side.

An attention is a grid of cells over the crop; where it is positive, OCCUPIED was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.dataset import Sample

RIM_SHARE = 1 / 8  # of the crop's side, on each side


@dataclass(frozen=True)
class Pointing:
    """Where attention lies, over a number of crops; None where no crop has any.

    The `uniform` figures are those of an attention that is the same everywhere.
    """

    count: int  # crops
    blind_count: int  # of these: nowhere positive, so in neither figure
    inner_share: float | None  # of the positive attention, mean over crops
    uniform_inner_share: float
    peak_inside_share: float | None  # of the crops: the strongest cell's centre is inside
    uniform_peak_inside_share: float


def pointing(attentions: npt.NDArray[np.floating], rim_share: float = RIM_SHARE) -> Pointing:
    """Return where these attentions, shape (count, rows, columns), lie.

    A cell that the border of the rim cuts through belongs to both by area.
    """
    count, rows, columns = attentions.shape
    inner = np.outer(_inner_parts(rows, rim_share), _inner_parts(columns, rim_share))
    is_inside = np.outer(_centres_inside(rows, rim_share), _centres_inside(columns, rim_share))
    positive = np.maximum(attentions, 0).reshape(count, rows * columns)
    positive = positive[positive.sum(axis=1) > 0]
    shares = (positive @ inner.ravel()) / positive.sum(axis=1)
    peaks_inside = is_inside.ravel()[positive.argmax(axis=1)]
    return Pointing(
        count=count,
        blind_count=count - len(positive),
        inner_share=float(shares.mean()) if len(positive) else None,
        uniform_inner_share=float(inner.mean()),
        peak_inside_share=float(peaks_inside.mean()) if len(positive) else None,
        uniform_peak_inside_share=float(is_inside.mean()),
    )


def _inner_parts(length: int, rim_share: float) -> npt.NDArray[np.float64]:
    """Return how much of each cell of a row lies inside, 0..1."""
    edges = np.linspace(0, 1, length + 1).clip(rim_share, 1 - rim_share)
    return np.diff(edges) * length


def _centres_inside(length: int, rim_share: float) -> npt.NDArray[np.bool_]:
    centres = (np.arange(length) + 0.5) / length
    return (centres > rim_share) & (centres < 1 - rim_share)


def pointing_of_cameras(
    samples: Sequence[Sample], attentions: npt.NDArray[np.floating]
) -> dict[str, Pointing]:
    """Return the pointing over the OCCUPIED crops: "all cameras", then each camera's own."""
    cameras = np.array([f"{s.source} {s.camera}".strip() for s in samples])
    occupied = np.array([s.is_occupied for s in samples], bool)
    tables = {"all cameras": pointing(attentions[occupied])}
    for camera in sorted(set(cameras[occupied])):
        tables[str(camera)] = pointing(attentions[occupied & (cameras == camera)])
    return tables
