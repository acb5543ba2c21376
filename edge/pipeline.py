"""The way of a frame: see -> crop -> classify -> decide, for every slot of one camera.

A slot that looks as it did when its state was last read is not classified again.

The inference thread (or `slotwatch replay`) owns the pipeline; nothing here does I/O. A
change of state is only proposed: it takes effect when `commit` is called, after the
journal made it durable. A change that could not be recorded is proposed again by the
next frame.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from edge.change import (
    Mask,
    Samples,
    find_doubtful,
    find_due,
    first_memory,
    noted,
    plan_changes,
    read_again,
    still_fits,
    take_samples,
)
from edge.decide import covered, decide, doubted, lose_sight, read_probability, unusable
from edge.halvings import Halvings
from edge.preprocess import CropPlan, PlannedCrops, apply_plan, plan_crop
from edge.reach import Neighbourhood
from edge.scene import Scene, Sight
from edge.types import (
    DecisionSettings,
    Frame,
    ImageRGB,
    Reading,
    Reason,
    Slot,
    SlotMemory,
    State,
    Transition,
)

log = logging.getLogger(__name__)

Change = tuple[Transition, SlotMemory]
Classify = Callable[[Sequence[str], Sequence[ImageRGB]], Sequence[float]]


@dataclass(frozen=True)
class FrameResult:
    """What one frame said."""

    readings: tuple[Reading, ...]  # one per enabled slot, in the order of the slots file
    changes: tuple[Change, ...]  # proposed: give the recorded ones to `commit`
    renewed: tuple[str, ...]  # slots whose UNKNOWN got another reason, without a transition
    unusable: Reason | None  # why the whole frame could not be used


class Pipeline:
    """The slots of one camera, and what is remembered of each."""

    def __init__(
        self,
        slots: Sequence[Slot],
        frame_wh: tuple[int, int],
        decision: DecisionSettings,
        classify: Classify,
        input_size_px: int,
        references_rgb: Sequence[ImageRGB] = (),
        frozen_after: int | None = None,
        skips_unchanged: bool = True,
    ) -> None:
        """Watch slots.

        `classify` takes some slots' ids and their crops, each uint8 (size, size, 3) of
        `input_size_px` and cut when it is taken, and returns the probabilities of OCCUPIED.
        For `references_rgb` and `frozen_after` see `Scene`.
        `skips_unchanged=False` classifies every slot of every frame, for measurements.
        """
        self.slots = tuple(slots)
        self.memories: dict[str, SlotMemory] = {
            slot.id: SlotMemory(reason=Reason.STARTING if slot.enabled else Reason.DISABLED)
            for slot in slots
        }
        self._decision = decision
        self._classify = classify
        self._input_size_px = input_size_px
        self._enabled = tuple(slot for slot in slots if slot.enabled)
        self.scene = Scene(self._enabled, frame_wh, references_rgb, frozen_after)
        self._plans: tuple[CropPlan | None, ...] = ()
        self._planned_for: tuple[Slot | None, ...] | None = None
        self._skips_unchanged = skips_unchanged
        self._change_plan = plan_changes((), frame_wh)
        self._read_as = first_memory(self._change_plan)  # how the slots looked when they were read
        self._looks: dict[str, State] = {}  # of which state that is, by slot
        self._newest: tuple[Reading, ...] = ()
        self._newest_s = 0.0  # monotonic, of the newest frame in which slots could be seen
        self._samples: Samples = self._read_as.samples  # of that frame
        self._judged: dict[int, bool] = {}  # whether they are doubtful there, once it was asked
        self._neighbourhood = Neighbourhood()
        self._failing: set[str] = set()

    def remember(self, memories: Mapping[str, SlotMemory]) -> None:
        """Take over what an earlier pipeline or the journal knows of these slots.

        Durations start anew: monotonic times of another process mean nothing here.
        """
        for slot in self.slots:
            if slot.id in memories:
                self.memories[slot.id] = replace(
                    memories[slot.id],
                    candidate=None,
                    agreed=0,
                    candidate_monotonic_s=None,
                    confident_monotonic_s=None,
                )

    def read_anew(self) -> None:
        """Have the next frame classify every slot, changed or not."""
        self._read_as = read_again(self._read_as)

    def process(self, frame: Frame) -> FrameResult:
        """Return the readings of a frame and the changes of state they lead to."""
        sight = self.scene.see(frame)
        if sight.reason is not None:
            self.read_anew()
            readings = tuple(unusable(slot, sight.reason, frame.sequence) for slot in self._enabled)
            return self._decide(readings, frame, sight.reason)
        self._plan(sight, frame)
        samples = take_samples(self._change_plan, sight.halvings)
        self._samples, self._newest_s = samples, frame.monotonic_s
        self._judged.clear()
        is_due = find_due(self._read_as, samples, frame.monotonic_s)
        is_due |= np.array(
            [not self._skips_unchanged or slot.id in sight.covered for slot in self._enabled],
            np.bool_,  # said, because there may be no slot
        )
        due = np.flatnonzero(is_due).tolist()
        read = self._read(due, frame, sight)
        # Of a slot that is not due the reading before.
        readings = tuple(read.get(n) or self._newest[n] for n in range(len(self._enabled)))
        empty = [n for n, reading in enumerate(readings) if reading.state is State.EMPTY]
        self._neighbourhood.look(frozenset(due), empty, sight.halvings)
        readings = self._without_doubtful(readings, frame.monotonic_s, sight.is_steady)
        self._newest = self._without_hidden(readings, frame.monotonic_s, sight.halvings)
        result = self._decide(self._newest, frame, None)
        sure = [n for n, reading in enumerate(self._newest) if self._is_confirmed(reading)]
        self._neighbourhood.note(
            {n for n in sure if self._newest[n].state is State.EMPTY}, frame.monotonic_s
        )
        self._note([n for n in sure if is_due[n]], is_due)
        return result

    def _without_doubtful(
        self, readings: tuple[Reading, ...], now_s: float, is_steady: bool
    ) -> tuple[Reading, ...]:
        """Return the readings, not sure where they turn a slot round and its picture does not tell.

        No picture turns a state round that is not steady, the first one after one that could not
        be used or of a camera that moved: damage and bumps seldom come alone. A state that was
        wrong from the beginning is not held for ever: without a sure reading it becomes UNKNOWN,
        and after as long again any reading is believed.
        """
        opposite = [n for n, reading in enumerate(readings) if self._is_opposite(reading, now_s)]
        doubtful = self._find_doubtful([n for n in opposite if self._turns_round(readings[n])])
        if not is_steady:
            states = {n: self.memories[self._id_of(n)].state for n in opposite}
            doubtful |= {n for n, state in states.items() if state is not State.UNKNOWN}
        return tuple(
            doubted(reading) if number in doubtful else reading
            for number, reading in enumerate(readings)
        )

    def _without_hidden(
        self, readings: tuple[Reading, ...], now_s: float, halvings: Halvings
    ) -> tuple[Reading, ...]:
        """Return the readings, not sure where a neighbour's thing reaches into an EMPTY slot."""
        others = {n for n, reading in enumerate(readings) if reading.state is not State.EMPTY}
        return tuple(
            covered(reading)
            if reading.state is State.OCCUPIED
            and self._neighbourhood.is_hidden(number, halvings, now_s, others)
            else reading
            for number, reading in enumerate(readings)
        )

    def _is_opposite(self, reading: Reading, now_s: float) -> bool:
        """Return whether a sure reading is not the state of a slot that was surely read of late."""
        memory = self.memories[reading.slot_id]
        if reading.state in (State.UNKNOWN, memory.state):
            return False
        sure_s = memory.confident_monotonic_s
        return sure_s is not None and now_s - sure_s < 2 * self._decision.unknown_after_s

    def _turns_round(self, reading: Reading) -> bool:
        """Return whether such a reading is not what the slot's look is of either.

        Nor what an earlier reading, which was believed, has proposed.
        """
        looked_like = self._look_of(reading.slot_id)
        candidate = self.memories[reading.slot_id].candidate
        return looked_like is not State.UNKNOWN and reading.state not in (candidate, looked_like)

    def _note(self, numbers: Iterable[int], is_due: Mask) -> None:
        """Take that these slots look in the newest frame as their state does.

        But not one that looks as another state of it did: one of both is a mistake, and the
        readings that put it right must not be the ones that are doubted.
        """
        sure = {n: self.memories[self._id_of(n)].state for n in numbers}
        others = [
            n
            for n, state in sure.items()
            if self._look_of(self._id_of(n)) not in (State.UNKNOWN, state)
        ]
        kept = sure.keys() - self._find_doubtful(others)
        self._looks.update({self._id_of(n): sure[n] for n in kept})
        is_kept = np.zeros(len(self._enabled), np.bool_)
        is_kept[list(kept)] = True
        self._read_as = noted(self._read_as, self._samples, is_due, is_kept, self._newest_s)

    def _find_doubtful(self, numbers: Sequence[int]) -> set[int]:
        """Return which of these slots' pictures in the newest frame tell of no change."""
        unjudged = [number for number in numbers if number not in self._judged]
        found = find_doubtful(self._change_plan, self._read_as, self._samples, unjudged)
        self._judged.update({number: number in found for number in unjudged})
        return {number for number in numbers if self._judged[number]}

    def _look_of(self, slot_id: str) -> State:
        return self._looks.get(slot_id, State.UNKNOWN)

    def _is_confirmed(self, reading: Reading) -> bool:
        state = self.memories[reading.slot_id].state
        return state is not State.UNKNOWN and reading.state is state

    def _decide(
        self, readings: tuple[Reading, ...], frame: Frame, reason: Reason | None
    ) -> FrameResult:
        changes: list[Change] = []
        renewed: list[str] = []
        for reading in readings:
            before = self.memories[reading.slot_id]
            after, transition = decide(
                before, reading, frame.monotonic_s, frame.captured_at, self._decision
            )
            if transition is not None:
                changes.append((transition, after))
                continue
            self.memories[reading.slot_id] = after
            if after.state is State.UNKNOWN and after.reason is not before.reason:
                renewed.append(reading.slot_id)
        return FrameResult(readings, tuple(changes), tuple(renewed), reason)

    def lose_camera(self, at: datetime) -> FrameResult:
        """Return the changes that make every slot UNKNOWN because no frame comes any more."""
        self.read_anew()
        changes: list[Change] = []
        renewed: list[str] = []
        for slot in self._enabled:
            before = self.memories[slot.id]
            after, transition = lose_sight(before, slot.id, Reason.CAMERA_LOST, at)
            if transition is not None:
                changes.append((transition, after))
                continue
            self.memories[slot.id] = after
            if after.reason is not before.reason:
                renewed.append(slot.id)
        return FrameResult((), tuple(changes), tuple(renewed), Reason.CAMERA_LOST)

    def commit(self, changes: Iterable[Change]) -> None:
        """Let recorded changes take effect."""
        sure: set[str] = set()
        for transition, memory in changes:
            self.memories[transition.slot_id] = memory
            if transition.after is not State.UNKNOWN:
                sure.add(transition.slot_id)
        if sure and self._planned_for is not None:
            # The frame that confirmed them shows how they look in their new state.
            numbers = [n for n, slot in enumerate(self._enabled) if slot.id in sure]
            states = {n: self.memories[self._id_of(n)].state for n in numbers}
            empty = {n for n, state in states.items() if state is State.EMPTY}
            self._neighbourhood.note(empty, self._newest_s)
            for number in states.keys() - empty:
                self._neighbourhood.forget(number)
            is_sure = np.array([slot.id in sure for slot in self._enabled], np.bool_)
            self._note(numbers, is_sure)

    @property
    def placed(self) -> tuple[Slot, ...]:
        """The enabled slots where the newest usable frame showed them, in that frame's pixels."""
        return tuple(slot for slot in self._planned_for or () if slot is not None)

    def crop(self, slot_id: str, frame: Frame) -> ImageRGB | None:
        """Return a slot's crop of the newest frame; None where that does not show the slot."""
        for slot, plan in zip(self._enabled, self._plans, strict=True):
            if slot.id == slot_id and plan is not None:
                return apply_plan(frame.image_rgb, plan)
        return None

    def _plan(self, sight: Sight, frame: Frame) -> None:
        if self._planned_for is sight.slots:
            return
        height_px, width_px = frame.image_rgb.shape[:2]
        self._plans = tuple(
            None if slot is None else plan_crop(slot, self._input_size_px, (width_px, height_px))
            for slot in sight.slots
        )
        self._planned_for = sight.slots
        # A slot that has left the picture is compared where it was: it reads UNKNOWN either way.
        placed = [
            before if slot is None else slot
            for before, slot in zip(self._enabled, sight.slots, strict=True)
        ]
        if still_fits(self._change_plan, placed, (width_px, height_px)):
            return
        self._change_plan = plan_changes(placed, (width_px, height_px))
        self._neighbourhood.place(sight.slots, (width_px, height_px))
        self._read_as = first_memory(self._change_plan)
        self._looks.clear()

    def _read(self, numbers: Sequence[int], frame: Frame, sight: Sight) -> dict[int, Reading]:
        """Return the readings of these slots."""
        readings: dict[int, Reading] = {}
        visible: dict[int, CropPlan] = {}
        for number in numbers:
            slot, plan = self._enabled[number], self._plans[number]
            if plan is None:
                # A bump moved this region out of the picture.
                readings[number] = unusable(slot, Reason.CAMERA_MOVED, frame.sequence)
            elif slot.id in sight.covered:
                readings[number] = unusable(slot, Reason.SLOT_COVERED, frame.sequence)
            else:
                visible[number] = plan
        for number, probability in self._classify_all(visible, frame.image_rgb).items():
            slot = self._enabled[number]
            readings[number] = (
                unusable(slot, Reason.CLASSIFIER_ERROR, frame.sequence)
                if probability is None
                else read_probability(slot, probability, frame.sequence, self._decision)
            )
        return readings

    def _classify_all(
        self, plans: Mapping[int, CropPlan], image_rgb: ImageRGB
    ) -> dict[int, float | None]:
        """Return the probability of each slot's crop; None where it cannot be classified."""
        failing = {n: plan for n, plan in plans.items() if self._id_of(n) in self._failing}
        others = {n: plan for n, plan in plans.items() if n not in failing}
        found: dict[int, float | None] = {}
        try:
            found.update(self._classify_together(others, image_rgb))
        except Exception:
            # The fence around one crop: the other slots go on.
            failing = dict(plans)
        for number, plan in failing.items():
            found[number] = self._classify_one(number, plan, image_rgb)
        return found

    def _classify_one(self, number: int, plan: CropPlan, image_rgb: ImageRGB) -> float | None:
        slot_id = self._id_of(number)
        try:
            probability = self._classify_together({number: plan}, image_rgb)[number]
        except Exception:
            if slot_id not in self._failing:
                self._failing.add(slot_id)
                log.exception("slot %s cannot be classified; it reads UNKNOWN meanwhile", slot_id)
            return None
        if slot_id in self._failing:
            self._failing.discard(slot_id)
            log.info("slot %s is classified again", slot_id)
        return probability

    def _classify_together(
        self, plans: Mapping[int, CropPlan], image_rgb: ImageRGB
    ) -> dict[int, float]:
        ids = [self._id_of(number) for number in plans]
        crops_rgb = PlannedCrops(image_rgb, tuple(plans.values()))
        probabilities = self._classify(ids, crops_rgb) if ids else ()
        return dict(zip(plans, probabilities, strict=True))

    def _id_of(self, number: int) -> str:
        return self._enabled[number].id


