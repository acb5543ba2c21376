"""The folder camera on real files."""

import logging
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras import CameraError, CameraUnusable, NoPictureYet
from edge.cameras.folder import (
    BEHIND_S,
    NEWEST,
    FolderCamera,
    newest_picture,
    read_picture,
)
from edge.cameras.names import natural_key, time_in_name
from edge.types import CameraSettings


def encode(suffix=".jpg", rgb=(200, 30, 30), width_px=64, height_px=48):
    image_bgr = np.full((height_px, width_px, 3), rgb[::-1], np.uint8)
    return cv2.imencode(suffix, image_bgr)[1].tobytes()


def open_folder(path, once=True, every_s=2.0):
    return FolderCamera(CameraSettings(str(path), every_s=every_s), once)


def read_all(camera):
    return list(iter(camera.read, None))


def test_pictures_come_in_their_names_natural_order(tmp_path):
    for name in ["f10.jpg", "f2.PNG", "F1.jpeg", "가 3.bmp", "f2.tif", ".f0.jpg"]:
        (tmp_path / name).write_bytes(encode(Path(name.lstrip(".")).suffix.lower()))
    (tmp_path / "notes.txt").write_text("no picture")
    frames = read_all(open_folder(tmp_path))
    assert [f.name for f in frames] == ["F1.jpeg", "f2.PNG", "f2.tif", "f10.jpg", "가 3.bmp"]
    assert [f.sequence for f in frames] == [0, 1, 2, 3, 4]
    assert [f.monotonic_s for f in frames] == [0.0, 2.0, 4.0, 6.0, 8.0]
    for frame in frames:
        assert np.abs(frame.image_rgb.astype(int) - (200, 30, 30)).max() < 8  # RGB, not BGR


def test_any_two_names_have_an_order():
    names = ["", "1", "001", "9", "10", "a9", "A9", "a10b2", "a10b10", "²", "٣"]
    assert len({natural_key(name) for name in names}) == len(names)
    in_order = sorted(names, key=natural_key)
    names.reverse()
    assert sorted(names, key=natural_key) == in_order
    assert in_order.index("9") < in_order.index("10")
    assert in_order.index("a10b2") < in_order.index("a10b10")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2013-04-15_07_00_01.jpg", datetime(2013, 4, 15, 7, 0, 1, tzinfo=UTC)),
        ("20130415-070001", datetime(2013, 4, 15, 7, 0, 1, tzinfo=UTC)),
        ("20130415_070001123.png", datetime(2013, 4, 15, 7, 0, 1, 123000, tzinfo=UTC)),
        ("cam2_2013-04-15T07:00:01.250Z.jpg", datetime(2013, 4, 15, 7, 0, 1, 250000, tzinfo=UTC)),
        ("캐비닛 2013.04.15 07.00.01.jpg", datetime(2013, 4, 15, 7, 0, 1, tzinfo=UTC)),
        ("20139915_070001.jpg", None),
        ("20130415.jpg", None),
        ("120130415070001.jpg", None),
        ("f037940.jpg", None),
    ],
)
def test_the_time_in_a_name_is_read_as_utc(name, expected):
    assert time_in_name(name) == expected


def test_without_a_time_in_the_name_the_files_own_counts(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode())
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert open_folder(tmp_path).read().captured_at == datetime.fromtimestamp(1_700_000_000, UTC)


def test_one_picture_is_a_recording_of_one(tmp_path):
    path = tmp_path / "스냅샷.webp"
    path.write_bytes(encode(".webp"))
    frames = read_all(open_folder(path))
    assert [f.name for f in frames] == ["스냅샷.webp"]


