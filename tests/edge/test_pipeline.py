"""The way of a frame, with a working fake for the model: brightness is the probability."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from edge.change import LONGEST_AGE_S
from edge.pipeline import FrameResult, Pipeline, carry_over, region_key
from edge.preprocess import rectangle_polygon
from edge.types import DecisionSettings, Frame, Reason, Slot, SlotMemory, State, Transition
from tests import racks

START = datetime(2026, 1, 1, tzinfo=UTC)
DECISION = DecisionSettings(confirm=2, unknown_after_s=3.0)
PATIENT = replace(DECISION, unknown_after_s=30.0)
SLOTS = (
    Slot("A1", rectangle_polygon(0, 0, 40, 40)),
    Slot("A2", rectangle_polygon(50, 0, 40, 40)),
    Slot("A3", rectangle_polygon(0, 50, 40, 40), enabled=False),
)


def brightness(_slot_id, crop):
    return float(crop.mean()) / 255


def each(classify):
    """Return what a pipeline asks, of a function of one slot's id and crop."""
    return lambda slot_ids, crops: [
        classify(slot_id, crop) for slot_id, crop in zip(slot_ids, crops, strict=True)
    ]


def pipeline(slots=SLOTS, classify=brightness):
    return Pipeline(slots, (100, 100), DECISION, each(classify), 32)


def frame(sequence, a1, a2, size=100):
    image = np.zeros((size, size, 3), np.uint8)
    image[size // 2 :, size // 2 :] = np.linspace(0, 255, size // 2).astype(np.uint8)[:, None]
    scale = size // 100
    image[: 40 * scale, : 40 * scale] = round(255 * a1)
    image[: 40 * scale, 50 * scale : 90 * scale] = round(255 * a2)
    return Frame(image, sequence, START + timedelta(seconds=sequence), float(sequence))


def play(subject, frames):
    transitions = []
    for item in frames:
        result = subject.process(item)
        subject.commit(result.changes)
        transitions += [(t.slot_id, t.before, t.after) for t, _ in result.changes]
    return transitions


def test_each_slot_is_decided_from_its_own_region():
    subject = pipeline()
    assert play(subject, [frame(i, 0.9, 0.1) for i in range(3)]) == [
        ("A1", State.UNKNOWN, State.OCCUPIED),
        ("A2", State.UNKNOWN, State.EMPTY),
    ]


def test_a_disabled_slot_is_not_read_and_says_so():
    subject = pipeline()
    result = subject.process(frame(0, 0.9, 0.1))
    assert [reading.slot_id for reading in result.readings] == ["A1", "A2"]
    assert subject.memories["A3"].reason is Reason.DISABLED


def test_a_change_that_was_not_recorded_is_proposed_again():
    subject = pipeline()
    subject.process(frame(0, 0.9, 0.1))
    first = subject.process(frame(1, 0.9, 0.1))
    assert len(first.changes) == 2  # not committed: the journal's disk is full
    again = subject.process(frame(2, 0.9, 0.1))
    assert [t.slot_id for t, _ in again.changes] == ["A1", "A2"]
    assert subject.memories["A1"].state is State.UNKNOWN


def test_a_picture_of_another_size_but_the_same_shape_is_used():
    subject = pipeline()
    play(subject, [frame(0, 0.9, 0.1), frame(1, 0.9, 0.1, size=200)])
    assert subject.memories["A1"].state is State.OCCUPIED


def test_a_picture_of_another_shape_makes_every_slot_unknown():
    subject = pipeline()
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, ::2] = 255
    result = subject.process(Frame(image, 0, START, 0.0))
    assert result.unusable is Reason.FRAME_SIZE
    assert {reading.reason for reading in result.readings} == {Reason.FRAME_SIZE}


def test_a_black_frame_never_reaches_the_model():
    def forbidden(_slot_id, crop):
        raise AssertionError("the model saw a black frame")

    subject = pipeline(classify=forbidden)
    result = subject.process(Frame(np.zeros((100, 100, 3), np.uint8), 0, START, 0.0))
    assert {reading.reason for reading in result.readings} == {Reason.FRAME_DARK}
    assert set(result.renewed) == {"A1", "A2"}


