"""The things that people keep in a rack.

Every kind is a function `build(rng, room) -> parts`, standing on the floor around the
origin; `THINGS` names them all. A new kind is a function and a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge.cameras.simulator import materials
from edge.cameras.simulator.geometry import Floats, floats
from edge.cameras.simulator.materials import Material, linear, plain, random_colour
from edge.cameras.simulator.meshes import (
    blob,
    lathe,
    rotation,
    rounded_box,
    smooth_profile,
    tube,
)

Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Room:
    """The inside of a slot, in cell widths, and the colour of its walls."""

    width: float
    height: float
    depth: float
    wall_rgb: Floats


@dataclass(frozen=True, eq=False)
class Part:
    """One surface of one material.

    `turn` (a rotation, perhaps scaled) and `offset` take it to the thing's coordinates.
    """

    quads: Floats  # (pieces, quadrilaterals, 4, 3), see meshes
    material: Material
    turn: Floats = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    offset: Floats = field(default_factory=lambda: np.zeros(3, np.float32))

    def moved(self, turn: Floats, offset: Floats) -> Part:
        """Return the part after another rotation and shift."""
        return Part(self.quads, self.material, turn @ self.turn, turn @ self.offset + offset)

    def placed_quads(self) -> Floats:
        """Return the mesh in the thing's coordinates."""
        return np.asarray(self.quads @ self.turn.T + self.offset, np.float32)


def _at(x: float, y: float, z: float = 0.0) -> Floats:
    return np.array([x, y, z], np.float32)


def _metal(rng: Random, level: float = 0.55) -> Material:
    tint = floats([1.0, 0.98, 0.95]) * np.float32(level * rng.uniform(0.7, 1.2))
    return Material(plain(tint, 0.08), gloss=0.7, sharpness=40, metal=0.6)


def _plastic(rng: Random, colour: Floats) -> Material:
    return Material(
        plain(colour, 0.03), gloss=rng.uniform(0.15, 0.5), sharpness=rng.uniform(15, 60)
    )


def _carton(rng: Random, room: Room) -> list[Part]:
    width, height, depth = (
        room.width * rng.uniform(0.35, 0.88),
        room.height * rng.uniform(0.3, 0.88),
        room.depth * rng.uniform(0.4, 0.85),
    )
    pattern = materials.carton(rng, width, height)
    return [Part(rounded_box(width, height, depth, 0.012), Material(pattern, gloss=0.04))]


def _cartons(rng: Random, room: Room) -> list[Part]:
    parts, top = [], 0.0
    for _ in range(int(rng.integers(2, 4))):
        height = room.height * rng.uniform(0.14, 0.3)
        if top + height > room.height * 0.92:
            break
        width, depth = room.width * rng.uniform(0.4, 0.75), room.depth * rng.uniform(0.4, 0.75)
        part = Part(
            rounded_box(width, height, depth, 0.012),
            Material(materials.carton(rng, width, height), gloss=0.05),
        )
        parts.append(
            part.moved(rotation(rng.uniform(-0.3, 0.3)), _at(rng.uniform(-0.04, 0.04), top))
        )
        top += height
    return parts


def _case(rng: Random, room: Room) -> list[Part]:
    """Return a plastic tool case: body, lid, latches, handle."""
    width, depth = room.width * rng.uniform(0.6, 0.9), room.depth * rng.uniform(0.45, 0.75)
    height = room.height * rng.uniform(0.3, 0.6)
    colour, trim = random_colour(rng, room.wall_rgb), random_colour(rng)
    body, dark = _plastic(rng, colour), _plastic(rng, trim)
    split = height * rng.uniform(0.5, 0.75)
    parts = [
        Part(rounded_box(width, split - 0.008, depth, 0.035), body),
        Part(rounded_box(width, height - split, depth, 0.035), body, offset=_at(0, split)),
        Part(
            rounded_box(width * 0.96, height * 0.8, depth * 0.96, 0.02), dark, offset=_at(0, 0.02)
        ),
    ]
    for side in (-1, 1):
        latch = rounded_box(0.07, height * 0.3, 0.03, 0.012)
        parts.append(
            Part(latch, dark, offset=_at(side * width * 0.28, split - height * 0.18, -depth / 2))
        )
    if rng.random() < 0.7:
        span = width * 0.22
        arc = np.linspace(0, np.pi, 14)
        path = np.stack([span * np.cos(arc), height + 0.09 * np.sin(arc) ** 0.6, 0 * arc], axis=1)
        parts.append(Part(tube(path, 0.022), dark))
    return parts


