"""A hand with a sleeve that reaches into the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.cameras.simulator.geometry import HEIGHT_PX, WIDTH_PX, Floats, floats
from edge.cameras.simulator.materials import linear, noise_at, random_colour
from edge.cameras.simulator.meshes import blob, normals_of, tube
from edge.cameras.simulator.story import Gesture

SPRITE_WH = (300, 620)  # the hand points up; its middle finger's tip is near the top
TIP_Y = 26
ARM_PX = 1500  # long enough to leave the picture
COVER_SCALE = 4  # coverage is worked out on a picture of a quarter of the size
_SKINS = ((224, 180, 150), (198, 148, 114), (150, 104, 76), (96, 64, 48), (236, 196, 172))


@dataclass(frozen=True)
class Pose:
    """Where a hand is in the picture."""

    tip_px: tuple[float, float]
    angle: float  # of the pointing direction, 0 is up, clockwise, radians
    scale: float

    def matrix(self) -> npt.NDArray[np.float64]:
        """Return the affine (2, 3) that takes sprite pixels to picture pixels."""
        cosine, sine = np.cos(self.angle) * self.scale, np.sin(self.angle) * self.scale
        turn = np.array([[cosine, -sine], [sine, cosine]])
        anchor = np.array([SPRITE_WH[0] / 2, TIP_Y + 70])
        return np.hstack([turn, (np.array(self.tip_px) - turn @ anchor)[:, None]])

    def outline(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Return two convex polygons (n, 2) in pixels that hold the hand and the arm."""
        matrix = self.matrix()
        middle = SPRITE_WH[0] / 2
        hand = [(-62, 160), (-70, 70), (-34, 0), (34, 0), (62, 60), (58, 190), (0, 230)]
        arm = [(-46, 180), (46, 180), (84, 520), (84, ARM_PX), (-84, ARM_PX), (-84, 520)]
        return tuple(
            np.array([(middle + x, TIP_Y - 8 + y) for x, y in shape]) @ matrix[:, :2].T
            + matrix[:, 2]
            for shape in (hand, arm)
        )


def pose_of(gesture: Gesture, now_s: float, centres_px: Floats, cell_px: float) -> Pose:
    """Return where the gesture's hand is now; `centres_px` (slots, 2) are the slots' middles."""
    random = np.random.default_rng((gesture.look_seed, 1))
    target = centres_px[gesture.slot].astype(np.float64)
    if gesture.kind == "pass":
        share = (now_s - gesture.start_s) / gesture.duration_s
        # Slowly from one slot to another, in front of both.
        target = target + (centres_px[gesture.toward] - target) * np.clip(share, 0, 1) * 0.6
    side = random.random()
    x_share = target[0] / WIDTH_PX
    if side < 0.5:
        angle = random.uniform(-0.3, 0.3) + (0.5 - x_share) * 0.5
    elif x_share < 0.5:
        angle = random.uniform(0.7, 1.45)
    else:
        angle = -random.uniform(0.7, 1.45)
    direction = np.array([np.sin(angle), -np.cos(angle)])
    scale = cell_px / 145 * random.uniform(0.92, 1.12)
    # Back along the arm until even the fingertips are outside.
    with np.errstate(divide="ignore"):
        borders = np.where(direction > 0, target, np.array([WIDTH_PX, HEIGHT_PX]) - target)
        away = float((borders / np.abs(direction)).min()) + 260 * scale
    tip = target - direction * away * (1 - gesture.reach(now_s))
    tip = tip + random.normal(0, 6, 2) * scale
    return Pose((float(tip[0]), float(tip[1])), float(angle), float(scale))