def test_one_crop_that_fails_leaves_the_others_alone(caplog):
    def moody(slot_id, crop):
        if crop.mean() > 128:
            raise RuntimeError("tensor trouble")
        return brightness(slot_id, crop)

    subject = pipeline(classify=moody)
    result = subject.process(frame(0, 0.9, 0.1))
    result = subject.process(frame(1, 0.9, 0.1))
    assert [reading.reason for reading in result.readings] == [Reason.CLASSIFIER_ERROR, None]
    assert caplog.text.count("slot A1 cannot be classified") == 1  # once, not every frame


@pytest.mark.parametrize(
    "answer",
    [
        lambda ids, crops: [0.1] * (len(ids) - 1),  # one too few
        lambda ids, crops: (1 / 0 for _ in ids),  # fails only when it is looked at
    ],
)
def test_model_that_answers_too_little_is_no_end_of_the_watch(answer):
    subject = Pipeline(SLOTS, (100, 100), DECISION, answer, 32)
    result = subject.process(frame(0, 0.9, 0.1))
    assert {reading.reason for reading in result.readings} == {Reason.CLASSIFIER_ERROR}


def test_slot_that_fails_costs_the_others_no_second_inference():
    model = CountingModel()

    def moody(slot_id, crop):
        if slot_id == "A1" and model.looks < 10:
            model.looks += 1
            raise RuntimeError("tensor trouble")
        return model(slot_id, crop)

    subject = pipeline(classify=moody)
    subject.process(frame(0, 0.9, 0.1))
    before = model.looks
    subject.process(frame(1, 0.9, 0.2))
    assert model.looks == before + 2  # A1 once, and A2 once


def test_change_that_is_recorded_before_any_frame_takes_effect():
    subject = pipeline()
    memory = SlotMemory(State.EMPTY, None, START, 0.1, State.EMPTY)
    transition = Transition("A1", State.UNKNOWN, State.EMPTY, 0.1, None, START)
    subject.commit([(transition, memory)])
    assert subject.memories["A1"].state is State.EMPTY
    play(subject, [frame(i, 0.1, 0.1) for i in range(3)])


def test_a_lost_camera_makes_every_known_slot_unknown_once():
    subject = pipeline()
    play(subject, [frame(i, 0.9, 0.1) for i in range(2)])
    lost = subject.lose_camera(START)
    subject.commit(lost.changes)
    assert {t.reason for t, _ in lost.changes} == {Reason.CAMERA_LOST}
    assert subject.lose_camera(START).changes == ()


def test_a_bumped_camera_moves_the_regions_along():
    reference_rgb = racks.cabinet()
    subject = Pipeline(
        racks.slots(),
        (racks.WIDTH_PX, racks.HEIGHT_PX),
        DECISION,
        each(brightness),
        32,
        [reference_rgb],
    )
    for sequence, shift_px in enumerate((0, 0, 12, 12, 12)):
        image_rgb = np.roll(reference_rgb, shift_px, axis=1)
        subject.process(Frame(image_rgb, sequence, START, float(sequence)))
    moved = [
        after.polygon_px - before.polygon_px
        for before, after in zip(racks.slots(), subject.placed, strict=True)
    ]
    assert np.allclose(moved, (12, 0), atol=1)


class CountingModel:
    """Brightness is the probability, and every look is counted."""

    def __init__(self):
        self.looks = 0

    def __call__(self, slot_id, crop):
        self.looks += 1
        return brightness(slot_id, crop)


def test_what_did_not_change_is_not_classified_again():
    model = CountingModel()
    subject = pipeline(classify=model)
    play(subject, [frame(i, 0.9, 0.1) for i in range(2)])
    assert model.looks == 4
    result = subject.process(frame(2, 0.9, 0.1))
    assert model.looks == 4
    assert [(r.slot_id, r.state, r.sequence) for r in result.readings] == [
        ("A1", State.OCCUPIED, 1),
        ("A2", State.EMPTY, 1),
    ]


def test_a_slot_that_changed_is_classified_and_the_others_are_not():
    model = CountingModel()
    subject = pipeline(classify=model)
    play(subject, [frame(i, 0.9, 0.1) for i in range(3)])
    assert play(subject, [frame(i, 0.1, 0.1) for i in (3, 4)]) == [
        ("A1", State.OCCUPIED, State.EMPTY)
    ]
    assert model.looks == 4 + 2


