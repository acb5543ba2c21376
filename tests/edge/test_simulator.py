"""The simulated cabinet: the same every time, the truth known, believable to a classifier."""

import csv
import itertools
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.cameras import CameraUnusable, open_camera
from edge.cameras.simulator import OPTIONS, Simulation, simulation_of
from edge.cameras.simulator.__main__ import main
from edge.cameras.simulator.geometry import HEIGHT_PX, WIDTH_PX
from edge.cameras.simulator.things import THINGS, Room, put_thing
from edge.cameras.simulator.writers import write_crops, write_frames, write_video
from edge.preprocess import apply_plan, plan_crop
from edge.settings import read_settings
from edge.types import CameraSettings, State

REPOSITORY = Path(__file__).parents[2]
# A small rack that is never left alone.
BUSY: dict[str, Any] = {"rows": 3, "columns": 4, "activity": 1.0}
BUSY_SOURCE = "simulator?seed=5&rows=3&columns=4&activity=1&speed=0.5&hour=14&day=1000&frames=12"


def steps(simulation, count):
    return [simulation.step() for _frame in range(count)]


@pytest.fixture(scope="module", name="recorded")
def _recorded():
    """Forty frames of a busy rack with pictures; rendering them once is enough."""
    simulation = simulation_of(BUSY_SOURCE, 1.0)
    return simulation, steps(simulation, 40)


def crop(simulation, frame, slot_id, size_px=64):
    slot = next(slot for slot in simulation.slots() if slot.id == slot_id)
    plan = plan_crop(slot, size_px, (WIDTH_PX, HEIGHT_PX))
    return apply_plan(frame.image_rgb, plan).astype(np.float32)


def test_the_same_options_give_the_same_pixels_through_the_camera(recorded):
    camera = open_camera(CameraSettings(BUSY_SOURCE, every_s=1.0), once=True)
    for expected in recorded[1][:12]:
        frame = camera.read()
        assert np.array_equal(frame.image_rgb, expected.image_rgb)
        # A replay is faster than its clock says.
        assert frame.monotonic_s == frame.sequence == expected.sequence
    assert camera.read() is None  # the option `frames`
    assert not camera.is_live
    camera.close()


def test_the_truth_is_written_beside_the_frames_when_asked_for(tmp_path):
    source = f"simulator?rows=1&columns=2&seed=3&truth={tmp_path / 'truth.jsonl'}"
    camera = open_camera(CameraSettings(source), once=False)
    before = time.monotonic()
    times = [before, camera.read().monotonic_s, camera.read().monotonic_s, time.monotonic()]
    assert times == sorted(times)
    told = steps(simulation_of(source, 1.0, render=False), 2)
    lines = (tmp_path / "truth.jsonl").read_text("utf-8").splitlines()
    camera.close()
    assert [json.loads(line) for line in lines] == [
        {"sequence": frame.sequence, "truth": dict(frame.truth)} for frame in told
    ]


def test_a_truth_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "missing" / "truth.jsonl"
    with pytest.raises(CameraUnusable) as caught:
        open_camera(CameraSettings(f"simulator?truth={path}"), once=False)
    assert str(caught.value) == (
        f"camera.source: truth={path}: cannot be written (No such file or directory)"
    )


def test_another_seed_is_another_cabinet():
    grids = {Simulation(seed, render=False).grid() for seed in range(20)}
    assert len(grids) == 20


def test_the_truth_is_the_same_without_rendering(recorded):
    told = simulation_of(BUSY_SOURCE, 1.0, render=False)
    events = 0
    for with_picture, without in zip(recorded[1], steps(told, 40), strict=True):
        assert without.image_rgb is None
        assert with_picture.truth == without.truth
        assert with_picture.covered == without.covered
        assert with_picture.changed == without.changed
        assert with_picture.sequence == without.sequence
        events += len(without.changed)
    assert events >= 3


def test_slots_behind_the_hand_are_reported_and_look_different(recorded):
    simulation, frames = recorded
    hidden, free = [], []
    for before, frame in itertools.pairwise(frames):
        if before.covered or not frame.covered:
            continue
        for slot in simulation.slots():
            one, other = crop(simulation, before, slot.id), crop(simulation, frame, slot.id)
            apart = np.abs(one - other).mean()
            (hidden if slot.id in frame.covered else free).append(apart)
    assert hidden
    assert free
    assert np.median(hidden) > 3 * np.median(free)


def test_the_truth_of_a_moment_does_not_depend_on_the_frame_rate():
    slow = Simulation(3, **BUSY, step_s=2.0, render=False)
    fast = Simulation(3, **BUSY, step_s=0.5, render=False)
    assert [f.truth for f in steps(slow, 60)] == [f.truth for f in steps(fast, 240)][::4]


