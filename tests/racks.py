"""A drawn rack and its camera, bumped and turned, for tests of what a frame shows."""

import cv2
import numpy as np

from edge.preprocess import rectangle_polygon
from edge.types import Slot

WIDTH_PX, HEIGHT_PX = 640, 480
COLUMNS, ROWS = 6, 4


def slots():
    return tuple(
        Slot(f"{row}{column}", rectangle_polygon(80 + 80 * column, 80 + 80 * row, 76, 76))
        for row in range(ROWS)
        for column in range(COLUMNS)
    )


def cabinet(contents=0, room=0):
    """A grained wooden rack on a wall; `contents` draws the things in it, `room` the rest."""
    surroundings, things = np.random.default_rng(room), np.random.default_rng((9, contents))
    wall = surroundings.integers(60, 200, (48, 64), dtype=np.uint8)
    image = cv2.resize(wall, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    for slot in slots():
        (left, top), (right, bottom) = slot.polygon_px[[0, 2]].astype(int)
        shade = int(surroundings.integers(20, 70))
        cv2.rectangle(image, (left, top), (right, bottom), (shade, shade, shade), -1)
        for _ in range(6):
            x, y = surroundings.integers(4, 72, 2)
            cv2.line(image, (left, top + int(y)), (left + int(x) // 4, top), (150, 140, 120), 2)
        if things.random() < 0.6:
            colour = tuple(int(value) for value in things.integers(0, 255, 3))
            offset = things.integers(-8, 9, 2)
            middle = (int(left + 38 + offset[0]), int(top + 38 + offset[1]))
            cv2.circle(image, middle, int(things.integers(12, 22)), colour, -1)
    return image


def elsewhere():
    """What a camera sees that was turned to the other wall."""
    return cabinet(room=1)[::-1, ::-1].copy()


def bumped(image, shift_px=(0.0, 0.0), turn_deg=0.0, zoom=1.0):
    """The picture as a moved camera sees it, and the matrix between pixels' edges."""
    height_px, width_px = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width_px / 2, height_px / 2), turn_deg, zoom)
    matrix[:, 2] += shift_px
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    moved = cv2.warpAffine(image, centred, (width_px, height_px), borderMode=cv2.BORDER_REPLICATE)
    return moved, matrix