def _bin(rng: Random, room: Room) -> list[Part]:
    """Return an open stacking bin: walls, a low front, something inside."""
    width, depth = room.width * rng.uniform(0.5, 0.85), room.depth * rng.uniform(0.6, 0.85)
    height = room.height * rng.uniform(0.35, 0.6)
    material = _plastic(rng, random_colour(rng, room.wall_rgb))
    wall = 0.025
    parts = [
        Part(rounded_box(width, wall, depth, 0.01), material),
        Part(rounded_box(width, height, wall, 0.01), material, offset=_at(0, 0, depth / 2)),
        Part(rounded_box(width, height * 0.6, wall, 0.01), material, offset=_at(0, 0, -depth / 2)),
    ]
    for side in (-1, 1):
        parts.append(
            Part(rounded_box(wall, height, depth, 0.01), material, offset=_at(side * width / 2, 0))
        )
    filling = random_colour(rng)
    for _ in range(int(rng.integers(2, 7))):
        size = rng.uniform(0.08, 0.18)
        ball = blob(rng, size, size, size, 0.05)
        where = _at(
            rng.uniform(-0.35, 0.35) * (width - size),
            height * rng.uniform(0.35, 0.65),
            rng.uniform(-0.35, 0.35) * (depth - size),
        )
        parts.append(
            Part(ball, _plastic(rng, filling * np.float32(rng.uniform(0.6, 1.2))), offset=where)
        )
    return parts


def _books(rng: Random, room: Room) -> list[Part]:
    parts, x = [], 0.0
    lying = rng.random() < 0.35
    limit = (room.height if lying else room.width) * rng.uniform(0.35, 0.85)
    while x < limit:
        thickness = rng.uniform(0.05, 0.13)
        tall = (room.width * 0.75 if lying else room.height) * rng.uniform(0.62, 0.88)
        deep = room.depth * rng.uniform(0.55, 0.75)
        book = Part(
            rounded_box(thickness, tall, deep, 0.008),
            Material(materials.cover(rng, tall), gloss=rng.uniform(0.05, 0.3)),
        )
        if lying:
            turned = book.moved(rotation(roll=np.pi / 2), _at(tall / 2, x + thickness / 2))
            parts.append(turned.moved(rotation(rng.uniform(-0.12, 0.12)), _at(0, 0)))
        else:
            forward = _at(x + thickness / 2, 0, rng.uniform(-0.04, 0.02))
            parts.append(book.moved(np.eye(3, dtype=np.float32), forward))
        x += thickness + 0.004
    return parts


def _bottle(rng: Random, room: Room) -> list[Part]:
    height = room.height * rng.uniform(0.6, 0.93)
    radius = min(height * rng.uniform(0.16, 0.3), room.depth * 0.42)
    neck = radius * rng.uniform(0.3, 0.5)
    shoulder = rng.uniform(0.5, 0.72)
    profile = smooth_profile(
        [
            (0.0, 0.0),
            (radius * 0.9, 0.0),
            (radius, height * 0.05),
            (radius, height * shoulder),
            (neck, height * (shoulder + 0.15)),
            (neck, height * 0.9),
        ]
    )
    clear = rng.random() < 0.35
    colour = random_colour(rng, room.wall_rgb)
    base = plain(np.asarray(colour * 0.7 + 0.25, np.float32) if clear else colour, 0.03)
    low, high = rng.uniform(0.08, 0.2), shoulder - rng.uniform(0.02, 0.12)
    paper = floats([0.7, 0.7, 0.68]) if rng.random() < 0.6 else random_colour(rng)
    if rng.random() < 0.75:
        base = materials.printed(base, rng, height, low, high, paper)
    body = Material(base, gloss=0.6, sharpness=60, opacity=0.45 if clear else 1.0)
    cap = lathe(
        [
            (neck * 1.25, 0),
            (neck * 1.25, height * 0.1),
            (neck * 1.1, height * 0.12),
            (0, height * 0.12),
        ]
    )
    return [
        Part(lathe(profile), body),
        Part(cap, _plastic(rng, random_colour(rng)), offset=_at(0, height * 0.87)),
    ]


