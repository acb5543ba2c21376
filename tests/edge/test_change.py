"""Which slots are read again: all that may have changed, and no more than that."""

import cv2
import numpy as np
import pytest

from edge.change import (
    LONGEST_AGE_S,
    find_doubtful,
    find_due,
    first_memory,
    noted,
    plan_changes,
    read_again,
    still_fits,
    take_samples,
)
from edge.halvings import Halvings
from edge.preprocess import rectangle_polygon
from edge.types import Slot
from tests.racks import HEIGHT_PX, WIDTH_PX, cabinet, slots

WH = (WIDTH_PX, HEIGHT_PX)
PLAN = plan_changes(slots(), WH)
COUNT = len(slots())
ALL = np.ones(COUNT, np.bool_)
# Of the rack's drawn slots: their pixels are plain shades of 20 to 70, with lines at one corner.
LEFT_PX, TOP_PX = slots()[8].polygon_px[0].astype(int)


def seen(image_rgb, noise_levels=0.0, plan=PLAN, seed=1):
    noise = np.random.default_rng(seed).normal(0.0, noise_levels or 1e-9, image_rgb.shape)
    noisy_rgb = (image_rgb + noise).round().clip(0, 255).astype(np.uint8)
    return take_samples(plan, Halvings(noisy_rgb))


def remembered(image_rgb, now_s=0.0, **options):
    """Return the memory after every slot of a picture was read and sure."""
    return noted(first_memory(PLAN), seen(image_rgb, **options), ALL, ALL, now_s)


def due(memory, image_rgb, now_s=0.0, **options):
    return set(np.flatnonzero(find_due(memory, seen(image_rgb, **options), now_s)))


def test_a_slot_that_was_never_read_is_due():
    assert due(first_memory(PLAN), cabinet()) == set(range(COUNT))


@pytest.mark.parametrize("noise_levels", [0.0, 1.0, 3.0])
def test_noise_is_no_change(noise_levels):
    memory = remembered(cabinet(), noise_levels=noise_levels, seed=1)
    assert due(memory, cabinet(), noise_levels=noise_levels, seed=2) == set()


def with_key(image_rgb):
    cv2.line(image_rgb, (LEFT_PX + 30, TOP_PX + 40), (LEFT_PX + 50, TOP_PX + 52), (130, 120, 60), 3)


def with_thing_of_the_same_grey(image_rgb):
    # Only the lines that it hides tell of it.
    image_rgb[TOP_PX : TOP_PX + 76, LEFT_PX : LEFT_PX + 76] = image_rgb[TOP_PX + 74, LEFT_PX + 74]


def with_thing_that_fills_it(image_rgb):
    image_rgb[TOP_PX : TOP_PX + 77, LEFT_PX : LEFT_PX + 77] = 90


def with_thing_as_bright_as_the_slot(image_rgb):
    # Red for green: a grey picture would hardly show it.
    inside = image_rgb[TOP_PX + 20 : TOP_PX + 56, LEFT_PX + 20 : LEFT_PX + 56]
    inside[...] = (inside + np.array([16, -8, 0])).clip(0, 255)


def with_glass_over_it(image_rgb):
    # As bright as before, with half of the contrast.
    inside = image_rgb[TOP_PX : TOP_PX + 77, LEFT_PX : LEFT_PX + 77]
    inside[...] = inside * 0.5 + inside.mean(axis=(0, 1)) * 0.5


THINGS = (
    with_key,
    with_thing_of_the_same_grey,
    with_thing_that_fills_it,
    with_thing_as_bright_as_the_slot,
)


@pytest.mark.parametrize("change", [*THINGS, with_glass_over_it])
def test_a_thing_makes_its_slot_due_and_no_other(change):
    changed_rgb = cabinet()
    change(changed_rgb)
    memory = remembered(cabinet(), noise_levels=1.0)
    assert due(memory, changed_rgb, noise_levels=1.0, seed=2) == {8}


def shaded(levels):
    return lambda picture: picture + np.array(levels)