def region_key(slot: Slot) -> str:
    """Return a text that changes when the slot's region does."""
    return " ".join(f"{value:.2f}" for value in slot.polygon_px.ravel())


def carry_over(
    slots: Sequence[Slot], known: Mapping[str, tuple[SlotMemory, str]], at: datetime
) -> tuple[dict[str, SlotMemory], tuple[Change, ...], tuple[str, ...]]:
    """Return what is still true of these slots, the changes to record, and the slots gone.

    `known` maps ids to a memory and the `region_key` it belongs to. A slot that was moved
    or switched off loses its state, which is a change like any other: events stay a chain.
    """
    memories: dict[str, SlotMemory] = {}
    changes: list[Change] = []
    for slot in slots:
        if slot.id not in known:
            continue
        memory, key = known[slot.id]
        reason = None
        if not slot.enabled:
            reason = Reason.DISABLED
        elif key != region_key(slot):
            reason = Reason.REGION_CHANGED
        elif memory.reason is Reason.DISABLED:
            reason = Reason.STARTING
        if reason is not None:
            memory, transition = lose_sight(memory, slot.id, reason, at)
            if transition is not None:
                changes.append((transition, memory))
        memories[slot.id] = memory
    ids = {slot.id for slot in slots}
    return memories, tuple(changes), tuple(slot_id for slot_id in known if slot_id not in ids)