DAMAGED = {
    "empty.jpg": (b"", "the file is empty"),
    "cut.jpg": (encode(width_px=640, height_px=480)[:-2000], "the file is cut off"),
    "cut.png": (encode(".png")[:-20], "the file is cut off"),
    "text.jpg": (b"<html>404</html>", "it is damaged, no picture, or larger than 64 megapixels"),
    "noise.bmp": (b"BM" + bytes(range(256)), "it is damaged, no picture, or larger than 64"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_picture_is_skipped_and_named_once(name, tmp_path, caplog):
    content, problem = DAMAGED[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "a.jpg").write_bytes(encode())
    (tmp_path / "z.jpg").write_bytes(encode())
    with caplog.at_level(logging.WARNING):
        frames = read_all(open_folder(tmp_path))
    assert [f.name for f in frames] == ["a.jpg", "z.jpg"]
    assert [r.getMessage() for r in caplog.records if problem in r.getMessage()] == [
        r.getMessage() for r in caplog.records
    ]
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith(f"{tmp_path / name}: skipped: ")


def test_a_picture_beyond_64_megapixels_is_refused(tmp_path, caplog):
    huge = cv2.imencode(".png", np.zeros((4001, 16001), np.uint8))[1].tobytes()
    (tmp_path / "huge.png").write_bytes(huge)
    (tmp_path / "z.jpg").write_bytes(encode())
    frames = read_all(open_folder(tmp_path))
    assert [f.name for f in frames] == ["z.jpg"]
    assert "larger than 64 megapixels" in caplog.text


def exif_orientation(jpeg, orientation):
    tiff = (
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0]) + bytes(4)
    )
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def test_a_picture_stands_as_viewers_show_it(tmp_path):
    path = tmp_path / "turned.jpg"
    path.write_bytes(exif_orientation(encode(width_px=64, height_px=48), 6))
    assert read_picture(path).shape == (64, 48, 3)


