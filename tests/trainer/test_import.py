"""Boxes drawn elsewhere become crops the trainer reads and slots the device watches."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.preprocess import apply_plan, crop_whole, plan_crop
from edge.settings import read_settings
from edge.types import ImageRGB, Slot
from tests.trainer.annotated import WRITERS, Boxes, save
from trainer.__main__ import main
from trainer.annotations.boxes import turned_outline
from trainer.annotations.formats import FORMATS
from trainer.dataset import read_dataset
from trainer.drawn import drawn_crop

pytestmark = pytest.mark.trainer

SIZE_WH = (320, 240)
PLACES = [(10, 20, 60, 50), (90, 20, 60, 50), (170, 20, 61, 50), (10, 100, 60, 90)]


def rack(occupied: set[int], seed: int) -> tuple[ImageRGB, Boxes]:
    """Return a picture with a drawn slot in every place, and their boxes."""
    picture_rgb = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90, np.uint8)
    boxes = []
    for index, (x, y, width, height) in enumerate(PLACES):
        slot_rgb = drawn_crop(128, index in occupied, seed * 10 + index)
        picture_rgb[y : y + height, x : x + width] = cv2.resize(slot_rgb, (width, height))
        boxes.append(("occupied" if index in occupied else "empty", (x, y, width, height)))
    return picture_rgb, boxes


def write_racks(folder: Path, format_name: str) -> dict[str, tuple[ImageRGB, Boxes]]:
    """Write three pictures of one camera with their annotations."""
    racks = {f"cam1 2024-05-0{day} 08-00-00.png": rack({day, 3}, day) for day in (1, 2, 3)}
    for name, (picture_rgb, _) in racks.items():
        save(folder / "images" / name, picture_rgb)
    WRITERS[format_name](folder, {name: boxes for name, (_, boxes) in racks.items()}, SIZE_WH)
    return racks


@pytest.mark.parametrize("format_name", FORMATS)
def test_crops_are_the_boxes_and_their_index_says_where_they_come_from(
    format_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    racks = write_racks(tmp_path / "마당", format_name)
    out = tmp_path / "crops"
    arguments = ["--from", str(tmp_path / "마당"), "--out", str(out), "--licence", "CC0"]
    assert main(["import", *arguments]) == 0
    assert capsys.readouterr().out == f"{out}: 12 crops (7 EMPTY, 5 OCCUPIED) of 3 pictures\n"
    dataset = read_dataset([out], 48)
    assert dataset.set_aside == ()
    for sample, crop_rgb in zip(dataset.samples, dataset.crops_rgb, strict=True):
        assert (sample.source, sample.camera, sample.licence) == ("마당", "cam1", "CC0")
        place = int(sample.slot[1:]) - 1
        x, y, width, height = PLACES[place]
        picture_rgb, boxes = racks[f"cam1 {sample.time.replace('T', ' ').replace(':', '-')}.png"]
        assert sample.is_occupied == (boxes[place][0] == "occupied")
        # The very pixels the device would scale.
        box_rgb = picture_rgb[y : y + height, x : x + width]
        assert np.array_equal(crop_rgb, crop_whole(box_rgb, 48))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_camera_that_no_name_tells_is_said_once_for_all_pictures(tmp_path: Path) -> None:
    write_racks(tmp_path / "in", "voc")
    said = ["--from", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--camera", "창고 2"]
    assert main(["import", *said]) == 0
    assert {sample.camera for sample in read_dataset([tmp_path / "out"], 48).samples} == {"창고 2"}


def test_turned_boxes_are_rectified_as_the_device_does_it(tmp_path: Path) -> None:
    outline = turned_outline((160, 120), 120, 60, 25)
    slot_rgb = drawn_crop(100, True, 1)
    target = outline.astype(np.float32)
    matrix = cv2.getPerspectiveTransform(
        np.array([[0, 0], [100, 0], [100, 100], [0, 100]], np.float32), target
    )
    picture_rgb = cv2.warpPerspective(slot_rgb, matrix, SIZE_WH)
    save(tmp_path / "in" / "a.png", picture_rgb)
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 320, "height": 240}],
        "categories": [{"id": 1, "name": "occupied"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "segmentation": [target.ravel().tolist()]}
        ],
    }
    (tmp_path / "in" / "coco.json").write_text(json.dumps(document))
    assert main(["import", "--from", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    (file,) = (tmp_path / "out" / "OCCUPIED").iterdir()
    crop_rgb = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
    assert crop_rgb.shape == (120, 120, 3)
    # Upright again, the slot's own top left first.
    scaled_rgb = crop_whole(crop_rgb, 48).astype(int)
    assert np.abs(scaled_rgb - crop_whole(slot_rgb, 48)).mean() < 6
    device_rgb = apply_plan(picture_rgb, plan_crop(Slot("a", target), 48, SIZE_WH))
    assert np.abs(scaled_rgb - device_rgb).mean() < 1.5


def test_what_is_left_out_is_listed_on_the_terminal_and_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture_rgb, boxes = rack({1}, 1)
    save(tmp_path / "in" / "a.png", picture_rgb)
    (tmp_path / "in" / "b.png").write_bytes(b"")
    tiny: Boxes = [("empty", (5, 5, 4, 40)) for _ in range(25)]
    pictures = {"a.png": [*boxes, *tiny], "b.png": boxes, "c.png": boxes}
    WRITERS["voc"](tmp_path / "in", pictures, SIZE_WH)
    out = tmp_path / "out"
    assert main(["import", "--from", str(tmp_path / "in"), "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{out}: 4 crops (3 EMPTY, 1 OCCUPIED) of 2 pictures"
    annotation = tmp_path / "in" / "Annotations"
    assert said[1] == f"skipped: {annotation}/c.xml: there is no picture 'c.png'"
    assert said[2] == (
        f"skipped: {annotation}/a.xml: object 5: empty: the box is only 4.0 px thin, at least 8 "
        "are needed"
    )
    assert said[-1] == f"... and 7 more; all in {out}/skipped.txt"
    listed = (out / "skipped.txt").read_text().splitlines()
    assert len(listed) == 27
    assert listed[-1] == f"{tmp_path}/in/b.png: the file is empty"


def test_classes_are_named_by_a_person_and_others_left_out(tmp_path: Path) -> None:
    picture_rgb, _ = rack({1}, 1)
    save(tmp_path / "in" / "a.png", picture_rgb)
    boxes: Boxes = list(zip(["car", "hole", "person", "car"], PLACES, strict=True))
    WRITERS["yolo"](tmp_path / "in", {"a.png": boxes}, SIZE_WH)
    arguments = ["import", "--from", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 78
    said = ["--occupied", "car", "--empty", "hole", "--ignore", "person"]
    assert main([*arguments, *said]) == 0
    with (tmp_path / "out" / "index.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["label"], row["slot"]) for row in rows] == [
        ("OCCUPIED", "s1"),
        ("EMPTY", "s2"),
        ("OCCUPIED", "s3"),
    ]


def test_nothing_is_written_over_and_nothing_half_written_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_racks(tmp_path / "in", "voc")
    taken = tmp_path / "out"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    for kind in ("crops", "slots"):
        arguments = ["import", "--from", str(tmp_path / "in"), "--as", kind, "--out", str(taken)]
        assert main(arguments) == 78
        message = f"{taken}: holds something already; give a new name, or delete it first\n"
        assert capsys.readouterr().err == message
    outside: Boxes = [("empty", (400, 10, 60, 50))]
    WRITERS["voc"](tmp_path / "far", {"a.png": outside}, SIZE_WH)
    save(tmp_path / "far" / "a.png", rack(set(), 1)[0])
    arguments = ["import", "--from", str(tmp_path / "far"), "--out", str(tmp_path / "new")]
    assert main(arguments) == 78
    assert "not one box gave a crop (1 skipped; the first: " in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far", "in", "out"]


def slots_of(file: Path) -> tuple[tuple[int, int], dict[str, tuple[list[Any], str | None]]]:
    """Return frame size and slots as the device reads the file."""
    config = file.with_name("config.yaml")
    (file.parent / "m").mkdir(exist_ok=True)
    (file.parent / "m" / "bundle.json").write_text("{}")
    config.write_text(f"device: d\ncamera:\n  source: simulator\nmodel: m\nslots: {file.name}\n")
    settings = read_settings(config)
    return settings.frame_wh, {
        slot.id: (slot.polygon_px.tolist(), slot.label) for slot in settings.slots
    }


def rectangle(x: int, y: int, width: int, height: int) -> list[list[float]]:
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]


@pytest.mark.parametrize("format_name", FORMATS)
def test_boxes_of_one_picture_become_slots_the_device_reads(
    format_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_racks(tmp_path / "in", format_name)
    out = tmp_path / "slots.yaml"
    arguments = ["--from", str(tmp_path / "in"), "--as", "slots", "--out", str(out)]
    assert main(["import", *arguments]) == 0
    assert capsys.readouterr().out == f"{out}: 4 slots of cam1 2024-05-01 08-00-00.png\n"
    assert slots_of(out) == (
        SIZE_WH,
        {
            name: (rectangle(*place), None)
            for name, place in zip(("A1", "A2", "A3", "B1"), PLACES, strict=True)
        },
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["left", "010", "on", "-x-"], ["left", "010", "on", "-x-"]),
        (["왼쪽", "right", 'a"b', "c: d"], ["A1", "A2", "A3", "B1"]),
        (["free", "free", "taken", "free"], ["A1", "A2", "A3", "B1"]),
    ],
)
def test_slots_keep_the_names_they_have(
    names: list[str], expected: list[str], tmp_path: Path
) -> None:
    save(tmp_path / "in" / "a.png", rack({1}, 1)[0])
    WRITERS["coco"](tmp_path / "in", {"a.png": list(zip(names, PLACES, strict=True))}, SIZE_WH)
    out = tmp_path / "slots.yaml"
    arguments = ["--from", str(tmp_path / "in"), "--as", "slots", "--out", str(out)]
    assert main(["import", *arguments]) == 0
    _, slots = slots_of(out)
    assert list(slots) == expected
    # Names with other characters are shown to people.
    labels = [None] * 4 if names[0] != "왼쪽" else names
    assert [label for _, label in slots.values()] == labels


def test_turned_slots_keep_their_four_corners(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", rack({1}, 1)[0])
    outlines = [turned_outline((80, 100), 100, 60, 20), turned_outline((220, 120), 90, 90, -10)]
    document = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "slot"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "segmentation": [outline.ravel().tolist()]}
            for outline in outlines
        ],
    }
    (tmp_path / "in" / "coco.json").write_text(json.dumps(document))
    out = tmp_path / "slots.yaml"
    arguments = ["--from", str(tmp_path / "in"), "--as", "slots", "--out", str(out)]
    assert main(["import", *arguments]) == 0
    _, slots = slots_of(out)
    for (polygon, _), outline in zip(slots.values(), outlines, strict=True):
        assert np.array(polygon) == pytest.approx(outline, abs=0.06)


def test_a_person_may_choose_the_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_racks(tmp_path / "in", "yolo")
    out = tmp_path / "slots.yaml"
    arguments = ["import", "--from", str(tmp_path / "in"), "--as", "slots", "--out", str(out)]
    assert main([*arguments, "--picture", "x.png"]) == 78
    assert capsys.readouterr().err == (
        "--picture x.png: no annotation is about it; there are 3 pictures with boxes, like cam1 "
        "2024-05-01 08-00-00.png, cam1 2024-05-02 08-00-00.png, cam1 2024-05-03 08-00-00.png\n"
    )
    assert main([*arguments, "--picture", "cam1 2024-05-03 08-00-00.png"]) == 0
    assert "4 slots of cam1 2024-05-03 08-00-00.png" in capsys.readouterr().out
