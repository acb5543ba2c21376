"""Frame + Slot -> Crop: the only resize in the repository.

The trainer calls these functions too and resizes nowhere else, so training and
serving cannot drift apart. A change of what comes out is a new `PREPROCESS_VERSION`
and means retrained models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Crop, Frame, ImageRGB, PolygonPx, Slot, SlotwatchError

PREPROCESS_VERSION = 1
_TABLE_LIMIT_PX = 256 * 256  # 6 bytes each


class RegionOutsideFrame(SlotwatchError):
    """A slot's corner lies outside the picture it is cropped from."""


def rectangle_polygon(x: float, y: float, width: float, height: float) -> PolygonPx:
    """Return a rectangle's corners, float32 (4, 2), clockwise from the top-left, in pixels."""
    return np.array(
        [[x, y], [x + width, y], [x + width, y + height], [x, y + height]], dtype=np.float32
    )


@dataclass(frozen=True, eq=False)
class CropPlan:
    """How one region becomes a crop, worked out once per slot and picture size."""

    slot_id: str
    size_px: int
    box_xyxy: tuple[int, int, int, int]  # the part of the picture that is read
    is_plain: bool  # an upright rectangle on whole pixels: no warp needed
    # Shrinking in one step aliases: the region is first rectified at about its own
    # size, then averaged down. (width, height) of that intermediate picture.
    rectified_wh: tuple[int, int]
    matrix: npt.NDArray[np.float64]  # (3, 3), box pixels -> rectified pixels
    # The same as a table of whole pixels and fractions, which is a third faster; None for
    # a plain region, and for one so large that its table would not fit a cache.
    table: tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]] | None


def plan_crop(slot: Slot, size_px: int, resolution_wh: tuple[int, int]) -> CropPlan:
    """Return the plan that turns a picture of this size into the slot's crop.

    Raises:
        RegionOutsideFrame: a corner lies outside the picture.
    """
    width_px, height_px = resolution_wh
    polygon = slot.polygon_px.astype(np.float64)
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    # Half a thousandth of a pixel forgives float32 arithmetic of grids.
    if (low < -5e-4).any() or high[0] > width_px + 5e-4 or high[1] > height_px + 5e-4:
        raise RegionOutsideFrame(
            f"{slot.id}: the region spans x {low[0]:g}..{high[0]:g}, y {low[1]:g}..{high[1]:g}, "
            f"outside the {width_px}x{height_px} picture"
        )
    left, top = np.floor(low + 1e-6).astype(int).clip(0)
    right = min(int(np.ceil(high[0] - 1e-6)), width_px)
    bottom = min(int(np.ceil(high[1] - 1e-6)), height_px)
    upright = rectangle_polygon(left, top, right - left, bottom - top)
    is_plain = bool(np.abs(polygon - upright).max() < 1e-3)

    edges = np.linalg.norm(np.roll(polygon, -1, axis=0) - polygon, axis=1)
    across, down = max(edges[0], edges[2]), max(edges[1], edges[3])
    rectified_wh = (_rectified_px(across, size_px), _rectified_px(down, size_px))
    # Corners are edges of pixels; OpenCV's warps count from the centres of pixels.
    source = (polygon - (left, top) - 0.5).astype(np.float32)
    target = rectangle_polygon(0, 0, *rectified_wh) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(source, target)
    is_tabled = not is_plain and rectified_wh[0] * rectified_wh[1] <= _TABLE_LIMIT_PX
    return CropPlan(
        slot.id,
        size_px,
        (int(left), int(top), right, bottom),
        is_plain,
        rectified_wh,
        matrix,
        _tabulate(matrix, rectified_wh) if is_tabled else None,
    )


def _tabulate(
    matrix: npt.NDArray[np.float64], rectified_wh: tuple[int, int]
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]]:
    """Return where each rectified pixel comes from, as `cv2.remap` takes it."""
    columns, rows = np.meshgrid(*(np.arange(length, dtype=np.float64) for length in rectified_wh))
    targets = np.stack([columns, rows], axis=-1).reshape(1, -1, 2)
    sources = cv2.perspectiveTransform(targets, np.linalg.inv(matrix)).astype(np.float32)
    shape = (rectified_wh[1], rectified_wh[0], 2)
    whole, fractions = cv2.convertMaps(sources.reshape(shape), None, cv2.CV_16SC2)
    return whole, fractions


