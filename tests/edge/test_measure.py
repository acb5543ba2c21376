"""What `slotwatch bench` measures is what it says, and its limits are kept."""

import mmap
import os
import subprocess
import sys
from dataclasses import astuple, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.bundle import read_bundle, read_golden
from edge.change import LONGEST_AGE_S
from edge.classifier import Classifier
from edge.commands.bench import Figures, exceeded, table
from edge.measure.cost import (
    FrameCost,
    ThreadCost,
    measure_sizes,
    measure_threads,
    moving_frames,
    repeat_slots,
)
from edge.measure.delivery import (
    Delivery,
    UploadingCamera,
    draw_cabinet,
    frame_delays_ms,
    grid_slots,
    measure_delivery,
)
from edge.measure.memory import distinct_bytes
from edge.measure.start import Start
from edge.measure.subscriber import Receipt
from edge.preprocess import crop_slot, rectangle_polygon
from edge.types import CameraSettings, Frame, Settings, Slot, SlotwatchError, utc_now

BUNDLE = Path(__file__).parents[2] / "models" / "default"
OWN = FrameCost(slots=64, frame_ms=88.0, bare_ms=80.0, ratio=1.10, cpu_ratio=1.10)
START = Start(
    first_retained_s=1.5,
    first_confirmed_s=2.0,
    memory_mb=150.0,
    resident_mb=190.0,
    daemon_resident_mb=110.0,
    broker="mosquitto",
)
DELIVERY = Delivery(
    slots=64,
    changing=64,
    frames=60,
    bare_ms=1.2,
    median_ms=90.0,
    p99_ms=106.0,
    limit_ms=106.0,
    broker="mosquitto",
)
FIGURES = Figures(
    model="default",
    runtime="ai-edge-litert",
    threads=1,
    every_s=1.0,
    own=OWN,
    own_alone=replace(OWN, ratio=1.15),
    sizes=(replace(OWN, slots=1), OWN),
    interpreter=(ThreadCost(threads=1, wall_ms=1.25, cpu_ms=1.25),),
    start=START,
    delivery=DELIVERY,
)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(read_bundle(BUNDLE))


def watching(picture: Path, slots: tuple[Slot, ...]) -> Settings:
    return Settings(
        *("bench", CameraSettings(str(picture)), slots, (320, 240), BUNDLE),
        *(Path("slots.yaml"), Path("config.yaml"), picture.parent / "storage"),
    )


def two_slots() -> tuple[Slot, ...]:
    return (
        Slot("A1", rectangle_polygon(0, 0, 160, 120)),
        Slot("off", rectangle_polygon(160, 0, 160, 120), enabled=False),
        Slot("A2", rectangle_polygon(160, 120, 160, 120)),
    )


def test_figures_on_their_limits_are_within_them() -> None:
    assert exceeded(FIGURES) == ()


@pytest.mark.parametrize(
    ("figures", "names"),
    [
        (replace(FIGURES, own=replace(OWN, ratio=1.101)), ("ratio",)),
        (replace(FIGURES, start=replace(START, first_retained_s=1.51)), ("start",)),
        (replace(FIGURES, start=replace(START, memory_mb=150.1)), ("memory",)),
        (replace(FIGURES, delivery=replace(DELIVERY, p99_ms=106.1)), ("delivery",)),
        (
            replace(FIGURES, delivery_of_one=replace(DELIVERY, changing=1, p99_ms=106.1)),
            ("delivery_of_one",),
        ),
        (replace(FIGURES, start=None, delivery=None), ()),
    ],
)
def test_each_limit_that_is_exceeded_is_named(figures: Figures, names: tuple[str, ...]) -> None:
    assert exceeded(figures) == names


def test_the_table_has_the_limits_beside_the_figures() -> None:
    lines = [" ".join(line.split()) for line in table(FIGURES).splitlines()]
    for line in (
        "ratio, every slot read in every frame 1.100 limit 1.1",
        "the ratio with one interpreter at work 1.150",
        "a frame of 1 slot 88.0 ms bare 80.0 ms, ratio 1.100",
        "start to first retained state 1.50 s limit 1.5 s",
        "frame to subscriber, change of 64 of 64 slots p99 106.0 ms limit 106.0 ms; 60 frames, "
        "mosquitto",
    ):
        assert line in lines


def test_slots_are_cut_or_repeated_with_ids_of_their_own_and_only_the_enabled_ones() -> None:
    slots = two_slots()
    assert repeat_slots(slots, 1) == slots[:1]
    repeated = repeat_slots(slots, 5)
    assert len({slot.id for slot in repeated}) == 5
    assert [slot.polygon_px[0, 0] for slot in repeated] == [0, 160, 0, 160, 0]
    with pytest.raises(SlotwatchError, match="no slot is enabled"):
        repeat_slots([replace(slots[0], enabled=False)], 4)


def test_moving_frames_leave_neither_a_still_picture_nor_a_young_reading() -> None:
    picture = Frame(np.full((40, 60, 3), 100, np.uint8), 0, utc_now(), 0.0)
    first, second, third = moving_frames(picture, 3)
    assert np.unique(cv2.absdiff(first.image_rgb, second.image_rgb)).tolist() == [16]
    assert np.array_equal(first.image_rgb, third.image_rgb)
    assert second.monotonic_s - first.monotonic_s > LONGEST_AGE_S
    assert (second.captured_at - first.captured_at).total_seconds() == 1.0


