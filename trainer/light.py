"""Light that changes while the slot does not: exposure, dusk, cast shadows, glare.

Light is float32 (size, size, 3), 0..1, beyond 1 where it will be clipped.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Random = np.random.Generator
Mask = npt.NDArray[np.float32]  # (size, size), 0..1
Light = npt.NDArray[np.float32]  # (size, size, 3)

# Mean of a crop that may still be taken for a label: just above what `garbage.black` draws.
DARKEST = 0.03
DUSK_CHANCE = 0.12
# A view must stay on this side of garbage. Spread of brightness: one grey level at least, and a
# share of the mean (white squares of a chess board have 0.03); share of pixels that are clipped.
LEAST_SPREAD = 1 / 255
LEAST_RELATIVE_SPREAD = 0.015
MOST_CLIPPED = 0.5
_ATTEMPTS = 3


def change_light(light: Light, random: Random) -> Light:
    """Return the crop in the light of another hour, or as it was where nothing would be left."""
    for _ in range(_ATTEMPTS):
        changed = _any_light(light, random)
        if shows_forms(changed):
            return changed
    return light


def shows_forms(light: Light) -> bool:
    """Return whether there is more to see than one colour; grain does not count."""
    size_px = max(1, len(light) // 4)
    forms = cv2.resize(light, (size_px, size_px), interpolation=cv2.INTER_AREA)
    brightness = forms.clip(0, 1).mean(axis=2)
    least_spread = max(LEAST_SPREAD, LEAST_RELATIVE_SPREAD * float(brightness.mean()))
    # Two channels of three: a burnt-out yellow is as plain as a white.
    is_clipped = np.median(forms, axis=2) >= 1
    return bool(brightness.std() >= least_spread and is_clipped.mean() <= MOST_CLIPPED)


def _any_light(light: Light, random: Random) -> Light:
    if random.random() < DUSK_CHANCE:
        # No sun, no cast shadow.
        light = dim(light, random)
    elif random.random() < 0.6:
        # Two of one kind hide what they fall on.
        for kind in random.choice(len(SHADOWS), random.integers(1, 3), replace=False):
            light = cast_shadow(light, SHADOWS[kind], random)
    if random.random() < 0.75:
        light = relight(light, random)
    if random.random() < 0.08:
        light = cast_glare(light, random)
    return light


def relight(light: Light, random: Random) -> Light:
    """Change exposure, contrast, gamma, colour temperature, saturation; now and then add haze."""
    gain = _not_too_dark(np.exp(random.normal(0.05, 0.3)), light)
    warmth = random.normal(0, 0.1)
    gains = gain * np.exp(np.array([warmth, random.normal(0, 0.03), -warmth]))
    light = light * gains.astype(np.float32)
    grey = light.mean(axis=2, keepdims=True)
    light = grey + (light - grey) * np.float32(random.uniform(0.4, 1.4))
    middle = light.mean()
    light = middle + (light - middle) * np.float32(np.exp(random.normal(0, 0.2)))
    if random.random() < 0.12:
        # Haze, or a lamp in the lens.
        light = light + np.float32(random.uniform(0, 0.25)) * (1 - light)
    gamma = np.exp(random.normal(0, 0.2))
    return np.asarray(cv2.pow(light.clip(0, 1), gamma), dtype=np.float32)


def dim(light: Light, random: Random) -> Light:
    """Leave a fifth to a half of the light, of a lamp's colour, with the grain of the dark."""
    warmth = random.normal(0.03, 0.06)
    gains = random.uniform(0.2, 0.5) * np.exp(np.array([warmth, 0, -warmth]))
    gains = np.array([_not_too_dark(gain, light) for gain in gains], np.float32)
    sigma = np.float32(random.uniform(0, 0.01))
    grain = random.standard_normal(light.shape, dtype=np.float32) * sigma
    return np.asarray(light * gains + grain, dtype=np.float32)


def _not_too_dark(gain: float, light: Light) -> float:
    """Return the gain, raised where it would make the crop darker than DARKEST and than it is."""
    return max(gain, min(1.0, DARKEST / max(float(light.mean()), 1e-3)))


def cast_shadow(light: Light, draw: Callable[[int, Random], Mask], random: Random) -> Light:
    """Part the crop into sun and a shadow, one of SHADOWS.

    Shadows are slightly bluish, as the sky fills them. Either the shadow is darker than
    the crop was, or, where the crop was taken under clouds, the sunny part is brighter.
    """
    size_px = len(light)
    mask = draw(size_px, random)
    mask = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.6, 4.0) * size_px / 128)
    if random.random() < 0.5:
        mask = 1 - mask
    bluish = np.array([-1, 0, 1], np.float32) * np.float32(random.uniform(0, 0.1))
    depth = random.uniform(0.25, 0.75)
    # How much of the contrast goes into the sunny part: 0 none, 1 all.
    sunny_share = random.choice([0.0, random.uniform(0.3, 1.0)])
    sun = np.float32(depth**-sunny_share) * (1 - bluish / 2)
    shadow = np.float32(depth ** (1 - sunny_share)) * (1 + bluish)
    factor = sun + mask[:, :, None] * (shadow - sun)
    return np.asarray(light * factor, dtype=np.float32)


def _edge_shadow(size_px: int, random: Random) -> Mask:
    """A roof or a wall: everything on one side of a line."""
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px - 0.5
    angle, offset = random.uniform(0, 2 * np.pi), random.uniform(-0.4, 0.4)
    return np.asarray(x * np.cos(angle) + y * np.sin(angle) > offset, np.float32)


