"""Whether a picture is torn beside the one before: from a line on it shows something else.

A JPEG that lost some bytes, or a slice of H.264, goes on displaced or in other colours to its
end, and may still be as like the reference as it ever was. But it can be told from the newest
picture that nothing was wrong with: above the line it is that picture, below it is not. A camera
that moves, and light, change what is above as well.

A lid, a drawer or a lamp can do the same, and stays where it is; tears come at another line each
time. Runs in the inference thread; pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import ImageRGB

# Of small pictures (`edge.look.Look.small_rgb`). Torn JPEGs changed at most 0.03 of what is above
# and mostly 0.8 to 1 of what is below; of 612 undamaged pictures beside the one before the nearest
# had 0.04 and 0.5, or 0.09 and 0.66. Bumps, turned cameras and other exposures: none of 693.
# Chosen on chess games 2, 4 and 5, five days of a car park, an aerial video, screws and the
# simulator.
CHANGED_LEVELS = 16  # of 0..255 in one channel, by which a pixel has changed
MOST_ABOVE = 0.04  # share of the pixels above that changed
LEAST_BELOW = 0.7
LEAST_LINES = 2  # above and below
# Pixels above unlike their neighbour: where all is plain, what moved looks unchanged as well.
LEAST_EDGES = 10
# Share of the pixels above near the median colour, from which on they are a bar for captions. What
# a recorder draws there no light changes.
BAR_SHARE = 0.6
LARGEST_BAR = 0.2  # of the picture's height
# From so many looks in a row at one line on, it is the scene that changed there. Longer than a
# damaged key frame is on show, a few seconds of a stream.
SCENE_LOOKS = 10
_SAME_LINE = 2  # the line wavers by so much


@dataclass(frozen=True)
class TearMemory:
    """For how long the newest pictures have looked torn at one line."""

    line: int = 0  # of the small picture
    looks: int = 0  # in a row

    @property
    def is_torn(self) -> bool:
        """Whether that is a tear, rather than nothing or a change of the scene."""
        return 0 < self.looks < SCENE_LOOKS


def watch_tear(memory: TearMemory, small_rgb: ImageRGB, accepted_rgb: ImageRGB) -> TearMemory:
    """Return the new memory after a picture, given the newest that nothing was wrong with."""
    line = torn_line(small_rgb, accepted_rgb)
    if line is None:
        return TearMemory()
    is_same = memory.looks > 0 and abs(line - memory.line) <= _SAME_LINE
    return TearMemory(line, memory.looks + 1 if is_same else 1)


def torn_line(small_rgb: ImageRGB, before_rgb: ImageRGB) -> int | None:
    """Return the line from which on a picture shows something else than the one before.

    Both are uint8 (height, width, 3) of one size. None where it is whole.
    """
    height_px, width_px = small_rgb.shape[:2]
    changed = _count_apart(small_rgb, before_rgb)
    if changed.sum() < LEAST_BELOW * LEAST_LINES * width_px:
        return None
    lines = np.arange(LEAST_LINES, height_px - LEAST_LINES + 1)
    changed_above = changed.cumsum()[lines - 1]
    above = changed_above / (lines * width_px)
    below = (changed.sum() - changed_above) / ((height_px - lines) * width_px)
    is_torn = (above <= MOST_ABOVE) & (below >= LEAST_BELOW)
    if is_torn.any():
        edges = _count_apart(before_rgb[:, 1:], before_rgb[:, :-1])
        is_torn &= edges.cumsum()[lines - 1] >= LEAST_EDGES
    if not is_torn.any():
        return None
    line = int(lines[np.argmax(np.where(is_torn, below - above, -1.0))])
    is_bar = line <= LARGEST_BAR * height_px and _is_plain(before_rgb[:line])
    return None if is_bar else line


def _is_plain(above_rgb: ImageRGB) -> bool:
    median = np.median(above_rgb.reshape(-1, 3), axis=0)
    is_near = (np.abs(above_rgb - median) <= CHANGED_LEVELS).all(axis=2)
    return bool(is_near.mean() >= BAR_SHARE)


def _count_apart(one_rgb: ImageRGB, other_rgb: ImageRGB) -> npt.NDArray[np.intp]:
    """Return how many pixels of each line differ, (height,)."""
    near = cv2.inRange(cv2.absdiff(one_rgb, other_rgb), (0.0, 0.0, 0.0), 3 * (CHANGED_LEVELS,))
    # Marked with 255, which OpenCV adds up faster than numpy counts.
    marked = cv2.reduce(near, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0]
    return np.asarray(near.shape[1] - marked // 255, np.intp)
