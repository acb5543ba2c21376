"""The one-place frame slot: newest wins, whole pictures only, nothing left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edge.latest import MAX_PIXELS, Latest
from edge.types import Frame

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def latest():
    latest = Latest.create()
    yield latest
    latest.close()


def make_frame(value=7, width_px=64, height_px=48, sequence=0, name=None):
    image = np.full((height_px, width_px, 3), value, np.uint8)
    return Frame(image, sequence, NOON, 12.5, name)


def test_a_frame_comes_out_as_it_went_in(latest):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    latest.put(Frame(image, 41, NOON, 1234.5678, "칸막이 사진.jpg"))

    frame = latest.take()

    assert np.array_equal(frame.image_rgb, image)
    assert frame.image_rgb.dtype == np.uint8
    assert (frame.sequence, frame.captured_at, frame.monotonic_s, frame.name) == (
        41,
        NOON,
        1234.5678,
        "칸막이 사진.jpg",
    )


def test_nothing_was_put_yet(latest):
    with pytest.raises(LookupError, match="no frame was put yet"):
        latest.take()


def test_the_newest_frame_wins_and_stays(latest):
    for sequence in range(5):
        latest.put(make_frame(value=sequence, sequence=sequence))
    for _again in range(2):
        frame = latest.take()
        assert frame.sequence == 4
        assert (frame.image_rgb == 4).all()


def test_a_frame_that_was_taken_is_the_readers_own(latest):
    latest.put(make_frame(value=1))
    frame = latest.take()
    for _both_buffers in range(2):
        latest.put(make_frame(value=2))
    assert (frame.image_rgb == 1).all()


def test_a_name_that_is_no_utf8_survives(latest):
    name = os.fsdecode(b"\xbb\xe7\xc1\xf8.jpg")
    latest.put(make_frame(name=name))
    assert latest.take().name == name


def test_the_resolution_may_change_with_every_frame(latest):
    for width_px, height_px in [(640, 480), (1920, 1080), (16, 9), (4000, 3000), (640, 480)]:
        latest.put(make_frame(width_px=width_px, height_px=height_px))
        assert latest.take().image_rgb.shape == (height_px, width_px, 3)


def test_a_view_with_gaps_is_stored_whole(latest):
    wide = np.arange(48 * 128 * 3, dtype=np.uint64).astype(np.uint8).reshape(48, 128, 3)
    latest.put(Frame(wide[:, ::2, ::-1], 0, NOON, 0.0))
    assert np.array_equal(latest.take().image_rgb, wide[:, ::2, ::-1])


def test_memory_exists_only_where_a_picture_was(latest):
    latest.put(make_frame(width_px=640, height_px=480))
    assert os.fstat(latest.fd).st_blocks * 512 < 2 * 640 * 480 * 3


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.zeros((4, 4, 3), np.float32), "not float32 (4, 4, 3)"),
        (np.zeros((4, 4), np.uint8), "not uint8 (4, 4)"),
        (np.zeros((4, 4, 4), np.uint8), "not uint8 (4, 4, 4)"),
        (np.zeros((0, 4, 3), np.uint8), "not uint8 (0, 4, 3)"),
        (
            np.broadcast_to(np.uint8(0), (8001, MAX_PIXELS // 8000, 3)),
            "the 8000x8001 picture is larger than 64 megapixels",
        ),
    ],
)
def test_what_is_no_picture_is_refused(latest, image, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        latest.put(Frame(image, 0, NOON, 0.0))


WRITER = """
import sys
import numpy as np
from datetime import UTC, datetime
from edge.latest import Latest
from edge.types import Frame

latest = Latest(int(sys.argv[1]))
shapes = [(240, 320), (120, 640), (480, 640)]
sequence = 0
while True:
    height_px, width_px = shapes[sequence % 3]
    image = np.full((height_px, width_px, 3), sequence % 251, np.uint8)
    latest.put(Frame(image, sequence, datetime.now(UTC), float(sequence), f"{sequence}.jpg"))
    sequence += 1
"""


@pytest.fixture
def storming_writer(latest):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(latest.fd)],
        pass_fds=[latest.fd],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    yield writer
    writer.kill()
    writer.wait()


def wait_for_first_frame(latest, within_s=20.0):
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            return latest.take()
        except LookupError:
            time.sleep(0.005)
    raise AssertionError("the writer never put a frame")


def test_a_storm_of_frames_never_shows_a_torn_one(latest, storming_writer):
    wait_for_first_frame(latest)
    shapes = [(240, 320, 3), (120, 640, 3), (480, 640, 3)]
    newest, changes = -1, 0
    deadline_s = time.monotonic() + 30.0
    while changes < 60:
        assert time.monotonic() < deadline_s, "the writer does not run beside the reader"
        frame = latest.take()
        assert frame.image_rgb.shape == shapes[frame.sequence % 3]
        assert (frame.image_rgb == frame.sequence % 251).all()
        assert (frame.monotonic_s, frame.name) == (frame.sequence, f"{frame.sequence}.jpg")
        assert frame.sequence >= newest
        changes += frame.sequence > newest
        newest = frame.sequence


def test_a_writer_killed_anywhere_leaves_the_newest_whole_frame(latest, storming_writer):
    wait_for_first_frame(latest)
    storming_writer.send_signal(signal.SIGKILL)
    storming_writer.wait()
    frame = latest.take()
    assert (frame.image_rgb == frame.sequence % 251).all()
    assert latest.take().sequence == frame.sequence


def test_nothing_is_left_when_it_closes():
    def open_files():
        maps = Path("/proc/self/maps").read_text()
        return len(list(Path("/proc/self/fd").iterdir())), maps.count("slotwatch-latest")

    before = open_files()
    latest = Latest.create()
    assert open_files() != before
    latest.close()
    latest.close()
    assert open_files() == before