def _bottles(rng: Random, room: Room) -> list[Part]:
    parts = []
    for x in (-0.25, 0.02, 0.28)[: int(rng.integers(2, 4))]:
        where = _at(x * room.width, 0, rng.uniform(-0.12, 0.12) * room.depth)
        small = Room(room.width * 0.4, room.height * rng.uniform(0.7, 1.0), 0.34, room.wall_rgb)
        parts += [part.moved(rotation(), where) for part in _bottle(rng, small)]
    return parts


def _can(rng: Random, room: Room) -> list[Part]:
    height = room.height * rng.uniform(0.3, 0.75)
    radius = min(height * rng.uniform(0.28, 0.5), room.depth * 0.42, room.width * 0.4)
    colour = random_colour(rng, room.wall_rgb)
    metal = _metal(rng)
    side = materials.printed(
        plain(colour, 0.03), rng, height, rng.uniform(0.1, 0.3), rng.uniform(0.6, 0.9), colour * 0.4
    )
    parts = [
        Part(
            lathe([(0, 0), (radius, 0), (radius, height * 0.5), (radius, height)]),
            Material(side, gloss=0.45, sharpness=40),
        ),
        Part(
            lathe(
                [(radius, 0), (radius * 1.03, 0.008), (radius * 1.03, 0.02), (radius * 0.93, 0.02)]
            ),
            metal,
            offset=_at(0, height),
        ),
        Part(lathe([(radius * 0.94, 0), (0.0, 0.002)]), metal, offset=_at(0, height + 0.005)),
    ]
    if rng.random() < 0.4:
        arc = np.linspace(0, np.pi, 18)
        path = np.stack(
            [
                radius * np.cos(arc),
                height * 0.85 - radius * 0.5 * np.sin(arc),
                -radius * 0.75 * np.sin(arc),
            ],
            axis=1,
        )
        parts.append(Part(tube(path, 0.009, 6), metal))
    return parts


def _mug(rng: Random, room: Room) -> list[Part]:
    height = room.height * rng.uniform(0.35, 0.55)
    radius = height * rng.uniform(0.36, 0.5)
    material = _plastic(rng, random_colour(rng, room.wall_rgb))
    outside = [
        (0.0, 0.0),
        (radius * 0.9, 0.0),
        (radius, height * 0.1),
        (radius, height),
        (radius * 0.9, height),
        (radius * 0.88, height * 0.2),
        (0.0, height * 0.18),
    ]
    arc = np.linspace(-np.pi / 2, np.pi / 2, 12)
    path = np.stack(
        [
            radius * 0.95 + radius * 0.6 * np.cos(arc),
            height * 0.52 + height * 0.28 * np.sin(arc),
            0 * arc,
        ],
        axis=1,
    )
    return [Part(lathe(outside), material), Part(tube(path, height * 0.06), material)]


