"""A contact sheet shows people what the network sees."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.garbage import GARBAGE
from trainer.__main__ import main
from trainer.contact_sheet import VIEWS, contact_sheet, sheet_page, sheet_rows
from trainer.dataset import Sample
from trainer.drawn import drawn_crop

pytestmark = pytest.mark.trainer

SIZE_PX = 32


def drawn_samples(source: str, labels: list[bool]) -> tuple[list[Sample], np.ndarray]:
    samples = [
        Sample(Path(f"{source}{number}.png"), is_occupied, source, "cam0", f"s{number}", "")
        for number, is_occupied in enumerate(labels)
    ]
    crops = [drawn_crop(SIZE_PX, is_occupied, seed) for seed, is_occupied in enumerate(labels)]
    return samples, np.stack(crops)


def test_each_source_and_label_has_rows_that_begin_with_the_crop_itself() -> None:
    samples, crops_rgb = drawn_samples("shelf", [False, True] * 3)
    rows = sheet_rows(samples, crops_rgb)
    titles = [row.title for row in rows]
    assert titles[:4] == ["shelf EMPTY", "shelf EMPTY", "shelf OCCUPIED", "shelf OCCUPIED"]
    assert titles[4:] == [f"garbage: {name}" for name in GARBAGE]
    for row in rows[:4]:
        first_rgb, *views_rgb = row.pictures_rgb
        shown = next(
            i for i, crop_rgb in enumerate(crops_rgb) if np.array_equal(crop_rgb, first_rgb)
        )
        assert row.title == f"shelf {samples[shown].label}"
        assert row.detail == f"cam0 s{shown}"
        assert len({view_rgb.tobytes() for view_rgb in views_rgb}) == VIEWS
    assert {len(row.pictures_rgb) for row in rows} == {VIEWS + 1}


def test_a_source_with_one_label_or_one_crop_is_shown_too() -> None:
    samples, crops_rgb = drawn_samples("lone", [False])
    assert sheet_rows(samples, crops_rgb)[0].title == "lone EMPTY"


def test_the_same_seed_gives_the_same_sheet() -> None:
    samples, crops_rgb = drawn_samples("shelf", [False, True])
    first = contact_sheet(samples, crops_rgb, 1)
    assert first.dtype == np.uint8
    assert first.shape[2] == 3
    assert np.array_equal(first, contact_sheet(samples, crops_rgb, 1))
    assert not np.array_equal(first, contact_sheet(samples, crops_rgb, 2))


def test_the_drawn_sheet_shows_the_crop_and_a_title() -> None:
    samples, crops_rgb = drawn_samples("shelf", [True])
    sheet_rgb = contact_sheet(samples, crops_rgb)
    found = cv2.matchTemplate(sheet_rgb, crops_rgb[0], cv2.TM_SQDIFF)
    _, _, (left_px, top_px), _ = cv2.minMaxLoc(found)
    assert np.array_equal(
        sheet_rgb[top_px : top_px + SIZE_PX, left_px : left_px + SIZE_PX], crops_rgb[0]
    )
    assert sheet_rgb[top_px : top_px + SIZE_PX, : left_px - 10].min() < 60


def test_the_page_is_self_contained_and_escapes_names() -> None:
    samples, crops_rgb = drawn_samples("선반 <b>", [True])
    page = sheet_page(sheet_rows(samples, crops_rgb), "What tiny sees")
    assert "선반 &lt;b&gt; OCCUPIED" in page
    assert "http" not in page
    assert page.count("<img") == (1 + len(GARBAGE)) * (VIEWS + 1)


@pytest.mark.parametrize("name", ["sheet.JPG", "sheet.png", "시트.html"])
def test_the_command_writes_the_kind_of_file_its_ending_says(
    name: str,
    tmp_path: Path,
    drawn_folders: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn_folders(tmp_path / "data")
    out = tmp_path / "new" / name
    assert main(["contact-sheet", "--data", str(tmp_path / "data"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    data = out.read_bytes()
    if out.suffix == ".html":
        assert "garbage: torn" in data.decode("utf-8")
    else:
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[0] > 1000


def test_an_unknown_ending_is_refused(
    tmp_path: Path, drawn_folders: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    drawn_folders(tmp_path / "data")
    out = tmp_path / "sheet.gif"
    assert main(["contact-sheet", "--data", str(tmp_path / "data"), "--out", str(out)]) == 78
    assert capsys.readouterr().err == (
        f"--out {out}: the file's ending says what to write; end it in .jpg, .png or .html\n"
    )
