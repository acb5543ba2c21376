import json

import cv2
import numpy as np
import pytest

from edge.preprocess import plan_crop
from edge.regions import grid_cells, overlaps, quadrilateral_region, rectangle_region
from edge.types import Slot

FRAME = (1280, 720)


def messages(problems):
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("xywh", [(0, 0, 1280, 720), (1272, 712, 8, 8), (0.5, 4.1, 8.5, 715.9)])
def test_a_rectangle_may_touch_the_frames_edges(xywh):
    polygon, problems = rectangle_region(xywh, FRAME)
    x, y, width, height = xywh
    assert problems == []
    assert polygon.dtype == np.float32
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    np.testing.assert_array_equal(polygon, np.array(corners, np.float32))
    plan_crop(Slot("A1", polygon), 96, FRAME)


RECTANGLES = [
    (
        (1260, 90, 40, 158),
        ["the region ends at x=1300, outside the 1280x720 frame; make its width at most 20"],
    ),
    (
        (1260.33333, 90, 40, 158),
        ["the region ends at x=1300.33, outside the 1280x720 frame; make its width at most 19.66"],
    ),
    (
        (10, 700, 40, 40),
        ["the region ends at y=740, outside the 1280x720 frame; make its height at most 20"],
    ),
    (
        (1275, 10, 40, 40),
        ["the region ends at x=1315, outside the 1280x720 frame; make x at most 1240"],
    ),
    (
        (-5, -1, 40, 40),
        [
            "the region starts at x=-5, outside the 1280x720 frame; make x at least 0",
            "the region starts at y=-1, outside the 1280x720 frame; make y at least 0",
        ],
    ),
    (
        (10, 20, 5, 7.5),
        [
            "the region is 5 px wide; make its width at least 8",
            "the region is 7.5 px high; make its height at least 8",
        ],
    ),
    ((10, 20, -50, 50), ["the region is -50 px wide; make its width at least 8"]),
    (
        (700, 90, 900, 248),
        [
            "the region ends at x=1600, outside the 1280x720 frame; make its width at most 580 "
            "(the four numbers are x, y, width, height)"
        ],
    ),
]


@pytest.mark.parametrize(("xywh", "expected"), RECTANGLES)
def test_a_rectangle_that_does_not_fit_says_by_how_much(xywh, expected):
    assert messages(rectangle_region(xywh, FRAME)[1]) == expected


def test_without_a_frame_only_the_shape_is_judged():
    assert rectangle_region((5000, 5000, 20, 20), None)[1] == []
    far = [[5000, 0], [5100, 0], [5100, 100], [5000, 100]]
    assert quadrilateral_region(far, None)[1] == []


def test_corners_drawn_counter_clockwise_are_turned_round_keeping_the_first():
    clockwise = [[340, 82], [545, 90], [540, 250], [338, 240]]
    drawn = [clockwise[0], clockwise[3], clockwise[2], clockwise[1]]
    polygon, problems = quadrilateral_region(drawn, FRAME)
    assert problems == []
    assert polygon.tolist() == clockwise


def test_the_first_corner_may_be_any_corner_of_the_picture():
    """A slot that hangs upside down has its own top-left at the bottom right."""
    corners = [[540, 250], [338, 240], [340, 82], [545, 90]]
    assert quadrilateral_region(corners, FRAME)[0].tolist() == corners