def _tape(rng: Random, room: Room) -> list[Part]:
    """Return rolls of tape, lying on each other or one standing."""
    outer = min(room.height, room.depth) * rng.uniform(0.28, 0.45)
    inner, width = outer * rng.uniform(0.5, 0.75), rng.uniform(0.09, 0.24)
    parts: list[Part] = []

    def roll() -> list[Part]:
        colour = random_colour(rng, room.wall_rgb)
        ring = [(inner, 0.0), (outer, 0.0), (outer, width), (inner, width)]
        core = [(inner, width), (inner * 0.93, width), (inner * 0.93, 0.0)]
        # In short arcs: as one piece, a ring would throw the shadow of a disc.
        return [
            Part(lathe(ring, 44).reshape(-1, 4, 4, 3), _plastic(rng, colour)),
            Part(
                lathe(core, 44).reshape(-1, 4, 4, 3),
                Material(plain(linear(190, 150, 105)), gloss=0.05),
            ),
        ]

    if rng.random() < 0.5:
        upright = rotation(rng.uniform(-0.5, 0.5), pitch=np.pi / 2)
        return [part.moved(upright, _at(0, outer)) for part in roll()]
    for layer in range(int(rng.integers(1, 4))):
        if (layer + 1) * width > room.height * 0.85:
            break
        shift = _at(rng.uniform(-0.03, 0.03), layer * width, rng.uniform(-0.03, 0.03))
        parts += [part.moved(rotation(), shift) for part in roll()]
    return parts


def _spool(rng: Random, room: Room) -> list[Part]:
    outer = min(room.height, room.depth) * rng.uniform(0.36, 0.47)
    width = min(room.width, room.height) * rng.uniform(0.3, 0.6)
    core, full = outer * 0.4, outer * rng.uniform(0.6, 0.93)
    flange = _plastic(rng, random_colour(rng, room.wall_rgb))
    winding = Material(materials.wound(rng, random_colour(rng)), gloss=0.3)
    plate = [
        (core * 0.5, 0.0),
        (outer, 0.0),
        (outer, 0.025),
        (core * 0.5, 0.025),
        (core * 0.5, 0.0),
    ]
    parts = [
        Part(lathe(plate), flange),
        Part(lathe([(full, 0.0), (full, width)]), winding, offset=_at(0, 0.02)),
        Part(lathe(plate), flange, offset=_at(0, width)),
    ]
    if rng.random() < 0.55:
        sideways = rotation(rng.uniform(-0.9, 0.9), roll=np.pi / 2)
        if rng.random() < 0.5:
            sideways = rotation(rng.uniform(-0.5, 0.5), pitch=np.pi / 2)
        return [part.moved(sideways, _at(0, outer)) for part in parts]
    return parts


def _helmet(rng: Random, room: Room) -> list[Part]:
    radius = min(room.width, room.depth) * rng.uniform(0.36, 0.45)
    height = min(radius * rng.uniform(0.85, 1.05), room.height * 0.85)
    if rng.random() < 0.75:
        hue = rng.choice(5)
        colour = (
            linear(240, 190, 20),
            linear(235, 235, 230),
            linear(220, 70, 20),
            linear(30, 80, 170),
            linear(180, 20, 25),
        )[hue]
    else:
        colour = random_colour(rng, room.wall_rgb)
    shell = Material(plain(colour, 0.02), gloss=0.6, sharpness=50)
    angle = np.linspace(0, np.pi / 2, 14)
    dome = [(float(radius * np.cos(a) ** 0.85), float(0.04 + height * np.sin(a))) for a in angle]
    brim = [
        (radius * 0.95, 0.03),
        (radius * 1.12, 0.0),
        (radius * 1.12, 0.018),
        (radius * 0.95, 0.05),
    ]
    ridge = np.linspace(0.35, np.pi - 0.6, 20)
    path = np.stack(
        [0 * ridge, 0.04 + height * 1.0 * np.sin(ridge), -radius * np.cos(ridge) * 0.98], axis=1
    )
    parts = [
        Part(lathe(dome), shell),
        Part(lathe(brim), shell),
        Part(tube(path, radius * 0.09), shell),
    ]
    front = np.linspace(-0.9, 0.9, 14)
    peak = np.stack(
        [radius * 1.12 * np.sin(front), 0.012 + 0 * front, -radius * 1.2 * np.cos(front)], axis=1
    )
    parts.append(Part(tube(peak, 0.03), shell))
    return parts


