"""What can happen to a camera's picture: one seeded function per kind of damage.

Each takes an undamaged picture, RGB uint8 (height, width, 3), and gives the damaged one
(None where nothing can be decoded) and how bad it is, in the unit of the kind's limit.
`DAMAGES` is the table; a new kind is a function and a line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from edge.types import ImageRGB

try:
    import av
except ImportError:  # `pip install av`: a benchmark's wish, no dependency of the project
    av = None
HAS_PYAV = av is not None

Generator = np.random.Generator
Damaged = tuple[ImageRGB | None, float]

CHANGED_LEVELS = 32  # a pixel that differs by more than this is damaged
ALWAYS = 0.0


@dataclass(frozen=True)
class Damage:
    """One kind, and from where on it must be named."""

    make: Callable[[ImageRGB, Generator], Damaged]
    limit: float  # in `unit`; a damage at least this bad must be named
    unit: str


def _noisy(image_rgb: ImageRGB | np.ndarray, deviation: float, rng: Generator) -> ImageRGB:
    noise = np.empty(image_rgb.shape, np.float32)
    rng.standard_normal(dtype=np.float32, out=noise)
    return (image_rgb + deviation * noise).clip(0, 255).astype(np.uint8)


def _one_level(low: float, high: float) -> Callable[[ImageRGB, Generator], Damaged]:
    def make(image_rgb: ImageRGB, rng: Generator) -> Damaged:
        flat = np.full(image_rgb.shape, rng.uniform(low, high), np.float32)
        return _noisy(flat, rng.uniform(0, 1), rng), ALWAYS

    return make


def blur(image_rgb: ImageRGB, rng: Generator) -> Damaged:
    """Out of focus: a Gaussian of 0.1 to 1.5 % of the width."""
    percent = rng.uniform(0.1, 1.5)
    return cv2.GaussianBlur(image_rgb, (0, 0), percent / 100 * image_rgb.shape[1]), percent


def noise(image_rgb: ImageRGB, rng: Generator) -> Damaged:
    """A sensor that fails: 20 to 160 levels of noise in each channel."""
    deviation = rng.uniform(20, 160)
    return _noisy(image_rgb, deviation, rng), deviation


def torn_jpeg(image_rgb: ImageRGB, rng: Generator) -> Damaged:
    """Bytes of a JPEG lost or overwritten on their way, or its end, decoded by OpenCV."""
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    data = bytearray(encoded.tobytes())
    scan = data.find(b"\xff\xda") + 14  # behind the header of the scan
    start = int(scan + (len(data) - scan) * rng.uniform(0.05, 0.9))
    kind = rng.integers(3)
    if kind == 0:
        del data[start : start + int(rng.integers(10, 4000))]
    elif kind == 1:
        data[start : start + 30] = rng.integers(0, 255, 30, np.uint8).tobytes()
    else:
        data[start:] = b"\xff\xd9"
    damaged_bgr = cv2.imdecode(np.frombuffer(bytes(data), np.uint8), cv2.IMREAD_COLOR)
    if damaged_bgr is None or damaged_bgr.shape != image_rgb.shape:
        return None, 1.0
    damaged = cv2.cvtColor(damaged_bgr, cv2.COLOR_BGR2RGB)
    return damaged, _changed_share(damaged, image_rgb)


def half_h264(image_rgb: ImageRGB, rng: Generator) -> Damaged:
    """A key frame of H.264 that lost its end or its middle, as FFmpeg conceals it.

    Really encoded and damaged where PyAV is installed; else drawn alike: grey or green from
    one row of blocks on.
    """
    if not HAS_PYAV:
        damaged = image_rgb.copy()
        top = int(image_rgb.shape[0] * rng.uniform(0.05, 0.9)) // 16 * 16
        damaged[top:] = ((128, 128, 128), (0, 135, 0))[int(rng.integers(2))]
        return damaged, _changed_share(damaged, image_rgb)
    height_px, width_px = image_rgb.shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width_px, height_px, "yuv420p"
    encoder.time_base = Fraction(1, 5)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "24"}
    picture = av.VideoFrame.from_ndarray(image_rgb, format="rgb24")
    data = bytearray(b"".join(bytes(packet) for packet in encoder.encode(picture)))
    start = int(len(data) * rng.uniform(0.05, 0.9))
    if rng.integers(2):
        del data[start:]
    else:
        data[start : start + 40] = rng.integers(0, 255, 40, np.uint8).tobytes()
    decoder = av.CodecContext.create("h264", "r")
    try:
        frames = [*decoder.decode(av.Packet(bytes(data))), *decoder.decode(None)]
    except av.error.FFmpegError:
        return None, 1.0
    if not frames:
        return None, 1.0
    damaged = frames[0].to_ndarray(format="rgb24")
    return damaged, _changed_share(damaged, image_rgb)


def exposure(image_rgb: ImageRGB, rng: Generator) -> Damaged:
    """Exposure that jumps, a 64th to 16 times the light; how bad: share of pixels clipped."""
    gain = 2.0 ** rng.uniform(-6, 4)
    damaged = _noisy(image_rgb * np.float32(gain), 1.0, rng)
    brightness = damaged[..., 1]
    return damaged, float(np.mean((brightness <= 8) | (brightness >= 250)))


def turned_away(image_rgb: ImageRGB, rng: Generator) -> Damaged:
    """Turned by 25 to 155 degrees and shifted by 20 to 50 % of the width."""
    return _moved(
        image_rgb, rng.uniform(25, 155) * rng.choice((-1, 1)), rng.uniform(0.2, 0.5), rng
    ), ALWAYS


def bumped(image_rgb: ImageRGB, rng: Generator) -> Damaged:
    """Shifted by 1 to 20 % of the width, turned by up to 3 degrees."""
    share = rng.uniform(0.01, 0.2)
    return _moved(image_rgb, rng.uniform(-3, 3), share, rng), 100 * share


def _moved(image_rgb: ImageRGB, degrees: float, shift_share: float, rng: Generator) -> ImageRGB:
    height_px, width_px = image_rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width_px / 2, height_px / 2), degrees, 1.0)
    direction = rng.uniform(0, 2 * np.pi)
    matrix[:, 2] += shift_share * width_px * np.array((np.cos(direction), np.sin(direction)))
    return np.asarray(
        cv2.warpAffine(image_rgb, matrix, (width_px, height_px), borderMode=cv2.BORDER_REFLECT_101)
    )


def _changed_share(damaged: ImageRGB, image_rgb: ImageRGB) -> float:
    return float(np.mean(cv2.absdiff(damaged, image_rgb).max(axis=2) > CHANGED_LEVELS))


FROZEN = "frozen"  # made of the frames of a sequence, not of one picture
DAMAGES: dict[str, Damage] = {
    "black": Damage(_one_level(0, 20), ALWAYS, ""),
    "white": Damage(_one_level(247, 255), ALWAYS, ""),
    "grey": Damage(_one_level(30, 220), ALWAYS, ""),
    FROZEN: Damage(lambda image_rgb, _rng: (image_rgb, ALWAYS), ALWAYS, ""),
    "blur": Damage(blur, 0.5, "% of the width"),
    "noise": Damage(noise, 40.0, "levels"),
    "torn JPEG": Damage(torn_jpeg, 0.2, "of the picture changed"),
    "half H.264": Damage(half_h264, 0.2, "of the picture changed"),
    "exposure": Damage(exposure, 0.9, "of the picture clipped"),
    "turned away": Damage(turned_away, ALWAYS, ""),
    # The gate alone promises nothing here: `edge.align` follows a bump or says it moved.
    "bumped": Damage(bumped, float("inf"), "% of the width"),
}
