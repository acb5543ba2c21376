"""Mining hands out the few crops of a pool that are worth a label."""

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.types import ImageRGB
from trainer.__main__ import main
from trainer.dataset import DataError, list_samples, read_dataset
from trainer.drawn import drawn_crop
from trainer.mine import Mined, mine
from trainer.mining.choice import SAME_SCENE, choose
from trainer.mining.doubts import (
    DISPUTED,
    OTHER_LIGHTS,
    UNDECIDED,
    Answers,
    Doubt,
    Labelled,
    doubts_of,
    relit,
)
from trainer.mining.pool import PoolCrop, list_pool
from trainer.mining.to_label import hand_out, kept_rows, names_handed_out

pytestmark = pytest.mark.trainer

BUNDLE = Path(__file__).parents[2] / "models" / "default"
SavePicture = Callable[[Path, ImageRGB], None]


def crop_of(slot: str = "", time: str = "", is_occupied: bool | None = None) -> PoolCrop:
    return PoolCrop(Path(f"{slot}{time}.png"), "shelf", "cam0", slot, time, is_occupied)


def answers_of(
    probability: Sequence[float], in_other_light: Sequence[Sequence[float]] | None = None
) -> Answers:
    """Return answers that other light does not change, unless told, and embeddings all apart."""
    answers = np.array(probability, np.float32)
    lights = (
        np.repeat(answers[:, None], len(OTHER_LIGHTS), axis=1)
        if in_other_light is None
        else np.array(in_other_light, np.float32)
    )
    return Answers(answers, lights, np.eye(len(answers), 8, dtype=np.float32), 0.4, 0.6)


def about(share: float) -> Any:
    return pytest.approx(share)


def test_only_an_answer_near_a_half_is_undecided() -> None:
    doubts = doubts_of([crop_of()] * 4, answers_of([0.5, 0.62, 0.03, 0.95]), None)
    assert doubts == [
        Doubt(UNDECIDED, 1.0, "undecided at 0.50"),
        Doubt(UNDECIDED, about(0.76), "undecided at 0.62"),
        None,
        None,
    ]


def test_a_wrong_label_or_a_wrong_answer_is_a_dispute() -> None:
    crops = [crop_of(is_occupied=False), crop_of(is_occupied=True), crop_of(is_occupied=False)]
    doubts = doubts_of(crops, answers_of([0.97, 0.97, 0.03]), None)
    assert doubts == [
        Doubt(DISPUTED, about(0.97), "reads OCCUPIED at 0.97, but is labelled EMPTY"),
        None,
        None,
    ]


def test_what_the_device_would_not_answer_is_undecided_whatever_its_label() -> None:
    crops = [crop_of(is_occupied=False), crop_of(is_occupied=True), crop_of(is_occupied=False)]
    doubts = doubts_of(crops, answers_of([0.51, 0.41, 0.61]), None)
    assert [doubt.kind for doubt in doubts if doubt] == [UNDECIDED, UNDECIDED, DISPUTED]


def test_an_answer_that_other_light_flips_is_a_dispute() -> None:
    # Less sure is not contrary.
    lights = [[0.9, 0.3, 0.1, 0.9], [0.9, 0.52, 0.9, 0.9]]
    doubts = doubts_of([crop_of()] * 2, answers_of([0.95, 0.95], lights), None)
    reason = "reads OCCUPIED at 0.95, but in warmer light EMPTY at 0.10"
    assert doubts == [Doubt(DISPUTED, about(0.85), reason), None]


def test_a_lone_frame_that_differs_from_those_around_it_is_a_dispute() -> None:
    # Out of order, and another slot in between: only s1's own time counts.
    crops = [crop_of("s1", "10:01"), crop_of("s2", "10:01"), crop_of("s1", "10:02")]
    crops += [crop_of("s1", "10:00"), crop_of("s1", "10:03")]
    doubts = doubts_of(crops, answers_of([0.9, 0.95, 0.05, 0.05, 0.05]), None)
    reason = "reads OCCUPIED at 0.90, but the slot reads EMPTY right before and after"
    assert doubts == [Doubt(DISPUTED, about(0.85), reason), None, None, None, None]


def test_a_lasting_change_is_no_dispute() -> None:
    crops = [crop_of("s1", f"10:0{minute}") for minute in range(4)]
    assert doubts_of(crops, answers_of([0.05, 0.05, 0.95, 0.95]), None) == [None] * 4


def test_unlike_labels_of_similar_crops_are_a_dispute() -> None:
    near, far = np.eye(2, 8, dtype=np.float32)
    labelled = Labelled(
        np.stack([near] * 6 + [far] * 6), np.array([False] * 5 + [True] + [True] * 6)
    )
    doubts = doubts_of([crop_of(), crop_of()], answers_of([0.98, 0.98]), labelled)
    assert doubts[0] is not None
    assert doubts[0].kind == DISPUTED
    assert "of the 5 most similar labelled crops are EMPTY" in doubts[0].reason
    assert doubts[1] is None