def _bag(rng: Random, room: Room) -> list[Part]:
    width, height = room.width * rng.uniform(0.4, 0.8), room.height * rng.uniform(0.4, 0.85)
    depth = room.depth * rng.uniform(0.45, 0.75)
    colour = random_colour(rng, room.wall_rgb)
    clear = rng.random() < 0.2
    cloth = Material(
        materials.fabric(rng, np.asarray(colour * 0.5 + 0.35, np.float32) if clear else colour),
        gloss=0.7 if clear else 0.1,
        sharpness=30 if clear else 12,
        opacity=0.5 if clear else 1.0,
    )
    parts = [Part(blob(rng, width, height * 0.85, depth, rng.uniform(0.03, 0.1)), cloth)]
    strap = Material(plain(random_colour(rng) * 0.6), gloss=0.1)
    if rng.random() < 0.6:
        arc = np.linspace(0, np.pi, 16)
        span = width * rng.uniform(0.15, 0.3)
        path = np.stack(
            [
                span * np.cos(arc),
                height * 0.72 + height * 0.25 * np.sin(arc),
                0.02 * np.sin(3 * arc) - depth * 0.1,
            ],
            axis=1,
        )
        parts.append(Part(tube(path, 0.022), strap))
    return parts


def _cloth(rng: Random, room: Room) -> list[Part]:
    """Return folded cloths or overalls on a pile."""
    parts, top = [], 0.0
    width, depth = room.width * rng.uniform(0.45, 0.75), room.depth * rng.uniform(0.5, 0.75)
    for _ in range(int(rng.integers(1, 6))):
        height = rng.uniform(0.05, 0.12)
        if top + height > room.height * 0.85:
            break
        material = Material(materials.fabric(rng, random_colour(rng, room.wall_rgb)), gloss=0.03)
        sheet = rounded_box(width * rng.uniform(0.93, 1.02), height, depth, height * 0.48)
        parts.append(
            Part(sheet, material).moved(
                rotation(rng.uniform(-0.06, 0.06)), _at(rng.uniform(-0.02, 0.02), top)
            )
        )
        top += height * 0.93
    return parts


def _cable(rng: Random, room: Room) -> list[Part]:
    """Return a coil of cable or hose, lying or leaning."""
    radius = min(room.width * 0.42, room.depth * 0.42) * rng.uniform(0.65, 1.0)
    thick = rng.uniform(0.014, 0.035)
    turns = rng.uniform(3.0, 5.5)
    t = np.linspace(0, turns, int(turns * 22))
    wobble = 1 + 0.09 * np.sin(t * 6.28 * 0.73 + rng.uniform(0, 6)) + 0.05 * np.sin(t * 12.7)
    path = np.stack(
        [
            radius * wobble * np.cos(6.283 * t),
            thick + (t / turns) * thick * 3.2 + 0.01 * np.sin(t * 9),
            radius * np.roll(wobble, 5) * np.sin(6.283 * t),
        ],
        axis=1,
    )
    material = _plastic(rng, random_colour(rng, room.wall_rgb))
    coil = Part(tube(path, thick, 7), material)
    tie = Part(
        rounded_box(thick * 7, thick * 6, thick * 2.2, thick),
        _plastic(rng, random_colour(rng)),
        offset=_at(radius, 0),
    )
    if rng.random() < 0.5:
        lean = rotation(rng.uniform(-0.4, 0.4), pitch=np.pi / 2 - rng.uniform(0.1, 0.35))
        return [part.moved(lean, _at(0, radius * 1.05)) for part in (coil, tie)]
    return [part.moved(rotation(rng.uniform(0, 6.28)), _at(0, 0)) for part in (coil, tie)]


