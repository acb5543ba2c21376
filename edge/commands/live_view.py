"""What `slotwatch demo` shows in the terminal, from MQTT messages alone.

`Board` takes messages as any dashboard would; `render` turns it into lines and does no
I/O. Colours and letters say the same, so neither is needed to understand the other.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from edge.types import State

RESET = "\x1b[0m"
BOLD = "\x1b[1m"
DIM = "\x1b[2m"
# 256-colour backgrounds that nearly everyone tells apart: orange, slate, white.
CELL_STYLES = {
    State.OCCUPIED: "\x1b[48;5;208;38;5;16m",
    State.EMPTY: "\x1b[48;5;238;38;5;250m",
    State.UNKNOWN: "\x1b[48;5;255;38;5;160m",
}
CELL_MARKS = {State.OCCUPIED: "██", State.EMPTY: "··", State.UNKNOWN: "??"}
FLASH_S = 2.0  # how long a changed slot stays marked
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Board:
    """What a subscriber of one device knows."""

    prefix: str  # `<topic_prefix>/<device>`
    status: str = "…"
    states: dict[str, State] = field(default_factory=dict)
    reasons: dict[str, str | None] = field(default_factory=dict)
    changed_s: dict[str, float] = field(default_factory=dict)
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=200))
    event_count: int = 0
    alerts: dict[str, str] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)
    model: str = ""

    def take(self, topic: str, payload: bytes, now_s: float) -> dict[str, Any] | None:
        """Take one message; return the event when it is one."""
        rest = topic.removeprefix(self.prefix + "/").split("/")
        if rest == ["status"]:
            self.status = payload.decode("utf-8", "replace")
        elif rest[0] == "slots" and len(rest) == 2:
            self._take_slot(rest[1], payload)
        elif rest == ["events"]:
            event: dict[str, Any] = json.loads(payload)
            self.changed_s[event["slot"]] = now_s
            self.events.append(event)
            self.event_count += 1
            return event
        elif rest[0] == "alerts" and len(rest) == 2:
            self.alerts.pop(rest[1], None)
            if payload:
                self.alerts[rest[1]] = json.loads(payload)["message"]
        elif rest == ["health"]:
            self.health = json.loads(payload)
        elif rest == ["info"]:
            self.model = json.loads(payload)["model"]["name"]
        return None

    def _take_slot(self, slot_id: str, payload: bytes) -> None:
        if not payload:
            self.states.pop(slot_id, None)
            self.reasons.pop(slot_id, None)
            return
        value = json.loads(payload)
        self.states[slot_id] = State(value["state"])
        self.reasons[slot_id] = value["reason"]

    def count(self, state: State) -> int:
        """Return how many slots have the state."""
        return sum(1 for value in self.states.values() if value is state)


@dataclass(frozen=True)
class Header:
    """What the first lines say besides the board."""

    title: str
    elapsed_s: float
    hint: str
    agreement: str  # how the states compare with the simulator's truth


def render(
    board: Board,
    header: Header,
    rows: tuple[tuple[str, ...], ...],
    size: tuple[int, int],
    now_s: float,
) -> list[str]:
    """Return the screen's lines; `rows` are the slots' ids as the rack shows them.

    `size` is (columns, lines) of the terminal; nothing is wider or longer.
    """
    width, height = size
    rack = [_rack_line(board, row, now_s) for row in rows]
    rack_width = max((visible_length(line) for line in rack), default=0)
    lines = _head(board, header)
    body_height = height - len(lines) - 2
    side_width = width - rack_width - 4
    # A narrow terminal shows the events below the rack.
    if side_width >= 40:
        events = _event_lines(board, max(body_height, len(rack)) - 1, side_width)
        side = [f"{BOLD}Events{RESET}", *events]
        for index in range(max(len(rack), min(len(side), body_height))):
            left = rack[index] if index < len(rack) else ""
            right = side[index] if index < len(side) else ""
            lines.append(left + " " * (rack_width - visible_length(left) + 4) + right)
    else:
        lines += rack
        lines += ["", *_event_lines(board, max(0, height - len(lines) - 3), width)]
    lines = lines[: height - 1]
    lines += [""] * (height - 1 - len(lines)) + [f"{DIM}{header.hint}{RESET}"]
    return [clip(line, width) for line in lines]


def _head(board: Board, header: Header) -> list[str]:
    minutes, seconds = divmod(int(header.elapsed_s), 60)
    colour = "\x1b[32m" if board.status == "online" else "\x1b[31m"
    per_slot = board.health.get("ms_per_slot_p50")
    facts = [
        f"{colour}●{RESET} {board.status}",
        f"model {board.model}" if board.model else "",
        f"{per_slot:.2f} ms per slot" if per_slot else "",
        f"{board.count(State.OCCUPIED)} occupied",
        f"{board.count(State.EMPTY)} empty",
        f"{board.count(State.UNKNOWN)} unknown",
        header.agreement,
    ]
    lines = [
        f"{BOLD}Slotwatch{RESET}  {header.title}  {DIM}{minutes}:{seconds:02d}{RESET}",
        "   ".join(fact for fact in facts if fact),
    ]
    lines += [f"\x1b[33m⚠ {name}{RESET} {text}" for name, text in board.alerts.items()]
    return [*lines, ""]


def _rack_line(board: Board, row: tuple[str, ...], now_s: float) -> str:
    cells = []
    for slot_id in row:
        state = board.states.get(slot_id, State.UNKNOWN)
        is_new = now_s - board.changed_s.get(slot_id, -FLASH_S) < FLASH_S
        edge = "▸" if is_new else " "
        cells.append(f"{CELL_STYLES[state]}{edge}{slot_id:<3}{CELL_MARKS[state]} {RESET}")
    return " ".join(cells)


def _event_lines(board: Board, limit: int, width: int) -> list[str]:
    newest = list(board.events)[::-1][: max(0, limit)]
    return [clip(describe_event(event), width) for event in newest]


def describe_event(event: dict[str, Any]) -> str:
    """Return one line for a person."""
    probability = event["probability"]
    why = f"p {probability:.2f}" if probability is not None else ""
    if event["reason"]:
        why = event["reason"]
    return (
        f"{event['at'][11:19]}  {event['slot']:<4} {event['before']:<8} → {event['after']:<8} {why}"
    ).rstrip()


def visible_length(line: str) -> int:
    """Return how many columns a line takes, colour codes left out."""
    return len(_ANSI.sub("", line))


def clip(line: str, width: int) -> str:
    """Return the line cut to a number of columns, colour codes kept."""
    if visible_length(line) <= width:
        return line
    kept, column, position = [], 0, 0
    while position < len(line) and column < width:
        match = _ANSI.match(line, position)
        if match:
            kept.append(match.group())
            position = match.end()
        else:
            kept.append(line[position])
            position += 1
            column += 1
    return "".join(kept) + RESET
