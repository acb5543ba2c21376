"""How well a bumped camera is followed: real frames, moved by known amounts.

    python -m benchmarks.alignment ../shared/data [--count 20] [--final]

The first frame of each sequence is the reference; other frames of it, with other content
and in other light, are moved, turned and zoomed. `undamaged` takes each sequence as it is.
`--final` takes the chess game and the car-park day that no limit was chosen on.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.align import Alignment, AlignmentState, Anchor, align, prepare_anchor
from edge.cameras.simulator import Simulation
from edge.types import ImageRGB, Slot

CHESS, CAR_PARK, AERIAL = "02_chess_fixedcam", "03_pklot_ufpr05", "05_aerial_parking"
SEEDS = (1, 2, 3)  # of the simulator's cabinets
# A region off by more is no longer followed: a twentieth of a small slot's side.
RIGHT_PX = 4.0

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sequence:
    """One camera's frames, in order, and its slots."""

    name: str
    slots: tuple[Slot, ...]
    frames: tuple[ImageRGB, ...]


@dataclass(frozen=True)
class Bumps:
    """How far frames are moved at random: ranges of one kind of bump."""

    name: str
    shift: tuple[float, float] = (0.0, 0.0)  # of the width, in any direction
    turn_deg: tuple[float, float] = (0.0, 0.0)  # either way
    zoom: tuple[float, float] = (1.0, 1.0)  # larger, or as much smaller
    is_followed: bool = True


KINDS = (
    Bumps("shift 1-5 %", shift=(0.01, 0.05)),
    Bumps("shift 5-12 %", shift=(0.05, 0.12)),
    Bumps("shift 12-20 %", shift=(0.12, 0.195)),
    Bumps("turn 1-15 deg", turn_deg=(1, 15)),
    Bumps("zoom 2-10 %", zoom=(1.02, 1.1)),
    Bumps("all of it", shift=(0.0, 0.15), turn_deg=(0, 15), zoom=(1.0, 1.1)),
    Bumps("shift 23-60 %", shift=(0.23, 0.6), is_followed=False),
    Bumps("turn 19-180 deg", turn_deg=(19, 180), is_followed=False),
    Bumps("zoom 20-100 %", zoom=(1.2, 2.0), is_followed=False),
)


def read_slots(path: Path) -> tuple[Slot, ...]:
    entries = json.loads(path.read_text("utf-8"))
    return tuple(
        Slot(entry["id"], np.array(entry["polygon"], dtype=np.float32)) for entry in entries
    )


def read_pictures(folder: Path) -> tuple[ImageRGB, ...]:
    return tuple(
        cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in sorted(folder.iterdir())
    )


def read_video(path: Path, every: int) -> Iterator[ImageRGB]:
    """Yield one frame of the video in so many."""
    video = cv2.VideoCapture(str(path))
    number = 0
    while video.grab():
        if number % every == 0:
            yield cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB)
        number += 1


def read_sequences(data: Path, is_final: bool) -> Iterator[Sequence]:
    """Yield the sequences that limits were chosen on, or those kept for the final figures."""
    board = read_slots(data / CHESS / "slots.json")
    for game in ("game7",) if is_final else ("game2", "game4", "game5"):
        yield Sequence(f"chess {game}", board, read_pictures(data / CHESS / game / "frames"))
    day = "day_2013-04-15" if is_final else "other_days"
    car_park = read_slots(data / CAR_PARK / "slots.json")
    yield Sequence(f"car park {day}", car_park, read_pictures(data / CAR_PARK / day / "frames"))
    if not is_final:
        aerial = read_slots(data / AERIAL / "slots_1280x720.json")
        frames = tuple(read_video(data / AERIAL / "carPark.mp4", every=10))
        yield Sequence("aerial", aerial, frames)
        for seed in SEEDS:
            yield simulate(seed)


def simulate(seed: int) -> Sequence:
    """Return ten minutes of a simulated day with busy hands."""
    simulation = Simulation(seed, step_s=10.0, activity=0.3, day_s=600.0)
    frames = (simulation.step().image_rgb for _ in range(60))
    pictures = tuple(image_rgb for image_rgb in frames if image_rgb is not None)
    return Sequence(f"simulator, seed {seed}", simulation.slots(), pictures)