def test_a_slot_that_is_unsure_is_classified_in_every_frame():
    model = CountingModel()
    play(pipeline(classify=model), [frame(i, 0.5, 0.1) for i in range(10)])
    assert model.looks == 10 + 2


def test_after_a_dark_while_every_slot_is_classified_anew():
    model = CountingModel()
    subject = pipeline(classify=model)
    play(subject, [frame(i, 0.9, 0.1) for i in range(3)])
    subject.process(Frame(np.zeros((100, 100, 3), np.uint8), 3, START, 3.0))
    subject.process(frame(4, 0.9, 0.1))
    assert model.looks == 4 + 2


def test_an_unchanged_slot_is_classified_now_and_then():
    model = CountingModel()
    subject = pipeline(classify=model)
    play(subject, [frame(i, 0.9, 0.1) for i in range(3)])
    for seconds in range(3, 3 + round(2 * LONGEST_AGE_S)):
        subject.process(frame(seconds, 0.9, 0.1))
    assert model.looks == 4 + 2 * 2


def known(state=State.OCCUPIED):
    memory = SlotMemory(state, None, START, 0.9, state, seq=4)
    return {slot.id: (memory, region_key(slot)) for slot in SLOTS[:2]}


def test_a_slot_that_stayed_where_it_was_keeps_its_memory():
    memories, changes, gone = carry_over(SLOTS, known(), START)
    assert (memories["A1"].state, memories["A1"].seq, changes, gone) == (
        State.OCCUPIED,
        4,
        (),
        (),
    )


def test_a_moved_slot_starts_again_and_the_events_stay_a_chain():
    moved = (Slot("A1", rectangle_polygon(3, 0, 40, 40)), SLOTS[1])
    memories, changes, _ = carry_over(moved, known(), START)
    assert [(t.slot_id, t.before, t.after, t.reason) for t, _ in changes] == [
        ("A1", State.OCCUPIED, State.UNKNOWN, Reason.REGION_CHANGED)
    ]
    assert memories["A1"].last_known is State.OCCUPIED
    assert memories["A2"].state is State.OCCUPIED


def test_a_removed_slot_is_named():
    assert carry_over(SLOTS[:1], known(), START)[2] == ("A2",)


def test_a_slot_switched_off_and_on_again_starts_again():
    off = (Slot("A1", SLOTS[0].polygon_px, enabled=False),)
    memories, changes, _ = carry_over(off, known(), START)
    assert changes[0][0].reason is Reason.DISABLED
    back, _, _ = carry_over(SLOTS[:1], {"A1": (memories["A1"], region_key(SLOTS[0]))}, START)
    assert back["A1"].reason is Reason.STARTING


@pytest.mark.parametrize("references_rgb", [(), (racks.cabinet(),)], ids=["bare", "reference"])
def test_frames_are_watched_while_every_slot_is_switched_off(references_rgb):
    slots = tuple(replace(slot, enabled=False) for slot in racks.slots())
    frame_wh = (racks.WIDTH_PX, racks.HEIGHT_PX)
    subject = Pipeline(slots, frame_wh, DECISION, each(brightness), 16, references_rgb)
    for number in range(3):
        picture = Frame(racks.cabinet(), number, START, float(number))
        assert subject.process(picture) == FrameResult((), (), (), None)


class Rack:
    """The drawn rack, watched by a model that says of every slot what it is told to say."""

    def __init__(self, references_rgb=(), decision=DECISION):
        self.says = 0.1
        self.says_of = {}  # otherwise, by slot
        frame_wh = (racks.WIDTH_PX, racks.HEIGHT_PX)
        classify = each(lambda slot_id, _crop: self.says_of.get(slot_id, self.says))
        self.pipeline = Pipeline(racks.slots(), frame_wh, decision, classify, 16, references_rgb)
        self.sequence = 0

    def show(self, image_rgb, frames):
        """Return what is told in these frames: slots by the change of their state."""
        told = {}
        for _ in range(frames):
            taken_at = START + timedelta(seconds=self.sequence)
            shown = Frame(image_rgb, self.sequence, taken_at, float(self.sequence))
            for slot_id, before, after in play(self.pipeline, [shown]):
                told.setdefault((before, after), set()).add(slot_id)
            self.sequence += 1
        return told

    def lose_camera(self):
        result = self.pipeline.lose_camera(START)
        self.pipeline.commit(result.changes)
        return result


