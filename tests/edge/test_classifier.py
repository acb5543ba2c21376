"""How crops are shared out among interpreters, with the shipped model."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import BundleRefused, read_bundle, read_golden
from edge.classifier import Classifier
from edge.types import ImageRGB

BUNDLE = read_bundle(Path(__file__).parents[2] / "models" / "default")
CROPS = read_golden(BUNDLE).crops_rgb


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_crops_shared_out_get_the_answers_of_each_by_itself_in_their_order(threads: int) -> None:
    classifier = Classifier(BUNDLE, threads)
    apart = [classifier.predict(crop) for crop in CROPS]
    # More than are shared out at once, and not as many as there are threads.
    for count in (0, 1, threads, 5 * len(CROPS) + 1):
        crops = [CROPS[number % len(CROPS)] for number in range(count)]
        together = list(classifier.predict_all(crops))
        assert len(together) == count
        for number, prediction in enumerate(together):
            expected = apart[number % len(CROPS)]
            assert prediction.probability == expected.probability
            assert np.array_equal(prediction.embedding, expected.embedding)
            assert np.array_equal(prediction.attention, expected.attention)


def test_two_threads_work_at_the_same_time() -> None:
    classifier = Classifier(BUNDLE, threads=2)
    both_at_work = threading.Barrier(2, timeout=10)
    met = []
    for interpreter in classifier._interpreters:

        def predict(crop, names, work=interpreter.predict):
            if not met:
                both_at_work.wait()  # breaks where the other one never comes
                met.append(True)
            return work(crop, names)

        interpreter.predict = predict
    assert len(list(classifier.predict_all(CROPS))) == len(CROPS)


class MeetingCrops(Sequence[ImageRGB]):
    """Crops of which the first is not there before another thread asks for one."""

    def __init__(self, crops):
        self.crops = crops
        self.meeting = threading.Barrier(2, timeout=10)
        self.cut = []

    def __len__(self):
        return len(self.crops)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self
        if len(self.cut) < 2:
            self.cut.append(index)
            self.meeting.wait()  # breaks where the other one never comes
        return self.crops[index]


def test_two_threads_cut_crops_at_the_same_time() -> None:
    classifier = Classifier(BUNDLE, threads=2)
    crops = MeetingCrops(CROPS[:4])
    together = list(classifier.predict_all(crops))
    assert sorted(crops.cut) == [0, 1]
    assert [p.probability for p in together] == [classifier.probability(c) for c in CROPS[:4]]


def test_crop_that_fails_in_either_thread_is_not_lost() -> None:
    classifier = Classifier(BUNDLE, threads=2)
    for failing in classifier._interpreters:
        works = failing.predict

        def fail(crop, names):
            raise RuntimeError("tensor trouble")

        failing.predict = fail
        for _ in range(20):  # whichever thread is first
            with pytest.raises(RuntimeError, match="tensor trouble"):
                list(classifier.predict_all(CROPS))
        failing.predict = works
        # And the interpreters are fit for the next crops.
        assert len(list(classifier.predict_all(CROPS))) == len(CROPS)


def test_only_the_outputs_that_are_asked_for_are_read() -> None:
    classifier = Classifier(BUNDLE, threads=2)
    (prediction,) = classifier.predict_all(CROPS[:1], ["probability"])
    assert prediction.probability == classifier.predict(CROPS[0]).probability
    assert prediction.attention.size == prediction.embedding.size == 0


def test_self_test_tries_every_interpreter() -> None:
    classifier = Classifier(BUNDLE, threads=2)
    right = classifier._interpreters[1].predict

    def wrong(crop, names):
        return replace(right(crop, names), probability=0.5)

    classifier._interpreters[1].predict = wrong
    with pytest.raises(BundleRefused, match="golden crop"):
        classifier.self_test()
