"""Annotation files that somebody broke, on purpose or not, end with a word and cost nothing."""

import csv
import json
from pathlib import Path

import pytest

from tests.trainer.annotated import save
from trainer.annotations.class_names import class_meaning
from trainer.annotations.crops import write_crops
from trainer.annotations.formats import read_annotations
from trainer.annotations.slots import write_slots
from trainer.dataset import DataError
from trainer.drawn import drawn_crop

pytestmark = pytest.mark.trainer


def coco(bbox: str = "[4, 4, 20, 20]", size: str = "32", attributes: str = "{}") -> str:
    return (
        f'{{"images": [{{"id": 1, "file_name": "a.png", "width": {size}, "height": {size}}}], '
        '"categories": [{"id": 1, "name": "empty"}], "annotations": [{"image_id": 1, '
        f'"category_id": 1, "bbox": {bbox}, "attributes": {attributes}}}]}}'
    )


def voc(side: str, head: str = "") -> str:
    sides = "".join(f"<{name}>{side}</{name}>" for name in ("xmin", "ymin", "xmax", "ymax"))
    return (
        f"{head}<annotation><filename>a.png</filename><object><name>empty</name><bndbox>{sides}"
        "</bndbox></object></annotation>"
    )


# Each level is nine of the one before.
YAML_BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("c.json", coco("[1, 2, 3, " + "9" * 5000 + "]"), "c.json: not JSON; export it again"),
        ("c.json", coco("[1e39, 1, 10, 10]"), "bbox: expected a list of numbers, none beyond"),
        ("a.xml", voc("1e308"), "bndbox.xmin: '1e308' is no number up to 1,000,000; write pixels"),
        ("a.xml", voc("1", "<?xml version='1.0' encoding='euc-kr'?>"), "a.xml:1: not XML (multi-"),
        ("a.xml", voc("1", "<?xml version='1.0' encoding='none'?>"), "a.xml:1: not XML (unknown"),
        ("a.txt", "9" * 5000 + " .5 .5 .2 .2", "a.txt:1: class: '99999999999999999999' is no"),
    ],
)
def test_numbers_and_encodings_nobody_can_use_are_named(
    name: str, text: str, problem: str, tmp_path: Path
) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        read_annotations(tmp_path)
    assert problem in str(error.value)


@pytest.mark.parametrize("size", ["1e999", "9" * 400, "1e-320", "0", "-5", "NaN"])
def test_a_size_no_picture_has_says_nothing(size: str, tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    (tmp_path / "c.json").write_text(coco(size=size))
    (picture,) = read_annotations(tmp_path).pictures
    assert picture.units_wh is None


def test_aliases_of_aliases_are_no_names(tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    (tmp_path / "a.txt").write_text("0 .5 .5 .5 .5\n")
    (tmp_path / "data.yaml").write_text(f"{YAML_BOMB}names: [*i]\n")
    # Written out, the name would take 9 to the power of 8 letters and more.
    (picture,) = read_annotations(tmp_path).pictures
    assert picture.boxes[0].class_name == "0"


@pytest.mark.parametrize("name", ["a.xml", "a.txt", "c.json", "data.yaml", "classes.txt"])
def test_a_folder_that_is_called_like_a_file_is_no_annotation(name: str, tmp_path: Path) -> None:
    save(tmp_path / "a.png", drawn_crop(32, True, 1))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .5 .5\n")
    (tmp_path / name).mkdir()
    assert len(read_annotations(tmp_path).pictures) == 1


def test_a_slot_s_name_that_is_no_text_is_written_as_far_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "annotated"
    save(folder / "a.png", drawn_crop(32, True, 1))
    (folder / "c.json").write_text(coco(attributes=json.dumps({"slot": "A\ud800"})))
    annotations = read_annotations(folder)
    write_crops(annotations, class_meaning(["empty"]), folder, tmp_path / "crops")
    with (tmp_path / "crops" / "index.csv").open(encoding="utf-8") as file:
        assert [row["slot"] for row in csv.DictReader(file)] == ["A?"]
    write_slots(annotations, tmp_path / "slots.yaml")
    assert (tmp_path / "slots.yaml").read_text("utf-8")
