"""Pictures from disk, whatever their format and name; what cannot be used says why."""

from __future__ import annotations

import io
import stat
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from edge.types import ImageRGB
from trainer.quiet import native_output_silenced

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
SMALLEST_PX = 8  # as for regions: less than this shows nothing
# Three bytes a pixel when decoded; a few hundred kilobytes on disk can claim gigabytes.
LARGEST_PX = 50_000_000
LARGEST_BYTES = 500_000_000  # 16 bits and four channels for each of them, and a little more
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_NO_PICTURE = "not a picture that can be read (JPG, PNG, BMP, TIFF or WebP)"


def read_picture(file: Path) -> ImageRGB | str:
    """Return the picture as RGB uint8 (height, width, 3), or the reason it cannot be used.

    Turned as its EXIF orientation says, as OpenCV does. 16 bits become 8, grey becomes RGB,
    transparency is left out.
    """
    try:
        status = file.stat()
        # An index.csv may name anything: a pipe would never end, nor would /dev/zero.
        if not stat.S_ISREG(status.st_mode):
            return "not a file"
        if status.st_size > LARGEST_BYTES:
            return f"{status.st_size / 1e6:,.0f} MB, more than {LARGEST_BYTES / 1e6:.0f}"
        data = file.read_bytes()
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:  # a NUL in its name
        return "no file can have this name"
    if not data:
        return "the file is empty"
    size_wh = header_size_wh(data)
    if isinstance(size_wh, str):
        return size_wh
    try:
        # The decoders under OpenCV complain of broken files on stderr, each in its own words.
        with native_output_silenced():
            # Not cv2.imread: on some systems it cannot open every name.
            picture_bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture_bgr = None
    if picture_bgr is None:
        return "damaged or cut short: its header is fine, its pixels cannot be read"
    return np.asarray(cv2.cvtColor(picture_bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def header_size_wh(data: bytes | Path) -> tuple[int, int] | str:
    """Return width and height as the header tells them, or why the picture cannot be used.

    Nothing is decoded, and nothing turned: EXIF orientation may swap the two.
    """
    try:
        # Pillow warns of large pictures and odd metadata; what counts is checked below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = io.BytesIO(data) if isinstance(data, bytes) else data
            with Image.open(opened, formats=_FORMATS) as picture:
                width_px, height_px = picture.size
    except Image.DecompressionBombError:
        return f"more than {LARGEST_PX / 1e6:.0f} megapixels"
    except Exception:  # a fence: each format's parser fails in its own ways on a broken header
        return _NO_PICTURE
    if width_px * height_px > LARGEST_PX:
        return f"{width_px}x{height_px} px, more than {LARGEST_PX / 1e6:.0f} megapixels"
    if min(width_px, height_px) < SMALLEST_PX:
        return f"only {width_px}x{height_px} px, at least {SMALLEST_PX} are needed"
    return width_px, height_px