def rippled(picture):
    # Too little at any place to be told from noise, but everywhere.
    return picture + 3.5 * np.sign(np.sin(np.arange(WIDTH_PX) / 4))[None, :, None]


@pytest.mark.parametrize(
    "change",
    [shaded((14, 14, 14)), shaded((-5, 0, 0)), rippled],
    ids=["brighter", "less red", "rippled"],
)
def test_what_light_does_not_do_to_a_plain_slot_is_a_change(change):
    # Nothing in it but a faint slope: a thing without an edge in the picture fills it.
    slope = np.linspace(80, 120, WIDTH_PX)[None, :, None]
    plain = np.broadcast_to(slope, (HEIGHT_PX, WIDTH_PX, 3)).astype(float)
    assert due(remembered(plain), plain) == set()
    assert due(remembered(plain), change(plain)) == set(range(COUNT))


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 5), (1.0, -5), (1.03, 0), (0.97, 0)])
def test_a_little_more_or_less_light_is_no_change(gain, offset):
    other_rgb = (cabinet() * gain + offset).clip(0, 255)
    assert due(remembered(cabinet()), other_rgb) == set()


def test_a_step_of_the_light_counts_as_change():
    assert due(remembered(cabinet()), cabinet() * 0.6 + 70) == set(range(COUNT))


def test_a_thing_that_fades_in_is_seen_before_it_is_there():
    with_thing = cabinet()
    with_key(with_thing)
    memory, seen_at = remembered(cabinet()), None
    for percent in range(0, 101, 2):
        image_rgb = cabinet() * (1 - percent / 100) + with_thing * (percent / 100)
        found = find_due(memory, seen(image_rgb), 0.0)
        assert found.sum() <= 1
        if found[8]:
            seen_at = percent
            break
    assert seen_at is not None
    assert seen_at < 60


def test_a_reading_that_was_not_sure_is_repeated():
    samples = seen(cabinet())
    is_sure = ALL.copy()
    is_sure[[3, 5]] = False
    memory = noted(first_memory(PLAN), samples, ALL, is_sure, 0.0)
    assert set(np.flatnonzero(find_due(memory, samples, 0.0))) == {3, 5}
    # A slot that was sure before is forgotten as well.
    memory = noted(memory, samples, ALL, is_sure[::-1], 0.0)
    assert set(np.flatnonzero(find_due(memory, samples, 0.0))) == {COUNT - 4, COUNT - 6}


def test_a_slot_is_compared_with_its_own_last_reading():
    changed_rgb = cabinet()
    with_key(changed_rgb)
    memory = remembered(cabinet())
    samples = seen(changed_rgb)
    only = np.arange(COUNT) == 2
    assert set(np.flatnonzero(find_due(noted(memory, samples, only, only, 0.0), samples, 0.0))) == {
        8
    }
    only = np.arange(COUNT) == 8
    later = noted(memory, samples, only, only, 0.0)
    assert not find_due(later, samples, 0.0).any()
    assert due(later, cabinet()) == {8}
    assert due(memory, cabinet()) == set()


def test_every_slot_is_read_again_in_time_and_never_many_at_once():
    samples = seen(cabinet())
    memory = noted(first_memory(PLAN), samples, ALL, ALL, 1000.0)
    read_s = np.full(COUNT, 1000.0)
    for now_s in np.arange(1001.0, 1001.0 + 3 * LONGEST_AGE_S):
        found = find_due(memory, samples, now_s)
        assert found.sum() <= 1
        memory = noted(memory, samples, found, ALL, now_s)
        read_s[found] = now_s
        assert (now_s - read_s <= LONGEST_AGE_S + 1.0).all()


