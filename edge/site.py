"""A crop and its slot -> probability of OCCUPIED: the model, beside what this site has shown it.

A site adds pictures of its slots when empty (`edge.references`), and a head that was learnt from
a few labelled crops (`edge.site_head`). Without them the answer is the model's. Belongs to the
thread that uses the classifier.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from edge.classifier import Classifier, Prediction
from edge.empties import Embeddings, beside_empties, distance_of, rule_of, unit
from edge.pipeline import region_key
from edge.preprocess import crop_whole
from edge.references import References
from edge.site_head import SiteHead
from edge.types import ImageRGB, Slot

log = logging.getLogger(__name__)


class Site:
    """One model and what one cabinet's pictures add to it."""

    def __init__(
        self,
        classifier: Classifier,
        slots: Sequence[Slot],
        references: References,
        head: SiteHead | None = None,
    ) -> None:
        """Use the references of these slots' regions; pictures of other regions say nothing."""
        self._classifier = classifier
        self._head = head
        self._rule = rule_of(classifier.bundle.manifest)
        self._crops_rgb = _crops(slots, references) if self._rule is not None else {}
        if any(references.empties.values()) and self._rule is None:
            log.warning(
                "%s has no rule for pictures of empty slots: they are not used until a bundle of "
                "the present trainer is installed",
                classifier.bundle.name,
            )
        # Filled when a slot is first read: an edit of the settings need not wait for the model.
        self._empties: dict[str, Embeddings] = {}

    @property
    def input_size_px(self) -> int:
        """The side of the model's input."""
        return self._classifier.bundle.input_size_px

    @property
    def uses_empties(self) -> bool:
        """Whether the model can make use of pictures of empty slots."""
        return self._rule is not None

    def distance(self, slot_id: str, crop_rgb: ImageRGB) -> float | None:
        """Return the cosine distance, 0..2, of a crop to the slot's nearest empty, if any."""
        empties = self._embeddings_of(slot_id)
        if empties is None:
            return None
        return distance_of(self._embed([crop_rgb])[0], empties)

    def replace_empties(self, slot_id: str, crops_rgb: Sequence[ImageRGB]) -> None:
        """Use these pictures of a slot when empty, at least one, from now on."""
        if self._rule is not None:
            self._crops_rgb[slot_id] = tuple(crops_rgb)

    def probabilities(self, slot_ids: Sequence[str], crops_rgb: Sequence[ImageRGB]) -> list[float]:
        """Return the probability of OCCUPIED, 0..1, of each slot's uint8 (size, size, 3) crop."""
        empties = [self._embeddings_of(slot_id) for slot_id in slot_ids]
        is_model_alone = self._head is None and not any(each is not None for each in empties)
        names = ["probability"] if is_model_alone else ["probability", "embedding"]
        predictions = self._classifier.predict_all(crops_rgb, names)
        return list(map(self._beside, predictions, empties))

    def probability(self, slot_id: str, crop_rgb: ImageRGB) -> float:
        """Return the probability of OCCUPIED of one slot's crop."""
        return self.probabilities([slot_id], [crop_rgb])[0]

    def _beside(self, prediction: Prediction, empties: Embeddings | None) -> float:
        """Return what the model's answer becomes beside the site's pictures and labels."""
        known = of_model = prediction.probability
        if empties is not None and self._rule is not None:
            distance = distance_of(prediction.embedding, empties)
            known = beside_empties(of_model, distance, self._rule)
        if self._head is None:
            return known
        return self._head.probability(prediction.embedding, of_model, known)

    def _embeddings_of(self, slot_id: str) -> Embeddings | None:
        if slot_id in self._crops_rgb:
            self._empties[slot_id] = self._embed(self._crops_rgb[slot_id])
            del self._crops_rgb[slot_id]  # only now: the model may fail, and is asked again
        return self._empties.get(slot_id)

    def _embed(self, crops_rgb: Sequence[ImageRGB]) -> Embeddings:
        # A picture that was taken for another model has another size.
        crops_rgb = [crop_whole(crop_rgb, self.input_size_px) for crop_rgb in crops_rgb]
        predictions = self._classifier.predict_all(crops_rgb, ["probability", "embedding"])
        return unit(np.stack([prediction.embedding for prediction in predictions]))


def _crops(slots: Sequence[Slot], references: References) -> dict[str, tuple[ImageRGB, ...]]:
    found = {slot.id: references.of_region(slot.id, region_key(slot)) for slot in slots}
    return {
        slot_id: tuple(empty.crop_rgb for empty in empties)
        for slot_id, empties in found.items()
        if empties
    }
