"""Read the arrays of a file that torch saved, without torch and without running what it says."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # of torch.save before version 1.6
_PROTOCOL = 1001
_STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True)
class _Storage:
    key: str
    kind: np.dtype[Any]
    length: int


@dataclass(frozen=True)
class _Tensor:
    """A view on a storage, whose numbers follow later in the file."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def on(self, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
        reach = self.offset + sum(
            (n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)
        )
        if min(self.offset, *self.strides, 0) < 0 or reach >= len(numbers):
            raise ValueError("a tensor lies outside its storage")
        return np.lib.stride_tricks.as_strided(
            numbers[self.offset :],
            self.shape,
            [step * numbers.itemsize for step in self.strides],
            writeable=False,
        ).copy()


def _tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_gradient: object,
) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


_CALLABLE: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    **{("torch", name): kind for name, kind in _STORAGES.items()},
}


class _TensorUnpickler(pickle.Unpickler):
    """Knows the few names a dictionary of tensors needs; every other one is refused.

    A pickle is a program: it calls whatever it names.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return what the file may call."""
        try:
            return _CALLABLE[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that this note stands for."""
        _, kind, key, _, length, _ = pid
        return _Storage(key, kind, length)


def read_torch_file(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of a `state_dict` that torch before 1.6 saved, by name.

    Raises:
        ValueError: the file is none of that kind, or wants more than arrays.
    """
    try:
        with file.open("rb") as stream:
            return _read(stream)
    except (pickle.UnpicklingError, EOFError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file}: no plain file of torch tensors ({error})") from error


def _read(stream: BinaryIO) -> dict[str, npt.NDArray[Any]]:
    magic_number, protocol = _unpickled(stream), _unpickled(stream)
    if (magic_number, protocol) != (_MAGIC_NUMBER, _PROTOCOL):
        raise pickle.UnpicklingError("not torch's first format")
    _unpickled(stream)  # what machine wrote it; torch writes little-endian on all in use
    tensors: dict[str, _Tensor] = _unpickled(stream)
    kinds = {tensor.storage.key: tensor.storage.kind for tensor in tensors.values()}
    numbers = {}
    for key in _unpickled(stream):
        length = int(np.frombuffer(stream.read(8), "<i8")[0])
        kind = kinds[key]
        numbers[key] = np.frombuffer(stream.read(length * kind.itemsize), kind)
    return {name: tensor.on(numbers[tensor.storage.key]) for name, tensor in tensors.items()}


def _unpickled(stream: BinaryIO) -> Any:
    return _TensorUnpickler(stream).load()