def _stripe_shadow(size_px: int, random: Random) -> Mask:
    """A pole, a wire, a fence: one stripe or many."""
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px - 0.5
    angle, phase = random.uniform(0, 2 * np.pi), random.uniform(0, 1)
    across = x * np.cos(angle) + y * np.sin(angle)
    if random.random() < 0.5:
        return np.asarray(np.abs(across - phase + 0.5) < random.uniform(0.02, 0.15), np.float32)
    cycles = across * random.uniform(2, 6) + phase
    return np.asarray(cycles % 1 < random.uniform(0.2, 0.6), np.float32)


def _foliage_shadow(size_px: int, random: Random) -> Mask:
    """Leaves: blotches of one or two sizes."""
    cells = int(random.integers(3, 12))
    noise = random.random((cells, cells)).astype(np.float32)
    if random.random() < 0.5:
        fine = random.random((cells * 3, cells * 3)).astype(np.float32)
        noise = cv2.resize(noise, (cells * 3, cells * 3), interpolation=cv2.INTER_CUBIC) + fine / 2
    field = cv2.resize(noise, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field > np.quantile(field, random.uniform(0.3, 0.7)), np.float32)


def _outline_shadow(size_px: int, random: Random) -> Mask:
    """The thing in the next slot: a polygon that comes in from outside."""
    mask = np.zeros((size_px, size_px), np.float32)
    angle = random.uniform(0, 2 * np.pi)
    middle = np.array([np.cos(angle), np.sin(angle)]) * random.uniform(0.3, 0.7)
    corners = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(4, 9))))
    reach = random.uniform(0.2, 0.6, len(corners))
    points = middle + np.stack([np.cos(corners), np.sin(corners)], 1) * reach[:, None]
    cv2.fillPoly(mask, [((points + 0.5) * size_px).astype(np.int32)], 1.0)
    return mask


SHADOWS: tuple[Callable[[int, Random], Mask], ...] = (
    _edge_shadow,
    _stripe_shadow,
    _foliage_shadow,
    _outline_shadow,
)


def cast_glare(light: Light, random: Random) -> Light:
    """Add a highlight, a lamp's mirror image or a lens flare, white or slightly coloured."""
    mask = GLARES[int(random.integers(len(GLARES)))](len(light), random)
    colour = np.exp(random.normal(0, 0.08, 3)).astype(np.float32)
    return np.asarray(light + mask[:, :, None] * colour, dtype=np.float32)


def _highlight(size_px: int, random: Random) -> Mask:
    """Draw the sun or a lamp on metal, glass or varnish: small, clipped, with a halo."""
    mask = np.zeros((size_px, size_px), np.float32)
    for _ in range(random.integers(1, 4)):
        _add_ellipse(mask, random.uniform(0.1, 0.9, 2), random.uniform(0.008, 0.05, 2), random)
    halo = cv2.GaussianBlur(mask, (0, 0), 0.04 * size_px)
    core = cv2.GaussianBlur(mask, (0, 0), 0.006 * size_px)
    return np.asarray(core * random.uniform(0.5, 1.0) + halo, dtype=np.float32)


def _lamp(size_px: int, random: Random) -> Mask:
    """Draw a tube or a window mirrored in a glossy surface: large and pale."""
    mask = np.zeros((size_px, size_px), np.float32)
    axes = np.array([random.uniform(0.03, 0.07), random.uniform(0.06, 0.3)])
    _add_ellipse(mask, random.uniform(0, 1, 2), axes, random)
    mask = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.01, 0.05) * size_px)
    return np.asarray(mask * random.uniform(0.15, 0.5), dtype=np.float32)


def _flare(size_px: int, random: Random) -> Mask:
    """Draw a light just outside the picture: a veil from one side, and ghosts on the way across."""
    side = np.arange(size_px, dtype=np.float32) / np.float32(size_px) - np.float32(0.5)
    angle = random.uniform(0, 2 * np.pi)
    toward = np.array([np.cos(angle), np.sin(angle)])
    x, y = side - np.float32(toward[0] * 0.7), side - np.float32(toward[1] * 0.7)
    distance = np.hypot(x[None, :], y[:, None])
    ghosts = np.zeros((size_px, size_px), np.float32)
    for way in random.uniform(-0.6, 0.3, 3):
        _add_ellipse(ghosts, toward * way + 0.5, np.full(2, random.uniform(0.03, 0.12)), random)
    veil = np.exp(-distance * np.float32(random.uniform(2.5, 5))) * np.float32(
        random.uniform(0.3, 0.9)
    )
    return np.asarray(veil + ghosts * np.float32(random.uniform(0.03, 0.12)), dtype=np.float32)


def _add_ellipse(
    mask: Mask, middle: npt.NDArray[np.floating], axes: npt.NDArray[np.floating], random: Random
) -> None:
    """Fill an ellipse with 1; middle and half axes, (2,), in shares of the side."""
    size_px = len(mask)
    x, y = (int(v) for v in middle * size_px)
    width, height = (max(1, int(v)) for v in axes * size_px)
    cv2.ellipse(mask, (x, y), (width, height), float(random.uniform(0, 180)), 0, 360, 1.0, -1)


GLARES: tuple[Callable[[int, Random], Mask], ...] = (_highlight, _lamp, _flare)
