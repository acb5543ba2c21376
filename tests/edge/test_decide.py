"""When readings become states."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decide import decide, lose_sight, read_probability, unusable
from edge.preprocess import rectangle_polygon
from edge.types import DecisionSettings, Reason, Slot, SlotMemory, State

SLOT = Slot("A1", rectangle_polygon(0, 0, 10, 10))
DECISION = DecisionSettings(confirm=3, unknown_after_s=30.0)
START = datetime(2026, 1, 1, tzinfo=UTC)


def play(probabilities, memory=None, decision=DECISION, every_s=1.0):
    """Return the transitions and the last memory.

    Instead of a probability: None for a frame that shows nothing, a reason for a slot not seen.
    """
    memory = memory or SlotMemory()
    transitions = []
    for index, probability in enumerate(probabilities):
        now_s = index * every_s
        reading = (
            unusable(SLOT, probability or Reason.FRAME_DARK, index)
            if probability is None or isinstance(probability, Reason)
            else read_probability(SLOT, probability, index, decision)
        )
        memory, transition = decide(
            memory, reading, now_s, START + timedelta(seconds=now_s), decision
        )
        if transition:
            transitions.append((index, transition.before, transition.after, transition.reason))
    return transitions, memory


@pytest.mark.parametrize(
    ("probability", "state"),
    [
        (1.0, State.OCCUPIED),
        (0.6, State.OCCUPIED),
        (0.59, State.UNKNOWN),
        (0.41, State.UNKNOWN),
        (0.4, State.EMPTY),
        (0.0, State.EMPTY),
    ],
)
def test_the_thresholds_belong_to_the_sure_sides(probability, state):
    reading = read_probability(SLOT, probability, 0, DECISION)
    assert reading.state is state
    assert reading.reason is (Reason.LOW_CONFIDENCE if state is State.UNKNOWN else None)


def test_a_slots_own_thresholds_win():
    slot = replace(SLOT, occupied_at=0.9, empty_at=0.1)
    assert read_probability(slot, 0.7, 0, DECISION).state is State.UNKNOWN
    assert read_probability(slot, 0.3, 0, DECISION).state is State.UNKNOWN
    assert read_probability(slot, 0.05, 0, DECISION).state is State.EMPTY


def test_a_state_changes_after_enough_equal_readings():
    transitions, memory = play([0.9, 0.9, 0.9, 0.9])
    assert transitions == [(2, State.UNKNOWN, State.OCCUPIED, None)]
    assert memory.since == START + timedelta(seconds=2)
    assert memory.last_known is State.OCCUPIED


def test_low_confidence_breaks_the_streak():
    transitions, memory = play([0.9, 0.5, 0.5, 0.9, 0.5, 0.9])
    assert transitions == []
    assert memory.state is State.UNKNOWN
    assert memory.agreed == 1


def test_an_unusable_frame_breaks_the_streak():
    assert play([0.9, 0.9, None, 0.9, 0.9])[0] == []


COVERED = Reason.SLOT_COVERED


def test_a_hand_before_the_slot_neither_counts_nor_breaks_the_streak():
    assert play([0.9, COVERED, 0.9, COVERED])[0] == []
    transitions, _ = play([0.9, COVERED, 0.9, COVERED, COVERED, 0.9])
    assert transitions == [(5, State.UNKNOWN, State.OCCUPIED, None)]


def test_the_other_state_breaks_a_streak_that_waited_behind_a_hand():
    assert play([0.9, 0.9, COVERED, 0.1, COVERED, 0.9, 0.9])[0] == []


def test_a_slot_that_stays_covered_becomes_unknown():
    transitions, memory = play([*[0.9] * 3, 0.1, *[COVERED] * 40])
    assert transitions[1] == (32, State.OCCUPIED, State.UNKNOWN, COVERED)
    assert memory.agreed == 0


def test_readings_against_a_state_that_are_never_confirmed_do_not_keep_it_alive():
    transitions, _ = play([*[0.9] * 3, *[0.1, 0.1, 0.5] * 20])
    assert transitions[1] == (32, State.OCCUPIED, State.UNKNOWN, Reason.LOW_CONFIDENCE)


def test_the_other_state_breaks_the_streak():
    assert play([0.9, 0.9, 0.1, 0.9, 0.9])[0] == []


def test_a_passing_hand_changes_nothing():
    assert len(play([0.1] * 5 + [0.9, 0.9] + [0.1] * 5)[0]) == 1


def test_no_sure_reading_for_long_means_unknown_with_the_reason():
    transitions, memory = play([0.9] * 3 + [0.5] * 40)
    assert transitions[1] == (32, State.OCCUPIED, State.UNKNOWN, Reason.LOW_CONFIDENCE)
    assert memory.last_known is State.OCCUPIED


def test_a_covered_lens_does_not_leave_the_last_state_standing():
    transitions, memory = play([0.9] * 3 + [None] * 40)
    assert transitions[1][2:] == (State.UNKNOWN, Reason.FRAME_DARK)
    assert memory.reason is Reason.FRAME_DARK


def test_one_sure_reading_keeps_the_state_alive():
    assert len(play([0.9] * 3 + ([0.5] * 20 + [0.9]) * 4)[0]) == 1


def test_an_unknown_slot_follows_the_newest_reason():
    _, memory = play([0.5, None])
    assert memory.reason is Reason.FRAME_DARK


def test_a_remembered_state_gets_its_time_before_it_is_given_up():
    remembered = SlotMemory(State.OCCUPIED, None, START, 0.9, State.OCCUPIED, seq=7)
    transitions, _ = play([0.5] * 40, remembered)
    assert transitions == [(30, State.OCCUPIED, State.UNKNOWN, Reason.LOW_CONFIDENCE)]


def test_a_lost_camera_leaves_no_doubt():
    _, memory = play([0.9] * 3)
    lost, transition = lose_sight(memory, "A1", Reason.CAMERA_LOST, START)
    assert transition is not None
    assert (transition.after, transition.reason) == (State.UNKNOWN, Reason.CAMERA_LOST)
    assert lose_sight(lost, "A1", Reason.CAMERA_LOST, START)[1] is None


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=60), st.integers(1, 5))
def test_transitions_always_form_a_chain(probabilities, confirm):
    decision = DecisionSettings(confirm=confirm, unknown_after_s=5.0)
    transitions, memory = play(probabilities, decision=decision)
    state = State.UNKNOWN
    for _, before, after, reason in transitions:
        assert before is state
        assert after is not before
        assert (after is State.UNKNOWN) == (reason is not None)
        state = after
    assert memory.state is state
    assert (memory.reason is None) == (state is not State.UNKNOWN)


def test_a_change_also_waits_for_its_time():
    decision = replace(DECISION, confirm=2, confirm_for_s=1.0)
    transitions, _ = play([0.9] * 20, decision=decision, every_s=0.25)
    assert transitions == [(4, State.UNKNOWN, State.OCCUPIED, None)]


def test_an_unsure_reading_starts_the_time_of_a_change_again():
    decision = replace(DECISION, confirm=2, confirm_for_s=1.0)
    transitions, _ = play([0.9, 0.9, 0.9, 0.5, *[0.9] * 10], decision=decision, every_s=0.25)
    assert transitions == [(8, State.UNKNOWN, State.OCCUPIED, None)]


def test_a_state_is_upheld_by_readings_just_short_of_its_threshold():
    decision = replace(DECISION, confirm=1, unknown_after_s=5.0)
    transitions, memory = play([0.61, *[0.57, 0.61] * 10, *[0.57] * 50], decision=decision)
    assert [(before, after) for _, before, after, _ in transitions] == [
        (State.UNKNOWN, State.OCCUPIED)
    ]
    assert memory.probability == 0.57


@pytest.mark.parametrize(("confirmed", "then"), [(0.9, 0.55), (0.1, 0.45), (0.1, 0.57)])
def test_what_lies_further_in_between_upholds_nothing(confirmed, then):
    decision = replace(DECISION, confirm=1, unknown_after_s=5.0)
    transitions, _ = play([confirmed, *[then] * 10], decision=decision)
    assert transitions[-1][2:] == (State.UNKNOWN, Reason.LOW_CONFIDENCE)


def test_readings_just_short_of_a_threshold_lead_to_no_state():
    assert play([0.58] * 20)[0] == []
