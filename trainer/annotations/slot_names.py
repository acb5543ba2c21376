"""Names for slots that nobody named: by where they lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.types import PolygonPx
from trainer.annotations.regions import Region

_SAME_SLOT = 0.5  # intersection over union of two pictures' boxes around one slot


class SlotNames:
    """Tells which boxes of a fixed camera's pictures are about one slot: those that overlap."""

    def __init__(self) -> None:
        self._boxes: dict[str, list[npt.NDArray[np.float32]]] = defaultdict(list)

    def name_of(self, camera: str, region: Region) -> str:
        """Return the annotation's own name for the slot, else s1, s2 ... as they first come."""
        if region.box.slot:
            return region.box.slot
        box = np.concatenate([region.polygon_px.min(axis=0), region.polygon_px.max(axis=0)])
        known = self._boxes[camera]
        if known:
            overlaps = _overlaps(np.array(known), box)
            best = int(np.argmax(overlaps))
            if overlaps[best] >= _SAME_SLOT:
                return f"s{best + 1}"
        known.append(box)
        return f"s{len(known)}"


def _overlaps(
    boxes: npt.NDArray[np.float32], box: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return intersection over union of each box with one: left, top, right, bottom."""
    common = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    intersection = common.clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    union = areas + (box[2:] - box[:2]).prod() - intersection
    return np.asarray(intersection / union, dtype=np.float32)


def grid_ids(polygons: Sequence[PolygonPx]) -> list[str]:
    """Return A1, A2 ... for slots as people read them: rows from the top, then from the left."""
    middles = np.array([polygon.mean(axis=0) for polygon in polygons])
    half_height = np.median([np.ptp(polygon[:, 1]) for polygon in polygons]) / 2
    rows: list[list[int]] = []
    for index in np.argsort(middles[:, 1], kind="stable"):
        # Of the slot next above in its row, so that a row may slant.
        if not rows or middles[index, 1] - middles[rows[-1][-1], 1] > half_height:
            rows.append([])
        rows[-1].append(int(index))
    ids = [""] * len(polygons)
    for number, row in enumerate(rows, start=1):
        for column, index in enumerate(sorted(row, key=lambda i: middles[i, 0]), start=1):
            ids[index] = f"{_letters(number)}{column}"
    return ids


def _letters(number: int) -> str:
    """Return A for 1 ... Z for 26, then AA, AB ... as in slots files."""
    text = ""
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
