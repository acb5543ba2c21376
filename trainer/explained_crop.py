"""One explained crop as a picture file: what it is, what the bundle said, and why."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.types import ImageRGB
from trainer.dataset import Sample
from trainer.explanations import enlarged

_STRIP_PX = 40  # for the words under the picture
_JPEG_QUALITY = 90
_LONGEST_STEM = 50  # characters of up to 4 bytes, where 255 bytes are all a name may have


@dataclass(frozen=True, eq=False)
class ExplainedCrop:
    """A crop, the bundle's answer, and a picture of why."""

    kind: str  # one of trainer.explain.KINDS
    sample: Sample
    crop_rgb: ImageRGB
    probability: float  # of OCCUPIED, 0..1
    picture_rgb: ImageRGB  # square

    @property
    def words(self) -> str:
        """The label and what the bundle said."""
        label = "OCCUPIED" if self.sample.is_occupied else "EMPTY"
        return f"is {label}, probability of OCCUPIED {self.probability:.3f}"


def encoded(crop: ExplainedCrop) -> bytes:
    """Return the JPEG file: the crop, the picture beside it, the words below."""
    side_px = len(crop.picture_rgb)
    strip_rgb = np.full((_STRIP_PX, 2 * side_px, 3), 255, np.uint8)
    cv2.putText(
        strip_rgb,
        crop.words,
        (10, _STRIP_PX - 13),
        cv2.FONT_HERSHEY_SIMPLEX,
        side_px / 530,  # fills the width of both pictures at most
        (0, 0, 0),
        1,
        cv2.LINE_AA,
    )
    both_rgb = np.hstack([enlarged(crop.crop_rgb, side_px), crop.picture_rgb])
    whole_bgr = cv2.cvtColor(np.vstack([both_rgb, strip_rgb]), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", whole_bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes()


def file_names(crops: Sequence[ExplainedCrop]) -> list[str]:
    """Return a name for each crop: its kind and its own name, in any script, no two alike.

    What a file system, a shell or a browser might trip over becomes "_".
    """
    taken: set[str] = set()
    names = []
    for crop in crops:
        own = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", crop.sample.file.stem))
        stem = f"{crop.kind}_{own[:_LONGEST_STEM]}"
        name, number = f"{stem}.jpg", 1
        # Some file systems take upper and lower case for the same.
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}.jpg"
        taken.add(name.casefold())
        names.append(name)
    return names
