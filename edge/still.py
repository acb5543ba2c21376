"""Whether a frame shows just what the last closely looked at one showed, in the same place.

The gates and the alignment find nothing in such a frame that they did not find then, so that
they need not look again. Compared is a small picture, and always with that of the last close
look: what drifts adds up until it is seen. Runs in the thread that owns the pipeline; pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2

from edge.halvings import Halvings
from edge.types import ImageRGB

# Still or not, each tenth frame is looked at closely: a mount that sags by less than a pixel in
# the small picture is found within ten frames.
CLOSE_LOOK_EVERY = 10
# Of 0..255, in one channel of a small pixel. The noise of a poor sensor reaches half of it; a
# picture that moved by a hundredth of its width differs by more at every edge in it.
STILL_LEVELS = 12
# Of all small pixels and channels. A thing of a small slot is larger; one hot pixel is not.
STILL_SHARE = 2e-4
_WIDEST_PX = 320  # of the small picture


@dataclass(frozen=True, eq=False)
class StillMemory:
    """The last frame that was looked at closely, and that nothing was wrong with."""

    shape: tuple[int, ...]  # of the frame itself: halved, frames of two sizes can be of one
    small_rgb: ImageRGB
    frames: int = 0  # that were still since then


def looked_closely(halvings: Halvings) -> StillMemory:
    """Return the memory of a frame that was looked at closely."""
    return StillMemory(halvings.at(0).shape, _shrink(halvings))


def _shrink(halvings: Halvings) -> ImageRGB:
    times = 0
    while halvings.at(0).shape[1] >> times > _WIDEST_PX:
        times += 1
    return halvings.at(times)


def watch_still(memory: StillMemory, halvings: Halvings) -> StillMemory | None:
    """Return the new memory where a frame is still, None where it is to be looked at closely."""
    if memory.frames + 1 >= CLOSE_LOOK_EVERY or halvings.at(0).shape != memory.shape:
        return None
    small_rgb = _shrink(halvings)
    # One row per line, since OpenCV counts in a single channel only.
    difference = cv2.absdiff(small_rgb, memory.small_rgb).reshape(len(small_rgb), -1)
    differing = cv2.countNonZero(cv2.compare(difference, STILL_LEVELS, cv2.CMP_GT))
    if differing > STILL_SHARE * difference.size:
        return None
    return replace(memory, frames=memory.frames + 1)
