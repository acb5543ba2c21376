"""Long-confirmed EMPTY states become further pictures of the slot when empty.

A person shows the empty slots once, in one light; the day brings others. What is kept must not
be a mistake, so a slot is learnt only when it has read EMPTY, clearly and without a break, for an
hour, and there is a second reason to believe it: a person has shown this slot empty, or the
readings have told its OCCUPIED from its EMPTY before. Belongs to the inference thread.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edge.pipeline import Pipeline, region_key
from edge.references import Empty, References, write_learnt
from edge.site import Site
from edge.types import Frame, Reading, Settings, State

log = logging.getLogger(__name__)

CALM_FOR_S = 3600.0
CLEARLY_EMPTY = 0.15  # probability of OCCUPIED; the thresholds are nearer to the middle
# Cosine distance to the nearest picture there is: nearer ones tell nothing new, and each costs a
# write to the memory card.
NEW_DISTANCE = 0.03


class EmptyLearner:
    """Watches how long each slot has been EMPTY and keeps its picture when that is long enough."""

    def __init__(self, settings: Settings, site: Site, references: References) -> None:
        self._storage = settings.storage
        self._regions = {slot.id: region_key(slot) for slot in settings.slots}
        self._site = site
        self._references = references
        self._calm_since_s: dict[str, float] = {}
        self._was_occupied: set[str] = set()

    def look(self, frame: Frame, pipeline: Pipeline, readings: Sequence[Reading]) -> str | None:
        """Take the readings of a frame; return the slot whose picture was kept, if any.

        At most one of a frame: encoding and writing takes time that the others' states wait for.
        """
        if not self._site.uses_empties:
            return None
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
        try:
            write_learnt(self._storage, references)
        except OSError as error:
            log.warning("how %s looks when empty cannot be kept: %s", slot_id, error)
            return None
        self._references = references
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
