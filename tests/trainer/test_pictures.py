"""Every format is read the same way, and what cannot be used says why, without being decoded."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from trainer.drawn import drawn_crop
from trainer.pictures import LARGEST_BYTES, header_size_wh, read_picture

pytestmark = pytest.mark.trainer

PICTURE_RGB = drawn_crop(64, True, 1)[:48]


def write(file: Path, picture: np.ndarray) -> Path:
    is_done, data = cv2.imencode(file.suffix.lower(), picture)
    assert is_done
    file.write_bytes(data.tobytes())
    return file


def bgr(picture_rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture_rgb[..., ::-1])


@pytest.mark.parametrize(
    "name", ["a.png", "a.BMP", "a.tif", "a.TIFF", "빈 자리 🅿.png", "a b#%20.bmp", "-rf.png"]
)
def test_lossless_formats_give_the_picture_itself_under_any_name(name: str, tmp_path: Path) -> None:
    file = write(tmp_path / name, bgr(PICTURE_RGB))
    assert np.array_equal(read_picture(file), PICTURE_RGB)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.webp"])
def test_lossy_formats_give_about_the_picture(name: str, tmp_path: Path) -> None:
    read = read_picture(write(tmp_path / name, bgr(PICTURE_RGB)))
    assert not isinstance(read, str)
    assert np.abs(read.astype(int) - PICTURE_RGB).mean() < 4


def test_the_content_counts_when_the_suffix_is_wrong(tmp_path: Path) -> None:
    file = write(tmp_path / "a.png", bgr(PICTURE_RGB)).rename(tmp_path / "a.jpg")
    assert np.array_equal(read_picture(file), PICTURE_RGB)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_grey_and_transparency_become_rgb(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{suffix}"
    deep = read_picture(write(file, bgr(PICTURE_RGB).astype(np.uint16) * 256 + 77))
    assert not isinstance(deep, str)
    assert np.abs(deep.astype(int) - PICTURE_RGB).max() <= 1
    grey = PICTURE_RGB[..., 0]
    as_rgb = np.repeat(grey[..., None], 3, axis=2)
    assert np.array_equal(read_picture(write(file, grey)), as_rgb)
    assert np.array_equal(read_picture(write(file, grey.astype(np.uint16) * 257)), as_rgb)
    transparent = np.dstack([bgr(PICTURE_RGB), np.zeros_like(grey)])
    assert np.array_equal(read_picture(write(file, transparent)), PICTURE_RGB)


def test_a_photo_is_turned_as_its_orientation_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(PICTURE_RGB).save(tmp_path / "a.jpg", exif=exif, quality=95)
    read = read_picture(tmp_path / "a.jpg")
    assert not isinstance(read, str)
    assert read.shape == (64, 48, 3)
    assert np.abs(read.astype(int) - np.rot90(PICTURE_RGB, -1)).mean() < 4


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff", ".webp"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_was_cut_short_is_no_picture_and_nothing_is_said_beside_it(
    suffix: str, share: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / f"a{suffix}", bgr(PICTURE_RGB))
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    assert read_picture(file) in (
        "damaged or cut short: its header is fine, its pixels cannot be read",
        "not a picture that can be read (JPG, PNG, BMP, TIFF or WebP)",
    )
    assert capfd.readouterr() == ("", "")


def png_that_claims(width_px: int, height_px: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("size_wh", "reason"),
    [
        ((7100, 7100), "7100x7100 px, more than 50 megapixels"),
        ((10_000, 10_000), "10000x10000 px, more than 50 megapixels"),
        ((60_000, 60_000), "more than 50 megapixels"),
        ((7, 500), "only 7x500 px, at least 8 are needed"),
    ],
)
def test_a_size_out_of_bounds_is_read_from_the_header(
    size_wh: tuple[int, int], reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png_that_claims(*size_wh))
    assert read_picture(file) == reason
    assert header_size_wh(file) == reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"GIF89a" + bytes(50), "not a picture that can be read (JPG, PNG, BMP, TIFF or WebP)"),
        (bytes(500), "not a picture that can be read (JPG, PNG, BMP, TIFF or WebP)"),
        (b"\xff\xd8\xff\xe1", "not a picture that can be read (JPG, PNG, BMP, TIFF or WebP)"),
        (b"BM" + bytes(60), "not a picture that can be read (JPG, PNG, BMP, TIFF or WebP)"),
    ],
)
def test_what_is_no_picture_says_so(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    assert read_picture(tmp_path / "a.jpg") == reason
    assert read_picture(tmp_path / "gone.jpg") == "No such file or directory"
    assert read_picture(tmp_path) == "not a file"


def test_what_would_never_end_or_never_fit_is_set_aside_unread(tmp_path: Path) -> None:
    pipe, huge = tmp_path / "pipe.png", tmp_path / "huge.png"
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(2 * LARGEST_BYTES)  # a hole: it takes no room on the disk
    assert read_picture(pipe) == "not a file"
    assert read_picture(Path("/dev/zero")) == "not a file"
    assert read_picture(huge) == "1,000 MB, more than 500"
    assert read_picture(Path("nul\0.png")) == "no file can have this name"