@pytest.mark.parametrize(
    "image",
    [
        np.full((8, 9), 77, np.uint8),
        np.full((8, 9, 4), 77, np.uint8),
        np.full((8, 9, 3), 77 * 256, np.uint16),
    ],
    ids=["grey", "transparent", "16-bit"],
)
def test_every_kind_of_picture_becomes_8_bit_rgb(image, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    picture = read_picture(path)
    assert picture.dtype == np.uint8
    assert picture.shape == (8, 9, 3)
    assert (picture == 77).all()


def test_an_empty_folder_is_explained(tmp_path):
    (tmp_path / "frames").mkdir()
    with pytest.raises(CameraUnusable) as caught:
        open_folder(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: there is no picture in this folder (jpg, jpeg, png, bmp, tif, tiff, webp); "
        "name one of its folders, such as 'frames'"
    )


def test_a_folder_of_damaged_pictures_is_explained(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(CameraUnusable) as caught:
        open_folder(tmp_path).read()
    assert str(caught.value) == (
        f"{tmp_path}: no picture in it can be read (a.jpg: the file is empty)"
    )


@pytest.mark.parametrize("once", [True, False])
def test_a_missing_folder_may_come_later(once, tmp_path):
    with pytest.raises(CameraError) as caught:
        open_folder(tmp_path / "later", once)
    assert str(caught.value) == f"{tmp_path / 'later'}: no such folder or picture"


def read_within(camera, within_s=15.0):
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            return camera.read()
        except NoPictureYet:
            continue
    raise AssertionError("no picture came")


def test_a_growing_folder_is_read_as_it_grows(tmp_path):
    (tmp_path / "b.jpg").write_bytes(encode())
    camera = open_folder(tmp_path, once=False)
    assert camera.read().name == "b.jpg"
    with pytest.raises(NoPictureYet) as caught:
        camera.read()
    assert str(caught.value) == (
        f"{tmp_path}: no new picture has come; does the camera still upload?"
    )
    # A name before the last one is as new as any other.
    (tmp_path / "a.jpg").write_bytes(encode())
    frame = read_within(camera)
    assert (frame.name, frame.sequence, frame.monotonic_s) == ("a.jpg", 1, 2.0)


class Later:
    """The machine's clock, so many seconds ahead."""

    def __init__(self, ahead_s):
        self.ahead_s = ahead_s

    def __call__(self):
        return time.time() + self.ahead_s


def watch(path, ahead_s=0.0):
    clock = Later(ahead_s)
    return FolderCamera(CameraSettings(str(path), every_s=2.0), False, clock), clock


def upload(path, *names):
    for name in names:
        (path / name).write_bytes(encode())


def touch_after(path, other):
    """Have a picture arrive after another one, as its file system tells."""
    while path.stat().st_ctime_ns <= other.stat().st_ctime_ns:
        path.chmod(0o644)


def names_of(camera):
    """Return the pictures that a watched folder gives until it says that it waits."""
    names = []
    while True:
        try:
            names.append(camera.read().name)
        except NoPictureYet:
            return names


def test_camera_that_has_lost_its_clock_is_followed(tmp_path):
    upload(tmp_path, *(f"2026030{number}-000000.jpg" for number in range(1, 9)))
    upload(tmp_path, "20000101-000000.jpg")
    touch_after(tmp_path / "20000101-000000.jpg", tmp_path / "20260308-000000.jpg")
    camera, _ = watch(tmp_path, ahead_s=BEHIND_S + 1)
    assert names_of(camera)[-1] == "20000101-000000.jpg"


def test_of_pictures_that_have_waited_long_a_watched_folder_gives_the_newest(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    upload(tmp_path, *(f"{number:03d}.jpg" for number in range(20)))
    camera, _ = watch(tmp_path, ahead_s=BEHIND_S + 1)
    assert names_of(camera) == [f"{number:03d}.jpg" for number in range(20 - NEWEST, 20)]
    assert caplog.messages == [
        f"{tmp_path}: pictures older than 015.jpg are left out, as always when some have waited "
        "for 30 s; `slotwatch replay` reads them all"
    ]
    upload(tmp_path, "b.jpg")
    assert read_within(camera).name == "b.jpg"


def test_machine_whose_clock_was_not_set_yet_begins_with_the_newest_too(tmp_path):
    upload(tmp_path, *(f"{number:03d}.jpg" for number in range(20)))
    camera, _ = watch(tmp_path, ahead_s=-1e8)
    assert camera.read().name == f"{20 - NEWEST:03d}.jpg"


def test_file_from_the_far_future_is_no_end_of_the_watch(tmp_path):
    upload(tmp_path, "1.jpg", "2.jpg")
    os.utime(tmp_path / "1.jpg", (1e12, 1e12))
    camera, _ = watch(tmp_path, ahead_s=BEHIND_S + 1)
    assert set(names_of(camera)) == {"1.jpg", "2.jpg"}


def test_pictures_that_came_just_now_are_all_read(tmp_path):
    upload(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    camera, _ = watch(tmp_path, ahead_s=BEHIND_S / 2)
    assert [camera.read().name for _ in range(3)] == ["1.jpg", "2.jpg", "3.jpg"]


def test_watch_that_falls_behind_catches_up(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    camera, clock = watch(tmp_path)
    for first in (0, 100):
        upload(tmp_path, *(f"{number:03d}.jpg" for number in range(first, first + 20)))
        assert read_within(camera).name == f"{first:03d}.jpg"
        upload(tmp_path, f"{first + 20:03d}.jpg")  # since the folder was looked at
        clock.ahead_s += BEHIND_S + 1
        newest = range(first + 21 - NEWEST, first + 21)
        assert names_of(camera) == [f"{number:03d}.jpg" for number in newest]
        clock.ahead_s = 0.0
    assert len(caplog.messages) == 1  # once, for it may go on for months


def test_picture_that_is_none_yet_is_read_when_it_is_whole(tmp_path):
    upload(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "3.jpg").write_bytes(encode()[:200])
    ahead_s = BEHIND_S + 1
    os.utime(tmp_path / "3.jpg", (time.time() + ahead_s,) * 2)  # still being written
    camera, _ = watch(tmp_path, ahead_s)
    assert names_of(camera) == ["1.jpg", "2.jpg"]
    upload(tmp_path, "3.jpg")
    assert read_within(camera).name == "3.jpg"


def test_recording_is_read_from_its_beginning_however_old(tmp_path):
    upload(tmp_path, "1.jpg", "2.jpg")
    camera = FolderCamera(CameraSettings(str(tmp_path)), True, Later(BEHIND_S + 1))
    assert [frame.name for frame in read_all(camera)] == ["1.jpg", "2.jpg"]


def test_how_the_cabinet_looks_now_is_told_by_the_newest_whole_picture(tmp_path):
    upload(tmp_path, "z_20260101-000000.jpg", "a_20260101-000001.jpg")
    (tmp_path / "b_20260101-000002.jpg").write_bytes(encode()[:200])
    (tmp_path / "b_20260101-000003.jpg").write_bytes(b"<html>no camera here</html>")
    settings = CameraSettings(str(tmp_path))
    assert newest_picture(settings).source == str(tmp_path / "a_20260101-000001.jpg")
    (tmp_path / "empty").mkdir()
    for source in ("/dev/video0", str(tmp_path / "none"), str(tmp_path / "empty")):
        assert newest_picture(CameraSettings(source)).source == source


def test_an_upload_under_way_is_waited_for_without_a_word(tmp_path, caplog):
    whole = encode(width_px=640, height_px=480)
    (tmp_path / "a.jpg").write_bytes(encode())
    camera = open_folder(tmp_path, once=False)
    camera.read()
    path = tmp_path / "upload.jpg"
    path.write_bytes(whole[:2000])
    with pytest.raises(NoPictureYet) as caught:
        camera.read()
    assert str(caught.value) == (
        f"{tmp_path}: no whole picture has come (upload.jpg: the file is cut off); "
        "do uploads break off?"
    )
    path.write_bytes(whole)
    assert read_within(camera).image_rgb.shape == (480, 640, 3)
    assert caplog.records == []
    with pytest.raises(NoPictureYet, match="no new picture has come"):
        camera.read()


def test_an_upload_that_rests_cut_off_is_given_up(tmp_path, caplog):
    path = tmp_path / "cut.jpg"
    path.write_bytes(encode(width_px=640, height_px=480)[:2000])
    os.utime(path, (time.time() - 60, time.time() - 60))
    camera = open_folder(tmp_path, once=False)
    for _round in range(2):
        with pytest.raises(NoPictureYet):
            camera.read()
    assert [r.getMessage() for r in caplog.records] == [f"{path}: skipped: the file is cut off"]


def test_a_file_that_is_uploaded_again_under_its_name_is_a_new_picture(tmp_path):
    path = tmp_path / "snapshot.jpg"
    path.write_bytes(encode(rgb=(250, 0, 0)))
    camera = open_folder(path, once=False)
    camera.read()
    path.write_bytes(encode(rgb=(0, 0, 250), width_px=80))
    frame = read_within(camera)
    assert (frame.name, frame.image_rgb.shape) == ("snapshot.jpg", (48, 80, 3))


def test_waiting_ends_when_the_picture_comes_from_another_thread(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encode())
    camera = open_folder(tmp_path, once=False)
    camera.read()
    upload = threading.Timer(0.3, (tmp_path / "b.jpg").write_bytes, [encode()])
    upload.start()
    assert camera.read().name == "b.jpg"
    upload.join()


def test_a_folder_that_vanishes_is_a_camera_fault(tmp_path):
    folder = tmp_path / "mount"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(encode())
    camera = open_folder(folder, once=False)
    camera.read()
    (folder / "a.jpg").unlink()
    folder.rmdir()
    with pytest.raises(CameraError) as caught:
        camera.read()
    assert str(caught.value) == f"{folder}: no such folder or picture"
