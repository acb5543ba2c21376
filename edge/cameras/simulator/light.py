"""The light of a day: where it comes from and how much of each source there is.

Light adds up. The scene is rendered once per source (`LIGHTS`); a moment of the day is
a weighted, coloured sum of these pictures, so that the day passes without rendering.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.cameras.simulator.geometry import Floats, floats

LIGHTS = ("room", "morning", "afternoon", "lamp")


@dataclass(frozen=True, eq=False)
class Lights:
    """Unit vectors towards the light; a soft source is several of them."""

    directions: tuple[Floats, ...]  # per light (n, 3), z negative: from the camera's side
    shares: tuple[Floats, ...]  # per light (n,)
    softness: tuple[float, ...]  # width of a shadow's edge per unit of depth


@dataclass(frozen=True, eq=False)
class Moment:
    """The light of one moment."""

    weights_rgb: Floats  # (lights, 3), linear
    window_shift: float  # how far the window's patch of sun has wandered, in pictures
    sun: float  # 0..1


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def hang_lights(rng: np.random.Generator) -> Lights:
    """Return the room's light sources."""
    count = 8
    k = np.arange(count) + 0.5
    z = 1 - k / count * 0.9  # 0.1..1: the hemisphere in front of the rack
    angle = k * np.pi * (3 - np.sqrt(5)) + rng.uniform(0, 6.28)
    radius = np.sqrt(1 - z * z)
    room = _unit(np.stack([radius * np.cos(angle), radius * np.sin(angle), -z], axis=1))
    # More comes from above than from below, but a floor throws light back as well.
    shares = np.float32(1.0) + np.float32(-0.55) * room[:, 1]
    side = rng.choice((-1, 1))
    morning = floats([[side * rng.uniform(0.5, 0.9), -rng.uniform(0.3, 0.6), -0.8]])
    afternoon = floats([[-side * rng.uniform(0.4, 0.9), -rng.uniform(0.4, 0.8), -0.8]])
    lamp_x = rng.uniform(-0.35, 0.35)
    lamp = floats([[lamp_x + d, -rng.uniform(0.75, 1.1), -0.75] for d in (-0.25, 0.0, 0.25)])
    return Lights(
        directions=(room, _unit(morning), _unit(afternoon), _unit(lamp)),
        shares=(
            np.asarray(shares / shares.sum(), np.float32),
            np.ones(1, np.float32),
            np.ones(1, np.float32),
            np.full(3, 1 / 3, np.float32),
        ),
        softness=(0.5, 0.1, 0.1, 0.3),
    )


def _smooth(low: float, high: float, value: float) -> float:
    share = float(np.clip((value - low) / (high - low), 0, 1))
    return share * share * (3 - 2 * share)


def moment(phase: float, mood: float) -> Moment:
    """Return the light at a phase of the day (0..1, midnight to midnight).

    `mood` (0..1) shifts the clouds.
    """
    height = float(np.sin(np.pi * np.clip((phase - 0.22) / 0.56, 0, 1)))
    daylight = _smooth(0.0, 0.5, height)
    clouds = 0.5 + 0.5 * np.sin(phase * 37 + mood * 17) * np.sin(phase * 23 + mood * 5)
    sun = daylight * (0.2 + 0.8 * (1 - clouds**3))
    warm, neutral = floats([1.0, 0.58, 0.28]), floats([1.0, 0.95, 0.88])
    sun_rgb = warm + (neutral - warm) * np.float32(_smooth(0.0, 0.7, height))
    sky = floats([0.86, 0.95, 1.06])
    dusk = floats([0.7, 0.85, 1.25])
    sky_rgb = dusk + (sky - dusk) * np.float32(daylight)
    bulb = floats([1.06, 1.0, 0.84])
    later = _smooth(0.36, 0.64, phase)
    # People switch the lamp on when it gets dark and dim it for the night.
    lamp = 0.06 + 0.94 * (1 - _smooth(0.25, 0.7, daylight))
    if phase < 0.2 or phase > 0.86:
        lamp *= 0.22
    weights = np.stack(
        [
            sky_rgb * np.float32(0.05 + 0.42 * daylight) + bulb * np.float32(0.3 * lamp),
            sun_rgb * np.float32(2.6 * sun * (1 - later)),
            sun_rgb * np.float32(2.6 * sun * later),
            bulb * np.float32(0.75 * lamp),
        ]
    )
    return Moment(np.asarray(weights, np.float32), (phase - 0.5) * 1.6, sun)
