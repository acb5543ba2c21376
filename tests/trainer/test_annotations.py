"""Boxes come out of every format as they went in, and what is wrong is named with its place."""

import json
import tempfile
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.annotated import WRITERS, Boxes, save
from trainer.annotations.boxes import (
    AnnotatedPicture,
    Annotations,
    Box,
    corners_of,
    turned_outline,
    upright_outline,
)
from trainer.annotations.class_names import class_meaning
from trainer.annotations.formats import FORMATS, read_annotations
from trainer.annotations.origins import camera_of, time_of
from trainer.annotations.regions import Region, regions_of
from trainer.annotations.slot_names import SlotNames, grid_ids
from trainer.dataset import DataError
from trainer.drawn import drawn_crop

pytestmark = pytest.mark.trainer

SIZE_WH = (640, 480)
TWO_BOXES: Boxes = [("free", (10, 20, 100, 80)), ("car park / occupied", (300, 200, 64, 48))]


def found_boxes(annotations: Annotations) -> list[tuple[str, str, list[int]]]:
    """Return picture, class and corners of all boxes, in pixels of a picture of SIZE_WH."""
    return [
        (picture.file.name, region.box.class_name, region.polygon_px.ravel().astype(int).tolist())
        for picture in annotations.pictures
        for region in regions_of(picture, SIZE_WH)[0]
    ]


def corners(x: int, y: int, width: int, height: int) -> list[int]:
    return [x, y, x + width, y, x + width, y + height, x, y + height]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("asked", ["auto", "itself"])
def test_boxes_of_every_format_are_read(format_name: str, asked: str, tmp_path: Path) -> None:
    name = "선반 1.PNG"
    save(tmp_path / "images" / name, drawn_crop(32, True, 1))
    WRITERS[format_name](tmp_path, {name: TWO_BOXES}, SIZE_WH)
    annotations = read_annotations(tmp_path, format_name if asked == "itself" else "auto")
    assert found_boxes(annotations) == [
        (name, "free", corners(10, 20, 100, 80)),
        (name, "car park / occupied", corners(300, 200, 64, 48)),
    ]


BOX = st.tuples(
    st.sampled_from(["empty", "occupied", "빈 자리", "a<b&c"]),
    st.integers(0, 600),
    st.integers(0, 440),
    st.integers(8, 40),
    st.integers(8, 40),
)


@pytest.mark.parametrize("format_name", FORMATS)
@given(boxes=st.lists(BOX, max_size=6))
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read_again(
    format_name: str, boxes: list[tuple[str, int, int, int, int]]
) -> None:
    written = [(kind, (x, y, width, height)) for kind, x, y, width, height in boxes]
    escaped = [(kind.replace("&", "&amp;").replace("<", "&lt;"), box) for kind, box in written]
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder, "a.png"), drawn_crop(16, True, 1))
        pictures: dict[str, Boxes] = {"a.png": escaped if format_name == "voc" else written}
        WRITERS[format_name](Path(folder), pictures, SIZE_WH)
        found = found_boxes(read_annotations(Path(folder), format_name))
    assert found == [("a.png", kind, corners(*box)) for kind, box in written]


