"""How reported transitions are counted beside the true ones."""

from benchmarks.transitions import Change, compare
from edge.types import State

EMPTY, TAKEN, UNKNOWN = State.EMPTY, State.OCCUPIED, State.UNKNOWN


def test_a_report_is_counted_with_its_delay():
    found = compare([EMPTY, EMPTY, TAKEN, TAKEN, TAKEN], [(1, EMPTY), (3, TAKEN)], confirm=2)
    assert found.true == found.lasting == (Change(2, TAKEN),)
    assert found.delays == (1,)
    assert (found.missed, found.false, found.is_first_wrong) == ((), (), False)


def test_a_flip_and_the_way_back_are_two_false_transitions():
    found = compare([EMPTY] * 6, [(1, EMPTY), (3, TAKEN), (5, EMPTY)], confirm=2)
    assert found.false == (Change(3, TAKEN), Change(5, EMPTY))


def test_a_change_that_does_not_last_cannot_be_missed():
    found = compare([EMPTY, EMPTY, TAKEN, EMPTY, EMPTY], [(1, EMPTY)], confirm=2)
    assert (len(found.true), found.lasting, found.missed) == (2, (), ())


def test_a_change_that_lasts_and_is_not_reported_is_missed():
    found = compare([EMPTY, EMPTY, TAKEN, TAKEN, TAKEN], [(1, EMPTY)], confirm=2)
    assert found.missed == (Change(2, TAKEN),)


def test_not_knowing_in_between_is_no_change():
    found = compare([EMPTY] * 6, [(1, EMPTY), (3, UNKNOWN), (5, EMPTY)], confirm=2)
    assert (found.false, found.unknown) == ((), 1)


def test_a_report_after_the_way_back_is_false():
    found = compare(
        [EMPTY, EMPTY, TAKEN, TAKEN, EMPTY, EMPTY], [(1, EMPTY), (4, TAKEN), (5, EMPTY)], confirm=2
    )
    assert found.false == (Change(4, TAKEN),)
    assert found.missed == (Change(2, TAKEN),)


def test_a_frame_without_a_label_shows_what_the_one_before_did():
    found = compare([EMPTY, EMPTY, None, TAKEN, TAKEN], [(1, EMPTY), (4, TAKEN)], confirm=2)
    assert found.true == (Change(3, TAKEN),)
    assert found.delays == (1,)


def test_a_wrong_first_state_is_counted_by_itself():
    found = compare([EMPTY, EMPTY, EMPTY], [(1, TAKEN)], confirm=2)
    assert (found.is_first_wrong, found.false) == (True, ())