def test_a_slots_state_only_changes_behind_a_hand():
    simulation = Simulation(2, activity=0.5, step_s=0.25, render=False)
    changes = 0
    for frame in steps(simulation, 4000):
        assert frame.changed <= frame.covered
        changes += len(frame.changed)
    assert changes > 50


def test_things_come_go_and_hands_pass_without_touching():
    simulation = Simulation(4, activity=0.5, step_s=0.5, render=False)
    frames = steps(simulation, 3000)
    after = Counter(frame.truth[slot] for frame in frames for slot in frame.changed)
    assert after[State.OCCUPIED] > 20
    assert after[State.EMPTY] > 20
    # A hand that leaves without a change in between passed without touching.
    untouched, changed_since = 0, False
    for before, frame in itertools.pairwise(frames):
        changed_since |= bool(frame.changed)
        if before.covered and not frame.covered:
            untouched += not changed_since
            changed_since = False
    assert untouched > 5
    filled = np.mean([list(f.truth.values()).count(State.OCCUPIED) / 64 for f in frames])
    assert 0.3 < filled < 0.7


def test_no_slot_that_counts_as_free_is_behind_the_hand():
    # Without light changing and people passing, only the hand and what it moves differ.
    simulation = Simulation(8, **BUSY, step_s=0.3, day_s=800_000)
    before = simulation.step()
    looked_at = 0
    for frame in steps(simulation, 60):
        for slot in simulation.slots():
            if slot.id in frame.covered | before.covered or not (frame.covered or before.covered):
                continue
            one, other = crop(simulation, before, slot.id), crop(simulation, frame, slot.id)
            far = np.abs(cv2.blur(one, (5, 5)) - cv2.blur(other, (5, 5))).max(axis=2) > 90
            assert far.mean() < 0.06, (frame.sequence, slot.id)
            looked_at += 1
        before = frame
    assert looked_at > 100


def test_a_thing_is_visible_in_every_occupied_slot_and_nothing_in_an_empty_one():
    simulation = Simulation(11, activity=0.0, day_s=800_000, fill=0.6)
    simulation.shuffle(0.0)
    empty = simulation.step()
    simulation.shuffle(0.6)
    filled = simulation.step()
    assert set(empty.truth.values()) == {State.EMPTY}
    shares = {State.EMPTY: [], State.OCCUPIED: []}
    for slot in simulation.slots():
        one, other = crop(simulation, empty, slot.id), crop(simulation, filled, slot.id)
        changed = np.abs(cv2.blur(one, (3, 3)) - cv2.blur(other, (3, 3))).max(axis=2) > 12
        shares[filled.truth[slot.id]].append(changed.mean())
    assert len(shares[State.OCCUPIED]) > 20
    assert max(shares[State.EMPTY]) < 0.03
    assert min(shares[State.OCCUPIED]) > 0.03
    assert np.median(shares[State.OCCUPIED]) > 0.15


def test_the_day_passes_in_brightness_and_colour():
    simulation = Simulation(1, rows=2, columns=2, activity=0.0, day_s=24.0, start_hour=0.0)
    means = np.array([frame.image_rgb.mean(axis=(0, 1)) for frame in steps(simulation, 24)])
    assert means.mean(axis=1).max() - means.mean(axis=1).min() > 12
    warmth = means[:, 0] / means[:, 2]
    assert warmth.max() / warmth.min() > 1.08
    # Neither black nor burnt out at any hour: people have to see what is there.
    assert means.mean(axis=1).min() > 35
    assert means.mean(axis=1).max() < 200


@pytest.mark.parametrize("kind", sorted(THINGS))
def test_every_kind_of_thing_fits_into_its_slot(kind):
    room = Room(0.86, 0.68, 0.7, np.full(3, 0.5, np.float32))
    for seed in range(25):
        parts = put_thing(np.random.default_rng(seed), room, kind)
        points = np.concatenate([part.placed_quads().reshape(-1, 3) for part in parts])
        low, high = points.min(axis=0), points.max(axis=0)
        assert np.isfinite(points).all()
        assert (low >= [-0.4301, -0.001, -0.3501]).all(), seed
        assert (high <= [0.4301, 0.6801, 0.3501]).all(), seed
        assert (high - low).max() > 0.1, seed