QUADRILATERALS = [
    (
        [[10, 10], [100, 100], [100, 10], [10, 100]],
        "the sides cross each other; give the corners in this order: "
        "[[10, 10], [100, 10], [100, 100], [10, 100]]",
    ),
    (
        [[10, 10], [100, 10], [30, 30], [10, 100]],
        "the region has a dent at corner 3; move that corner outwards until no corner points "
        "inwards",
    ),
    (
        [[10, 100], [30, 30], [100, 10], [10, 10]],
        "the region has a dent at corner 2; move that corner outwards until no corner points "
        "inwards",
    ),
    (
        [[10, 10], [10, 10], [100, 100], [10, 100]],
        "corners 1 and 2 are the same point; give four different corners",
    ),
    (
        [[10, 10], [55, 10], [100, 10], [100, 100]],
        "corner 2 lies on a line with its neighbours; give the four corners of the slot's opening",
    ),
    (
        [[10, 10], [100, 10], [100, 17], [10, 17]],
        "the region is only 7.0 px thin; make it at least 8 px wide and high",
    ),
    (
        [[10, 10], [1290, 20], [1200, 100], [10, 100]],
        "corner 2 [1290, 20] lies outside the 1280x720 frame; move it to [1280, 20] or further in",
    ),
]


@pytest.mark.parametrize(("corners", "message"), QUADRILATERALS)
def test_corners_that_are_no_region_say_why(corners, message):
    assert messages(quadrilateral_region(corners, FRAME)[1]) == [message]


def test_every_corner_outside_is_named():
    corners = [[-1, 0], [1281, 0], [1281, 700], [0, 700]]
    assert len(quadrilateral_region(corners, FRAME)[1]) == 3


def test_the_suggested_order_is_itself_fine():
    crossing = [[10, 10], [100, 100], [100, 10], [10, 100]]
    remedy = quadrilateral_region(crossing, FRAME)[1][0].remedy
    suggested = json.loads(remedy.partition(": ")[2])
    polygon, problems = quadrilateral_region(suggested, FRAME)
    assert problems == []
    assert polygon[0].tolist() == crossing[0]


RACK = np.array([[100, 60], [1100, 160], [1000, 560], [200, 700]], np.float32)


def test_grid_cells_follow_the_perspective_of_the_rack():
    cells, problems = grid_cells(RACK, rows=3, columns=4, gap=0.1)
    assert problems == []
    assert cells.shape == (3, 4, 4, 2)
    assert cells.dtype == np.float32
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(unit, RACK)
    for row in range(3):
        for column in range(4):
            left, right = (column + 0.05) / 4, (column + 0.95) / 4
            top, bottom = (row + 0.05) / 3, (row + 0.95) / 3
            corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]])
            expected = cv2.perspectiveTransform(corners, matrix)[0]
            np.testing.assert_allclose(cells[row, column], expected, atol=1e-3)


def test_a_rack_seen_straight_on_is_cut_evenly():
    outline = np.array([[0, 0], [800, 0], [800, 400], [0, 400]], np.float32)
    cells, _ = grid_cells(outline, rows=2, columns=4, gap=0.0)
    assert cells[1, 2].tolist() == [[400, 200], [600, 200], [600, 400], [400, 400]]


def test_a_grid_over_the_whole_frame_can_be_cropped():
    outline = np.array([[0, 0], [1280, 0], [1280, 720], [0, 720]], np.float32)
    for cell in grid_cells(outline, rows=7, columns=13, gap=0.0)[0].reshape(-1, 4, 2):
        plan_crop(Slot("A1", cell), 96, FRAME)


def test_cells_that_are_too_small_are_reported_once():
    outline = np.array([[0, 0], [160, 0], [160, 160], [0, 160]], np.float32)
    _, problems = grid_cells(outline, rows=10, columns=40, gap=0.0)
    assert messages(problems) == [
        "the cell in row 1, column 1 is too small (4.0x16.0 px); use fewer rows or columns, or a "
        "smaller gap: a cell needs 8x8 px"
    ]


def test_overlaps_are_measured_against_the_smaller_region():
    large = rectangle_region((0, 0, 100, 100), None)[0]
    inside = rectangle_region((10, 10, 20, 20), None)[0]
    beside = rectangle_region((100, 0, 100, 100), None)[0]
    a_little = rectangle_region((160, 0, 100, 100), None)[0]
    found = overlaps([large, inside, beside, a_little], 0.5)
    assert [(first, second) for first, second, _ in found] == [(0, 1)]
    assert found[0][2] == pytest.approx(1.0)
    assert overlaps([], 0.5) == []
