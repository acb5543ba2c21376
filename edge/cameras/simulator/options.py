"""The options behind `simulator?…`: one table, and its reading."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from edge.cameras import CameraUnusable
from edge.cameras.simulator.simulation import Simulation

SCHEME = "simulator"
# The one option that is no number: a file that gets the truth of each frame as it is read,
# one JSON object {"sequence", "truth": {slot: state}} per line. The demo compares with it.
TRUTH = "truth"


@dataclass(frozen=True)
class Option:
    """One option of the simulator."""

    default: float
    low: float
    high: float
    is_whole: bool
    meaning: str


OPTIONS: dict[str, Option] = {
    "seed": Option(1, 0, 2**31 - 1, True, "which cabinet, things and events"),
    "rows": Option(8, 1, 26, True, "rows of slots"),
    "columns": Option(8, 1, 26, True, "columns of slots"),
    "activity": Option(0.12, 0, 10, False, "hands per simulated second"),
    "fill": Option(0.5, 0, 1, False, "share of the slots that is filled in the long run"),
    "day": Option(300, 10, 864_000, False, "length of a day in simulated seconds"),
    "hour": Option(9, 0, 24, False, "time of day at the beginning, in hours"),
    "speed": Option(1, 0.01, 10_000, False, "simulated seconds per second of camera.every"),
    "frames": Option(300, 1, 10_000_000, True, "length of a replay, in frames"),
}


def read_options(source: str) -> dict[str, float]:
    """Return every option of a source `simulator` or `simulator?name=value&…`.

    Raises:
        CameraUnusable: an option is unknown, given twice, no number or out of range.
    """
    scheme, _, query = source.partition("?")
    if scheme != SCHEME:
        raise CameraUnusable(f"camera.source: '{source}' is no simulator; write '{SCHEME}'")
    values = {name: option.default for name, option in OPTIONS.items()}
    given = set()
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name == TRUTH:
            continue
        if name not in OPTIONS:
            names = [*OPTIONS, TRUTH]
            near = difflib.get_close_matches(name, names, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(names)}"
            raise CameraUnusable(f"camera.source: the simulator has no option '{name}'; {advice}")
        if name in given:
            raise CameraUnusable(f"camera.source: option '{name}' is given twice; remove one")
        given.add(name)
        values[name] = _number(name, text)
    return values


def truth_path(source: str) -> Path | None:
    """Return the file that the truth of each frame goes to, where the source names one."""
    text = dict(parse_qsl(source.partition("?")[2])).get(TRUTH)
    return Path(text) if text else None


def _number(name: str, text: str) -> float:
    option = OPTIONS[name]
    kind = "a whole number" if option.is_whole else "a number"
    try:
        value: float = int(text) if option.is_whole else float(text)
    except ValueError:
        value = float("nan")
    # Written so that NaN fails as well.
    if not option.low <= value <= option.high:
        raise CameraUnusable(
            f"camera.source: {name}={text}: {option.meaning}; "
            f"write {kind} from {option.low:g} to {option.high:g}"
        )
    return value


def simulation_of(source: str, every_s: float, render: bool = True) -> Simulation:
    """Return the simulation that a camera with this source and `camera.every` shows.

    With `render=False` it tells the truth of each of the camera's frames at almost no
    cost: the demo runs one beside the camera's process.

    Raises:
        CameraUnusable: see `read_options`.
    """
    values = read_options(source)
    return Simulation(
        int(values["seed"]),
        int(values["rows"]),
        int(values["columns"]),
        step_s=every_s * values["speed"],
        activity=values["activity"],
        fill=values["fill"],
        day_s=values["day"],
        start_hour=values["hour"],
        render=render,
    )