def _screwdrivers(rng: Random, room: Room) -> list[Part]:
    parts = []
    for number in range(int(rng.integers(1, 4))):
        length = room.width * rng.uniform(0.45, 0.85)
        grip, radius = length * 0.42, length * rng.uniform(0.045, 0.075)
        colour = random_colour(rng, room.wall_rgb)
        handle = smooth_profile(
            [
                (0, 0),
                (radius, 0),
                (radius, grip * 0.7),
                (radius * 0.6, grip * 0.85),
                (radius, grip),
                (0, grip),
            ]
        )
        shaft = [(radius * 0.28, grip), (radius * 0.28, length), (0.0, length)]
        lying = rotation(rng.uniform(-0.6, 0.6) + np.pi * rng.integers(2), roll=np.pi / 2)
        where = _at(0, radius, (number - 1) * radius * 2.6)
        middle = lying @ _at(0, -length / 2)
        parts += [
            Part(lathe(handle, 18), _plastic(rng, colour)).moved(lying, middle + where),
            Part(lathe(shaft, 10), _metal(rng)).moved(lying, middle + where),
        ]
    return parts


def _hammer(rng: Random, room: Room) -> list[Part]:
    length = room.height * rng.uniform(0.75, 0.9)
    thick = rng.uniform(0.028, 0.042)
    if rng.random() < 0.6:
        shaft = Material(materials.wood(rng, linear(190, 140, 80)), gloss=0.15)
    else:
        shaft = _plastic(rng, random_colour(rng))
    head = rounded_box(length * 0.42, thick * 3.4, thick * 3.2, 0.02)
    stand = [
        Part(
            tube(np.linspace((0, 0, 0), (0, length * 0.95, 0), 8), thick),
            shaft,
        ),
        Part(head, _metal(rng, 0.3), offset=_at(0, length * 0.85)),
    ]
    if rng.random() < 0.5:  # leaning at the back wall
        lean = rotation(
            rng.uniform(-0.4, 0.4), pitch=rng.uniform(0.15, 0.35), roll=rng.uniform(-0.4, 0.4)
        )
        return [part.moved(lean, _at(0, 0.03)) for part in stand]
    lying = rotation(rng.uniform(-0.5, 0.5), pitch=0.0, roll=np.pi / 2)
    return [part.moved(lying, _at(length / 2, thick * 2)) for part in stand]


def _drill(rng: Random, room: Room) -> list[Part]:
    size = min(room.height, room.width) * rng.uniform(0.7, 0.92)
    colour, dark = random_colour(rng, room.wall_rgb), _plastic(rng, linear(32, 32, 34))
    shell = _plastic(rng, colour)
    body = smooth_profile(
        [
            (0, 0),
            (size * 0.13, 0),
            (size * 0.15, size * 0.45),
            (size * 0.1, size * 0.58),
            (0, size * 0.58),
        ]
    )
    chuck = [
        (size * 0.09, size * 0.55),
        (size * 0.08, size * 0.72),
        (size * 0.03, size * 0.8),
        (0, size * 0.8),
    ]
    bit = [(size * 0.015, size * 0.78), (size * 0.015, size), (0, size)]
    sideways = rotation(roll=np.pi / 2)
    up = _at(size * 0.4, size * 0.72)
    grip = Part(rounded_box(size * 0.15, size * 0.55, size * 0.16, 0.04), shell).moved(
        rotation(roll=-0.12), _at(size * 0.1, size * 0.12)
    )
    return [
        Part(lathe(body, 24), shell).moved(sideways, up),
        Part(lathe(chuck, 20), dark).moved(sideways, up),
        Part(lathe(bit, 8), _metal(rng)).moved(sideways, up),
        grip,
        Part(
            rounded_box(size * 0.32, size * 0.16, size * 0.22, 0.03),
            dark,
            offset=_at(size * 0.12, 0),
        ),
    ]


