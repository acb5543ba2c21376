from pathlib import Path

import numpy as np
import pytest

from edge.problems import Report
from edge.slots_file import read_slots
from edge.yaml_nodes import Mapping, read_nodes

FRAME = "frame: [1280, 720]\n"
RACK = "[[100, 60], [1200, 75], [1190, 700], [110, 690]]"


def read(text, occupied_at=0.6, empty_at=0.4):
    root, faults = read_nodes((FRAME + text).encode())
    assert faults == ()
    assert isinstance(root, Mapping)
    report = Report(Path("slots.yaml"))
    return read_slots(root, report, occupied_at, empty_at), [str(p) for p in report.problems]


def test_a_slot_is_a_rectangle_four_corners_or_a_mapping():
    read_file, problems = read(
        "slots:\n"
        "  A1: [120, 80, 210, 160]\n"
        "  A2: [[340, 82], [545, 90], [540, 250], [338, 240]]\n"
        "  A3:\n"
        "    region: [560, 90, 200, 158]\n"
        "    label: Torque wrench\n"
        "    occupied_at: 0.7\n"
        "    empty_at: 0.2\n"
        "    enabled: false\n"
    )
    assert problems == []
    assert read_file.frame_wh == (1280, 720)
    first, second, third = read_file.slots
    assert first.id == "A1"
    assert first.polygon_px.tolist() == [[120, 80], [330, 80], [330, 240], [120, 240]]
    assert (first.label, first.occupied_at, first.empty_at, first.enabled) == (
        None,
        None,
        None,
        True,
    )
    assert second.polygon_px.dtype == np.float32
    assert second.polygon_px.tolist() == [[340, 82], [545, 90], [540, 250], [338, 240]]
    assert (third.label, third.occupied_at, third.empty_at, third.enabled) == (
        "Torque wrench",
        0.7,
        0.2,
        False,
    )


def test_ids_stay_as_they_are_written():
    ids = ["on", "no", "010", "1e3", "null", "0x1F", "2024-01-01"]
    text = "".join(f"  {name}: [{50 * i}, 0, 40, 40]\n" for i, name in enumerate(ids))
    read_file, problems = read("slots:\n" + text)
    assert problems == []
    assert [slot.id for slot in read_file.slots] == ids


def grid(ids, rows=2, columns=3, corners=RACK, rest=""):
    return (
        f"grid:\n- corners: {corners}\n  rows: {rows}\n  columns: {columns}\n  ids: {ids}\n{rest}"
    )


PATTERNS = [
    ('"{row:A}{column}"', ["A1", "A2", "A3", "B1", "B2", "B3"]),
    ("R{row}-{column:02}", ["R1-01", "R1-02", "R1-03", "R2-01", "R2-02", "R2-03"]),
    ("rack_{column:a}{row}", ["rack_a1", "rack_b1", "rack_c1", "rack_a2", "rack_b2", "rack_c2"]),
    ('"{row:A}{column:A}"', ["AA", "AB", "AC", "BA", "BB", "BC"]),
]


@pytest.mark.parametrize(("ids", "expected"), PATTERNS)
def test_a_grid_names_its_cells_by_the_pattern(ids, expected):
    read_file, problems = read(grid(ids))
    assert problems == []
    assert [slot.id for slot in read_file.slots] == expected


def test_a_grid_names_cells_by_letter_and_number_when_no_pattern_is_given():
    read_file, problems = read(
        f"grid:\n- {{corners: {RACK}, rows: 28, columns: 1, gap: 0.06}}\n",
    )
    assert problems == []
    assert [slot.id for slot in read_file.slots][24:] == ["Y1", "Z1", "AA1", "AB1"]


def test_one_block_needs_no_dash():
    read_file, problems = read(f"grid:\n  corners: {RACK}\n  rows: 1\n  columns: 2\n")
    assert problems == []
    assert [slot.id for slot in read_file.slots] == ["A1", "A2"]


def test_slots_and_grids_stand_side_by_side():
    read_file, problems = read(
        "slots:\n  X: [0, 0, 20, 20]\n" + grid('"{row:A}{column}"') + "- corners: [[0, 100], "
        "[50, 100], [50, 700], [0, 700]]\n  rows: 2\n  columns: 1\n  ids: left{row}\n"
    )
    assert problems == []
    assert [s.id for s in read_file.slots] == [
        "X",
        "A1",
        "A2",
        "A3",
        "B1",
        "B2",
        "B3",
        "left1",
        "left2",
    ]