def test_slots_of_any_size_and_place_are_watched():
    mixed = (
        Slot("tiny", rectangle_polygon(3, 3, 2, 2)),
        Slot("small", rectangle_polygon(20, 20, 14, 9)),
        Slot("large", rectangle_polygon(60, 60, 500, 400)),
        Slot("rim", np.array([[630, 0], [640, 0], [640, 480], [630, 480]], np.float32)),
        Slot("turned", np.array([[20, 200], [50, 230], [30, 250], [0, 220]], np.float32)),
    )
    plan = plan_changes(mixed, WH)
    plain_rgb = np.full((HEIGHT_PX, WIDTH_PX, 3), 100, np.uint8)
    every = np.ones(len(mixed), np.bool_)
    memory = noted(first_memory(plan), seen(plain_rgb, plan=plan), every, every, 0.0)
    places = [(4, 4), (26, 25), (300, 250), (638, 470), (28, 225)]
    for number, (x, y) in enumerate(places):
        changed_rgb = plain_rgb.copy()
        # A thing of a third of the slot's side, for the large one of a hundredth of its area.
        cv2.circle(changed_rgb, (x, y), 20 if number == 2 else 2, (140, 140, 140), -1)
        found = find_due(memory, seen(changed_rgb, plan=plan), 0.0)
        assert list(np.flatnonzero(found)) == [number]


def test_no_slots_are_no_trouble():
    plan = plan_changes((), WH)
    memory, samples = first_memory(plan), seen(cabinet(), plan=plan)
    assert find_due(memory, samples, 0.0).shape == (0,)
    assert noted(memory, samples, ALL[:0], ALL[:0], 0.0) is memory


def doubtful(memory, image_rgb, **options):
    return find_doubtful(PLAN, memory, seen(image_rgb, **options), range(COUNT))


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0), (0.5, 0), (0.1, 0), (0.2, 30), (1.1, 5)])
def test_other_light_is_no_reason_for_another_state(gain, offset):
    memory = remembered(cabinet(), noise_levels=2.0)
    lit_rgb = cabinet() * gain + offset
    assert doubtful(memory, lit_rgb, noise_levels=2.0, seed=2) == set(range(COUNT))


@pytest.mark.parametrize("change", THINGS)
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_thing_is_a_reason_in_its_slot_alone(change, gain):
    changed_rgb = cabinet()
    change(changed_rgb)
    found = doubtful(remembered(cabinet()), changed_rgb * gain)
    assert found == set(range(COUNT)) - {8}


