"""The slots file: regions of single slots and of whole racks.

Used while settings are read, in the main thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from edge.problems import Report, Unfit, plain, shown
from edge.regions import grid_cells, quadrilateral_region, rectangle_region
from edge.setting_kinds import (
    NAME_PATTERN,
    PROBABILITY,
    SIZE,
    TEXT,
    YES_NO,
    Kind,
    Setting,
    Values,
    decimal,
    described,
    name_unfit,
    number,
    read_values,
    scalar_text,
    whole,
)
from edge.types import PolygonPx, Slot
from edge.yaml_nodes import Entry, Listing, Mapping, Node, Scalar

LIMIT_SLOTS = 1024

_CORNERS_EXAMPLE = "[[340, 82], [545, 90], [540, 250], [338, 240]]"
_RECTANGLE_EXAMPLE = "[120, 80, 210, 160]"
_FIELD = re.compile(r"\{([^{}]*)\}")
_FIELD_FORM = re.compile(r"(row|column)(?::(A|a|0[1-9]))?")

Corners = tuple[tuple[float, ...], ...]  # four of x, y


class Rectangle(NamedTuple):
    """A region that is upright in the picture, in pixels."""

    x: float
    y: float
    width: float
    height: float


Region = Rectangle | Corners


def _region(node: Node) -> Region:
    if not isinstance(node, Listing):
        raise Unfit(
            f"expected a region, not {described(node)}",
            f"write x, y, width, height: {_RECTANGLE_EXAMPLE}",
        )
    if any(isinstance(item, Listing) for item in node.items):
        return _corners(node)
    if len(node.items) != 4:
        raise Unfit(
            f"a region of {len(node.items)} numbers",
            f"write x, y, width, height: {_RECTANGLE_EXAMPLE}, or four corners",
        )
    return Rectangle(*(number(item, "120") for item in node.items))


def _corners(node: Node) -> Corners:
    if not isinstance(node, Listing) or len(node.items) != 4:
        count = f"{len(node.items)} of them" if isinstance(node, Listing) else described(node)
        raise Unfit(f"expected four corners, not {count}", f"write them like {_CORNERS_EXAMPLE}")
    points = []
    for index, item in enumerate(node.items, start=1):
        if not isinstance(item, Listing) or len(item.items) != 2:
            raise Unfit(
                f"corner {index} is not a pair of numbers", "write each corner like [340, 82]"
            )
        points.append(tuple(number(part, "340") for part in item.items))
    return tuple(points)


@dataclass(frozen=True)
class IdPattern:
    """How the cells of a grid are named: fields {row} and {column}, and text between them."""

    text: str

    def id_of(self, row: int, column: int) -> str:
        """Return the id of a cell; rows and columns count from 1."""

        def fill(found: re.Match[str]) -> str:
            name, _, form = found[1].partition(":")
            value = row if name == "row" else column
            if form in ("A", "a"):
                return _letters(value) if form == "A" else _letters(value).lower()
            return f"{value:{form}}"

        return _FIELD.sub(fill, self.text)


def _letters(value: int) -> str:
    """Return A for 1 … Z for 26, then AA, AB … as spreadsheets name their columns."""
    text = ""
    while value:
        value, rest = divmod(value - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


def _id_pattern(node: Node) -> IdPattern:
    if isinstance(node, Mapping):
        raise Unfit("the pattern is not quoted", 'put it in quotes: "{row:A}{column}"')
    text = scalar_text(node, '"{row:A}{column}"')
    for form in _FIELD.findall(text):
        if not _FIELD_FORM.fullmatch(form):
            raise Unfit(
                f"{shown('{' + form + '}')} is not a field of the pattern",
                "use {row} or {column}, with :A for letters or :02 for two digits",
            )
    between = _FIELD.sub("", text)
    if between and not NAME_PATTERN.fullmatch(between):
        raise Unfit(
            f"{shown(text)} makes ids with other characters than letters A-Z a-z, digits, - and _",
            'write it like "{row:A}{column}"',
        )
    return IdPattern(text)


def _slots(node: Node) -> Mapping:
    if not isinstance(node, Mapping):
        raise Unfit(
            f"expected slots by their ids, not {described(node)}",
            f"write each slot on a line like A1: {_RECTANGLE_EXAMPLE}",
        )
    return node


def _grid(node: Node) -> Listing:
    # One block without the dash of a list is what most people write first.
    if isinstance(node, Mapping):
        return Listing((node,), node.line)
    if not isinstance(node, Listing):
        raise Unfit(
            f"expected a list of blocks, not {described(node)}",
            "begin each block with '- corners: …'",
        )
    return node


REGION: Setting[Region] = Setting(
    "region",
    Kind("`[x, y, width, height]` or four corners", _region),
    "the slot's opening in the picture; corners clockwise from the slot's own top-left",
    is_required=True,
)
LABEL = Setting("label", TEXT, "a name for people, shown instead of the id")
OCCUPIED_AT = Setting(
    "occupied_at", PROBABILITY, "this slot's own threshold instead of decision.occupied_at"
)
EMPTY_AT = Setting(
    "empty_at", PROBABILITY, "this slot's own threshold instead of decision.empty_at"
)
ENABLED = Setting("enabled", YES_NO, "false: the slot stays UNKNOWN, reason `disabled`", "true")
SLOT_SETTINGS = (REGION, LABEL, OCCUPIED_AT, EMPTY_AT, ENABLED)

CORNERS: Setting[Corners] = Setting(
    "corners",
    Kind("four corners", _corners),
    "the rack's outer corners, clockwise from the top-left of row 1, column 1",
    is_required=True,
)
ROWS = Setting("rows", whole(1, LIMIT_SLOTS), "how many rows of slots", is_required=True)
COLUMNS = Setting("columns", whole(1, LIMIT_SLOTS), "how many slots in a row", is_required=True)
IDS: Setting[IdPattern] = Setting(
    "ids",
    Kind("pattern with `{row}` and `{column}`", _id_pattern),
    "how the slots are named; rows and columns count from 1",
    "{row:A}{column}",
)
GAP = Setting(
    "gap",
    decimal(0.0, 0.9, "share"),
    "share of each cell's width and height that is left out as its frame",
    "0",
)
GRID_SETTINGS = (CORNERS, ROWS, COLUMNS, IDS, GAP)

FRAME = Setting(
    "frame",
    SIZE,
    "the size of the picture that the pixels of this file belong to",
    is_required=True,
)
SLOTS: Setting[Mapping] = Setting(
    "slots", Kind("mapping of ids to regions", _slots), "single slots by their ids"
)
GRID: Setting[Listing] = Setting(
    "grid", Kind("list of blocks", _grid), "whole racks, cut into rows and columns"
)
FILE_SETTINGS = (FRAME, SLOTS, GRID)


@dataclass(frozen=True)
class SlotsFile:
    """What a slots file says; complete when no problem was reported."""

    frame_wh: tuple[int, int] | None
    slots: tuple[Slot, ...]


def read_slots(
    root: Mapping, report: Report, occupied_at: float | None, empty_at: float | None
) -> SlotsFile:
    """Return the slots of a file; what is wrong goes to the report.

    `occupied_at` and `empty_at` are the thresholds of slots that have none of their own;
    None when they could not be read.
    """
    values = read_values(root, FILE_SETTINGS, (), report)
    frame_wh = values.get(FRAME)
    reader = _SlotReader(frame_wh, occupied_at, empty_at, report, {}, [])
    slots, grid = values.get(SLOTS), values.get(GRID)
    for entry in slots.entries if slots else ():
        reader.read_slot(entry)
    for index, block in enumerate(grid.items if grid else (), start=1):
        reader.read_block(f"grid[{index}]", block)
    has_none = not (slots and slots.entries) and not (grid and grid.items)
    if has_none and SLOTS.name not in values.lines and GRID.name not in values.lines:
        report.add(root.line, "slots", "the file names no slots", "add 'slots:' or 'grid:'")
    elif has_none and (slots is not None or grid is not None):
        line = values.lines.get(SLOTS.name) or values.lines[GRID.name]
        report.add(line, "slots", "the file names no slots", f"add one: A1: {_RECTANGLE_EXAMPLE}")
    return SlotsFile(frame_wh, tuple(reader.slots))


@dataclass(frozen=True)
class _SlotReader:
    frame_wh: tuple[int, int] | None
    occupied_at: float | None
    empty_at: float | None
    report: Report
    lines: dict[str, int]  # of the ids that are taken
    slots: list[Slot]

    def read_slot(self, entry: Entry) -> None:
        if not self.has_room(1, entry.line):
            return
        unfit = name_unfit(entry.key, "a slot's id")
        if unfit:
            self.report.add_unfit(entry.line, entry.key, unfit)
        elif entry.key in self.lines:
            self.report.add(
                entry.line,
                entry.key,
                f"this slot is listed twice (first on line {self.lines[entry.key]})",
                "delete one of them, or give it another id",
            )
        else:
            self.lines[entry.key] = entry.line
        if isinstance(entry.value, Mapping):
            values = read_values(entry.value, SLOT_SETTINGS, (), self.report, owner=entry.key)
        else:
            values = self.plain_region(entry)
        self.check_thresholds(entry.key, values)
        polygon = self.polygon(entry, values)
        if polygon is None:
            return
        self.slots.append(
            Slot(
                entry.key,
                polygon,
                values.get(LABEL),
                values.get(OCCUPIED_AT),
                values.get(EMPTY_AT),
                values.get(ENABLED) is not False,
            )
        )

    def plain_region(self, entry: Entry) -> Values:
        """Return the values of a slot that is written as its region alone."""
        values = Values()
        try:
            if isinstance(entry.value, Scalar) and entry.value.is_missing:
                raise Unfit(
                    "no region is given", f"write one: {plain(entry.key)}: {_RECTANGLE_EXAMPLE}"
                )
            values.put(REGION, REGION.kind.convert(entry.value))
        except Unfit as unfit:
            self.report.add_unfit(entry.line, entry.key, unfit)
        return values

    def check_thresholds(self, slot_id: str, values: Values) -> None:
        own = [s for s in (OCCUPIED_AT, EMPTY_AT) if values.get(s) is not None]
        # A threshold that was given but is unfit has its problem already.
        if not own or len(own) != sum(s.name in values.lines for s in (OCCUPIED_AT, EMPTY_AT)):
            return
        occupied_at = values.get(OCCUPIED_AT) if OCCUPIED_AT in own else self.occupied_at
        empty_at = values.get(EMPTY_AT) if EMPTY_AT in own else self.empty_at
        if occupied_at is None or empty_at is None or empty_at < occupied_at:
            return
        other = "" if len(own) == 2 else " of the decision settings"
        if OCCUPIED_AT in own:
            what = f"{occupied_at:g} is not above empty_at {empty_at:g}{other}"
            remedy = f"make it larger than {empty_at:g}, or give this slot a smaller empty_at"
        else:
            what = f"{empty_at:g} is not below occupied_at {occupied_at:g}{other}"
            remedy = f"make it smaller than {occupied_at:g}, or give this slot a larger occupied_at"
        self.report.add(values.lines[own[0].name], f"{slot_id}.{own[0].name}", what, remedy)

    def polygon(self, entry: Entry, values: Values) -> PolygonPx | None:
        region = values.get(REGION)
        if region is None:
            return None
        polygon, problems = region_polygon(region, self.frame_wh)
        for unfit in problems:
            line = values.lines.get(REGION.name, entry.line)
            self.report.add_unfit(line, entry.key, unfit)
        return None if problems else polygon

    def has_room(self, count: int, line: int) -> bool:
        """Return whether so many more slots may follow; says it once when not."""
        if len(self.lines) + count <= LIMIT_SLOTS:
            return True
        what = f"more than {LIMIT_SLOTS} slots"
        if not any(problem.what == what for problem in self.report.problems):
            self.report.add(line, "slots", what, "watch fewer with one camera")
        return False

    def read_block(self, label: str, block: Node) -> None:
        if not isinstance(block, Mapping):
            self.report.add(
                block.line,
                label,
                f"expected a block with corners, rows and columns, not {described(block)}",
                "begin it with '- corners: …'",
            )
            return
        values = read_values(block, GRID_SETTINGS, (), self.report, owner=label)
        corners, ids, gap = values.get(CORNERS), values.get(IDS), values.get(GAP)
        rows, columns = values.get(ROWS), values.get(COLUMNS)
        outline = None
        if corners is not None:
            outline, problems = quadrilateral_region(corners, self.frame_wh)
            for unfit in problems:
                self.report.add_unfit(values.lines[CORNERS.name], f"{label}.corners", unfit)
            outline = None if problems else outline
        if rows is None or columns is None or ids is None or gap is None:
            return
        if not self.has_room(rows * columns, values.lines[ROWS.name]):
            return
        ids_line = values.lines.get(IDS.name, block.line)
        names = self.block_ids(label, ids, rows, columns, ids_line)
        if outline is None or names is None:
            return
        cells, problems = grid_cells(outline, rows, columns, gap)
        for unfit in problems:
            self.report.add_unfit(values.lines[ROWS.name], label, unfit)
        for (row, column), name in names:
            self.slots.append(Slot(name, cells[row, column]))

    def block_ids(
        self, label: str, ids: IdPattern, rows: int, columns: int, line: int
    ) -> list[tuple[tuple[int, int], str]] | None:
        """Return every cell with its id, or None when two would have the same."""
        own: dict[str, tuple[int, int]] = {}
        for row, column in _cells(rows, columns):
            name = ids.id_of(row + 1, column + 1)
            problem = None
            unfit = name_unfit(name, "a slot's id")
            if unfit:
                problem = unfit
            elif name in own:
                first = own[name]
                problem = Unfit(
                    f"row {first[0] + 1}, column {first[1] + 1} and row {row + 1}, column "
                    f"{column + 1} both get the id {shown(name)}",
                    'use {row} and {column}, apart by a letter or -: "{row}-{column}"',
                )
            elif name in self.lines:
                problem = Unfit(
                    f"slot {shown(name)} is listed twice (first on line {self.lines[name]})",
                    "change the pattern, or delete the other one",
                )
            if problem:
                self.report.add_unfit(line, f"{label}.ids", problem)
                return None
            own[name] = (row, column)
        self.lines.update(dict.fromkeys(own, line))
        return [(cell, name) for name, cell in own.items()]


def _cells(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    return ((row, column) for row in range(rows) for column in range(columns))


def region_polygon(
    region: Region, frame_wh: tuple[int, int] | None
) -> tuple[PolygonPx, list[Unfit]]:
    """Return a region's corners clockwise from its top-left, and what is wrong with them."""
    if isinstance(region, Rectangle):
        return rectangle_region(region, frame_wh)
    return quadrilateral_region(region, frame_wh)