def test_turned_boxes_and_outlines_are_read(tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    (tmp_path / "a.xml").write_text(
        "<annotation><filename>a.png</filename>"
        "<object><name>free</name><robndbox><cx>100</cx><cy>100</cy><w>80</w><h>40</h>"
        "<angle>0.5235987756</angle></robndbox>"
        "<attributes><attribute><name>slot</name><value>A7</value></attribute></attributes>"
        "</object>"
        "<object><name>free</name><polygon><x1>10</x1><y1>12</y1><x2>60</x2><y2>10</y2>"
        "<x3>62</x3><y3>50</y3><x4>8</x4><y4>52</y4></polygon></object></annotation>"
    )
    (picture,) = read_annotations(tmp_path, "voc").pictures
    turned, outline = (region.polygon_px for region in regions_of(picture, SIZE_WH)[0])
    cosine, sine = np.cos(np.pi / 6), 0.5
    expected = [[100 - 40 * cosine + 20 * sine, 100 - 40 * sine - 20 * cosine]]
    assert turned[:1] == pytest.approx(np.array(expected), abs=0.01)
    assert np.linalg.norm(turned[1] - turned[0]) == pytest.approx(80, abs=0.01)
    assert outline.tolist() == [[10, 12], [60, 10], [62, 50], [8, 52]]
    assert [box.slot for box in picture.boxes] == ["A7", ""]


def test_coco_outlines_and_rotations_are_read(tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    from_bottom_left = [8, 52, 10, 12, 60, 10, 62, 50]
    annotations: list[dict[str, Any]] = [
        {"segmentation": [from_bottom_left], "bbox": [0, 0, 9, 9], "attributes": {"slot": 5}},
        {"segmentation": [], "bbox": [60, 80, 80, 40], "attributes": {"rotation": 30.0}},
        {"segmentation": {"counts": "x", "size": [1, 1]}, "bbox": [60, 80, 80, 40]},
    ]
    document = {
        "images": [{"id": "i", "file_name": "C:\\export\\a.png"}],
        "categories": [{"id": 3, "name": "free"}],
        "annotations": [{"image_id": "i", "category_id": 3, **a} for a in annotations],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    (picture,) = read_annotations(tmp_path).pictures
    outline, turned, upright = (region.polygon_px for region in regions_of(picture, SIZE_WH)[0])
    # As on the device: clockwise, from the slot's own top left.
    assert outline.tolist() == [[10, 12], [60, 10], [62, 50], [8, 52]]
    assert turned == pytest.approx(turned_outline((100, 100), 80, 40, 30), abs=0.01)
    assert upright.tolist() == upright_outline(60, 80, 140, 120).tolist()
    assert [box.slot for box in picture.boxes] == ["5", "", ""]


def test_yolo_outlines_and_names_in_every_place_are_read(tmp_path: Path) -> None:
    for split in ("train", "val"):
        save(tmp_path / split / "images" / "a.png", drawn_crop(32, split == "train", 1))
        (tmp_path / split / "labels").mkdir()
    (tmp_path / "train" / "labels" / "a.txt").write_text("0 .25 .25 .5 .25 .5 .5 .25 .5\n\n")
    (tmp_path / "val" / "labels" / "a.txt").write_text("1 .5 .5 .1 .1")
    (tmp_path / "train.txt").write_text("./train/images/a.png\n")
    (tmp_path / "README.roboflow.txt").write_text("Exported 2024\n")
    for name, text in (
        ("classes.txt", "no\n1\n"),
        ("data.yaml", "names: [no, 1]\n"),
        ("data.yaml", "train: x\nnames:\n  0: no\n  1: 1\n"),
    ):
        (tmp_path / name).write_text(text)
        train, val = read_annotations(tmp_path).pictures
        assert [box.class_name for box in (*train.boxes, *val.boxes)] == ["no", "1"]
        assert train.file.parts[-3] == "train"
        assert val.file.parts[-3] == "val"
        (tmp_path / name).unlink()
    assert regions_of(train, SIZE_WH)[0][0].polygon_px.tolist() == [
        *([160, 120], [320, 120], [320, 240], [160, 240])
    ]
    train, _ = read_annotations(tmp_path).pictures
    assert train.boxes[0].class_name == "0"


COCO = '{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "c"}], '


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        (
            {
                "a.xml": "<annotation>\n<object>",
                "b.xml": "<annotation><filename>a.png</filename><object><bndbox/></object>"
                "<object><name>c</name></object><object><name>c</name><bndbox><xmin>1</xmin>"
                "<ymin>many</ymin></bndbox></object></annotation>",
            },
            [
                "a.xml:2: not XML (no element found); export it again",
                "b.xml: object 1: name: it is missing; name the object's class",
                "b.xml: object 2: bndbox: it is missing; draw the box again",
                "b.xml: object 3: bndbox.ymin: 'many' is no number up to 1,000,000; write pixels",
            ],
        ),
        (
            {
                "classes.txt": "free\nfull\n",
                "a.txt": "0 .5 .5 .1\n\n2 .5 .5 .1 .1\nx .5 .5 .1 .1\n0 .5 320 .1 .1\n"
                "0 a nan 1 1\n",
            },
            [
                "a.txt:1: 4 words; write 'class x y width height', or 'class' and the x and y of "
                "three points or more",
                "a.txt:3: class: there is no class 2; the names end with 1",
                "a.txt:4: class: 'x' is no whole number; write the class's number",
                "a.txt:5: 320 is no share of the picture; divide pixels by its size",
                "a.txt:6: 'a' is no number; write shares of the picture, like 0.25",
            ],
        ),
        ({"c.json": '{"images":\n [}'}, ["c.json:2: not JSON (Expecting value); export it again"]),
        (
            {"c.json": '{"images": [], "annotations": {}}'},
            ["c.json: annotations: expected a list; export it again"],
        ),
        (
            {
                "c.json": COCO
                + '"annotations": [{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}, 5, '
                '{"image_id": 1, "category_id": [], "bbox": [1, 2, 3, 4]}, '
                '{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3]}, '
                '{"image_id": 1, "category_id": 1, "bbox": [1, 2, null, 3]}, '
                '{"image_id": 1, "category_id": 1, "segmentation": [[1, 2, 3, 4]]}, '
                '{"image_id": 1, "category_id": 1, "bbox": [NaN, 1, 2, 1e999]}]}'
            },
            [
                "c.json: annotations[0]: image_id: there is no image 7; export it again",
                "c.json: annotations[1]: expected a mapping; export it again",
                "c.json: annotations[2]: category_id: there is no category []; export it again",
                "c.json: annotations[3]: bbox: 3 numbers; write [x, y, width, height]",
                "c.json: annotations[4]: bbox: expected a list of numbers, none beyond 1,000,000; "
                "export it again",
                "c.json: annotations[5]: segmentation[0]: 4 numbers; an outline has the x and y "
                "of three points or more; export it again",
                "c.json: annotations[6]: bbox: expected a list of numbers, none beyond 1,000,000; "
                "export it again",
            ],
        ),
    ],
)
def test_every_problem_is_named_at_once_with_its_place(
    files: dict[str, str], problems: list[str], tmp_path: Path
) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        read_annotations(tmp_path)
    assert str(error.value) == "\n".join(f"{tmp_path}/{problem}" for problem in problems)


def test_a_flood_of_problems_is_cut_short(tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    (tmp_path / "a.txt").write_text("broken\n" * 50)
    with pytest.raises(DataError, match=r"\n\.\.\. and 30 more$"):
        read_annotations(tmp_path)


def test_no_annotations_several_formats_and_no_folder_are_explained(tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    with pytest.raises(DataError, match="holds no annotations in the format voc or yolo or coco;"):
        read_annotations(tmp_path)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        read_annotations(tmp_path / "nowhere")
    for write in (WRITERS["voc"], WRITERS["coco"]):
        write(tmp_path, {"a.png": TWO_BOXES}, SIZE_WH)
    with pytest.raises(DataError, match="in the formats voc and coco; choose one with --format"):
        read_annotations(tmp_path)
    assert len(read_annotations(tmp_path, "coco").pictures) == 1


def test_a_broken_file_of_another_format_is_no_matter(tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    (tmp_path / "settings.json").write_text("// comment\n{}")
    WRITERS["voc"](tmp_path, {"a.png": TWO_BOXES}, SIZE_WH)
    assert len(read_annotations(tmp_path).pictures) == 1


def test_pictures_that_are_missing_or_not_unique_are_skipped(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        save(tmp_path / folder / "twice.png", drawn_crop(32, True, 1))
    save(tmp_path / "x" / "a.png", drawn_crop(32, True, 1))
    pictures = dict.fromkeys(("a.png", "gone.png", "twice.png"), TWO_BOXES)
    WRITERS["voc"](tmp_path, pictures, SIZE_WH)
    annotations = read_annotations(tmp_path)
    assert [picture.file.name for picture in annotations.pictures] == ["a.png"]
    assert annotations.skipped == [
        f"{tmp_path}/Annotations/gone.xml: there is no picture 'gone.png'",
        f"{tmp_path}/Annotations/twice.xml: 2 pictures are called 'twice.png'",
    ]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((600, 10, 100, 50), "reaches out of the 640x480 picture"),
        ((10, 10, 7, 50), "is only 7.0 px thin, at least 8 are needed"),
        ((10, 10, 0, 0), "is only 0.0 px thin, at least 8 are needed"),
        ((-500, -500, 20, 20), "reaches out of the 640x480 picture"),
    ],
)
def test_boxes_that_are_no_region_are_skipped_with_the_reason(
    box: tuple[int, int, int, int], reason: str
) -> None:
    outline = upright_outline(box[0], box[1], box[0] + box[2], box[1] + box[3])
    picture = AnnotatedPicture(Path("a.png"), (Box("free", outline, "a.xml: object 1"),))
    assert regions_of(picture, SIZE_WH) == ([], [f"a.xml: object 1: free: the box {reason}"])


def test_a_box_drawn_a_little_over_the_edge_is_cut_off_on_whole_pixels() -> None:
    outline = upright_outline(-3.2, 399.7, 97.4, 484.4)
    (region,), _ = regions_of(AnnotatedPicture(Path("a"), (Box("", outline, ""),)), SIZE_WH)
    assert region.polygon_px.tolist() == [[0, 400], [97, 400], [97, 480], [0, 480]]


def test_boxes_of_a_picture_that_was_scaled_since_are_scaled_and_of_one_that_was_cut_skipped() -> (
    None
):
    box = Box("", upright_outline(100, 100, 200, 200), "")
    scaled = AnnotatedPicture(Path("a.png"), (box,), (1280, 960))
    assert regions_of(scaled, SIZE_WH)[0][0].polygon_px[0].tolist() == [50, 50]
    cut = AnnotatedPicture(Path("a.png"), (box,), (480, 640))
    assert regions_of(cut, SIZE_WH) == (
        [],
        ["a.png: annotated at 480x640, but the picture is 640x480"],
    )


@given(
    st.permutations([(10.0, 12.0), (60.0, 10.0), (62.0, 50.0), (8.0, 52.0)]),
)
def test_four_corners_come_clockwise_from_the_top_left_in_whatever_order_they_were_drawn(
    points: list[tuple[float, float]],
) -> None:
    expected = [[10, 12], [60, 10], [62, 50], [8, 52]]
    assert corners_of(np.array(points)).tolist() == expected


def test_around_any_other_outline_a_rectangle_is_drawn() -> None:
    angles = np.linspace(0, 2 * np.pi, 50)
    ellipse = np.stack([100 + 40 * np.cos(angles), 50 + 20 * np.sin(angles)], axis=1)
    found = corners_of(ellipse)
    assert found == pytest.approx(upright_outline(60, 30, 140, 70), abs=0.5)


@pytest.mark.parametrize(
    ("picture", "camera", "time"),
    [
        ("2013-02-22_06_05_00.jpg", "", "2013-02-22T06:05:00"),
        ("images/yard/20240501T1030.png", "yard", "2024-05-01T10:30:00"),
        ("cam1/2024-05-01/0001.jpg", "cam1", "2024-05-01"),
        ("train/images/Camera-02_f19384.jpg", "camera02", "f019384"),
        ("lot A/east/2024_05_01 10-30-15.jpg", "lot A/east", "2024-05-01T10:30:15"),
        ("주차장/카메라.jpg", "주차장", ""),
        ("20249901_1.jpg", "", "f000001"),
        ("webcamera.jpg", "", ""),
    ],
)
def test_camera_and_time_are_told_by_names(picture: str, camera: str, time: str) -> None:
    assert camera_of(PurePath(picture)) == camera
    assert time_of(PurePath(picture)) == time


def test_usual_class_names_are_known_and_others_are_asked_for() -> None:
    meaning = class_meaning(["Space_Empty", "space occupied", "Free"])
    assert [meaning.is_occupied(n) for n in ("space-empty", "SPACE OCCUPIED", "free")] == [
        *(False, True, False)
    ]
    with pytest.raises(DataError) as error:
        class_meaning(["car", "hole", "car", "free"])
    assert str(error.value) == (
        "classes that mean neither EMPTY nor OCCUPIED: car (2 boxes), hole (1 boxes); say for "
        "each what it is: --empty NAME, --occupied NAME or --ignore NAME"
    )
    said = class_meaning(["car", "hole", "full"], ["hole", "full"], ["car"], ["Person"])
    assert [said.is_occupied(n) for n in ("hole", "car", "full", "person")] == [
        *(False, True, False, None)
    ]
    with pytest.raises(DataError, match="--empty and --occupied: car: say one of them"):
        class_meaning([], ["car"], ["Car"])


def regions(*boxes: tuple[float, float, float, float]) -> list[Region]:
    outlines = [upright_outline(x, y, x + width, y + height) for x, y, width, height in boxes]
    picture = AnnotatedPicture(Path("a"), tuple(Box("", o, "") for o in outlines))
    return regions_of(picture, SIZE_WH)[0]


def test_boxes_that_overlap_in_pictures_of_one_camera_are_one_slot() -> None:
    names = SlotNames()
    first, second = regions((10, 10, 50, 50), (100, 10, 50, 50))
    moved, other = regions((14, 12, 50, 48), (60, 200, 50, 50))
    assert [names.name_of("c", r) for r in (first, second)] == ["s1", "s2"]
    assert [names.name_of("c", r) for r in (second, moved, other)] == ["s2", "s1", "s3"]
    assert names.name_of("another camera", second) == "s1"


def test_slots_are_numbered_as_people_read_them_also_in_slanting_rows() -> None:
    places = [
        (column * 60 + 10, row * 60 + 10 + column * 4) for row in range(3) for column in range(9)
    ]
    shuffled = np.random.default_rng(1).permutation(len(places))
    found = regions(*((*places[i], 50, 40) for i in shuffled))
    ids = grid_ids([region.polygon_px for region in found])
    assert [ids[list(shuffled).index(i)] for i in range(len(places))] == [
        f"{'ABC'[row]}{column + 1}" for row in range(3) for column in range(9)
    ]
