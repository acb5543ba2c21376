"""Light on a sheet: one lamp, light from all around, and the shadows of the lamp."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from trainer.imagined.sheet import Colour, Field, Random, Sheet, blurred

_SHADOW_STEPS = 4  # copies of an outline between the ground and its top


@dataclass(frozen=True, eq=False)
class Light:
    """The lamp of one scene."""

    across: float  # where the lamp stands, of a unit vector: x to the right,
    down: float  # y down the picture,
    out: float  # and out of the picture
    ambient: float  # share of the light that comes from all around, 0..1
    shadow: float  # how dark the lamp's shadow is, 0..1
    softness: float  # blur of that shadow's edge, a share of the side
    colour: Colour


def any_light(random: Random) -> Light:
    """Return a lamp anywhere above the scene, hard or soft, white or tinted."""
    azimuth = random.uniform(0, 2 * np.pi)
    elevation = np.deg2rad(random.uniform(25, 80))
    ambient = random.uniform(0.25, 0.85)
    brightness = random.uniform(0.65, 1.25)
    return Light(
        across=float(np.cos(azimuth) * np.cos(elevation)),
        down=float(np.sin(azimuth) * np.cos(elevation)),
        out=float(np.sin(elevation)),
        ambient=ambient,
        shadow=(1 - ambient) * random.uniform(0.4, 0.95),
        softness=random.choice([0.006, 0.02, 0.05]) * random.uniform(0.5, 1.5),
        colour=(brightness * (1 + random.normal(0, 0.05, 3))).astype(np.float32),
    )


def lit(sheet: Sheet, light: Light) -> npt.NDArray[np.float32]:
    """Return the sheet under the light, (size, size, 3), 0..1 and above."""
    height_px = sheet.height * sheet.size_px
    slope_x = cv2.Scharr(height_px, cv2.CV_32F, 1, 0, scale=1 / 32)
    slope_y = cv2.Scharr(height_px, cv2.CV_32F, 0, 1, scale=1 / 32)
    length = np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    towards = (light.out - slope_x * light.across - slope_y * light.down) / length
    # What lies flat keeps its own brightness wherever the lamp stands.
    direct = np.clip(towards, 0, None) / max(light.out, 0.4)
    # Corners and holes get less of the light from all around.
    buried = np.maximum(blurred(sheet.height, 0.04) - sheet.height, 0)
    around = np.exp(-12 * buried)
    shade = light.ambient * around + (1 - light.ambient) * direct
    picture = sheet.albedo_rgb * shade[:, :, None]
    if sheet.gloss > 0.05:
        # Half-way between lamp and eye; the sharper the glossier.
        half = np.sqrt((1 + light.out) / 2)
        facing = (half - (slope_x * light.across + slope_y * light.down) / (2 * half)) / length
        mirror = np.clip(facing, 0, 1) ** (8 + 60 * sheet.gloss)
        picture += (0.8 * sheet.gloss * mirror)[:, :, None]
    picture *= light.colour
    lit: npt.NDArray[np.float32] = picture
    return lit


def cast_shadow(coverage: Field, rise: float, light: Light) -> Field:
    """Return how much of the lamp's light a thing that rises so high takes away, 0..1."""
    size_px = coverage.shape[0]
    # A low lamp's shadow would leave the scene: it is cut at twice the height.
    reach_px = -min(rise / max(light.out, 0.3), 2 * rise) * size_px
    shadow = coverage
    for step in range(1, _SHADOW_STEPS + 1):
        share = reach_px * step / _SHADOW_STEPS
        matrix = np.array([[1, 0, light.across * share], [0, 1, light.down * share]])
        shadow = np.maximum(shadow, cv2.warpAffine(coverage, matrix, (size_px, size_px)))
    return blurred(shadow, light.softness) * np.float32(light.shadow)


def floor_shadow(coverage: Field, light: Light) -> Field:
    """Return the shadow on the floor of a thing that stands on its lower edge, 0..1."""
    size_px = coverage.shape[0]
    rows = np.flatnonzero(coverage.max(axis=1) > 0.5)
    base = float(rows[-1]) if len(rows) else size_px
    lean = -light.across / max(light.out, 0.5) * 0.8
    flat = 0.15 + 0.3 * max(0.0, light.down)
    matrix = np.array([[1, -lean, lean * base], [0, flat, base * (1 - flat)]])
    shadow = cv2.warpAffine(coverage, matrix, (size_px, size_px))
    return blurred(shadow, light.softness) * np.float32(light.shadow)


def contact_shadow(coverage: Field, light: Light) -> Field:
    """Return the dark rim where a thing touches the ground, whatever the lamp does, 0..1."""
    return blurred(coverage, 0.025) * np.float32(0.25 + 0.4 * light.ambient)