def test_the_repositorys_slots_file_describes_the_default_simulator(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bundle.json").write_text("{}")
    (tmp_path / "slots.yaml").write_text((REPOSITORY / "slots.yaml").read_text("utf-8"), "utf-8")
    (tmp_path / "config.yaml").write_text(
        "device: demo\ncamera: {source: simulator}\nmodel: model\nslots: slots.yaml\n"
    )
    settings = read_settings(tmp_path / "config.yaml")
    simulation = Simulation(render=False)
    assert settings.frame_wh == (WIDTH_PX, HEIGHT_PX)
    assert [slot.id for slot in settings.slots] == [slot.id for slot in simulation.slots()]
    for read, own in zip(settings.slots, simulation.slots(), strict=True):
        np.testing.assert_allclose(read.polygon_px, own.polygon_px, atol=0.01)


def test_the_slots_command_prints_a_file_for_any_seed(tmp_path, capsys):
    assert main(["slots", "--seed", "7", "--options", "rows=5&columns=6"]) == 0
    (tmp_path / "slots.yaml").write_text(capsys.readouterr().out, "utf-8")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bundle.json").write_text("{}")
    (tmp_path / "config.yaml").write_text(
        "device: demo\ncamera: {source: simulator}\nmodel: model\nslots: slots.yaml\n"
    )
    settings = read_settings(tmp_path / "config.yaml")
    own = Simulation(7, 5, 6, render=False).slots()
    for slot, expected in zip(settings.slots, own, strict=True):
        assert slot.id == expected.id
        np.testing.assert_allclose(slot.polygon_px, expected.polygon_px, atol=0.01)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "simulator?sed=1",
            "camera.source: the simulator has no option 'sed'; did you mean 'seed'?",
        ),
        (
            "simulator?colour=red",
            "camera.source: the simulator has no option 'colour'; did you mean 'columns'?",
        ),
        (
            "simulator?xyz=1",
            "camera.source: the simulator has no option 'xyz'; it has "
            + ", ".join([*OPTIONS, "truth"]),
        ),
        (
            "simulator?rows=0",
            "camera.source: rows=0: rows of slots; write a whole number from 1 to 26",
        ),
        (
            "simulator?rows=2.5",
            "camera.source: rows=2.5: rows of slots; write a whole number from 1 to 26",
        ),
        (
            "simulator?fill=nan",
            "camera.source: fill=nan: share of the slots that is filled in the long run; "
            "write a number from 0 to 1",
        ),
        (
            "simulator?day=",
            "camera.source: day=: length of a day in simulated seconds; "
            "write a number from 10 to 864000",
        ),
        ("simulator?seed=1&seed=2", "camera.source: option 'seed' is given twice; remove one"),
        ("simulated", "camera.source: 'simulated' is no simulator; write 'simulator'"),
    ],
)
def test_options_that_cannot_be_used_are_named(source, message):
    with pytest.raises(CameraUnusable) as caught:
        simulation_of(source, 1.0, render=False)
    assert str(caught.value) == message


def test_crops_are_written_with_their_labels_and_an_index(tmp_path):
    assert write_crops(tmp_path, [1000, 1001], 61, size_px=48) == 61
    with (tmp_path / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["camera"] for row in rows) == {"sim1000": 30, "sim1001": 31}
    assert {row["source"] for row in rows} == {"simulator"}
    assert len({row["file"] for row in rows}) == 61
    labels = Counter(row["label"] for row in rows)
    assert min(labels["EMPTY"], labels["OCCUPIED"]) > 10
    for row in rows:
        assert row["file"].startswith(row["label"] + "/")
        assert cv2.imread(str(tmp_path / row["file"])).shape == (48, 48, 3)


def test_frames_are_written_with_the_truth_of_every_slot(tmp_path):
    write_frames(tmp_path, Simulation(2, **BUSY), 3)
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = [
        (f"{frame.sequence:06d}.jpg", slot, state.value, str(int(slot in frame.covered)))
        for frame in steps(Simulation(2, **BUSY, render=False), 3)
        for slot, state in frame.truth.items()
    ]
    assert [tuple(row.values()) for row in rows] == expected
    assert cv2.imread(str(tmp_path / "000002.jpg")).shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert (tmp_path / "slots.yaml").read_text().startswith("frame: [1280, 960]\ngrid:\n")


def test_a_video_is_written_with_the_truth_beside_it(tmp_path):
    write_video(tmp_path / "rack.avi", Simulation(2, **BUSY), 4)
    video = cv2.VideoCapture(str(tmp_path / "rack.avi"))
    pictures = 0
    while video.read()[0]:
        pictures += 1
    video.release()
    assert pictures == 4
    assert len((tmp_path / "rack.csv").read_text().splitlines()) == 1 + 4 * 12


def test_the_command_line_names_what_is_wrong(tmp_path, capsys):
    arguments = ["crops", "--out", str(tmp_path), "--options", "sed=1"]
    assert main(["frames", *arguments[1:]]) == 78
    assert "did you mean 'seed'?" in capsys.readouterr().err
