"""The rack itself: colours, wear, labels, and the wall behind it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.cameras.simulator.geometry import Floats, View, floats, slot_id
from edge.cameras.simulator.materials import linear, noise_at

FRONT, LEFT, RIGHT, TOP, FLOOR, BACK, WALL = range(7)

# name: colour of the frame, colour of the inside, kind of surface
FINISHES: tuple[tuple[tuple[int, int, int], tuple[int, int, int], str], ...] = (
    ((42, 78, 122), (192, 194, 193), "painted"),
    ((196, 200, 202), (172, 177, 180), "painted"),
    ((58, 64, 70), (150, 154, 156), "painted"),
    ((205, 168, 118), (214, 180, 132), "wood"),
    ((38, 39, 42), (52, 54, 58), "painted"),
    ((84, 110, 92), (160, 168, 158), "painted"),
    ((224, 222, 216), (214, 212, 206), "painted"),
    ((150, 60, 48), (120, 122, 124), "painted"),
    ((158, 162, 166), (150, 154, 158), "galvanised"),
    ((150, 108, 68), (120, 84, 52), "wood"),
    ((222, 178, 60), (90, 92, 96), "painted"),
    ((176, 170, 156), (70, 74, 80), "painted"),
)
DEFAULT_SEED = 1
_PAPER_RGB = floats([1.0, 0.98, 0.92])


@dataclass(frozen=True, eq=False)
class Cabinet:
    """How one seed's rack looks."""

    frame_rgb: Floats
    inside_rgb: Floats
    back_rgb: Floats
    mat_rgb: Floats | None  # a mat on the floor of every slot
    room_wall_rgb: Floats
    surface: str  # painted, wood, galvanised
    is_perforated: bool  # holes in the back walls
    labels: npt.NDArray[np.uint8] | None  # (rows, columns, height, width), grey
    dirt: float  # 0..1
    gloss: float
    offset: float  # moves the grain, so that no two racks have the same
    stains: Floats  # (rows * columns, 4): x, y, size, strength of a mark on the back wall

    def albedo(
        self,
        view: View,
        face: npt.NDArray[np.int8],
        x: Floats,
        y: Floats,
        z: Floats,
        near: Floats,
    ) -> Floats:
        """Return linear RGB (3, ...) of points (...) on the faces of the rack and on the wall.

        `near` is how close a point lies to an inner edge of its slot, 1 at the edge.
        """
        u = np.where((face == LEFT) | (face == RIGHT), z, x) + self.offset
        v = np.where((face == TOP) | (face == FLOOR), z, y) + self.offset * 0.7
        front, back, wall = face == FRONT, face == BACK, face == WALL
        if self.surface == "wood":
            along, across = np.where(front, v, u), np.where(front, u, v)
            cell = np.floor(x) * 3.1 + np.floor(y / view.cell_height) * 1.7
            shift = np.where(front, 0, cell)
            tone = noise_at(along * 0.1 + shift, across * 1.5 + shift, 240) * 0.22
            tone += noise_at(along * 0.5, across * 6 + shift, 230) * 0.1
        elif self.surface == "galvanised":
            tone = noise_at(u, v, 60) * 0.08 + noise_at(u * 3, v * 3, 120) * 0.06
        else:
            tone = noise_at(u, v, 22) * 0.035 + noise_at(u, v, 500) * 0.02
        tone -= self.dirt * (0.12 + 0.14 * noise_at(u * 0.7, v * 0.7, 130)) * near
        tone[wall] = 0.04 * np.sin(x[wall] * 1.3) * np.sin(y[wall] * 1.1)
        palette = np.stack([self.inside_rgb] * 7, axis=1)
        palette[:, [FRONT, BACK, WALL]] = np.stack(
            [self.frame_rgb, self.back_rgb, self.room_wall_rgb], axis=1
        )
        colour = palette[:, face] * np.clip(1 + tone, 0.2, 1.6)
        if self.mat_rgb is not None:
            inset = (face == FLOOR) & (near < 0.8)
            weave = 1 + 0.12 * noise_at(u[inset] * 4, v[inset] * 4, 300)
            colour[:, inset] = self.mat_rgb[:, None] * weave
        scratched = noise_at(u * 0.35 + v * 2.4, v * 0.3 - u * 0.2, 300) > 1.12
        scratched &= ~wall
        colour[:, scratched] = colour[:, scratched] * 0.75 + 0.06
        if self.is_perforated:
            hole = back & ((u / 0.085 % 1 - 0.5) ** 2 + (v / 0.085 % 1 - 0.5) ** 2 < 0.045)
            colour[:, hole] *= 0.18
        self._stain(view, back, x[back], y[back], colour)
        if self.labels is not None:
            self._label(view, self.labels, front, x[front], y[front], colour)
        return np.asarray(colour, np.float32)

    def _stain(self, view: View, back: Floats, x: Floats, y: Floats, colour: Floats) -> None:
        down = y / view.cell_height
        column = np.clip(x.astype(np.int32), 0, view.columns - 1)
        row = np.clip(down.astype(np.int32), 0, view.rows - 1)
        middle_x, middle_y, size, strength = self.stains.T[:, row * view.columns + column]
        distance = np.hypot(x - column - middle_x, down - row - middle_y)
        mark = np.clip(1 - distance / size + 0.4 * noise_at(x, y, 260), 0, 1) * strength
        colour[:, back] *= 1 - mark

    def _label(
        self,
        view: View,
        labels: npt.NDArray[np.uint8],
        front: Floats,
        x: Floats,
        y: Floats,
        colour: Floats,
    ) -> None:
        """Stick a paper label with the slot's id on the bar below each slot."""
        edge, column = np.round(y / view.cell_height), np.floor(x)
        v = (y - edge * view.cell_height) / (view.gap * view.cell_height * 0.62) + 0.5
        u = (x - column - 0.36) / 0.28
        inside = (u > 0) & (u < 1) & (v > 0) & (v < 1)
        inside &= (edge > 0) & (edge <= view.rows) & (column >= 0) & (column < view.columns)
        height, width = labels.shape[2:]
        text = labels[
            edge[inside].astype(np.int32) - 1,
            column[inside].astype(np.int32),
            (v[inside] * height).astype(np.int32),
            (u[inside] * width).astype(np.int32),
        ]
        there = np.zeros_like(front)
        there[front] = inside
        colour[:, there] = (text / 255.0) ** 2.2 * _PAPER_RGB[:, None]