def _rectified_px(length_px: float, size_px: int) -> int:
    """Return the side of the rectified region: the crop's own, or its length when larger."""
    return size_px if length_px <= size_px * 1.25 else round(length_px)


def apply_plan(image_rgb: ImageRGB, plan: CropPlan) -> ImageRGB:
    """Return the planned region of the picture, uint8 (size, size, 3).

    The picture must have the resolution the plan was made for.
    """
    left, top, right, bottom = plan.box_xyxy
    box = image_rgb[top:bottom, left:right]
    if plan.is_plain:
        rectified = box
    elif plan.table is not None:
        rectified = cv2.remap(
            box, *plan.table, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    else:
        rectified = cv2.warpPerspective(
            box,
            plan.matrix,
            plan.rectified_wh,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return _resize(rectified, plan.size_px)


def _resize(image_rgb: ImageRGB, size_px: int) -> ImageRGB:
    """Return the picture scaled to a square, averaging along each axis that shrinks."""
    height_px, width_px = image_rgb.shape[:2]
    shrunk_wh = (min(width_px, size_px), min(height_px, size_px))
    if shrunk_wh != (width_px, height_px):
        image_rgb = cv2.resize(image_rgb, shrunk_wh, interpolation=cv2.INTER_AREA)
    if shrunk_wh != (size_px, size_px):
        image_rgb = cv2.resize(image_rgb, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(image_rgb)


@dataclass(frozen=True, eq=False)
class PlannedCrops(Sequence[ImageRGB]):
    """Crops of one picture, each cut by whoever takes it, so that threads can share the work."""

    image_rgb: ImageRGB
    plans: Sequence[CropPlan]

    def __len__(self) -> int:
        return len(self.plans)

    @overload
    def __getitem__(self, index: int) -> ImageRGB: ...
    @overload
    def __getitem__(self, index: slice) -> PlannedCrops: ...
    def __getitem__(self, index: int | slice) -> ImageRGB | PlannedCrops:
        """Cut a crop, uint8 (size, size, 3), or return some of them still to be cut."""
        if isinstance(index, slice):
            return replace(self, plans=self.plans[index])
        return apply_plan(self.image_rgb, self.plans[index])


def crop_slot(frame: Frame, slot: Slot, size_px: int) -> Crop:
    """Return the slot's region, rectified and scaled to the model's input.

    RGB uint8, shape (size_px, size_px, 3), the slot's own top-left corner first.

    Raises:
        RegionOutsideFrame: a corner lies outside the frame.
    """
    height_px, width_px = frame.image_rgb.shape[:2]
    plan = plan_crop(slot, size_px, (width_px, height_px))
    return Crop(slot.id, apply_plan(frame.image_rgb, plan), frame.sequence)


def crop_whole(image_rgb: ImageRGB, size_px: int) -> ImageRGB:
    """Return a whole picture as a crop, uint8 (size_px, size_px, 3).

    For pictures that are a slot's region already: labelled crops on disk.
    """
    height_px, width_px = image_rgb.shape[:2]
    slot = Slot("whole", rectangle_polygon(0, 0, width_px, height_px))
    return apply_plan(image_rgb, plan_crop(slot, size_px, (width_px, height_px)))


def scale_slots(
    slots: Sequence[Slot], from_wh: tuple[int, int], to_wh: tuple[int, int]
) -> tuple[Slot, ...]:
    """Return the slots for a picture of another size but the same shape."""
    if from_wh == to_wh:
        return tuple(slots)
    factor = np.array([to_wh[0] / from_wh[0], to_wh[1] / from_wh[1]], dtype=np.float32)
    return tuple(
        Slot(s.id, s.polygon_px * factor, s.label, s.occupied_at, s.empty_at, s.enabled)
        for s in slots
    )