def _wrench(rng: Random, room: Room) -> list[Part]:
    parts = []
    for number in range(int(rng.integers(1, 3))):
        length = room.width * rng.uniform(0.5, 0.8)
        wide = length * 0.09
        steel = _metal(rng, 0.5)
        t = np.linspace(0.5, 5.8, 16)
        head = np.stack([wide * np.cos(t), wide * np.sin(t), 0 * t], axis=1)
        turn = rotation(rng.uniform(-0.5, 0.5), pitch=-np.pi / 2, roll=rng.uniform(-0.3, 0.3))
        where = _at(0, 0.03, (number - 0.5) * 0.16)
        bar = rounded_box(length - 2 * wide, wide * 0.9, 0.035, 0.015)
        parts += [
            Part(bar, steel, offset=_at(0, -wide * 0.45)).moved(turn, where),
            Part(
                tube(head, wide * 0.33, 6), steel, rotation(roll=np.pi), _at(-length / 2, 0)
            ).moved(turn, where),
            Part(tube(head, wide * 0.33, 6), steel, offset=_at(length / 2, 0)).moved(turn, where),
        ]
    return parts


def _ball(rng: Random, room: Room) -> list[Part]:
    size = min(room.height, room.depth) * rng.uniform(0.35, 0.85)
    colour, stripe = random_colour(rng, room.wall_rgb), random_colour(rng)
    pattern = materials.bands(plain(colour, 0.03), [(size * 0.42, size * 0.58, stripe)])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 18)
    profile = [(float(size / 2 * np.cos(a)), float(size / 2 + size / 2 * np.sin(a))) for a in angle]
    turn = rotation(rng.uniform(0, 6), rng.uniform(-1, 1), rng.uniform(-1, 1))
    centre = _at(0, size / 2)
    ball = Part(lathe(profile), Material(pattern, gloss=rng.uniform(0.1, 0.7), sharpness=40))
    return [ball.moved(turn, centre - turn @ centre)]


def _device(rng: Random, room: Room) -> list[Part]:
    """Return a small instrument: housing, dark display, buttons."""
    width, height = room.width * rng.uniform(0.2, 0.5), room.height * rng.uniform(0.25, 0.7)
    depth = rng.uniform(0.08, 0.3)
    shell = _plastic(rng, random_colour(rng, room.wall_rgb))
    lit = rng.random() < 0.4
    glass = Material(
        plain(linear(120, 160, 130) if lit else linear(18, 20, 24), 0.02), gloss=0.8, sharpness=80
    )
    lean = rotation(0.0, pitch=rng.uniform(0.0, 0.3))
    parts = [
        Part(rounded_box(width, height, depth, 0.03), shell),
        Part(
            rounded_box(width * 0.72, height * 0.36, 0.02, 0.008),
            glass,
            offset=_at(0, height * 0.52, -depth / 2),
        ),
    ]
    key = _plastic(rng, random_colour(rng))
    for column in (-1, 0, 1):
        for row in (0.16, 0.34):
            button = rounded_box(width * 0.15, height * 0.1, 0.02, 0.008)
            parts.append(
                Part(button, key, offset=_at(column * width * 0.24, height * row, -depth / 2))
            )
    return [part.moved(lean, _at(0, 0)) for part in parts]


def _tablet(rng: Random, room: Room) -> list[Part]:
    """Return a flat thing lying down: a tablet, a tray, a folder."""
    slab = rounded_box(
        room.width * rng.uniform(0.4, 0.75),
        rng.uniform(0.02, 0.05),
        room.depth * rng.uniform(0.45, 0.75),
        0.01,
    )
    colour = linear(22, 22, 25) if rng.random() < 0.4 else random_colour(rng, room.wall_rgb)
    return [Part(slab, Material(plain(colour, 0.03), gloss=0.5, sharpness=60))]