EVERY_SLOT = {slot.id for slot in racks.slots()}
BLACK_RGB = np.zeros_like(racks.cabinet())


def brighter(image_rgb):
    """No slot looks as it did, and all of them do but for the light."""
    return cv2.add(image_rgb, (30, 30, 30, 0))


def test_state_is_not_turned_round_by_light():
    rack = Rack()
    assert rack.show(racks.cabinet(), 2) == {(State.UNKNOWN, State.EMPTY): EVERY_SLOT}
    rack.says = 0.9
    assert rack.show(brighter(racks.cabinet()), 2) == {}
    rack.says = 0.1
    assert rack.show(racks.cabinet(), 4) == {}


def test_light_after_a_dark_while_does_not_turn_a_state_round_either():
    rack = Rack()
    rack.show(racks.cabinet(), 2)
    rack.show(BLACK_RGB, 1)
    rack.says = 0.9
    told = rack.show(brighter(racks.cabinet()), 2)
    assert told == {(State.EMPTY, State.UNKNOWN): EVERY_SLOT}  # nobody has seen it for too long


def test_state_that_was_wrong_from_the_beginning_is_not_held_for_ever():
    rack = Rack()
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    assert rack.show(brighter(racks.cabinet()), 7) == {
        (State.EMPTY, State.UNKNOWN): EVERY_SLOT,
        (State.UNKNOWN, State.OCCUPIED): EVERY_SLOT,
    }


def test_state_that_returns_after_bad_light_is_believed_at_once():
    rack = Rack()
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    told = rack.show(brighter(racks.cabinet()), 9)  # bad light for longer than is doubted
    assert told[State.UNKNOWN, State.OCCUPIED] == EVERY_SLOT
    rack.says = 0.1
    assert rack.show(racks.cabinet(), 2) == {(State.OCCUPIED, State.EMPTY): EVERY_SLOT}


def test_bad_light_after_a_time_without_pictures_does_not_turn_a_state_round():
    rack = Rack()
    rack.show(racks.cabinet(), 2)
    told = [(t.before, t.after) for t, _ in rack.lose_camera().changes]
    assert set(told) == {(State.EMPTY, State.UNKNOWN)}
    rack.says = 0.9
    assert rack.show(brighter(racks.cabinet()), 3) == {}
    rack.says = 0.1
    assert rack.show(racks.cabinet(), 2) == {(State.UNKNOWN, State.EMPTY): EVERY_SLOT}


def test_things_that_come_with_other_light_are_seen_at_once():
    rack = Rack()
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    changed = filled(racks.cabinet(contents=5))
    assert 0 < len(changed) < len(EVERY_SLOT)
    told = rack.show(brighter(racks.cabinet(contents=5)), 2)
    assert told == {(State.EMPTY, State.OCCUPIED): changed}


def filled(image_rgb):
    """Return the slots in which this picture is not the rack's."""
    return {
        slot.id
        for slot in racks.slots()
        if (region_of(racks.cabinet(), slot) != region_of(image_rgb, slot)).any()
    }


def region_of(image_rgb, slot):
    (left, top), (right, bottom) = slot.polygon_px[[0, 2]].astype(int)
    return image_rgb[top:bottom, left:right]


def test_new_state_is_judged_by_how_the_slot_looked_when_it_was_confirmed():
    rack = Rack()
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    rack.sequence += 200  # a cabinet that is filled at once would be looked at more closely
    rack.show(racks.cabinet()[:, ::-1], 2)
    # And back at once: the picture is not that of OCCUPIED, so EMPTY is believed.
    rack.says = 0.1
    assert rack.show(racks.cabinet(), 2) == {(State.OCCUPIED, State.EMPTY): EVERY_SLOT}


