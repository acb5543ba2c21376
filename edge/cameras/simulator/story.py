"""What happens in front of the rack: things come and go, hands reach, people pass.

Everything is a function of the seed and of the simulated time; nothing here renders, so
that the truth of any frame can be had without its picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edge.types import State


@dataclass(frozen=True)
class Gesture:
    """One hand that comes and goes."""

    kind: str  # put, take, or pass (touches nothing)
    slot: int  # index of the slot it reaches for
    toward: int  # where a passing hand ends; else the same slot
    start_s: float
    duration_s: float
    thing_seed: int  # of the thing that is put or taken
    look_seed: int  # of the hand

    @property
    def change_s(self) -> float:
        """The moment at which the thing is there, or gone."""
        return self.start_s + self.duration_s / 2

    @property
    def end_s(self) -> float:
        """The moment at which the hand has left the picture."""
        return self.start_s + self.duration_s

    def reach(self, now_s: float) -> float:
        """Return how far the hand has come: 0 outside the picture, 1 at the slot."""
        share = (now_s - self.start_s) / self.duration_s
        rise = float(np.clip(min(share, 1 - share) / 0.36, 0, 1))
        return rise * rise * (3 - 2 * rise)


@dataclass(frozen=True)
class Passer:
    """The soft shadow of a person who walks by."""

    start_s: float
    duration_s: float
    from_left: bool
    strength: float  # share of the light taken away, 0..1
    width: float  # in picture widths


@dataclass(frozen=True)
class Situation:
    """Everything that is true at one moment."""

    now_s: float
    things: tuple[int | None, ...]  # per slot the seed of its thing; None: empty
    gesture: Gesture | None
    passer: Passer | None

    def state(self, slot: int) -> State:
        """Return the truth about one slot."""
        return State.EMPTY if self.things[slot] is None else State.OCCUPIED


class Story:
    """Moves forward in simulated time, never back."""

    def __init__(self, seed: int, slots: int, activity: float, fill: float) -> None:
        """`activity`: hands per simulated second; `fill`: share of slots filled in the long run."""
        self._random = np.random.default_rng((seed, 2))
        self._passing = np.random.default_rng((seed, 3))
        self._activity = activity
        self._fill = fill
        self._things: list[int | None] = [
            self._new_seed() if filled else None for filled in self._random.random(slots) < fill
        ]
        self._gesture = self._next_gesture(0.0)
        self._changed = False
        self._passer = self._next_passer(0.0)

    def situation(self, now_s: float) -> Situation:
        """Return what is true at a moment not before the last one asked for."""
        while self._gesture is not None and now_s >= self._gesture.change_s:
            if not self._changed:
                self._apply(self._gesture)
                self._changed = True
            if now_s < self._gesture.end_s:
                break
            self._gesture = self._next_gesture(self._gesture.end_s)
            self._changed = False
        while now_s >= self._passer.start_s + self._passer.duration_s:
            self._passer = self._next_passer(self._passer.start_s + self._passer.duration_s)
        gesture = self._gesture
        return Situation(
            now_s,
            tuple(self._things),
            gesture if gesture is not None and now_s >= gesture.start_s else None,
            self._passer if now_s >= self._passer.start_s else None,
        )

    def shuffle(self, fill: float) -> None:
        """Put other things into the slots, as over a weekend nobody watched."""
        self._things = [
            self._new_seed() if filled else None
            for filled in self._random.random(len(self._things)) < fill
        ]
        if self._gesture is not None:
            self._gesture = self._next_gesture(self._gesture.end_s)
            self._changed = False

    def _new_seed(self) -> int:
        return int(self._random.integers(1, 2**31))

    def _apply(self, gesture: Gesture) -> None:
        if gesture.kind == "put":
            self._things[gesture.slot] = gesture.thing_seed
        elif gesture.kind == "take":
            self._things[gesture.slot] = None

    def _next_gesture(self, after_s: float) -> Gesture | None:
        if self._activity <= 0:
            return None
        random = self._random
        # A pause of no time at all would let two hands touch one slot in one breath.
        start_s = after_s + 1.0 + float(random.exponential(1 / self._activity))
        duration_s = float(random.uniform(3.6, 6.4))
        filled = [slot for slot, thing in enumerate(self._things) if thing is not None]
        free = [slot for slot, thing in enumerate(self._things) if thing is None]
        share = len(filled) / len(self._things)
        kind = "put" if random.random() < 0.5 + 1.5 * (self._fill - share) else "take"
        if random.random() < 0.2:
            kind = "pass"
        choice = {"put": free, "take": filled, "pass": []}[kind] or list(range(len(self._things)))
        if kind == "put" and not free:
            kind = "take"
        elif kind == "take" and not filled:
            kind = "put"
        slot = choice[int(random.integers(len(choice)))]
        thing = self._things[slot] if kind == "take" else None
        gesture = Gesture(
            kind, slot, slot, start_s, duration_s, thing or self._new_seed(), self._new_seed()
        )
        if kind == "pass":
            return replace(gesture, toward=int(random.integers(len(self._things))))
        return gesture

    def _next_passer(self, after_s: float) -> Passer:
        random = self._passing
        return Passer(
            start_s=after_s + float(random.exponential(45)),
            duration_s=float(random.uniform(4, 9)),
            from_left=bool(random.random() < 0.5),
            strength=float(random.uniform(0.12, 0.38)),
            width=float(random.uniform(0.14, 0.3)),
        )
