"""One picture at half its size, at a quarter of it, and so on, each made once.

Several rooms look at a frame in small, and reading all of its pixels is most of what that
costs: whoever comes second finds the small picture ready. Lives as long as its frame, in the
thread that looks at it.
"""

from __future__ import annotations

import cv2

from edge.types import ImageRGB


class Halvings:
    """A picture, halved again and again when asked for."""

    def __init__(self, image_rgb: ImageRGB) -> None:
        """Take the picture, RGB uint8 (height, width, 3), as it is."""
        self._pictures = [image_rgb]

    def at(self, times: int) -> ImageRGB:
        """Return the picture halved so many times, each pixel the mean of 2 by 2.

        Never halved below a pixel; an odd last line or column is left out.
        """
        while len(self._pictures) <= times:
            larger = self._pictures[-1]
            # Exactly half: OpenCV's fast way, a quarter of a millisecond for 1280x720.
            height_px, width_px = max(1, larger.shape[0] // 2), max(1, larger.shape[1] // 2)
            even = larger[: 2 * height_px, : 2 * width_px]
            self._pictures.append(
                cv2.resize(even, (width_px, height_px), interpolation=cv2.INTER_AREA)
            )
        return self._pictures[times]


def halved_wh(wh: tuple[int, int], times: int) -> tuple[int, int]:
    """Return the width and height of a picture that was halved so many times."""
    return max(1, wh[0] >> times), max(1, wh[1] >> times)
