"""Tensors are read from torch's first file format; a file that wants more is refused."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from trainer.backbones.torch_file import read_torch_file

pytestmark = pytest.mark.trainer

HEADER = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
NUMBERS = np.arange(12, dtype="<f4")


def write(file: Path, objects: tuple[bytes, ...], numbers: bytes = b"") -> Path:
    file.write_bytes(b"".join(objects) + numbers)
    return file


def pickled(*values: object) -> tuple[bytes, ...]:
    return tuple(pickle.dumps(value, 2) for value in values)


def tensors(offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """Return the pickle torch would write, in its own words: {"weight": one tensor}."""

    def spelled(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"I%d\n" % value for value in values) + b"t"

    storage = b"(U\x07storagectorch\nFloatStorage\nU\x01sU\x03cpuI12\nNtQ"
    tensor = storage + b"I%d\n" % offset + spelled(shape) + spelled(strides) + b"I00\nNt"
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + tensor + b"R"
    return b"\x80\x02ccollections\nOrderedDict\n)R(U\x06weight" + rebuilt + b"u."


def saved(file: Path, content: bytes) -> Path:
    numbers = len(NUMBERS).to_bytes(8, "little") + NUMBERS.tobytes()
    return write(file, (*pickled(*HEADER), content, *pickled(["s"])), numbers)


def test_a_tensor_is_a_view_on_its_storage(tmp_path: Path) -> None:
    # Torch keeps a transposed tensor as it lay, with the steps the other way round.
    arrays = read_torch_file(saved(tmp_path / "t.pth", tensors(2, (3, 2), (1, 3))))
    assert list(arrays) == ["weight"]
    assert np.array_equal(arrays["weight"], NUMBERS[2:8].reshape(2, 3).T)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a tensor lies outside its storage"):
        read_torch_file(saved(tmp_path / "t.pth", tensors(2, (3, 4), (4, 1))))


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("caught",)


def test_a_file_that_calls_something_is_refused_before_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path / "t.pth", pickled(*HEADER, OrderedDict(weight=Trap())))
    with pytest.raises(ValueError, match=r"no plain file of torch tensors \(it asks for posix"):
        read_torch_file(file)
    assert not (tmp_path / "caught").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", *pickled({"weight": 1})])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"t\.pth: no plain file of torch tensors"):
        read_torch_file(write(tmp_path / "t.pth", (content,)))