def test_every_slot_of_every_frame_is_classified_and_timed(
    tmp_path: Path, classifier: Classifier
) -> None:
    picture = tmp_path / "cabinet.png"
    drawn = draw_cabinet(read_golden(classifier.bundle), range(64))
    cv2.imwrite(str(picture), cv2.resize(drawn, (320, 240), interpolation=cv2.INTER_AREA))
    rounds: list[None] = []

    one, three = measure_sizes(
        watching(picture, two_slots()), classifier, (1, 3), 4, lambda: rounds.append(None)
    )

    assert (one.slots, three.slots, len(rounds)) == (1, 3, 12)
    assert all(min(astuple(cost)) > 0 for cost in (one, three))


def test_a_picture_whose_slots_are_not_read_is_no_measurement(
    tmp_path: Path, classifier: Classifier
) -> None:
    picture = tmp_path / "dark.png"
    cv2.imwrite(str(picture), np.zeros((240, 320, 3), np.uint8))
    with pytest.raises(SlotwatchError, match=r"only 0 of 2 slots were classified \(frame_dark\)"):
        measure_sizes(watching(picture, two_slots()), classifier, (2,), 4)


def test_threads_beyond_the_cores_are_not_measured(classifier: Classifier) -> None:
    crop_rgb = read_golden(classifier.bundle).crops_rgb[0]
    costs = measure_threads(classifier, crop_rgb, 1)
    cores = len(os.sched_getaffinity(0))
    assert [cost.threads for cost in costs] == [n for n in (1, 2, 4) if n == 1 or n <= cores]
    assert all(cost.wall_ms > 0 and cost.cpu_ms > 0 for cost in costs)


def test_in_the_drawn_cabinets_every_slot_is_sure_and_of_the_other_state(
    classifier: Classifier,
) -> None:
    golden = read_golden(classifier.bundle)
    for is_occupied in (False, True):
        frame = Frame(draw_cabinet(golden, range(64) if is_occupied else ()), 0, utc_now(), 0.0)
        for slot in grid_slots()[:9]:  # all crops, and the turn to the next row
            probability = classifier.probability(crop_slot(frame, slot, 128).image_rgb)
            assert probability > 0.8 if is_occupied else probability < 0.2, slot.id


def test_a_frames_delay_ends_with_its_last_slot() -> None:
    receipts = [
        Receipt("slots/A1", "10:00", 7.010),
        Receipt("slots/A2", "10:00", 7.030),
        Receipt("slots/A2", "10:01", 8.050),
        Receipt("slots/A1", "10:01", 8.020),
    ]
    delays_ms = frame_delays_ms({"10:01": 8.0, "10:00": 7.0}, receipts, [2, 2])
    assert delays_ms == pytest.approx([30.0, 50.0])


def test_a_frame_that_did_not_arrive_whole_is_no_measurement() -> None:
    twice = [Receipt("slots/A1", "10:00", 7.01), Receipt("slots/A1", "10:00", 7.02)]
    with pytest.raises(SlotwatchError, match="1 of 2 states came of the frame of 10:00"):
        frame_delays_ms({"10:00": 7.0}, twice, [2])


def test_fewer_frames_than_expected_are_no_measurement() -> None:
    receipts = [Receipt("slots/A1", "10:00", 7.01)]
    with pytest.raises(SlotwatchError, match="1 of 2 frames came"):
        frame_delays_ms({"10:00": 7.0}, receipts, [1, 1])


# Maps the file that descriptor 3 is, touches all of it, and waits.
MAPS_A_FILE = """
import mmap, sys
memory = mmap.mmap(int(sys.argv[1]), 0)
sum(memory[::4096])
print(flush=True)
sys.stdin.read()
"""


def test_memory_that_two_processes_share_counts_once() -> None:
    size_bytes = 64 << 20
    shared_fd = os.memfd_create("shared")
    os.ftruncate(shared_fd, size_bytes)
    with mmap.mmap(shared_fd, 0) as memory:
        memory[::4096] = bytes(size_bytes // 4096)
        with subprocess.Popen(
            [sys.executable, "-c", MAPS_A_FILE, str(shared_fd)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[shared_fd],
        ) as other:
            assert other.stdout is not None
            other.stdout.readline()
            alone, theirs = distinct_bytes([os.getpid()]), distinct_bytes([other.pid])
            together = distinct_bytes([os.getpid(), other.pid])
            other.communicate()
    os.close(shared_fd)
    assert theirs > size_bytes
    # Both have the interpreter's files in common too.
    assert alone + 0.2 * size_bytes > together
    assert together >= max(alone, theirs)


def test_a_process_that_is_gone_has_no_memory() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert distinct_bytes([gone.pid]) == 0


def test_pictures_are_uploaded_one_by_one_as_they_are_taken(tmp_path: Path) -> None:
    pictures = [tmp_path / f"2026-01-01_00-0{minute}-00.png" for minute in range(3)]
    for picture in pictures:
        cv2.imwrite(str(picture), np.full((48, 64, 3), 100, np.uint8))
    folder = tmp_path / "uploaded"
    folder.mkdir()
    taken: list[None] = []
    camera = UploadingCamera(
        CameraSettings(str(folder)), pictures, advance=lambda: taken.append(None)
    )
    try:
        for count in (1, 2, 3):
            assert camera.next_frame(10.0) is not None
            assert len(list(folder.iterdir())) == len(taken) == len(camera.handed_s) == count
    finally:
        camera.close()


@pytest.mark.parametrize("is_one", [False, True])
def test_every_change_of_a_daemon_is_timed(is_one: bool) -> None:
    rounds: list[None] = []
    delivery = measure_delivery(BUNDLE, 3, is_one, lambda: rounds.append(None))
    assert (delivery.slots, delivery.changing) == (64, 1 if is_one else 64)
    assert (delivery.frames, len(rounds)) == (3, 4)
    assert 0 < delivery.median_ms <= delivery.p99_ms
    assert delivery.limit_ms == pytest.approx(1.25 * 64 * delivery.bare_ms + 10)
