"""Numbers as a person reads them."""

import pytest

from trainer.intervals import Interval
from trainer.words import counted, enumerated, percent, percent_range, three_digits

pytestmark = pytest.mark.trainer


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.98126, "98.1%"),
        (1.0, "100%"),
        (0.0, "0%"),
        (0.9997, "99.97%"),
        (0.0004, "0.04%"),
        (0.999999, "> 99.99%"),
        (0.000001, "< 0.01%"),
        (None, "\N{EN DASH}"),
    ],
)
def test_a_percentage_never_rounds_to_all_or_nothing(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_a_range_names_its_unit_once() -> None:
    assert percent_range(Interval(0.93, 1.0, 8)) == "93\N{EN DASH}100%"


def test_a_range_is_rounded_outwards() -> None:
    assert percent_range(Interval(0.87999, 0.99001, 8)) == "87.9\N{EN DASH}99.1%"
    assert percent_range(None) == ""


def test_counts_and_lists_read_as_sentences() -> None:
    assert (counted(1, "crop"), counted(1703, "crop")) == ("1 crop", "1,703 crops")
    assert enumerated(["a", "b", "c"]) == "a, b and c"
    assert (enumerated(["a"]), enumerated([])) == ("a", "")
    assert (three_digits(0.99283), three_digits(None)) == ("0.993", "\N{EN DASH}")
