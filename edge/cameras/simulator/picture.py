"""The picture of one rack through its day: what the camera's sensor would deliver.

Belongs to one thread. The light of every source is kept in a picture of its own; they
are summed anew when the light has changed, and in part when a slot has.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge.cameras.simulator.cabinet import Cabinet, build_cabinet
from edge.cameras.simulator.geometry import HEIGHT_PX, WIDTH_PX, Floats, View, floats
from edge.cameras.simulator.hand import Pose, Sprite, draw_hand, lengthen
from edge.cameras.simulator.light import LIGHTS, Moment, hang_lights, moment
from edge.cameras.simulator.render import Box, Renderer
from edge.cameras.simulator.story import Gesture, Passer, Situation
from edge.cameras.simulator.things import Room, put_thing
from edge.types import ImageRGB

LIGHT_STEPS = 240  # per day: the light is summed anew this often
_CODE_RANGE = 2.6  # linear light that a stored picture can hold; square-root coded in 8 bits
_DECODED = np.arange(256, dtype=np.float32) ** 2 * np.float32(_CODE_RANGE / 255**2)
_WHITE = 0.72  # share of the tone curve's shoulder
_STRIPE_PX = 60  # rows of the picture that are worked on at once
_ROUGH = 14  # difference of codes between neighbours from which a pixel needs a closer look
_CLOSER = 2  # samples per side of such a pixel
_ATTEMPTS = 6  # to find a thing that can be seen
_VISIBLE_SHARE = 0.05  # of a slot's picture that a thing changes at least


class Picture:
    """Paints the situations of one seed's rack."""

    def __init__(self, seed: int, view: View) -> None:
        """Render the empty rack: about half a second."""
        random = np.random.default_rng((seed, 1))
        self._view = view
        self._cabinet: Cabinet = build_cabinet(random, seed, view)
        self._renderer = Renderer(view, self._cabinet, hang_lights(random))
        self._seed = seed
        self._mood = float(random.random())
        self._contrast = float(random.uniform(0.9, 1.08))
        self._tint = floats(random.uniform(0.96, 1.04, 3))
        self._quality = int(random.integers(80, 94))
        self._empty = _render_rack(self._renderer)
        self._codes = self._empty.copy()
        slots = view.grid().slots()
        self._cells = [_cell(slot.polygon_px) for slot in slots]
        self._shown: list[int | None] = [None] * len(slots)
        self._step: int | None = None
        self._moment = moment(0.4, self._mood)
        self._exposure = 1.0
        self._sum = np.empty((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
        self._noise = _sensor_noise(seed)
        self._sprite: tuple[int, Sprite] | None = None
        self._lit_hand: tuple[int | None, npt.NDArray[np.uint8]] | None = None
        self._carried: tuple[int, ImageRGB, Floats] | None = None

    def paint(
        self, situation: Situation, phase: float, pose: Pose | None, sequence: int
    ) -> ImageRGB:
        """Return the picture; `phase` is that of the day, `pose` where the gesture's hand is."""
        changed = [
            slot for slot, thing in enumerate(situation.things) if thing != self._shown[slot]
        ]
        for slot in changed:
            self._fill(slot, situation.things[slot])
        step = int(phase * LIGHT_STEPS)
        if step != self._step:
            self._step = step
            self._moment = moment((step + 0.5) / LIGHT_STEPS, self._mood)
            self._expose()
            # In stripes: what is summed stays in the processor's cache.
            for top in range(0, HEIGHT_PX, _STRIPE_PX):
                self._develop((0, top, WIDTH_PX, top + _STRIPE_PX))
        else:
            for slot in changed:
                self._develop(self._cells[slot][0])
        image = self._sum.copy()
        if situation.passer is not None:
            _shade(image, situation.passer, situation.now_s)
        if situation.gesture is not None and pose is not None:
            self._reach(image, situation.gesture, pose, situation.now_s)
        return self._sense(image, sequence)

    def _fill(self, slot: int, thing: int | None) -> None:
        self._shown[slot] = thing
        (left, top, right, bottom), mask = self._cells[slot]
        here = (slice(None), slice(top, bottom), slice(left, right))
        coded = self._empty[here] if thing is None else self._render_thing(slot, thing)
        np.copyto(self._codes[here], coded, where=mask[None, :, :, None])

    def _render_thing(self, slot: int, thing: int) -> npt.NDArray[np.uint8]:
        row, column = divmod(slot, self._view.columns)
        left, top, right, bottom = self._view.opening(row, column)
        room = Room(right - left, bottom - top, self._view.depth, self._cabinet.inside_rgb)
        box, mask = self._cells[slot]
        empty = self._empty[:, box[1] : box[3], box[0] : box[2]]
        light = np.ascontiguousarray(np.moveaxis(_DECODED[empty], -1, 1))
        for attempt in range(_ATTEMPTS):
            random = np.random.default_rng((self._seed, 4, thing, attempt))
            parts = tuple(put_thing(random, room))
            coded = _encode(self._renderer.thing(box, row, column, parts, light))
            # Seen from below, a flat thing on a high shelf would be there but not to be seen.
            if (_difference(coded, empty) * mask).sum() > _VISIBLE_SHARE * mask.sum():
                break
        return coded

    def _expose(self) -> None:
        """Meter a coarse picture as a camera does, not quite making up for the dark."""
        coarse = _DECODED[self._codes[:, ::16, ::16]]
        light = np.einsum("khwc,kc->hwc", coarse, self._moment.weights_rgb)
        self._exposure = float(0.3 / max(float(light.mean()), 0.01) ** 0.68)

    def _develop(self, box: Box) -> None:
        """Sum the lights of a pixel box and put the sum through the camera's tone curve."""
        left, top, right, bottom = box
        total: Floats | None = None
        for light in range(len(LIGHTS)):
            gain = self._moment.weights_rgb[light] * self._tint * np.float32(self._exposure)
            if gain.max() < 1e-3:
                continue
            table = (_DECODED[:, None] * gain)[None]
            part = cv2.LUT(self._codes[light, top:bottom, left:right], table)
            if light in (1, 2):
                cv2.multiply(part, _window(self._moment, box), part)
            total = part if total is None else cv2.add(total, part, total)
        if total is None:
            self._sum[top:bottom, left:right] = 0
            return
        cv2.sqrt(total, total)
        coded = cv2.convertScaleAbs(total, alpha=255 / 1.6)
        self._sum[top:bottom, left:right] = cv2.LUT(coded, self._tone_table())

    def _tone_table(self) -> npt.NDArray[np.uint8]:
        """Return the tone curve from square-root coded light (up to 2.56) to sRGB."""
        light = (np.arange(256) / 255 * 1.6) ** 2
        # A soft shoulder keeps highlights; after Reinhard's operator with a white point.
        bent = light * (1 + light / 2.4**2) / (1 + light) * (1 + 1 / _WHITE) * 0.62
        value = np.clip(bent, 0, 1) ** (1 / 2.2)
        value = np.clip((value - 0.5) * self._contrast + 0.5 - 0.012, 0, 1)
        return np.asarray(np.round(value * 255), np.uint8)

    def _colour(self, linear_rgb: Floats) -> Floats:
        """Return display values 0..255 of linear light, by the camera's tone curve."""
        coded = np.sqrt(np.maximum(linear_rgb, 0)) * np.float32(255 / 1.6)
        table = self._tone_table().astype(np.float32)
        return np.asarray(table[np.clip(coded, 0, 255).astype(np.uint8)], np.float32)

    def _reach(self, image: ImageRGB, gesture: Gesture, pose: Pose, now_s: float) -> None:
        if self._sprite is None or self._sprite[0] != gesture.look_seed:
            self._sprite = (gesture.look_seed, draw_hand(gesture, pose.angle))
            self._carried = None
            self._lit_hand = None
        if self._lit_hand is None or self._lit_hand[0] != self._step:
            self._lit_hand = (self._step, self._light_hand(self._sprite[1]))
        hand = self._lit_hand[1]
        matrix = pose.matrix()
        # Corners are edges of pixels; OpenCV's warps count from the centres.
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
        _drop_shadow(image, hand[..., 3], matrix, pose.scale)
        is_early = now_s < gesture.change_s
        if (gesture.kind == "put" and is_early) or (gesture.kind == "take" and not is_early):
            self._carry(image, gesture, pose)
        box = _bounds(matrix, hand.shape)
        if box is None:
            return
        left, top, right, bottom = box
        matrix[:, 2] -= (left, top)
        *colour, cover = cv2.split(cv2.warpAffine(hand, matrix, (right - left, bottom - top)))
        under = image[top:bottom, left:right]
        kept = cv2.multiply(under, cv2.merge([255 - cover] * 3), scale=1 / 255)
        under[:] = cv2.add(kept, cv2.merge(colour))

    def _light_hand(self, sprite: Sprite) -> npt.NDArray[np.uint8]:
        """Return the hand's display values, weighted by its alpha, which is the fourth channel."""
        weights = self._moment.weights_rgb * (self._tint * np.float32(self._exposure))
        key = weights[1] + weights[2] + weights[3]
        premultiplied = sprite.room * weights[0] * 1.25 + sprite.key * key
        alpha = sprite.alpha[..., None]
        colour = self._colour(premultiplied / np.maximum(alpha, 1e-3)) * alpha
        hand = np.concatenate([colour, alpha * 255], axis=2)
        return lengthen(np.round(hand).astype(np.uint8))

    def _carry(self, image: ImageRGB, gesture: Gesture, pose: Pose) -> None:
        """Draw the thing under the hand that brings or takes it."""
        slot = gesture.slot
        box = self._cells[slot][0]
        left, top, right, bottom = box
        if self._carried is None or self._carried[0] != gesture.look_seed:
            with_thing = self._render_thing(slot, gesture.thing_seed)
            empty = self._empty[:, top:bottom, left:right]
            alpha = _difference(with_thing, empty) * self._cells[slot][1]
            light = _DECODED[with_thing]
            gain = self._moment.weights_rgb * self._tint * np.float32(self._exposure * 1.2)
            picture = self._colour(np.einsum("khwc,kc->hwc", light, gain))
            self._carried = (gesture.look_seed, picture.astype(np.uint8), alpha)
        _, carried, alpha = self._carried
        shift_x = round(pose.tip_px[0] - (left + right) / 2)
        shift_y = round(pose.tip_px[1] - (top + bottom) / 2)
        x0, y0 = max(left + shift_x, 0), max(top + shift_y, 0)
        x1, y1 = min(right + shift_x, WIDTH_PX), min(bottom + shift_y, HEIGHT_PX)
        if x0 >= x1 or y0 >= y1:
            return
        part = (
            slice(y0 - top - shift_y, y1 - top - shift_y),
            slice(x0 - left - shift_x, x1 - left - shift_x),
        )
        cover = alpha[part][..., None]
        under = image[y0:y1, x0:x1]
        under[:] = (under * (1 - cover) + carried[part] * cover).astype(np.uint8)

    def _sense(self, image: ImageRGB, sequence: int) -> ImageRGB:
        """Add the sensor's noise and the marks of its compression."""
        random = np.random.default_rng((self._seed, 5, sequence))
        x, y = (int(offset) for offset in random.integers(0, 64, 2))
        strength = 0.75 + 0.5 * min(self._exposure, 4.0)
        noise = self._noise[y : y + HEIGHT_PX, x : x + WIDTH_PX]
        offset = -128 * strength / 10 + random.normal(0, 0.8)
        # The lens is not as sharp as geometry.
        image = cv2.GaussianBlur(image, (3, 3), 0.55)
        image = cv2.addWeighted(image, 1.0, noise, strength / 10, offset)
        # The order of the channels does not matter to the compression as used here.
        done, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        if not done:
            raise RuntimeError("OpenCV cannot write JPEG")
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def _render_rack(renderer: Renderer) -> npt.NDArray[np.uint8]:
    """Return the codes (lights, height, width, 3) of the empty rack."""
    codes = np.empty((len(LIGHTS), HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    u = np.arange(WIDTH_PX) + 0.5
    for top in range(0, HEIGHT_PX, _STRIPE_PX):
        stripe = slice(top, top + _STRIPE_PX)
        codes[:, stripe] = _encode(
            renderer.rack(*np.meshgrid(u, np.arange(HEIGHT_PX)[stripe] + 0.5))
        )
    # Most of a rack is even; edges and print need several samples per pixel.
    rows, columns = np.nonzero(_rough(codes))
    within = (np.arange(_CLOSER) + 0.5) / _CLOSER
    step = WIDTH_PX * _STRIPE_PX // _CLOSER**2
    for start in range(0, len(rows), step):
        y, x = rows[start : start + step], columns[start : start + step]
        u, v = np.tile(within, _CLOSER)[:, None] + x, np.repeat(within, _CLOSER)[:, None] + y
        light = renderer.rack(u, v).mean(axis=2)
        codes[:, y, x] = _encode(light[:, :, None])[:, 0]
    return codes


def _rough(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return where a pixel of (lights, height, width, 3) differs from its neighbours."""
    rough = np.zeros(codes.shape[1:3], bool)
    for code in codes:
        contrast = cv2.morphologyEx(code, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        rough |= contrast[..., 1] > _ROUGH
    return rough


def _encode(light: Floats) -> npt.NDArray[np.uint8]:
    """Return the codes (lights, height, width, 3) of linear light (lights, 3, height, width)."""
    root = np.sqrt(light.reshape(-1, light.shape[-1]))
    coded = cv2.convertScaleAbs(root, alpha=255 / np.sqrt(_CODE_RANGE))
    return np.moveaxis(coded.reshape(light.shape), 1, -1)


def _cell(polygon_px: Floats) -> tuple[Box, npt.NDArray[np.bool_]]:
    """Return the pixel box round a slot's region and which of its pixels belong to it."""
    low = np.floor(polygon_px.min(axis=0)).astype(int) - 1
    high = np.ceil(polygon_px.max(axis=0)).astype(int) + 1
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.fillConvexPoly(mask, np.round((polygon_px - low - 0.5) * 16).astype(np.int32), 1, 8, 4)
    mask = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    return (int(low[0]), int(low[1]), int(high[0]), int(high[1])), mask.astype(bool)


def _difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> Floats:
    """Return a soft mask of where a thing is, from a slot with and without it."""
    apart = np.abs(one.astype(np.int16) - other).max(axis=(0, 3)).astype(np.float32)
    mask = (apart > 16).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8), np.float32)


def _sensor_noise(seed: int) -> npt.NDArray[np.uint8]:
    """Return noise round 128, ten times as strong as at full daylight."""
    random = np.random.default_rng((seed, 6))
    size = (HEIGHT_PX // 3 + 22, WIDTH_PX // 3 + 22)
    grain = random.normal(0, 10, (*size, 1)) + random.normal(0, 9, (*size, 3))
    soft = cv2.GaussianBlur(grain.astype(np.float32), (0, 0), 0.55) * 1.5
    # Nobody sees noise repeat.
    return np.tile(np.clip(soft + 128, 0, 255).astype(np.uint8), (3, 3, 1))


def _window(now: Moment, box: Box) -> Floats:
    """Return how much of the sun passes the window, (height, width, 3) of a pixel box.

    The slanted bars of light wander over the rack in the course of the day.
    """
    left, top, right, bottom = box
    size = 8
    x = np.arange(left // size, right // size + 2) * size / WIDTH_PX
    y = np.arange(top // size, bottom // size + 2) * size / HEIGHT_PX
    along = x[None, :] + 0.35 * y[:, None] - 0.65 + now.window_shift * 0.6
    pane = np.zeros(along.shape)
    for middle in (-0.34, 0.0, 0.34):
        pane = np.maximum(pane, 1 / (1 + np.exp((np.abs(along - middle) - 0.14) / 0.018)))
    height = 1 / (1 + np.exp((np.abs(y[:, None] - 0.48 - 0.2 * x[None, :] + 0.1) - 0.42) / 0.03))
    share = (0.1 + 0.9 * pane * height).astype(np.float32)
    full = cv2.resize(share, None, fx=size, fy=size, interpolation=cv2.INTER_LINEAR)
    x0, y0 = left % size, top % size
    cut = full[y0 : y0 + bottom - top, x0 : x0 + right - left]
    return np.asarray(cv2.merge([cut, cut, cut]), np.float32)


def _shade(image: ImageRGB, passer: Passer, now_s: float) -> None:
    """Darken the picture where the passing person's soft shadow falls."""
    share = (now_s - passer.start_s) / passer.duration_s
    middle = -0.4 + 1.8 * (share if passer.from_left else 1 - share)
    x = np.arange(WIDTH_PX) / WIDTH_PX
    profile = passer.strength * np.exp(-(((x - middle) / passer.width) ** 2))
    for top in range(0, HEIGHT_PX, _STRIPE_PX):
        fade = 0.55 + 0.45 * np.arange(top, top + _STRIPE_PX) / HEIGHT_PX
        _dim(image[top : top + _STRIPE_PX], 1 - fade[:, None] * profile)


def _drop_shadow(
    image: ImageRGB, alpha: npt.NDArray[np.uint8], matrix: Floats, scale: float
) -> None:
    """Darken what lies behind the hand, down and aside."""
    size = 8
    small = np.array(matrix, np.float64)
    small[:, 2] += (18 * scale, 34 * scale)
    small /= size
    wh = (WIDTH_PX // size, HEIGHT_PX // size)
    hand = cv2.warpAffine(alpha, small, wh, flags=cv2.INTER_AREA).astype(np.float32) / 255
    shadow = cv2.GaussianBlur(hand, (0, 0), 2.2)
    if shadow.max() < 0.01:
        return
    keep = cv2.resize(1 - 0.42 * shadow, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_LINEAR)
    for top in range(0, HEIGHT_PX, _STRIPE_PX):
        _dim(image[top : top + _STRIPE_PX], keep[top : top + _STRIPE_PX])


def _dim(image: ImageRGB, keep: Floats) -> None:
    """Leave a share (height, width) of the light of a part of the picture."""
    factor = keep.astype(np.float32)
    image[:] = cv2.multiply(image, cv2.merge([factor, factor, factor]), dtype=cv2.CV_8U)


def _bounds(matrix: Floats, shape: tuple[int, ...]) -> Box | None:
    """Return the part of the picture that a sprite falls on, or None when outside."""
    height, width = shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    placed = corners @ matrix[:, :2].T + matrix[:, 2]
    low = np.floor(placed.min(axis=0)).astype(int).clip(0)
    high = np.minimum(np.ceil(placed.max(axis=0)).astype(int), (WIDTH_PX, HEIGHT_PX))
    if (low >= high).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