def test_grid_corners_drawn_the_other_way_round_give_the_same_cells():
    straight, _ = read(grid('"{row}-{column}"'))
    turned, problems = read(
        grid('"{row}-{column}"', corners="[[100, 60], [110, 690], [1190, 700], [1200, 75]]")
    )
    assert problems == []
    assert turned.slots == straight.slots


def test_a_thousand_slots_are_the_limit():
    fits = "slots:\n" + "".join(f"  S{i}: [0, 0, 8, 8]\n" for i in range(1024))
    assert read(fits)[1] == []
    assert read(fits + "  one_more: [0, 0, 8, 8]\n  two_more: [0, 0, 8, 8]\n")[1] == [
        "slots.yaml:1027: slots: more than 1024 slots; watch fewer with one camera"
    ]
    assert read(grid('"{row:A}{column}"', rows=1024, columns=1024))[1] == [
        "slots.yaml:4: slots: more than 1024 slots; watch fewer with one camera"
    ]


# What a slots file says after its first line -> the problems.
FAIL = [
    ("", ["slots.yaml:1: slots: the file names no slots; add 'slots:' or 'grid:'"]),
    (
        "slots: {}\n",
        ["slots.yaml:2: slots: the file names no slots; add one: A1: [120, 80, 210, 160]"],
    ),
    ("slots:\n", ["slots.yaml:2: slots: no value is given; give one or delete the line"]),
    (
        "slots: [[1, 2, 30, 40]]\n",
        [
            "slots.yaml:2: slots: expected slots by their ids, not a list; write each slot on a "
            "line like A1: [120, 80, 210, 160]"
        ],
    ),
    (
        "slots:\n  12:30: [0, 0, 20, 20]\n  A 1: [0, 0, 20, 20]\n",
        [
            "slots.yaml:3: 12:30: '12:30' is not a slot's id: only letters A-Z a-z, digits, - and "
            "_ may be used; write it like 12-30",
            "slots.yaml:4: A 1: 'A 1' is not a slot's id: only letters A-Z a-z, digits, - and _ "
            "may be used; write it like A-1",
        ],
    ),
    (
        "slots:\n  A1: [0, 0, 20, 20]\n  A1: [50, 0, 20, 20]\n",
        [
            "slots.yaml:4: A1: this slot is listed twice (first on line 3); delete one of them, "
            "or give it another id"
        ],
    ),
    (
        "slots:\n  A1:\n",
        ["slots.yaml:3: A1: no region is given; write one: A1: [120, 80, 210, 160]"],
    ),
    (
        "slots:\n  A1: {label: x}\n",
        [
            "slots.yaml:3: A1.region: missing; add it: the slot's opening in the picture; corners "
            "clockwise from the slot's own top-left"
        ],
    ),
    (
        "slots:\n  A1:\n    region: [0, 0, 20, 20]\n    lable: x\n    region: [0, 0, 30, 30]\n",
        [
            "slots.yaml:5: A1.lable: unknown setting; did you mean 'label'?",
            "slots.yaml:6: A1.region: this setting is listed twice (first on line 4); keep one of "
            "them",
        ],
    ),
    (
        "slots:\n  A1: [0, 0, .nan, 20]\n  A2: [0, 0, 20]\n  A3: here\n",
        [
            "slots.yaml:3: A1: '.nan' is not a number; write it like 120",
            "slots.yaml:4: A2: a region of 3 numbers; write x, y, width, height: "
            "[120, 80, 210, 160], or four corners",
            "slots.yaml:5: A3: expected a region, not 'here'; write x, y, width, height: "
            "[120, 80, 210, 160]",
        ],
    ),
    (
        "slots:\n  A1: [[0, 0], [20, 0], [20, 20]]\n  A2: [[0, 0], [20, 0], [20, 20], 5]\n",
        [
            "slots.yaml:3: A1: expected four corners, not 3 of them; write them like "
            "[[340, 82], [545, 90], [540, 250], [338, 240]]",
            "slots.yaml:4: A2: corner 4 is not a pair of numbers; write each corner like [340, 82]",
        ],
    ),
    (
        "slots:\n  A1:\n    label: x\n    region: [1260, 0, 40, 20]\n",
        [
            "slots.yaml:5: A1: the region ends at x=1300, outside the 1280x720 frame; make its "
            "width at most 20"
        ],
    ),
    (
        "slots:\n  A1: {region: [0, 0, 20, 20], occupied_at: 0.4}\n"
        "  A2: {region: [0, 0, 20, 20], empty_at: 0.6}\n"
        "  A3: {region: [0, 0, 20, 20], empty_at: 0.6, occupied_at: 0.5}\n",
        [
            "slots.yaml:3: A1.occupied_at: 0.4 is not above empty_at 0.4 of the decision settings; "
            "make it larger than 0.4, or give this slot a smaller empty_at",
            "slots.yaml:4: A2.empty_at: 0.6 is not below occupied_at 0.6 of the decision settings; "
            "make it smaller than 0.6, or give this slot a larger occupied_at",
            "slots.yaml:5: A3.occupied_at: 0.5 is not above empty_at 0.6; make it larger than 0.6, "
            "or give this slot a smaller empty_at",
        ],
    ),
    (
        "grid: 3\n",
        [
            "slots.yaml:2: grid: expected a list of blocks, not '3'; begin each block with "
            "'- corners: …'"
        ],
    ),
    (
        "grid: [3]\n",
        [
            "slots.yaml:2: grid[1]: expected a block with corners, rows and columns, not '3'; "
            "begin it with '- corners: …'"
        ],
    ),
    (
        grid('"{row}"'),
        [
            "slots.yaml:6: grid[1].ids: row 1, column 1 and row 1, column 2 both get the id '1'; "
            'use {row} and {column}, apart by a letter or -: "{row}-{column}"'
        ],
    ),
    (
        grid('"{row}{column}"', rows=11, columns=11),
        [
            "slots.yaml:6: grid[1].ids: row 1, column 11 and row 11, column 1 both get the id "
            "'111'; use {row} and {column}, apart by a letter or -: \"{row}-{column}\""
        ],
    ),
    (
        grid('"{line}{column}"'),
        [
            "slots.yaml:6: grid[1].ids: '{line}' is not a field of the pattern; use {row} or "
            "{column}, with :A for letters or :02 for two digits"
        ],
    ),
    (
        grid('"{row} {column}"'),
        [
            "slots.yaml:6: grid[1].ids: '{row} {column}' makes ids with other characters than "
            'letters A-Z a-z, digits, - and _; write it like "{row:A}{column}"'
        ],
    ),
    (
        grid("{row: A}"),
        [
            "slots.yaml:6: grid[1].ids: the pattern is not quoted; put it in quotes: "
            '"{row:A}{column}"'
        ],
    ),
    (
        "slots:\n  B2: [0, 0, 20, 20]\n" + grid('"{row:A}{column}"'),
        [
            "slots.yaml:8: grid[1].ids: slot 'B2' is listed twice (first on line 3); change the "
            "pattern, or delete the other one"
        ],
    ),
    (
        grid(
            '"{row:A}{column}"', corners="[[0, 0], [100, 100], [100, 0], [0, 100]]", rest="  gap: 1"
        ),
        [
            "slots.yaml:7: grid[1].gap: 1 is out of range; give 0 to 0.9",
            "slots.yaml:3: grid[1].corners: the sides cross each other; give the corners in this "
            "order: [[0, 0], [100, 0], [100, 100], [0, 100]]",
        ],
    ),
    (
        grid('"{row:A}{column}"', rows=0, columns=300),
        ["slots.yaml:4: grid[1].rows: 0 is out of range; give 1 to 1024"],
    ),
    (
        grid('"{row:A}{column}"', columns=300),
        [
            "slots.yaml:4: grid[1]: the cell in row 1, column 1 is too small (3.7x317.9 px); use "
            "fewer rows or columns, or a smaller gap: a cell needs 8x8 px"
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), FAIL)
def test_what_is_wrong_with_slots_is_named(text, expected):
    assert read(text)[1] == expected


def test_a_frame_that_cannot_be_read_does_not_hide_what_else_is_wrong():
    root, _ = read_nodes(b"frame: big\nslots:\n  A1: [9000, 0, 20, 20]\n  A2: [0, 0, 20, 1]\n")
    assert isinstance(root, Mapping)
    report = Report(Path("slots.yaml"))
    read_slots(root, report, None, None)
    assert [str(problem) for problem in report.problems] == [
        "slots.yaml:1: frame: expected a width and a height, not 'big'; write [1920, 1080]",
        "slots.yaml:4: A2: the region is 1 px high; make its height at least 8",
    ]
