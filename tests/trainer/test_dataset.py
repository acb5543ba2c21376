"""Labelled crops are found in every layout."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.preprocess import crop_whole
from edge.types import ImageRGB
from tests import racks
from tests.edge.test_learn_command import config, sort_crops
from trainer.dataset import DataError, list_samples, read_dataset
from trainer.drawn import drawn_crop

__all__ = ["config"]  # a fixture
pytestmark = pytest.mark.trainer

Save = Callable[[Path, ImageRGB], None]


@pytest.mark.parametrize("nested", ["", "train", "Train"])
@pytest.mark.parametrize("names", [("EMPTY", "OCCUPIED"), ("empty", "Occupied")])
def test_label_folders_are_found_in_any_case_with_and_without_train(
    tmp_path: Path, drawn_folders: Callable[..., None], nested: str, names: tuple[str, str]
) -> None:
    drawn_folders(tmp_path / nested, names)
    dataset = read_dataset([tmp_path], 32)
    assert len(dataset.samples) == 32
    assert dataset.labels.sum() == 16
    assert dataset.crops_rgb.shape == (32, 32, 32, 3)
    assert dataset.samples[0].camera == "cam0"
    assert dataset.samples[0].source == "drawn"


def test_crops_are_what_serving_would_make_of_the_picture(
    tmp_path: Path, save_picture: Save
) -> None:
    pictures = [drawn_crop(90, is_occupied, 5)[:60] for is_occupied in (False, True)]
    save_picture(tmp_path / "empty" / "a.png", pictures[0])
    save_picture(tmp_path / "occupied" / "b.png", pictures[1])
    dataset = read_dataset([tmp_path], 48)
    for crop_rgb, picture_rgb in zip(dataset.crops_rgb, pictures, strict=True):
        assert np.array_equal(crop_rgb, crop_whole(picture_rgb, 48))


def test_index_is_read_with_labels_in_any_case_and_extra_columns(
    tmp_path: Path, save_picture: Save
) -> None:
    save_picture(tmp_path / "p" / "1.png", drawn_crop(20, False, 1))
    save_picture(tmp_path / "p" / "2.png", drawn_crop(20, True, 2))
    (tmp_path / "index.csv").write_text(
        "File,Label,source,camera,slot,time,licence,weather\n"
        "p/1.png,empty,yard,c1,s1,2024-05-01_10_00,CC0,rain\n"
        "p/2.png,Occupied,,c2,s2,2024-05-02,,\n"
    )
    first, second = read_dataset([tmp_path], 32).samples
    assert (first.is_occupied, first.source, first.camera, first.licence) == (
        False,
        "yard",
        "c1",
        "CC0",
    )
    # A row without a source is named after its folder.
    assert (second.is_occupied, second.source, second.slot) == (True, tmp_path.name, "s2")


def test_pictures_that_cannot_be_used_are_set_aside_with_the_reason(
    tmp_path: Path, drawn_folders: Callable[..., None], save_picture: Save
) -> None:
    drawn_folders(tmp_path)
    (tmp_path / "EMPTY" / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")
    (tmp_path / "EMPTY" / "nothing.jpg").write_bytes(b"")
    (tmp_path / "EMPTY" / "folder.jpg").mkdir()
    save_picture(tmp_path / "OCCUPIED" / "tiny.png", drawn_crop(7, True, 1))
    dataset = read_dataset([tmp_path], 32)
    assert len(dataset.samples) == 32
    assert {aside.file.name: aside.reason for aside in dataset.set_aside} == {
        "broken.jpg": "not a picture that can be read (JPG, PNG, BMP, TIFF or WebP)",
        "nothing.jpg": "the file is empty",
        "tiny.png": "only 7x7 px, at least 8 are needed",
    }


def test_of_the_same_picture_one_copy_is_kept_whatever_its_name_and_format(
    tmp_path: Path, drawn_folders: Callable[..., None], save_picture: Save
) -> None:
    drawn_folders(tmp_path)
    picture_rgb = drawn_crop(40, True, 99)
    for name in ("a.png", "b.bmp", "c.tiff"):
        save_picture(tmp_path / "OCCUPIED" / name, picture_rgb)
    dataset = read_dataset([tmp_path], 32)
    assert len(dataset.samples) == 33
    assert [(aside.file.name, aside.reason) for aside in dataset.set_aside] == [
        ("b.bmp", "the same picture as OCCUPIED/a.png"),
        ("c.tiff", "the same picture as OCCUPIED/a.png"),
    ]


def test_a_picture_under_both_labels_is_set_aside_under_both(
    tmp_path: Path, drawn_folders: Callable[..., None], save_picture: Save
) -> None:
    drawn_folders(tmp_path)
    for name in ("EMPTY/a.png", "OCCUPIED/a.png", "OCCUPIED/b.png"):
        save_picture(tmp_path / name, drawn_crop(40, True, 99))
    dataset = read_dataset([tmp_path], 32)
    assert len(dataset.samples) == 32
    end = "keep the one that is right"
    assert [(aside.file.name, aside.reason) for aside in dataset.set_aside] == [
        ("a.png", f"the same picture as OCCUPIED/a.png, which is labelled OCCUPIED; {end}"),
        ("a.png", f"the same picture as EMPTY/a.png, which is labelled EMPTY; {end}"),
        ("b.png", f"the same picture as EMPTY/a.png, which is labelled EMPTY; {end}"),
    ]


def test_a_file_the_index_names_but_nobody_copied_is_set_aside(
    tmp_path: Path, save_picture: Save
) -> None:
    save_picture(tmp_path / "1.png", drawn_crop(20, False, 1))
    save_picture(tmp_path / "2.png", drawn_crop(20, True, 1))
    (tmp_path / "index.csv").write_text(
        "file,label,camera,slot,time\n1.png,EMPTY,,,\n2.png,OCCUPIED,,,\n3.png,EMPTY,,,\n"
    )
    dataset = read_dataset([tmp_path], 32)
    assert [(a.file.name, a.reason) for a in dataset.set_aside] == [
        ("3.png", "No such file or directory")
    ]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("file,label,slot\n", "index.csv:1: the column camera, time is missing"),
        (
            "file,label,camera,slot,time\na.png,FULL,,,\nb.png,EMPTY,,,\nc.png,,,,\n",
            "index.csv:2: label: 'FULL' is no label; write EMPTY or OCCUPIED\n"
            "{folder}/index.csv:4: label: '' is no label; write EMPTY or OCCUPIED",
        ),
    ],
)
def test_a_malformed_index_is_named_with_its_lines(
    tmp_path: Path, index: str, message: str
) -> None:
    (tmp_path / "index.csv").write_text(index)
    with pytest.raises(DataError) as error:
        list_samples(tmp_path)
    assert message.format(folder=tmp_path) in str(error.value)


def test_a_missing_folder_an_unknown_layout_and_a_missing_label_are_explained(
    tmp_path: Path, drawn_folders: Callable[..., None]
) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_dataset([tmp_path / "nowhere"], 32)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError, match=r"holds neither index\.csv nor the folders 'empty'"):
        read_dataset([tmp_path], 32)
    drawn_folders(tmp_path)
    shutil.rmtree(tmp_path / "EMPTY")
    with pytest.raises(DataError, match="no readable picture is labelled EMPTY"):
        read_dataset([tmp_path], 32)


def test_crops_of_a_mirrored_source_are_turned_the_right_way_up(
    tmp_path: Path, save_picture: Save
) -> None:
    drawn = {
        (label, source): drawn_crop(32, label == "occupied", seed)
        for label in ("empty", "occupied")
        for seed, source in enumerate(("upright", "mirrored"))
    }
    for (label, source), picture_rgb in drawn.items():
        save_picture(tmp_path / label / f"{source}__cam__A1__1.png", picture_rgb)
    dataset = read_dataset([tmp_path], 32, mirrored_sources=["mirrored"])
    for one, crop_rgb in zip(dataset.samples, dataset.crops_rgb, strict=True):
        picture_rgb = drawn[one.file.parent.name, one.source]
        expected = picture_rgb[::-1] if one.source == "mirrored" else picture_rgb
        assert np.array_equal(crop_rgb, expected)


def test_crops_that_a_device_saved_carry_their_slot_and_day(config: Path, tmp_path: Path) -> None:
    samples = list_samples(sort_crops(config, tmp_path))
    assert len(samples) == 16
    assert {sample.slot for sample in samples} <= {f"S{slot.id}" for slot in racks.slots()}
    assert len({sample.slot for sample in samples}) == 16
    (time,) = {sample.time for sample in samples}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}\.\d{3}", time)
