"""What a device remembers of its cabinet, also after the disk had other plans."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from edge.references import (
    MOST_EMPTIES,
    MOST_LIGHTS,
    CabinetPicture,
    Empty,
    References,
    read_references,
    write_learnt,
    write_references,
)

AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


def crop_of(value, size_px=32):
    """Return a crop of one brightness with a bright corner."""
    crop_rgb = np.full((size_px, size_px, 3), value, np.uint8)
    crop_rgb[:4, :4] = 255
    return crop_rgb


def empty_of(value, region="a", is_asked=False, minutes=0):
    return Empty(crop_of(value), region, AT + timedelta(minutes=minutes), is_asked)


@pytest.fixture
def written(tmp_path):
    image_rgb = np.random.default_rng(1).integers(0, 256, (72, 128, 3), dtype=np.uint8)
    cabinet = CabinetPicture(image_rgb, {"A1": "0 0 1 1"}, AT)
    references = References((cabinet,)).with_empty("A1", empty_of(40, is_asked=True))
    for slot_id, value in (("A1", 90), ("B_2", 120)):
        references = references.with_empty(slot_id, empty_of(value, is_asked=True))
    write_references(tmp_path, references)
    return references


def values_of(references, slot_id):
    return [int(empty.crop_rgb[-1, -1, 0]) for empty in references.empties.get(slot_id, ())]


def test_what_was_written_is_read(written, tmp_path):
    found = read_references(tmp_path)
    assert np.array_equal(found.cabinets[0].image_rgb, written.cabinets[0].image_rgb)
    assert (found.cabinets[0].regions, found.cabinets[0].at) == ({"A1": "0 0 1 1"}, AT)
    assert list(found.empties) == ["A1", "B_2"]
    for before, after in zip(written.empties["A1"], found.empties["A1"], strict=True):
        assert np.array_equal(before.crop_rgb, after.crop_rgb)
        assert (before.region, before.at, before.is_asked) == (
            *(after.region, after.at),
            after.is_asked,
        )


def test_a_cabinet_without_references_has_none(tmp_path):
    assert read_references(tmp_path).cabinets == ()
    assert read_references(tmp_path).empties == {}


def test_pictures_nobody_names_any_more_are_deleted(written, tmp_path):
    write_references(tmp_path, References(written.cabinets))
    assert len(list((tmp_path / "references").glob("*.png"))) == 1


def test_a_damaged_picture_is_left_out_and_named(written, tmp_path, caplog):
    index = json.loads((tmp_path / "references" / "index.json").read_bytes())
    first, second = (entry["file"] for entry in index["empty"]["A1"])
    (tmp_path / "references" / first).write_bytes(b"torn")
    (tmp_path / "references" / second).unlink()
    found = read_references(tmp_path)
    assert len(found.cabinets) == 1
    assert list(found.empties) == ["B_2"]
    assert f"{first}: left out (its content changed)" in caplog.text
    assert f"{second}: left out" in caplog.text


@pytest.mark.parametrize("is_index_broken", [False, True])
def test_a_damaged_picture_that_is_taken_again_is_whole(written, tmp_path, caplog, is_index_broken):
    for path in (tmp_path / "references").glob("*.png"):
        path.write_bytes(path.read_bytes()[:100])
    if is_index_broken:
        (tmp_path / "references" / "index.json").write_text("{")
    assert read_references(tmp_path).cabinets == ()
    caplog.clear()
    write_references(tmp_path, written)
    found = read_references(tmp_path)
    assert caplog.text == ""
    assert np.array_equal(found.cabinets[0].image_rgb, written.cabinets[0].image_rgb)
    assert values_of(found, "A1") == [40, 90]


def test_a_picture_that_is_whole_is_not_written_again(written, tmp_path):
    def writes():
        return {path: path.stat().st_ino for path in (tmp_path / "references").glob("*.png")}

    before = writes()
    write_references(tmp_path, written)
    assert writes() == before


@pytest.mark.parametrize(
    "text", ["", "[1]", "[" * 100_000, '{"format": 2}', '{"format": 1, "empty": {"A1": [3]}}']
)
def test_a_damaged_index_is_no_reference_and_says_what_to_do(written, tmp_path, caplog, text):
    (tmp_path / "references" / "index.json").write_text(text)
    assert read_references(tmp_path).empties == {}
    assert "`slotwatch reference` takes new ones" in caplog.text


def test_an_index_cannot_name_files_elsewhere(written, tmp_path):
    path = tmp_path / "references" / "index.json"
    (tmp_path / "secret.png").write_bytes(b"secret")
    index = json.loads(path.read_bytes())
    index["empty"]["A1"][0]["file"] = "../secret.png"
    path.write_text(json.dumps(index))
    assert values_of(read_references(tmp_path), "A1") == [90]


def test_a_full_disk_leaves_what_was_there(written, tmp_path):
    # A folder in the place of the new index's draft fails as a full disk does.
    (tmp_path / "references" / ".index.json.tmp").mkdir()
    with pytest.raises(OSError, match=r"index\.json\.tmp"):
        write_references(tmp_path, References().with_empty("A1", empty_of(200, is_asked=True)))
    assert values_of(read_references(tmp_path), "A1") == [40, 90]


def test_many_lights_stay_and_near_copies_go():
    references = References()
    for minutes, value in enumerate((10, 60, 61, 110, 160, 210, 235)):
        references = references.with_empty("A1", empty_of(value, minutes=minutes))
    assert len(references.empties["A1"]) == MOST_EMPTIES
    assert len({60, 61} & set(values_of(references, "A1"))) == 1


def test_what_a_person_said_outlives_what_was_learnt():
    references = References()
    for value in (100, 101):
        references = references.with_empty("A1", empty_of(value, is_asked=True))
    for value in (10, 60, 160, 210, 235, 20, 70):
        references = references.with_empty("A1", empty_of(value))
    assert values_of(references, "A1")[:2] == [100, 101]
    assert len(references.empties["A1"]) == MOST_EMPTIES


def test_a_region_that_moved_forgets_its_pictures():
    references = References().with_empty("A1", empty_of(10)).with_empty("A1", empty_of(20, "b"))
    assert values_of(references, "A1") == [20]
    assert references.of_region("A1", "a") == ()
    assert len(references.of_region("A1", "b")) == 1


def test_what_was_learnt_lies_beside_what_was_asked_for(written, tmp_path):
    write_learnt(tmp_path, written.with_empty("A1", empty_of(200)))
    found = read_references(tmp_path)
    assert [(e.is_asked, int(e.crop_rgb[-1, -1, 0])) for e in found.empties["A1"]] == [
        *((True, 40), (True, 90)),
        (False, 200),
    ]
    # The command asks again and knows nothing of the daemon's folder.
    write_references(tmp_path, found)
    assert values_of(read_references(tmp_path), "A1") == [40, 90, 200]


def test_what_was_learnt_of_a_region_that_moved_is_left_out(written, tmp_path):
    write_learnt(tmp_path, References().with_empty("A1", empty_of(200, region="before")))
    assert values_of(read_references(tmp_path), "A1") == [40, 90]


def test_what_was_learnt_of_a_region_that_moved_since_it_was_asked_for_counts(written, tmp_path):
    write_learnt(tmp_path, References().with_empty("A1", empty_of(200, region="now", minutes=5)))
    assert values_of(read_references(tmp_path), "A1") == [200]


def test_of_many_lights_the_first_and_the_newest_stay(tmp_path):
    references = References()
    for minutes in range(MOST_LIGHTS + 2):
        image_rgb = np.full((72, 128, 3), 10 * minutes, np.uint8)
        at = AT + timedelta(minutes=minutes)
        references = references.with_cabinet(CabinetPicture(image_rgb, {}, at))
    write_references(tmp_path, references)
    kept = [int(c.image_rgb[0, 0, 0]) for c in read_references(tmp_path).cabinets]
    assert kept == [0, 30, 40, 50]


def test_slots_can_be_forgotten_one_by_one(written):
    assert list(written.without_empties(["A1"]).empties) == ["B_2"]