def bump(image_rgb: ImageRGB, kind: Bumps, rng: np.random.Generator) -> tuple[ImageRGB, Matrix]:
    """Return the picture as a bumped camera would see it, and the (3, 3) matrix of the bump.

    What the picture does not show is filled with the picture upside down, out of focus.
    """
    height_px, width_px = image_rgb.shape[:2]
    zoom = rng.uniform(*kind.zoom) ** rng.choice((-1, 1))
    turn_deg = rng.uniform(*kind.turn_deg) * rng.choice((-1, 1))
    matrix = cv2.getRotationMatrix2D(((width_px - 1) / 2, (height_px - 1) / 2), turn_deg, zoom)
    angle, length_px = rng.uniform(0, 2 * math.pi), rng.uniform(*kind.shift) * width_px
    matrix[:, 2] += length_px * math.cos(angle), length_px * math.sin(angle)
    seen = np.ascontiguousarray(cv2.GaussianBlur(image_rgb[::-1, ::-1], (0, 0), 1.5))
    cv2.warpAffine(
        image_rgb, matrix, (width_px, height_px), dst=seen, borderMode=cv2.BORDER_TRANSPARENT
    )
    # From the centres of pixels to their edges.
    half = np.array([0.5, 0.5])
    matrix[:, 2] += half - matrix[:, :2] @ half
    return seen, square(matrix)


def square(matrix: Matrix) -> Matrix:
    return np.vstack([matrix, (0.0, 0.0, 1.0)])


def corner_error_px(slots: tuple[Slot, ...], found: Matrix, true: Matrix) -> float:
    """Return how far the found corners lie from the true ones at most."""
    corners = np.concatenate([slot.polygon_px for slot in slots])[:, None].astype(np.float64)
    apart = cv2.transform(corners, found[:2]) - cv2.transform(corners, true[:2])
    return float(np.linalg.norm(apart, axis=-1).max())


def measure_bumps(
    sequence: Sequence, anchor: Anchor, kind: Bumps, count: int, rng: np.random.Generator
) -> str:
    """Return a line of the table for one kind of bump."""
    errors_px, named, followed, wrong, spent_s = [], 0, 0, 0, []
    for number in rng.integers(len(sequence.frames), size=count):
        still = align(anchor, sequence.frames[number], Alignment())
        image_rgb, moved = bump(sequence.frames[number], kind, rng)
        alignment = still
        for _ in range(3):
            begun_s = time.thread_time()
            alignment = align(anchor, image_rgb, alignment)
            spent_s.append(time.thread_time() - begun_s)
        named += alignment.state is AlignmentState.MOVED
        if alignment.state is AlignmentState.ALIGNED:
            error_px = corner_error_px(
                sequence.slots, alignment.matrix, moved @ square(still.matrix)
            )
            followed += error_px <= RIGHT_PX
            wrong += error_px > RIGHT_PX
            errors_px.append(error_px)
    residual = f"{np.median(errors_px):.2f} / {max(errors_px):.2f} px" if errors_px else "-"
    return (
        f"  {kind.name:16} followed {followed / count:4.0%}  MOVED {named / count:4.0%}  "
        f"wrongly followed {wrong / count:3.0%}  corners off {residual} (median / most)  "
        f"{max(spent_s) * 1e3:.0f} ms at most"
    )


def measure_undamaged(sequence: Sequence, anchor: Anchor) -> str:
    """Return a line of the table for the sequence as it is."""
    alignment, states, displacements_px, changes, spent_s = Alignment(), [], [], 0, []
    for image_rgb in sequence.frames:
        begun_s = time.thread_time()
        after = align(anchor, image_rgb, alignment)
        spent_s.append(time.thread_time() - begun_s)
        changes += after.matrix is not alignment.matrix
        alignment = after
        states.append(after.state)
        displacements_px.append(after.displacement_px)
    counts = "  ".join(f"{state.name} {states.count(state)}" for state in AlignmentState)
    return (
        f"  {'undamaged':16} {counts}  regions moved {changes} times, by "
        f"{max(displacements_px):.1f} px at most  "
        f"{np.median(spent_s) * 1e3:.1f} ms median, {max(spent_s) * 1e3:.0f} at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with the labelled pictures")
    parser.add_argument("--count", type=int, default=20, help="bumps of each kind and sequence")
    parser.add_argument("--final", action="store_true", help="on what no limit was chosen on")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    for sequence in read_sequences(arguments.data, arguments.final):
        anchor = prepare_anchor(sequence.frames[0], sequence.slots)
        print(sequence.name, flush=True)
        print(measure_undamaged(sequence, anchor), flush=True)
        rng = np.random.default_rng(0)
        for kind in KINDS:
            print(measure_bumps(sequence, anchor, kind, arguments.count, rng), flush=True)


if __name__ == "__main__":
    main()