def with_tall_thing(image_rgb, also=(), head_px=24):
    """The picture with a thing in slot 12 whose head reaches into 13, and things in others."""
    shown = with_things(image_rgb, also)
    (left, top), (right, bottom) = racks.slots()[8].polygon_px[[0, 2]].astype(int)
    cv2.rectangle(shown, (left + 10, top + 10), (right, bottom - 10), (250, 240, 90), -1)
    cv2.rectangle(shown, (right, top + 20), (right + head_px, bottom - 26), (250, 240, 90), -1)
    return shown


def with_things(image_rgb, numbers):
    shown = image_rgb.copy()
    for number in numbers:
        (left, top), (right, bottom) = racks.slots()[number].polygon_px[[0, 2]].astype(int)
        cv2.rectangle(shown, (left + 34, top + 6), (right - 6, bottom - 6), (30, 200, 230), -1)
    return shown


def rack_with_tall_thing(references_rgb=()):
    """A rack whose model takes the head in slot 13 for a thing of that slot."""
    rack = Rack(references_rgb)
    rack.show(racks.cabinet(), 2)
    rack.says_of = {"12": 0.9, "13": 0.9}
    return rack


def test_head_of_a_neighbours_thing_does_not_fill_a_slot_however_long_it_stays():
    rack = rack_with_tall_thing()
    assert rack.show(with_tall_thing(racks.cabinet()), 40) == {
        (State.EMPTY, State.OCCUPIED): {"12"},
        (State.EMPTY, State.UNKNOWN): {"13"},
    }
    assert rack.pipeline.memories["13"].reason is Reason.SLOT_COVERED
    rack.says_of = {}
    assert rack.show(racks.cabinet(), 2) == {
        (State.OCCUPIED, State.EMPTY): {"12"},
        (State.UNKNOWN, State.EMPTY): {"13"},
    }


def test_thing_beside_the_head_of_a_neighbours_is_seen():
    rack = rack_with_tall_thing()
    rack.show(with_tall_thing(racks.cabinet()), 4)
    told = rack.show(with_tall_thing(racks.cabinet(), also=[9]), 2)
    assert told == {(State.UNKNOWN, State.OCCUPIED): {"13"}}


def test_thing_that_touches_what_its_neighbour_got_before_is_seen():
    rack = rack_with_tall_thing()
    rack.says_of = {"12": 0.9}
    rack.show(with_tall_thing(racks.cabinet(), head_px=0), 9)
    rack.says_of = {"12": 0.9, "13": 0.9}
    told = rack.show(with_tall_thing(racks.cabinet(), head_px=24), 2)
    assert told == {(State.EMPTY, State.OCCUPIED): {"13"}}


def test_thing_that_is_moved_over_from_a_neighbour_is_seen():
    rack = rack_with_tall_thing()
    rack.says_of = {"13": 0.9}  # what lay in slot 12 is gone
    told = rack.show(with_tall_thing(racks.cabinet()), 2)
    assert told == {(State.EMPTY, State.OCCUPIED): {"13"}}


def test_cabinet_that_is_filled_while_nobody_sees_it_is_believed():
    rack = rack_with_tall_thing()
    rack.sequence += 121
    told = rack.show(with_tall_thing(racks.cabinet()), 2)
    assert told == {(State.EMPTY, State.OCCUPIED): {"12", "13"}}


def test_slot_that_was_occupied_all_along_is_not_doubted_for_its_neighbours_sake():
    # A thing that the model did not see at first, and for sure later on.
    rack, before = Rack(), with_things(racks.cabinet(), [9])
    rack.show(before, 2)
    rack.says_of = {"13": 0.9}
    told = rack.show(brighter(before), 9)
    assert told[State.UNKNOWN, State.OCCUPIED] == {"13"}
    # Its neighbour's head comes and stays.
    rack.says_of = {"12": 0.9, "13": 0.9}
    told = rack.show(brighter(with_tall_thing(racks.cabinet(), also=[9])), 5)
    assert told == {(State.EMPTY, State.OCCUPIED): {"12"}}


def test_hidden_reading_starts_the_row_again():
    rack = rack_with_tall_thing()
    rack.show(racks.cabinet()[:, ::-1], 1)  # for one frame everything is another picture
    rack.show(with_tall_thing(racks.cabinet()), 1)
    assert rack.pipeline.memories["13"].candidate is None


