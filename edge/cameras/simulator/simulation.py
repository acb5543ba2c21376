"""A simulated cabinet, frame by frame, with the truth about every slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from edge.cameras.simulator.geometry import HEIGHT_PX, WIDTH_PX, Grid, place_camera
from edge.cameras.simulator.hand import COVER_SCALE, hand_mask, pose_of
from edge.cameras.simulator.picture import Picture
from edge.cameras.simulator.story import Story
from edge.types import ImageRGB, Slot, State

COVERED_SHARE = 0.03  # of a slot's region behind a hand, from which it counts as covered


@dataclass(frozen=True, eq=False)
class SimulatedFrame:
    """One step of the simulation."""

    sequence: int  # from 0
    image_rgb: ImageRGB | None  # uint8 (960, 1280, 3); None when nothing is rendered
    truth: Mapping[str, State]  # slot id -> EMPTY or OCCUPIED
    covered: frozenset[str]  # slots that a hand or its arm hides in part in this frame
    changed: frozenset[str]  # slots whose truth is not that of the frame before
    simulated_s: float  # since the beginning
    phase: float  # of the day, 0..1 from midnight to midnight


class Simulation:
    """One seed's cabinet; the same arguments give the same frames.

    Rendering does not touch what happens: with `render=False` the truth of every frame
    is the same and costs next to nothing.
    """

    def __init__(
        self,
        seed: int = 1,
        rows: int = 8,
        columns: int = 8,
        *,
        step_s: float = 1.0,
        activity: float = 0.12,
        fill: float = 0.5,
        day_s: float = 300.0,
        start_hour: float = 9.0,
        render: bool = True,
    ) -> None:
        """Build the cabinet.

        `step_s`: simulated seconds per frame; `activity`: hands per simulated second;
        `fill`: share of slots filled; `day_s`: length of a day in simulated seconds.
        """
        self._view = place_camera(np.random.default_rng((seed, 0)), rows, columns)
        self._slots = self._view.grid().slots()
        self._story = Story(seed, len(self._slots), activity, fill)
        self._picture = Picture(seed, self._view) if render else None
        self._step_s, self._day_s, self._start_hour = step_s, day_s, start_hour
        polygons = np.stack([slot.polygon_px for slot in self._slots])
        self._centres_px = polygons.mean(axis=1)
        self._cell_px = float(np.linalg.norm(polygons[:, 1] - polygons[:, 0], axis=1).mean())
        self._regions = np.full((HEIGHT_PX // COVER_SCALE, WIDTH_PX // COVER_SCALE), -1, np.int32)
        for number, polygon in enumerate(polygons):
            corners = np.round(polygon / COVER_SCALE - 0.5).astype(np.int32)
            cv2.fillConvexPoly(self._regions, corners, number)
        self._areas = np.bincount(self._regions[self._regions >= 0], minlength=len(self._slots))
        self._sequence = 0
        self._truth: dict[str, State] | None = None

    def slots(self) -> tuple[Slot, ...]:
        """Return the slots row by row."""
        return self._slots

    def grid(self) -> Grid:
        """Return the rack as one `grid:` entry of a slots file describes it."""
        return self._view.grid()

    def step(self) -> SimulatedFrame:
        """Return the next frame."""
        now_s = self._sequence * self._step_s
        phase = (self._start_hour / 24 + now_s / self._day_s) % 1.0
        situation = self._story.situation(now_s)
        truth = {slot.id: situation.state(number) for number, slot in enumerate(self._slots)}
        before = self._truth or truth
        covered: frozenset[str] = frozenset()
        pose = None
        if situation.gesture is not None:
            pose = pose_of(situation.gesture, now_s, self._centres_px, self._cell_px)
            hidden = self._regions[hand_mask(pose).astype(bool)]
            count = np.bincount(hidden[hidden >= 0], minlength=len(self._slots))
            covered = frozenset(
                self._slots[number].id
                for number in np.nonzero(count > COVERED_SHARE * self._areas)[0]
            )
        image = None
        if self._picture is not None:
            image = self._picture.paint(situation, phase, pose, self._sequence)
        frame = SimulatedFrame(
            self._sequence,
            image,
            truth,
            covered,
            frozenset(slot_id for slot_id, state in truth.items() if before[slot_id] != state),
            now_s,
            phase,
        )
        self._truth = truth
        self._sequence += 1
        return frame

    def shuffle(self, fill: float) -> None:
        """Put other things into the slots before the next frame, filling a share of them."""
        self._story.shuffle(fill)