def _clear_box(rng: Random, room: Room) -> list[Part]:
    """Return a clear storage box with coloured lid and small parts inside."""
    width, height = room.width * rng.uniform(0.5, 0.85), room.height * rng.uniform(0.35, 0.7)
    depth = room.depth * rng.uniform(0.5, 0.8)
    clear = Material(
        plain(floats([0.55, 0.58, 0.6]), 0.02),
        gloss=0.7,
        sharpness=50,
        opacity=rng.uniform(0.2, 0.4),
    )
    parts: list[Part] = []
    colour = random_colour(rng)
    for _ in range(int(rng.integers(3, 9))):
        size = rng.uniform(0.08, 0.2)
        item = rounded_box(size, size * rng.uniform(0.4, 1), size, 0.02)
        where = _at(
            rng.uniform(-0.4, 0.4) * (width - size),
            rng.uniform(0.0, 0.3) * height,
            rng.uniform(-0.4, 0.4) * (depth - size),
        )
        shade = colour * np.float32(rng.uniform(0.5, 1.3))
        parts.append(Part(item, _plastic(rng, shade), rotation(rng.uniform(0, 6)), where))
    parts.append(Part(rounded_box(width, height, depth, 0.03), clear))
    lid = rounded_box(width * 1.04, 0.045, depth * 1.04, 0.015)
    parts.append(Part(lid, _plastic(rng, random_colour(rng, room.wall_rgb)), offset=_at(0, height)))
    return parts


def _crate(rng: Random, room: Room) -> list[Part]:
    """Return a wooden box with slats."""
    width, depth = room.width * rng.uniform(0.45, 0.8), room.depth * rng.uniform(0.5, 0.8)
    height = room.height * rng.uniform(0.35, 0.75)
    colour = linear(196, 152, 96) * np.float32(rng.uniform(0.5, 1.1))
    grain = Material(materials.wood(rng, colour), gloss=0.08)
    inside = Material(plain(colour * 0.16), gloss=0.0)
    parts = [Part(rounded_box(width * 0.95, height * 0.94, depth * 0.95, 0.01), inside)]
    slats = int(rng.integers(2, 5))
    tall = height / slats
    for number in range(slats):
        slat = rounded_box(width, tall * 0.86, depth, 0.012)
        parts.append(Part(slat, grain, offset=_at(0, number * tall)))
    return parts


THINGS: dict[str, Callable[[Random, Room], list[Part]]] = {
    "ball": _ball,
    "bag": _bag,
    "bin": _bin,
    "books": _books,
    "bottle": _bottle,
    "bottles": _bottles,
    "cable": _cable,
    "can": _can,
    "carton": _carton,
    "cartons": _cartons,
    "case": _case,
    "clear box": _clear_box,
    "cloth": _cloth,
    "crate": _crate,
    "device": _device,
    "drill": _drill,
    "hammer": _hammer,
    "helmet": _helmet,
    "mug": _mug,
    "screwdrivers": _screwdrivers,
    "spool": _spool,
    "tablet": _tablet,
    "tape": _tape,
    "wrench": _wrench,
}


def put_thing(rng: Random, room: Room, kind: str | None = None) -> list[Part]:
    """Return a thing as it stands in a slot: turned, scaled to fit, moved aside.

    Its origin is the middle of the slot's floor; without a kind it is any of `THINGS`.
    """
    kind = kind or list(THINGS)[int(rng.integers(len(THINGS)))]
    turn = rotation(float(rng.normal(0, 0.35)) if rng.random() < 0.75 else rng.uniform(-1.3, 1.3))
    parts = [part.moved(turn, _at(0, 0)) for part in THINGS[kind](rng, room)]
    corners = np.concatenate([part.placed_quads().reshape(-1, 3) for part in parts])
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = high - low
    inside = np.array([room.width, room.height, room.depth], np.float32) * np.float32(0.96)
    scale = np.float32(min(rng.uniform(1.0, 1.3), float((inside / size).min())))
    slack = inside - size * scale
    where = floats(
        [
            slack[0] * np.clip(rng.normal(0, 0.22), -0.5, 0.5),
            0.0,
            slack[2] * np.clip(rng.normal(-0.05, 0.25), -0.5, 0.5),
        ]
    )
    middle = (low + high) / 2 * floats([1, 0, 1]) + low * floats([0, 1, 0])
    shift = where - middle * scale
    return [
        Part(part.quads, part.material, part.turn * scale, part.offset * scale + shift)
        for part in parts
    ]
