"""Whether the light jumped from one picture to the next.

A camera whose exposure jumps seldom does so once. The picture right after a jump is a poor
witness: whatever reads or remembers it does better to wait for the next. Only light that most
of the picture shares counts, not a thing that is large and bright. Runs in the thread that
owns the pipeline; pure.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.halvings import Halvings

# So many times as bright, or as dark. From one frame to the next hands over a chess board made
# the mean of the picture 1.1 times as bright at most, the weather in five minutes too.
JUMP_GAIN = 1.25
_BLACK_LEVELS = 8.0  # of 0..255, added: in the dark a little noise is much
_HALVINGS = 4  # a 1280x960 picture to 80x60

Brightness = npt.NDArray[np.float32]  # (height, width) of a small picture, levels
NO_BRIGHTNESS: Brightness = np.zeros((0, 0), np.float32)


def measure_brightness(halvings: Halvings) -> Brightness:
    """Return how bright the parts of a picture are."""
    return np.asarray(halvings.at(_HALVINGS).max(axis=2), np.float32)


def has_jumped(before: Brightness, now: Brightness) -> bool:
    """Return whether half of the picture is much brighter, or much darker, than it was."""
    if before.shape != now.shape:
        return True
    gain = float(np.median((now + _BLACK_LEVELS) / (before + _BLACK_LEVELS)))
    return max(gain, 1 / gain) > JUMP_GAIN
