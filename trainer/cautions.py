"""What a data set cannot teach or cannot show, in plain words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from trainer.dataset import Sample
from trainer.splits import FILE_NAMES, Split, day_of
from trainer.training_data import DRAWN_SOURCES
from trainer.trials import GarbageTrial

_FEW_CROPS = 100  # of one label
_LOPSIDED = 0.8  # share of one label
_ONE_LABEL_SLOTS = 0.9  # share of slots that are never seen in the other state
_FEWEST_SLOTS = 4  # fewer tell nothing about it


def cautions_of(samples: Sequence[Sample], split: Split) -> Iterator[str]:
    """Yield what makes figures too good, or a model worse than it could be; gravest first.

    Drawn crops are left out of it: they are for learning, and would hide what the others lack.
    """
    names = zip(samples, split.names, strict=True)
    tested = {sample.source for sample, name in names if name == "test"}
    samples = [s for s in samples if s.source not in DRAWN_SOURCES] or samples
    of_source: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        of_source[sample.source].append(sample)
    unit_of_source = split.grouping.unit_of_source
    guessed = sorted(source for source in of_source if unit_of_source[source] == FILE_NAMES)
    if guessed:
        yield (
            f"{', '.join(guessed)}: nothing says which crops belong to one camera, slot or day, "
            "so runs of file names were kept together; figures may be too good. Name the files "
            "source__camera__slot__time.jpg or add an index.csv."
        )
    for source, own in sorted(of_source.items()):
        yield from _of_labels(source, own)
    if len({(s.source, s.camera) for s in samples}) == 1:
        yield "One camera only: the figures say nothing about other cameras."
    for source, own in sorted(of_source.items()):
        days = {day_of(s.time) for s in own}
        if len(days) == 1 and "" not in days:
            yield (
                f"{source}: one day only ({days.pop()}): the figures say nothing about other "
                "light and weather."
            )
    yield from _of_numbers(samples)
    untested = sorted(of_source.keys() - tested)
    if untested:
        yield (
            f"No crop of {', '.join(untested)} is in the test (too few cameras, days or slots to "
            "spare one, or the recipe keeps it whole): its figures do not cover that."
        )


def _of_labels(source: str, samples: Sequence[Sample]) -> Iterator[str]:
    """Yield how something else than the slot's content tells the label."""
    labels = {s.label for s in samples}
    if len(labels) == 1:
        yield (
            f"{source}: every crop is {labels.pop()}; the model can learn to know the source "
            "instead of what is in the slot. Add crops of the other state, or leave it out."
        )
        return
    labels_of_slot = defaultdict(set)
    for sample in samples:
        if sample.slot:
            labels_of_slot[sample.camera, sample.slot].add(sample.is_occupied)
    single = sum(len(seen) == 1 for seen in labels_of_slot.values())
    slot_count = len(labels_of_slot)
    # Slots seen once or twice cannot have changed; that says nothing.
    is_telling = slot_count >= _FEWEST_SLOTS and len(samples) >= 3 * slot_count
    if is_telling and single >= _ONE_LABEL_SLOTS * slot_count:
        seen = (
            "no slot is"
            if single == slot_count
            else f"only {slot_count - single} of {slot_count} slots are"
        )
        yield (
            f"{source}: {seen} seen both EMPTY and OCCUPIED: the labels lie on disjoint slots, "
            "so the model can learn the slots instead of what is in them. Its figures mean "
            "little; give it a low weight, or add crops of the same slots in the other state."
        )


def _of_numbers(samples: Sequence[Sample]) -> Iterator[str]:
    counts = Counter({"EMPTY": 0, "OCCUPIED": 0})
    counts.update(s.label for s in samples)
    for label, count in counts.items():
        if count < _FEW_CROPS:
            yield f"Only {count} crops are {label}: the figures are rough, and more would help."
        if count > _LOPSIDED * len(samples):
            yield (
                f"{count / len(samples):.0%} of the crops are {label}. Both labels count alike "
                "in training; the plain accuracy does not say much, the balanced one does."
            )


def cautions_of_seen_cameras(learned: Sequence[Sample], tested: Sequence[Sample]) -> Iterator[str]:
    """Yield which of the tested sources show a camera that was learned from, in other crops."""
    seen = {(s.source, s.camera) for s in learned}
    known = sorted({s.source for s in tested if (s.source, s.camera) in seen})
    if known:
        new = sorted({s.source for s in tested if (s.source, s.camera) not in seen})
        yield (
            f"{', '.join(known)}: training saw these cameras on other days or in other slots, so "
            "the figures flatter. How it does on a new camera, "
            + (f"only {', '.join(new)} can tell." if new else "nothing here can tell.")
        )


def cautions_of_garbage(trials: Sequence[GarbageTrial]) -> Iterator[str]:
    """Yield that pictures without a slot are answered, which figures about slots do not show."""
    count = sum(trial.count for trial in trials)
    answered = count - sum(trial.unknown_count for trial in trials)
    if answered:
        yield (
            f"Of {count:,} pictures that show no slot, such as a hand or noise, {answered:,} "
            "got an answer and should not: what covers the camera may be taken for a change."
        )