def _print_labels(view: View) -> npt.NDArray[np.uint8]:
    labels = np.full((view.rows, view.columns, 22, 64), 205, np.uint8)
    for row in range(view.rows):
        for column in range(view.columns):
            cv2.putText(
                labels[row, column],
                slot_id(row, column),
                (14, 18),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.62,
                25,
                2,
                cv2.LINE_AA,
            )
    return labels


def build_cabinet(rng: np.random.Generator, seed: int, view: View) -> Cabinet:
    """Return the rack of a seed; the default seed's is blue, as many workshops have it."""
    number = 0 if seed == DEFAULT_SEED else int(rng.integers(len(FINISHES)))
    frame, inside, surface = FINISHES[number]
    vary = (
        floats(rng.uniform(0.88, 1.1, (3, 3)))
        if seed != DEFAULT_SEED
        else np.ones((3, 3), np.float32)
    )
    back = linear(*inside) * vary[2]
    if seed != DEFAULT_SEED and rng.random() < 0.25:
        back = np.asarray(rng.uniform(0.03, 0.6) * rng.uniform(0.85, 1.15, 3), np.float32)
    mat = None
    if seed == DEFAULT_SEED or rng.random() < 0.35:
        mat = linear(*((70, 74, 78) if seed == DEFAULT_SEED else rng.integers(30, 200, 3)))
    count = view.rows * view.columns
    stains = np.stack(
        [
            rng.uniform(0.2, 0.8, count),
            rng.uniform(0.2, 0.9, count),
            rng.uniform(0.05, 0.3, count),
            rng.uniform(0.05, 0.5, count) * (rng.random(count) < 0.3),
        ],
        axis=1,
    ).astype(np.float32)
    return Cabinet(
        frame_rgb=linear(*frame) * vary[0],
        inside_rgb=linear(*inside) * vary[1],
        back_rgb=back,
        mat_rgb=mat,
        room_wall_rgb=np.asarray(
            linear(176, 172, 164)
            if seed == DEFAULT_SEED
            else rng.uniform(0.12, 0.65) * rng.uniform(0.85, 1.1, 3),
            np.float32,
        ),
        surface=surface,
        is_perforated=seed != DEFAULT_SEED and rng.random() < 0.18,
        labels=_print_labels(view) if seed == DEFAULT_SEED or rng.random() < 0.7 else None,
        dirt=float(rng.uniform(0.3, 1.0)),
        gloss={"painted": 0.12, "wood": 0.03, "galvanised": 0.3}[surface],
        offset=float(rng.uniform(0, 40)),
        stains=stains,
    )