def test_slot_of_one_shade_cannot_be_told_by_its_picture():
    plain_rgb = np.full((HEIGHT_PX, WIDTH_PX, 3), 120, np.uint8)
    assert doubtful(remembered(plain_rgb), plain_rgb // 2) == set()


def test_slot_that_nobody_has_read_is_believed():
    assert doubtful(first_memory(PLAN), cabinet()) == set()
    unsure = noted(first_memory(PLAN), seen(cabinet()), ALL, ~ALL, 0.0)
    assert doubtful(unsure, cabinet()) == set()


def lit_up(gain=3.0):
    """The rack as an overexposed camera shows it: what was brighter than 85 is white."""
    return cabinet() * gain + 60


def test_slot_that_the_light_burns_out_is_not_believed():
    with_paper_rgb = cabinet()
    with_paper_rgb[TOP_PX : TOP_PX + 45, LEFT_PX : LEFT_PX + 77] = 100  # changed, and not white yet
    memory = remembered(cabinet())
    assert 8 not in doubtful(memory, with_paper_rgb)
    with_paper_rgb = lit_up()
    with_paper_rgb[TOP_PX : TOP_PX + 45, LEFT_PX : LEFT_PX + 77] = 255
    assert 8 in doubtful(memory, with_paper_rgb)


def test_white_paper_is_a_reason():
    paper_rgb = cabinet()
    paper_rgb[TOP_PX : TOP_PX + 45, LEFT_PX : LEFT_PX + 77] = 255
    memory = remembered(cabinet())
    assert doubtful(memory, paper_rgb) == set(range(COUNT)) - {8}
    assert doubtful(remembered(paper_rgb), cabinet()) == set(range(COUNT)) - {8}


def test_only_the_slots_that_are_asked_for_are_judged():
    memory = remembered(cabinet())
    assert find_doubtful(PLAN, memory, seen(cabinet() * 0.5), [3, 5]) == {3, 5}
    assert find_doubtful(PLAN, memory, seen(cabinet() * 0.5), []) == set()


def test_small_slot_beside_a_large_one_is_judged_by_its_own_samples():
    large = Slot("large", rectangle_polygon(0, 0, WIDTH_PX, 70))
    plan = plan_changes((large, slots()[8]), WH)
    assert plan.counts[0] > 2 * plan.counts[1]
    both = np.ones(2, np.bool_)
    memory = noted(first_memory(plan), seen(cabinet(), plan=plan), both, both, 0.0)
    changed_rgb = cabinet()
    with_key(changed_rgb)
    assert find_doubtful(plan, memory, seen(changed_rgb * 0.7, plan=plan), [0, 1]) == {0}


def test_how_slots_looked_is_still_known_when_all_are_to_be_read_again():
    memory = read_again(remembered(cabinet()))
    assert due(memory, cabinet()) == set(range(COUNT))
    assert doubtful(memory, cabinet()) == set(range(COUNT))


def with_pattern(image_rgb):
    """A slot with a printed ground, of which small things hide little."""
    checks = np.indices((76, 76)).sum(axis=0) // 8 % 2 * 120
    image_rgb[TOP_PX : TOP_PX + 76, LEFT_PX : LEFT_PX + 76] = 40 + checks[..., None]


@pytest.mark.parametrize("side_px", [16, 30])
def test_thing_on_a_printed_ground_is_a_reason(side_px):
    before_rgb = cabinet()
    with_pattern(before_rgb)
    after_rgb = before_rgb.copy()
    after_rgb[TOP_PX + 30 : TOP_PX + 30 + side_px, LEFT_PX + 30 : LEFT_PX + 30 + side_px] = 90
    memory = remembered(before_rgb)
    assert 8 in doubtful(memory, before_rgb * 0.5)
    assert 8 not in doubtful(memory, after_rgb)


def test_plate_in_the_dark_is_another_picture_although_all_levels_are_near():
    shaded_rgb = np.full((HEIGHT_PX, WIDTH_PX, 3), 60.0)
    shaded_rgb[:, ::16] = shaded_rgb[:, 1::16] = shaded_rgb[:, 2::16] = 90.0
    assert doubtful(remembered(shaded_rgb), shaded_rgb * 0.2) == set(range(COUNT))
    plate_rgb = np.full((HEIGHT_PX, WIDTH_PX, 3), 12.0)
    assert doubtful(remembered(shaded_rgb), plate_rgb, noise_levels=1.0) == set()


def test_what_is_cut_off_at_white_is_told_by_the_light():
    shades_rgb = cabinet().astype(np.float32)
    inside = shades_rgb[TOP_PX - 4 : TOP_PX + 80, LEFT_PX - 8 : LEFT_PX + 80]
    inside[:] = 40.0
    inside[:, 32:64] = 70.0
    inside[:, 64:] = 150.0  # a quarter of the slot
    assert 8 in doubtful(remembered(shades_rgb), shades_rgb * 2.2)


def test_small_slots_edge_says_little_of_its_width():
    narrow = Slot("a", np.array([[0, 0], [600, 0], [600, 400], [590, 400]], np.float32))
    assert plan_changes((narrow,), WH).counts[0] < 4000


def moved(shift_px):
    return tuple(Slot(slot.id, slot.polygon_px + np.float32(shift_px)) for slot in slots())


def test_a_nudge_asks_for_no_new_plan_and_nudges_add_up():
    # These slots are compared in quarters: half a sample is two pixels.
    assert still_fits(PLAN, moved(2.0), WH)
    assert still_fits(PLAN, moved(-2.0), WH)
    assert not still_fits(PLAN, moved(2.5), WH)
    assert not still_fits(PLAN, slots()[:-1], WH)
    assert not still_fits(PLAN, slots(), (2 * WIDTH_PX, 2 * HEIGHT_PX))