@pytest.mark.parametrize(
    ("shift_px", "frames", "hidden"), [((1.2, 0.8), 2, {"13"}), ((6.0, 4.0), 3, set())]
)
def test_nudged_camera_still_knows_how_slots_look_and_a_bumped_one_does_not(
    shift_px, frames, hidden
):
    rack = rack_with_tall_thing([racks.cabinet()])
    placed = rack.pipeline.placed
    told = rack.show(racks.bumped(with_tall_thing(racks.cabinet()), shift_px)[0], frames)
    assert rack.pipeline.placed != placed
    assert told == {(State.EMPTY, State.OCCUPIED): {"12", "13"} - hidden}


def test_first_picture_after_a_useless_one_turns_no_state_round():
    rack = Rack(decision=PATIENT)
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    changed = filled(racks.cabinet(contents=5))
    rack.show(BLACK_RGB, 1)
    assert rack.show(racks.cabinet(contents=5), 2) == {}
    told = rack.show(racks.cabinet(contents=5), 1)
    assert told == {(State.EMPTY, State.OCCUPIED): changed}


def test_picture_long_after_a_useless_one_is_believed():
    rack = Rack(decision=replace(DECISION, unknown_after_s=1000.0))
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    rack.show(BLACK_RGB, 1)
    rack.sequence += 100
    told = rack.show(racks.cabinet(contents=5), 2)
    assert told == {(State.EMPTY, State.OCCUPIED): filled(racks.cabinet(contents=5))}


def test_no_state_turns_round_while_the_camera_is_knocked_about():
    rack = Rack([racks.cabinet()], PATIENT)
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    for shift_px in ((20.0, 5.0), (-25.0, 0.0), (8.0, 12.0)):
        placed = rack.pipeline.placed
        assert rack.show(racks.bumped(racks.cabinet(contents=5), shift_px)[0], 1) == {}
        assert rack.pipeline.placed != placed
    # Where it stays they count.
    told = rack.show(racks.bumped(racks.cabinet(contents=5), (8.0, 12.0))[0], 2)
    assert told.keys() == {(State.EMPTY, State.OCCUPIED)}


@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_change_is_not_lost_for_ever_where_every_so_many_pictures_are_useless(period):
    rack = Rack(decision=replace(PATIENT, confirm=3))
    rack.show(racks.cabinet(), 3)
    rack.says = 0.9
    for number in range(60):
        rack.show(racks.cabinet(contents=5) if number % period else BLACK_RGB, 1)
    # Two good pictures in a row never make three equal readings, but nor is the old state told.
    now = State.OCCUPIED if period > 3 else State.UNKNOWN
    changed = filled(racks.cabinet(contents=5))
    assert {rack.pipeline.memories[slot_id].state for slot_id in changed} == {now}


@pytest.mark.parametrize("stays", [1, 2, 3])
def test_change_is_not_lost_for_ever_where_the_camera_sways(stays):
    rack = Rack([racks.cabinet()], PATIENT)
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    places = [racks.bumped(racks.cabinet(contents=5), by)[0] for by in ((8.0, 3.0), (-8.0, 0.0))]
    for number in range(60):
        rack.show(places[number // stays % 2], 1)
    changed = filled(racks.cabinet(contents=5))
    states = {rack.pipeline.memories[slot_id].state for slot_id in changed}
    assert states == {State.OCCUPIED}


def test_useless_picture_opens_no_door_for_bad_light():
    rack = Rack(decision=PATIENT)
    rack.show(racks.cabinet(), 2)
    rack.says = 0.9
    assert rack.show(brighter(racks.cabinet()), 40) == {(State.EMPTY, State.UNKNOWN): EVERY_SLOT}
    rack.show(BLACK_RGB, 1)
    assert rack.show(brighter(racks.cabinet()), 4) == {}


def test_slots_begin_at_once_after_a_useless_picture():
    rack = Rack()
    rack.show(BLACK_RGB, 1)
    assert rack.show(racks.cabinet(), 2) == {(State.UNKNOWN, State.EMPTY): EVERY_SLOT}