def hand_mask(pose: Pose) -> npt.NDArray[np.uint8]:
    """Return 1 where the outline covers the picture, at a quarter of its size."""
    mask = np.zeros((HEIGHT_PX // COVER_SCALE, WIDTH_PX // COVER_SCALE), np.uint8)
    for polygon in pose.outline():
        cv2.fillConvexPoly(mask, np.round(polygon / COVER_SCALE - 0.5).astype(np.int32), 1)
    return mask


@dataclass(frozen=True, eq=False)
class Sprite:
    """A hand as seen by the camera, pointing up: linear light of two sources, and alpha.

    The light is weighted by alpha: edges stay clean when the sprite is turned.
    """

    room: Floats  # (height, width, 3)
    key: Floats
    alpha: Floats  # (height, width)


def lengthen(sprite: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the picture of a hand with the arm that its last row begins."""
    extra = ARM_PX - SPRITE_WH[1]
    grown = cv2.copyMakeBorder(sprite, 0, extra, 0, 0, cv2.BORDER_REPLICATE)
    return np.asarray(grown, np.uint8)


def _bent(base: Floats, length: float, turn: float, curl: float) -> Floats:
    """Return the path of a finger: forward, then curling away from the camera."""
    t = np.linspace(0, 1, 12)
    x = base[0] + length * np.sin(turn) * t
    y = base[1] - length * np.cos(turn) * t * (1 - 0.25 * curl * t)
    z = base[2] + length * curl * t**2 * 0.8
    return np.stack([x, y, z], axis=1).astype(np.float32)


def draw_hand(gesture: Gesture, angle: float) -> Sprite:
    """Return the gesture's hand; the light comes from above whatever the arm's angle."""
    random = np.random.default_rng((gesture.look_seed, 2))
    skin = linear(*_SKINS[int(random.integers(len(_SKINS)))])
    glove = random.random() < 0.25
    if glove:
        skin = random_colour(random)
    sleeve = random_colour(random)
    cuff = sleeve * np.float32(random.uniform(0.55, 1.2))
    middle = SPRITE_WH[0] / 2
    palm = blob(random, 92, 112, 50, 0.03)
    palm[..., 1] = TIP_Y + 86 + palm[..., 1]
    palm[..., 0] += middle
    parts, colours = [palm], [skin]
    curl = random.uniform(0.3, 0.8)
    for number, (x, length) in enumerate(((-34, 66), (-12, 80), (11, 76), (33, 60))):
        base = floats([middle + x * 0.92, TIP_Y + 118, 6])
        turn = (number - 1.5) * random.uniform(0.05, 0.11)
        path = _bent(base, length * 1.4, turn, curl)
        parts.append(tube(path, np.linspace(13.5, 10, 12).astype(np.float32), 12))
        colours.append(skin)
    thumb = _bent(floats([middle - 30, TIP_Y + 176, 4]), 98, -0.66, curl * 0.6)
    parts.append(tube(thumb, np.linspace(17, 12, 12).astype(np.float32), 12))
    colours.append(skin)
    down = np.linspace(TIP_Y + 150, SPRITE_WH[1] + 20, 60)
    start = random.uniform(0.3, 0.5)
    share = np.linspace(0, 1, 60)
    wrist = np.stack([0 * down + middle, down, 0 * down + 4], axis=1)
    parts.append(tube(wrist.astype(np.float32), (32 + 14 * share).astype(np.float32), 24))
    colours.append(skin)
    long = down > TIP_Y + 160 + 260 * (start - 0.25)
    folds = 3.2 * np.sin(share[long] * 46 + random.uniform(0, 6)) * np.exp(-share[long] * 1.4)
    radius = 41 + 30 * np.clip(share[long] * 1.5, 0, 1) + folds
    radius[:3] += 4
    parts.append(tube(wrist[long].astype(np.float32), radius.astype(np.float32), 28))
    colours.append(sleeve)
    edge = wrist[long][:4] + floats([0, 2, 0])
    parts.append(tube(edge.astype(np.float32), 47.0, 28))
    colours.append(cuff)
    return _raster(parts, colours, angle, sleeve)


def _raster(parts: list[Floats], colours: list[Floats], angle: float, sleeve: Floats) -> Sprite:
    quads = np.concatenate([part.reshape(-1, 4, 3) for part in parts])
    colour = np.repeat(np.array(colours), [part[..., 0, 0].size for part in parts], axis=0)
    normals = normals_of(quads)
    seen = normals[:, 2] < 0.05
    quads, normals, colour = quads[seen], normals[seen], colour[seen]
    order = np.argsort(-quads[..., 2].mean(axis=1))
    scale = 2
    index = np.full((SPRITE_WH[1] * scale, SPRITE_WH[0] * scale), -1, np.int32)
    polygons = np.round(quads[..., :2] * scale * 16).astype(np.int32)
    for number in order.tolist():
        cv2.fillConvexPoly(index, polygons[number], number, cv2.LINE_8, 4)
    # Averaged over the samples of a pixel, then lit. The last row is that of no hand.
    is_cloth = np.abs(colour - sleeve).max(axis=1, keepdims=True) < 1e-6
    looks = np.concatenate([colour, np.ones_like(is_cloth)], axis=1)
    turns = np.concatenate([normals, is_cloth], axis=1)
    look, turn = (
        cv2.resize(
            np.vstack([values, np.zeros(4)]).astype(np.float32)[index],
            SPRITE_WH,
            interpolation=cv2.INTER_AREA,
        )
        for values in (looks, turns)
    )
    alpha = np.ascontiguousarray(look[..., 3])
    y, x = np.nonzero(alpha)
    normal = cv2.blur(turn, (5, 5))[y, x, :3].T
    normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-6)
    cloth = turn[y, x, 3] / alpha[y, x]
    tone = 1 + 0.06 * noise_at(x / 20, y / 20, 60) + 0.05 * noise_at(x / 4.5, y / 15, 60)
    weave = 1 + 0.12 * noise_at(x / 10, y / 10, 90) * cloth
    body = look[y, x, :3].T * (tone * weave)
    # Towards the light in the picture is up; the sprite will be turned by `angle`.
    up = floats([-np.sin(angle), -np.cos(angle)])
    key = floats([up[0] * 0.62, up[1] * 0.62, -0.78])
    room = body * (0.42 + 0.28 * np.clip(-normal[2], 0, 1) + 0.2 * (up @ normal[:2]))
    lit = body * np.clip(key @ normal, 0, 1)
    half = key + floats([0, 0, -1])
    shine = np.clip(half / np.linalg.norm(half) @ normal, 0, 1) ** 22
    lit += 0.06 * shine * (1 - cloth) * alpha[y, x]
    pictures = np.zeros((2, *alpha.shape, 3), np.float32)
    pictures[:, y, x] = np.moveaxis(np.stack([room, lit]), 1, 2)
    return Sprite(pictures[0], pictures[1], alpha)
