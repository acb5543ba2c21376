"""The lights that nobody showed: of the cabinet, and of its slots when empty.

A person shows both once, in one light; the day brings others. What is kept must not be a mistake.
A slot is learnt only when it has read EMPTY, clearly and without a break, for an hour, and there
is a second reason to believe it: a person has shown this slot empty, or the readings have told
its OCCUPIED from its EMPTY before. The cabinet is learnt while it is still found where it was, but
ever less of it. Belongs to the inference thread.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from edge.pipeline import Pipeline, region_key
from edge.references import CabinetPicture, Empty, References, write_learnt
from edge.site import Site
from edge.types import Frame, Reading, Reason, Settings, State

log = logging.getLogger(__name__)

# Share of the reference's corners that are found. At 0.3 the cabinet is lost
# (`edge.align.HOLDING_SHARE`). One of which every slot has changed may show as little as 0.36 in
# its usual light: then there is one picture more, which does no harm.
FADING_SHARE = 0.45
FADING_FOR_S = 300.0  # a person who stands before the cabinet goes away again
LIGHT_EVERY_S = 1200.0  # at most: each is a picture written to the memory card
LONGEST_GAP_S = 900.0  # between two frames; beyond it nobody knows what was in between

CALM_FOR_S = 3600.0
CLEARLY_EMPTY = 0.15  # probability of OCCUPIED; the thresholds are nearer to the middle
# Cosine distance to the nearest picture there is: nearer ones tell nothing new, and each costs a
# write to the memory card.
NEW_DISTANCE = 0.03
# Of frames in which the cabinet is not to be seen as it is.
_DISTURBED = frozenset(Reason) - {Reason.LOW_CONFIDENCE}


class Learner:
    """Watches how long each slot has been EMPTY, and how the cabinet's light changes."""

    def __init__(self, settings: Settings, site: Site, references: References) -> None:
        self._storage = settings.storage
        self._regions = {slot.id: region_key(slot) for slot in settings.slots}
        self._site = site
        self._references = references
        self._calm_since_s: dict[str, float] = {}
        self._was_occupied: set[str] = set()
        self._fading_since_s: float | None = None
        self._light_learnt_s = -math.inf
        self._newest_s = -math.inf

    def look(self, frame: Frame, pipeline: Pipeline, readings: Sequence[Reading]) -> str | None:
        """Take the readings of a frame; return what was learnt: a slot's id, "light" or nothing.

        At most one thing of a frame: writing takes time that the slots' states wait for.
        """
        if frame.monotonic_s - self._newest_s > LONGEST_GAP_S:
            self._fading_since_s = None
            self._calm_since_s.clear()
        self._newest_s = frame.monotonic_s
        if self._is_fading(pipeline, readings, frame.monotonic_s):
            return self._learn_light(frame, pipeline)
        return self._learn_empty(frame, pipeline, readings) if self._site.uses_empties else None

    def _is_fading(self, pipeline: Pipeline, readings: Sequence[Reading], now_s: float) -> bool:
        share = pipeline.scene.shown_share
        is_disturbed = any(r.reason in _DISTURBED for r in readings)
        if share is None or share >= FADING_SHARE or is_disturbed:
            self._fading_since_s = None
            return False
        if self._fading_since_s is None:
            self._fading_since_s = now_s
        is_long = now_s - self._fading_since_s >= FADING_FOR_S
        return is_long and now_s - self._light_learnt_s >= LIGHT_EVERY_S

    def _learn_light(self, frame: Frame, pipeline: Pipeline) -> str | None:
        self._fading_since_s = None
        first = self._references.cabinets[0] if self._references.cabinets else None
        if first is None or first.image_rgb.shape != frame.image_rgb.shape:
            return None
        cabinet = CabinetPicture(frame.image_rgb, self._regions, frame.captured_at, is_asked=False)
        if not self._keep(self._references.with_cabinet(cabinet), "the cabinet's light"):
            return None
        pipeline.scene.compare_with([c.image_rgb for c in self._references.cabinets])
        self._light_learnt_s = frame.monotonic_s
        log.info("learnt how the cabinet looks in this light")
        return "light"

    def _keep(self, references: References, what: str) -> bool:
        try:
            write_learnt(self._storage, references)
        except OSError as error:
            log.warning("%s cannot be kept: %s", what, error)
            return False
        self._references = references
        return True

    def _learn_empty(
        self, frame: Frame, pipeline: Pipeline, readings: Sequence[Reading]
    ) -> str | None:
        due = [r.slot_id for r in readings if self._is_due(r, pipeline, frame.monotonic_s)]
        if not due:
            return None
        slot_id = due[0]
        self._calm_since_s[slot_id] = frame.monotonic_s  # the next look is an hour later
        crop_rgb = pipeline.crop(slot_id, frame)
        if crop_rgb is None:
            return None
        distance = self._site.distance(slot_id, crop_rgb)
        if distance is not None and distance < NEW_DISTANCE:
            return None
        empty = Empty(crop_rgb, self._regions[slot_id], frame.captured_at, is_asked=False)
        references = self._references.with_empty(slot_id, empty)
        if not self._keep(references, f"how {slot_id} looks when empty"):
            return None
        of_region = references.of_region(slot_id, self._regions[slot_id])
        self._site.replace_empties(slot_id, [e.crop_rgb for e in of_region])
        log.info("%s: learnt how it looks when empty", slot_id)
        return slot_id

    def _is_due(self, reading: Reading, pipeline: Pipeline, now_s: float) -> bool:
        slot_id = reading.slot_id
        state = pipeline.memories[slot_id].state
        if state is State.OCCUPIED:
            self._was_occupied.add(slot_id)
        is_calm = (
            state is State.EMPTY
            and reading.probability is not None
            and reading.probability <= CLEARLY_EMPTY
        )
        if not is_calm:
            self._calm_since_s.pop(slot_id, None)
            return False
        since_s = self._calm_since_s.setdefault(slot_id, now_s)
        return now_s - since_s >= CALM_FOR_S and self._is_believed(slot_id)

    def _is_believed(self, slot_id: str) -> bool:
        of_region = self._references.of_region(slot_id, self._regions[slot_id])
        return slot_id in self._was_occupied or any(e.is_asked for e in of_region)
