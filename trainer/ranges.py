"""The range of values that the 256 integers of each tensor stand for."""

from __future__ import annotations

import numpy as np

from trainer.dataset import Crops
from trainer.float_file import FloatFile, Floats

_LEVELS = 255  # steps between 256 integers
_SHARES = np.linspace(0.3, 1.0, 15)  # of the whole range that are tried on either side
_VALUES = 100_000  # looked at of each tensor, the same number of each crop
_CLIPPED = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")


def choose_ranges(file: FloatFile, crops_rgb: Crops) -> None:
    """Give each tensor the range whose integers have the least squared error.

    From the smallest value to the largest, as the converter does it, a few outliers would
    make the steps coarse for all the others (Krishnamoorthi 2018). The input is every
    value of a pixel: scale 1, zero point 0. What comes before the first convolution keeps
    its whole range too: that is pixels in another unit.
    """
    kinds = file.kinds()
    tensors = [tensor for tensor in file.ranged() if tensor in kinds]
    random = np.random.default_rng(0)
    samples: dict[int, list[Floats]] = {tensor: [] for tensor in tensors}
    ends = dict.fromkeys(tensors, (0.0, 0.0))
    for values in file.values(tensors, crops_rgb):
        for tensor, value in values.items():
            smallest, largest = ends[tensor]
            ends[tensor] = (min(smallest, float(value.min())), max(largest, float(value.max())))
            chosen = random.integers(0, value.size, -(-_VALUES // len(crops_rgb)))
            samples[tensor].append(value.ravel()[chosen])
    file.set_range(file.input(), 0, 255)
    is_behind_a_convolution = False
    for tensor in tensors:
        is_behind_a_convolution |= kinds[tensor] == "CONV_2D"
        if is_behind_a_convolution and kinds[tensor] in _CLIPPED:
            ends[tensor] = least_error_range(np.concatenate(samples[tensor]), *ends[tensor])
        file.set_range(tensor, *ends[tensor])


def least_error_range(values: Floats, smallest: float, largest: float) -> tuple[float, float]:
    """Return the part of the range, 0 in it, that stands for these values best."""
    found = (np.inf, smallest, largest)
    for low in _SHARES * smallest if smallest < 0 else [0.0]:
        for high in _SHARES * largest if largest > 0 else [0.0]:
            step = max(high - low, 1e-9) / _LEVELS
            first = np.round(low / step)
            integers = np.clip(np.round(values / step), first, first + _LEVELS)
            error = float(np.square(values - integers * step).mean())
            found = min(found, (error, low, high))
    return float(found[1]), float(found[2])