def test_of_many_frames_of_one_scene_one_is_chosen() -> None:
    random = np.random.default_rng(0)
    scenes = np.abs(random.normal(0, 1, (3, 16)))
    rows = np.repeat(scenes, 40, axis=0) + random.normal(0, 0.005, (120, 16))
    embedding = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    strength = np.linspace(1, 0.5, 120).astype(np.float32)
    chosen = choose(strength, embedding, 10, embedding[:0])
    assert chosen[0] == 0
    assert sorted(index // 40 for index in chosen) == [0, 1, 2]
    # What is known already is not chosen again.
    assert {index // 40 for index in choose(strength, embedding, 10, embedding[[50]])} == {0, 2}


def test_of_equal_doubts_the_one_least_like_the_first_comes_second() -> None:
    angles = np.array([0.0, 0.3, 1.2, 0.6])
    embedding = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    strength = np.array([1, 0.9, 0.9, 0.9], np.float32)
    assert choose(strength, embedding, 2, embedding[:0]) == [0, 2]


def test_the_chosen_are_no_more_than_asked_for_and_apart() -> None:
    random = np.random.default_rng(1)
    rows = np.abs(random.normal(0, 1, (50, 16)))
    embedding = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    chosen = choose(np.ones(50, np.float32), embedding, 7, embedding[:0])
    assert len(chosen) == 7
    distances = 1 - embedding[chosen] @ embedding[chosen].T + np.eye(7)
    assert distances.min() > SAME_SCENE
    assert choose(np.zeros(0, np.float32), embedding[:0], 7, embedding[:0]) == []
    assert choose(np.ones(50, np.float32), embedding, 0, embedding[:0]) == []


def test_a_tree_of_any_pictures_is_a_pool(tmp_path: Path, save_picture: SavePicture) -> None:
    picture_rgb = drawn_crop(16, True, 1)
    for name in ("선반/2024-05-01.png", "shelf__cam1__A3__0900.png", "out/to_label/x.png"):
        save_picture(tmp_path / "pool" / name, picture_rgb)
    (tmp_path / "pool" / "notes.txt").write_text("no picture", "utf-8")
    crops = list_pool(tmp_path / "pool", tmp_path / "pool" / "out")
    assert [crop.handed_out_name for crop in crops] == [
        "shelf__cam1__A3__0900.png",
        "pool__선반____2024-05-01.png",
    ]
    assert [crop.is_occupied for crop in crops] == [None, None]


def test_a_labelled_pool_keeps_its_labels_and_names_of_their_own(
    tmp_path: Path, save_picture: SavePicture
) -> None:
    for number in (1, 2):
        save_picture(tmp_path / f"{number}.png", drawn_crop(16, True, number))
    (tmp_path / "index.csv").write_text(
        "file,label,camera,slot,time\n1.png,EMPTY,c,s,t\n2.png,OCCUPIED,c,s,t\n", "utf-8"
    )
    crops = list_pool(tmp_path, tmp_path / "out")
    assert [crop.is_occupied for crop in crops] == [False, True]
    assert crops[0].handed_out_name.endswith("__c__s__t.png")
    assert crops[1].handed_out_name.endswith("__c__s__t-2.png")


def test_a_pool_without_pictures_or_with_a_broken_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder; give the folder that holds the crops"):
        list_pool(tmp_path / "nowhere", tmp_path)
    (tmp_path / "pool").mkdir()
    with pytest.raises(DataError, match="no picture in it"):
        list_pool(tmp_path / "pool", tmp_path / "out")
    (tmp_path / "pool" / "index.csv").write_text("file,label\n", "utf-8")
    with pytest.raises(DataError, match="the column camera, slot, time is missing"):
        list_pool(tmp_path / "pool", tmp_path / "out")


def test_other_light_brightens_and_never_overflows() -> None:
    crop_rgb = np.full((4, 4, 3), 200, np.uint8)
    assert (relit(crop_rgb, (1.5, 1.0, 0.5)) == [255, 200, 100]).all()


@pytest.fixture
def pool(tmp_path: Path, save_picture: SavePicture) -> Path:
    """Return a pool in which everything with a thing in it is labelled EMPTY, and one is broken."""
    folder = tmp_path / "pool"
    for number in range(6):
        for is_occupied in (False, True):
            name = f"shelf__cam0__s{number}{'ab'[is_occupied]}__t.png"
            save_picture(folder / "empty" / name, drawn_crop(64, is_occupied, number))
    (folder / "empty" / "broken.png").write_bytes(b"\x89PNG nothing")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def read_index(out: Path) -> list[dict[str, str]]:
    with (out / "to_label" / "index.csv").open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def test_the_folder_to_label_says_why_and_the_pool_stays_as_it_was(
    pool: Path, tmp_path: Path
) -> None:
    before, out = files_of(pool), tmp_path / "out"
    mined = mine(BUNDLE, pool, out, 5)
    assert files_of(pool) == before
    rows = read_index(out)
    assert (mined.pool_count, mined.waiting_count) == (12, 0)
    assert 1 < mined.disputed_count + mined.undecided_count == len(rows) <= 5
    assert {row["label"] for row in rows} == {""}
    # A drawn thing under EMPTY is noticed, whatever model ships.
    assert "is labelled EMPTY" in rows[0]["reason"]
    assert rows[0]["slot"].endswith("b")
    for row in rows:
        copy = out / "to_label" / row["file"]
        assert copy.read_bytes() == (pool / "empty" / row["file"]).read_bytes()
    page = (out / "index.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == len(rows)
    assert "http" not in page


def test_a_second_run_changes_nothing_and_keeps_what_was_labelled(
    pool: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert mine(BUNDLE, pool, out, 2).waiting_count == 0
    assert len(read_index(out)) == 2
    before = files_of(out)
    assert mine(BUNDLE, pool, out, 2) == Mined(12, 2, 0, 0)
    assert files_of(out) == before

    # One label is written into the table, the other crop shows no slot.
    rows = read_index(out)
    table = out / "to_label" / "index.csv"
    table.write_text(table.read_text("utf-8").replace(",,cam0", ",OCCUPIED,cam0", 1), "utf-8")
    shutil.move(out / "to_label" / rows[1]["file"], out / "neither" / rows[1]["file"])
    again = mine(BUNDLE, pool, out, 2)
    assert again.waiting_count == 0
    assert again.disputed_count + again.undecided_count > 0
    after = read_index(out)
    assert len(after) == 1 + again.disputed_count + again.undecided_count
    assert after[0] == rows[0] | {"label": "OCCUPIED"}
    assert rows[1]["file"] not in [row["file"] for row in after]


def test_a_table_that_a_spreadsheet_spoilt_is_named_and_kept(tmp_path: Path) -> None:
    table = tmp_path / "to_label" / "index.csv"
    table.parent.mkdir()
    table.write_bytes("file,label\n사진.png,EMPTY\n".encode("cp949"))
    before = table.read_bytes()
    with pytest.raises(DataError, match=r"index\.csv: cannot be read .*; save it as UTF-8 CSV"):
        kept_rows(tmp_path)
    assert table.read_bytes() == before


def test_what_an_interrupted_run_copied_waits_for_a_label(
    tmp_path: Path, save_picture: SavePicture
) -> None:
    save_picture(tmp_path / "a.png", drawn_crop(32, True, 1))
    crop = PoolCrop(tmp_path / "a.png", "yard", "c1", "", "")
    doubt = Doubt(UNDECIDED, 1.0, "near 0.5")
    # In a full disk's place: the second crop cannot be copied.
    lost = PoolCrop(tmp_path / "gone.png", "yard", "c1", "", "")
    with pytest.raises(FileNotFoundError):
        hand_out(tmp_path / "out", [], [(crop, doubt), (lost, doubt)])
    assert [row.file for row in kept_rows(tmp_path / "out")] == [crop.handed_out_name]
    assert names_handed_out(tmp_path / "out") == {crop.handed_out_name, "index.csv"}


def test_what_was_labelled_can_be_trained_on_either_way(
    pool: Path, tmp_path: Path, save_picture: SavePicture
) -> None:
    out = tmp_path / "out"
    mine(BUNDLE, pool, out, 4)
    rows = read_index(out)
    table = out / "to_label" / "index.csv"
    written = table.read_text("utf-8")
    table.write_text(
        written.replace(",,cam0", ",EMPTY,cam0", 1).replace(",,", ",OCCUPIED,"), "utf-8"
    )
    samples = list_samples(out / "to_label")
    assert [sample.is_occupied for sample in samples] == [False] + [True] * (len(rows) - 1)
    assert {sample.source for sample in samples} == {"shelf"}

    for row, folder in zip(rows, ["empty"] + ["occupied"] * len(rows), strict=False):
        shutil.move(out / "to_label" / row["file"], out / folder / row["file"])
    dataset = read_dataset([out], 32)
    assert {sample.slot for sample in dataset.samples} == {row["slot"] for row in rows}


def test_the_command_tells_what_was_chosen_and_where(
    pool: Path,
    tmp_path: Path,
    drawn_folders: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn_folders(tmp_path / "data")
    out = tmp_path / "out"
    words = ["--bundle", BUNDLE, "--pool", pool, "--data", tmp_path / "data", "--out", out]
    assert main(["mine", *map(str, words), "--count", "1"]) == 0
    assert capsys.readouterr().out == (
        "1 of 12 crops chosen: 1 disputed, 0 undecided; 1 wait for a label in "
        f"{out / 'to_label'}\n{out / 'index.html'}\n"
    )


def test_a_count_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["mine", "--bundle", "b", "--pool", "p", "--out", "o", "--count", "0"])
    assert "0 is less than 1" in capsys.readouterr().err
