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
_PLACES = 64  # looked at of each crop and layer
_PLACES_OF_DEPTHWISE = 16  # a filter of nine weights needs fewer
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
        _round_one(file, convolution, seen)
        seen.clear()


def _round_one(file: FloatFile, convolution: Convolution, seen: Sequence[Floats]) -> None:
    """`seen` is what the convolution reads, of each crop (places, rows * columns, channels)."""
    weights = file.constant(convolution.weights)
    if convolution.is_depthwise:
        # A filter per channel, each with inputs of its own.
        filters = weights.reshape(-1, weights.shape[-1]).T
        inputs = np.concatenate([patches.transpose(2, 1, 0) for patches in seen], axis=2)
    else:
        filters = weights.reshape(len(weights), -1)
        inputs = np.concatenate(seen).reshape(-1, filters.shape[1]).T[None]
    mean = inputs.mean(axis=2)
    inputs -= mean[:, :, None]
    covariance = inputs @ inputs.transpose(0, 2, 1) / inputs.shape[2]
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
        taken_up = inverse[:, start:end, end:]
        # One product where all filters read the same: as many small ones take ten times as long.
        remaining[:, end:] -= (
            errors @ taken_up[0] if len(taken_up) == 1 else (errors[:, None] @ taken_up)[:, 0]
        )
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
    counts, offsets = [], []
    for size, taken in zip(source.shape[:2], window, strict=True):
        count = -(-size // stride) if convolution.is_padded else (size - taken) // stride + 1
        # As TensorFlow pads: the odd one goes below and to the right.
        missing = max(0, (count - 1) * stride + taken - size) if convolution.is_padded else 0
        counts.append(count)
        offsets.append(np.arange(taken) - missing // 2)
    count = _PLACES_OF_DEPTHWISE if convolution.is_depthwise else _PLACES
    places = random.permutation(counts[0] * counts[1])[:count]
    rows = (places // counts[1] * stride)[:, None, None] + offsets[0][:, None]
    columns = (places % counts[1] * stride)[:, None, None] + offsets[1]
    inside = (rows >= 0) & (rows < source.shape[0]) & (columns >= 0) & (columns < source.shape[1])
    # What lies outside is taken from anywhere and made 0.
    patches: Floats = source[rows % source.shape[0], columns % source.shape[1]]
    patches[~inside] = 0
    return patches.reshape(len(places), -1, source.shape[-1])
