"""Round weights to 8 bits so that what a layer puts out changes least.

To the nearest integer each weight is best off, and the layer is not: its inputs are never
negative and belong together, so the errors of its weights add up. Each weight's error is
instead made up for by the weights after it (Frantar et al. 2022, GPTQ), and what is left of
the mean goes into the bias (Nagel et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.dataset import Crops
from trainer.float_file import Convolution, FloatFile, Floats

Doubles = npt.NDArray[np.float64]

_LARGEST = 127  # integers of weights lie evenly around 0
_BLOCK = 64  # weights whose errors the ones after the block take up together, for speed
_PLACES = 128  # looked at of each crop and layer
# Added to every variance, as a share of their mean: inputs that never vary say nothing.
_DAMPING = 0.01


def round_weights(file: FloatFile, convolutions: Sequence[Convolution], crops_rgb: Crops) -> None:
    """Replace the weights of these convolutions by such as 8 bits per filter hold exactly."""
    random = np.random.default_rng(0)
    patches: list[list[Floats]] = [[] for _ in convolutions]
    sources = [convolution.source for convolution in convolutions]
    shapes = [file.constant(convolution.weights).shape for convolution in convolutions]
    for values in file.values(sources, crops_rgb):
        for convolution, shape, seen in zip(convolutions, shapes, patches, strict=True):
            seen.append(_patches(values[convolution.source][0], convolution, shape, random))
    for convolution, seen in zip(convolutions, patches, strict=True):
        _round_one(file, convolution, np.concatenate(seen))


def _round_one(file: FloatFile, convolution: Convolution, patches: Floats) -> None:
    """`patches` (count, rows * columns, channels) is what the convolution reads."""
    weights = file.constant(convolution.weights)
    if convolution.is_depthwise:
        # A filter per channel, each with inputs of its own.
        filters = weights.reshape(-1, weights.shape[-1]).T
        inputs = patches.transpose(2, 0, 1).astype(np.float32, order="C")
    else:
        filters = weights.reshape(len(weights), -1)
        inputs = patches.reshape(1, len(patches), -1)
    mean = inputs.mean(axis=1)
    deviations = inputs - mean[:, None]
    covariance = deviations.transpose(0, 2, 1) @ deviations / len(patches)
    rounded = rounded_filters(filters, covariance)
    shift = ((filters - rounded) * mean).sum(axis=1)
    file.set_constant(
        convolution.weights,
        (rounded.T if convolution.is_depthwise else rounded).reshape(weights.shape),
    )
    file.set_constant(convolution.bias, file.constant(convolution.bias) + shift)


def rounded_filters(filters: npt.NDArray[np.floating], covariance: Doubles) -> Doubles:
    """Return the filters, (count, inputs), as multiples of a 127th of the largest of each.

    `covariance` of the inputs, (count, inputs, inputs) or (1, inputs, inputs) for all.
    """
    remaining = filters.astype(np.float64)
    steps = np.maximum(np.abs(remaining).max(axis=1), 1e-9) / _LARGEST
    # The converter takes the largest for its step, so that one stays where it is.
    largest = np.abs(remaining).argmax(axis=1)
    count = filters.shape[1]
    variances = np.diagonal(covariance, axis1=1, axis2=2).mean(axis=1)
    damped = covariance + np.eye(count) * (_DAMPING * variances + 1e-9)[:, None, None]
    inverse = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    rounded = np.empty_like(remaining)
    for start in range(0, count, _BLOCK):
        end = min(start + _BLOCK, count)
        errors = np.empty((len(filters), end - start))
        for index in range(start, end):
            nearest = np.clip(np.round(remaining[:, index] / steps), -_LARGEST, _LARGEST) * steps
            rounded[:, index] = np.where(largest == index, filters[:, index], nearest)
            error = (remaining[:, index] - rounded[:, index]) / inverse[:, index, index]
            remaining[:, index + 1 : end] -= error[:, None] * inverse[:, index, index + 1 : end]
            errors[:, index - start] = error
        remaining[:, end:] -= (errors[:, None] @ inverse[:, start:end, end:])[:, 0]
    return rounded


def _patches(
    source: Floats,
    convolution: Convolution,
    weights_shape: tuple[int, ...],
    random: np.random.Generator,
) -> Floats:
    """Return what the filters read at some places, (places, rows * columns, channels)."""
    _, *window, _ = weights_shape
    stride = convolution.stride
    if convolution.is_padded:
        # As TensorFlow pads: the odd one goes below and to the right.
        missing = [
            max(0, (-(-size // stride) - 1) * stride + taken - size)
            for size, taken in zip(source.shape[:2], window, strict=True)
        ]
        source = np.pad(source, [(m // 2, m - m // 2) for m in missing] + [(0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(source, window, axis=(0, 1))
    windows = windows[::stride, ::stride]  # (rows, columns, channels, *window)
    rows, columns = windows.shape[:2]
    places = random.permutation(rows * columns)[:_PLACES]
    taken: Floats = windows[places // columns, places % columns]
    return np.moveaxis(taken.reshape(*taken.shape[:2], -1), 1, 2)
