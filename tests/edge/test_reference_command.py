"""`slotwatch reference`, from a picture to what a daemon finds."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.__main__ import main
from edge.references import read_references, write_learnt
from tests.racks import HEIGHT_PX, WIDTH_PX, cabinet, slots

MODEL = Path(__file__).parents[2] / "models" / "default"


@pytest.fixture
def config(tmp_path):
    """Return a config.yaml whose camera is one picture of a drawn rack."""
    lines = [f"frame: [{WIDTH_PX}, {HEIGHT_PX}]", "slots:"]
    for slot in slots():
        x, y, right, bottom = (round(float(v)) for v in slot.polygon_px[[0, 2]].ravel())
        lines.append(f"  S{slot.id}: [{x}, {y}, {right - x}, {bottom - y}]")
    (tmp_path / "slots.yaml").write_text("\n".join(lines))
    save(tmp_path / "now.png", cabinet())
    (tmp_path / "config.yaml").write_text(
        f"device: rack\ncamera: {{source: now.png}}\nmodel: {MODEL}\nslots: slots.yaml\n"
        "storage: state\n"
    )
    return tmp_path / "config.yaml"


def save(path, image_rgb):
    cv2.imwrite(str(path), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))


def reference(config, *words):
    return main(["reference", "--config", str(config), *words])


def test_the_cabinet_is_remembered_as_the_camera_shows_it(config, capsys):
    assert reference(config) == 0
    assert capsys.readouterr().out == (
        "the cabinet remembered as this picture of 640x480 shows it\n"
    )
    found = read_references(config.parent / "state")
    assert np.array_equal(found.cabinets[0].image_rgb, cabinet())
    assert set(found.cabinets[0].regions) == {f"S{slot.id}" for slot in slots()}
    assert found.empties == {}


def test_the_same_picture_mends_one_that_was_damaged(config):
    reference(config)
    (path,) = (config.parent / "state" / "references").glob("*.png")
    path.write_bytes(path.read_bytes()[:1000])
    assert reference(config) == 0
    found = read_references(config.parent / "state")
    assert np.array_equal(found.cabinets[0].image_rgb, cabinet())


def test_an_empty_cabinet_is_all_slots_empty(config, capsys):
    assert reference(config, "--empty") == 0
    assert "24 slots remembered as seen now, empty" in capsys.readouterr().out
    found = read_references(config.parent / "state")
    assert len(found.empties) == 24
    assert all(empty.is_asked for (empty,) in found.empties.values())


def test_slots_that_look_occupied_are_named(config, capsys):
    with config.open("a") as file:
        file.write("decision: {occupied_at: 0.001, empty_at: 0.0005}\n")
    assert reference(config, "--slot", "S11") == 0
    assert "the model alone reads OCCUPIED in S11: look there" in capsys.readouterr().out


def test_one_slot_is_remembered_and_the_cabinet_stays(config, tmp_path, capsys):
    reference(config)
    save(tmp_path / "now.png", cabinet(3))
    assert reference(config, "--slot", "S11", "--slot", "S11") == 0
    assert capsys.readouterr().out.endswith("1 slot remembered as seen now, empty\n")
    found = read_references(config.parent / "state")
    assert list(found.empties) == ["S11"]
    assert np.array_equal(found.cabinets[0].image_rgb, cabinet())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--slot", "S99"], "S99: there is no such slot; the slots are S00, S01,"),
        (["--empty", "--slot", "S11"], "--empty means every slot; leave out --slot"),
    ],
)
def test_what_cannot_be_meant_is_refused(config, capsys, words, said):
    assert reference(config, *words) == 78
    assert said in capsys.readouterr().err
    assert not (config.parent / "state").exists()


def test_a_picture_that_shows_nothing_is_no_reference(config, tmp_path, capsys):
    reference(config)
    save(tmp_path / "now.png", np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8))
    assert reference(config, "--empty") == 1
    assert "this picture is no reference (frame_dark)" in capsys.readouterr().err
    assert read_references(config.parent / "state").empties == {}


def test_a_picture_of_another_shape_is_refused(config, tmp_path, capsys):
    save(tmp_path / "now.png", cabinet()[:300])
    assert reference(config) == 78
    assert "640x300, of another shape than the 640x480" in capsys.readouterr().err


def test_slots_are_taken_from_where_the_reference_says_they_are_now(config, tmp_path):
    reference(config)
    save(tmp_path / "bumped.png", np.roll(cabinet(), 20, axis=1))
    assert reference(config, "--slot", "S11") == 0
    assert reference(config, "--slot", "S11", "--source", str(tmp_path / "bumped.png")) == 0
    straight, bumped = read_references(config.parent / "state").empties["S11"]
    difference = np.abs(straight.crop_rgb.astype(int) - bumped.crop_rgb)
    assert difference.mean() < 2


def test_a_picture_of_something_else_is_no_empty_slot(config, tmp_path, capsys):
    reference(config)
    save(tmp_path / "floor.png", cabinet()[::-1, ::-1])
    assert reference(config, "--slot", "S11", "--source", str(tmp_path / "floor.png")) == 1
    assert "does not show the cabinet of the reference" in capsys.readouterr().err


def test_another_light_stands_beside_the_first(config, tmp_path, capsys):
    reference(config)
    save(tmp_path / "night.png", 255 - cabinet())
    assert reference(config, "--light", "--source", str(tmp_path / "night.png")) == 0
    said = capsys.readouterr().out
    assert "beside its pictures in other lights" in said
    assert "make sure that the camera stands as it stood" in said
    assert len(read_references(config.parent / "state").cabinets) == 2
    reference(config)
    assert len(read_references(config.parent / "state").cabinets) == 1


def test_another_light_from_another_place_is_refused(config, tmp_path, capsys):
    reference(config)
    save(tmp_path / "bumped.png", np.roll(cabinet(), 20, axis=1))
    assert reference(config, "--light", "--source", str(tmp_path / "bumped.png")) == 1
    assert "the camera has moved by 20 px since the first picture" in capsys.readouterr().err
    assert len(read_references(config.parent / "state").cabinets) == 1


def test_another_light_of_a_camera_that_looks_elsewhere_is_refused(config, tmp_path, capsys):
    reference(config)
    save(tmp_path / "turned.png", np.roll(cabinet(), WIDTH_PX // 4, axis=1))
    assert reference(config, "--light", "--source", str(tmp_path / "turned.png")) == 1
    assert "the camera looks elsewhere than in the first picture" in capsys.readouterr().err
    assert len(read_references(config.parent / "state").cabinets) == 1


def test_what_slots_looked_like_can_be_forgotten(config, capsys):
    reference(config, "--empty")
    assert reference(config, "--slot", "S11", "--forget") == 0
    state = config.parent / "state"
    assert len(read_references(state).empties["S11"]) == 1
    write_learnt(state, read_references(state).with_empty("S12", learnt("S12", state)))
    assert reference(config, "--forget") == 0
    assert capsys.readouterr().out.endswith("24 slots forgotten as seen empty before\n")
    assert read_references(state).empties == {}
    assert len(read_references(state).cabinets) == 1


def learnt(slot_id, state):
    (asked,) = read_references(state).empties[slot_id]
    return replace(asked, crop_rgb=255 - asked.crop_rgb, is_asked=False)


def test_check_says_what_the_device_was_shown(config, capsys):
    def says():
        main(["check", "--no-camera", "--config", str(config)])
        return next(line for line in capsys.readouterr().out.splitlines() if "the cabinet" in line)

    assert says().startswith("hint     no picture of the cabinet: a bumped camera is not followed")
    reference(config, "--empty")
    capsys.readouterr()
    assert says() == ("ok       references: the cabinet in 1 light, 24 of 24 slots known empty")
    slots_path = config.parent / "slots.yaml"
    slots_path.write_text(slots_path.read_text().replace("S11: [160", "S11: [161"))
    assert says().endswith("23 of 24 slots known empty (1 more before their region was moved)")


def test_folder_of_uploads_is_seen_by_its_newest_picture(config, tmp_path, capsys):
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    save(uploads / "20260101-000000.png", cabinet(contents=3))
    save(uploads / "20260101-000001.png", cabinet())
    assert reference(config, "--source", str(uploads)) == 0
    assert capsys.readouterr().out.startswith(
        f"{uploads}: its newest picture is 20260101-000001.png\n"
    )
    (kept,) = read_references(tmp_path / "state").cabinets
    assert (kept.image_rgb == cabinet()).all()
    look = tmp_path / "look.png"
    words = ["snapshot", "--config", str(config), "--source", str(uploads), "--out", str(look)]
    assert main(words) == 0
    assert "its newest picture is 20260101-000001.png" in capsys.readouterr().out
    text = config.read_text().replace("now.png", "uploads")
    config.write_text(text)
    main(["check", "--config", str(config)])
    assert f"ok       {uploads / '20260101-000001.png'}: " in capsys.readouterr().out
