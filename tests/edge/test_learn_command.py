"""`slotwatch snapshot --crops` and `slotwatch learn`, from a picture to what a daemon finds."""

import cv2
import numpy as np
import pytest

from edge.__main__ import main
from edge.bundle import read_bundle, read_golden
from edge.learned_head import HEAD_FILE, read_head
from tests.edge.test_reference_command import MODEL, config, save
from tests.racks import cabinet, slots

__all__ = ["config"]  # a fixture


def sort_crops(config, tmp_path, of_rack=0, count=8, flipped=False):
    """Save the crops of a drawn rack and sort them by what was drawn; return the folder."""
    labels = tmp_path / "labels"
    assert main(["snapshot", "--config", str(config), "--crops", str(labels)]) == 0
    things = np.random.default_rng((9, of_rack))
    counts = {"EMPTY": 0, "OCCUPIED": 0}
    for name in counts:
        (labels / name).mkdir()
    for slot in slots():
        is_occupied = things.random() < 0.6
        if is_occupied:
            things.integers(0, 255, 3), things.integers(-8, 9, 2), things.integers(12, 22)
        (path,) = labels.glob(f"S{slot.id}_*.png")
        name = "OCCUPIED" if is_occupied ^ flipped else "EMPTY"
        if counts[name] < count:
            counts[name] += 1
            path.replace(labels / name / path.name)
    return labels


def learn(config, *words):
    return main(["learn", "--config", str(config), *map(str, words)])


def sha_of_model():
    return read_bundle(MODEL).model_sha256


def test_the_crops_of_a_frame_are_saved_as_the_model_takes_them(config, tmp_path, capsys):
    assert main(["snapshot", "--config", str(config), "--crops", str(tmp_path / "crops")]) == 0
    assert "24 crops; sort them into EMPTY and OCCUPIED" in capsys.readouterr().out
    paths = list((tmp_path / "crops").iterdir())
    assert {path.name.partition("_")[0] for path in paths} == {f"S{slot.id}" for slot in slots()}
    assert all(cv2.imread(str(path)).shape == (128, 128, 3) for path in paths)


def test_nothing_is_saved_of_a_picture_that_cannot_be_used(config, tmp_path, capsys):
    save(tmp_path / "now.png", np.zeros_like(cabinet()))
    assert main(["snapshot", "--config", str(config), "--crops", str(tmp_path / "crops")]) == 0
    assert capsys.readouterr().out == "the picture cannot be used: frame_dark\n"
    assert not (tmp_path / "crops").exists()


def test_a_snapshot_must_be_told_what_to_write(config, capsys):
    assert main(["snapshot", "--config", str(config)]) == 78
    assert capsys.readouterr().err == "say what to write: --out FILE, --crops FOLDER, or both\n"


def test_labels_that_contradict_the_model_are_learnt_and_forgotten(config, tmp_path, capsys):
    labels = sort_crops(config, tmp_path, flipped=True)
    capsys.readouterr()
    assert learn(config, "--labels", labels) == 0
    said = capsys.readouterr().out
    assert "8 crops EMPTY, 8 OCCUPIED" in said
    assert "learnt, each crop judged without its own labels: " in said
    assert "To go back: slotwatch learn --undo" in said
    storage = config.parent / "state"
    assert read_head(storage, sha_of_model()) is not None
    assert learn(config, "--undo") == 0
    assert not (storage / HEAD_FILE).exists()
    assert learn(config, "--undo") == 78
    assert "nothing was learnt here" in capsys.readouterr().err


def test_a_crop_in_the_wrong_folder_is_named(config, tmp_path, capsys):
    labels = sort_golden(tmp_path, count=8, exchanged=1)
    assert learn(config, "--labels", labels) == 0
    said = capsys.readouterr().out.splitlines()
    (in_empty,) = (p for p in (labels / "EMPTY").iterdir() if f"  {p.name}: " in "\n".join(said))
    assert any(
        line.startswith(f"  {in_empty.name}: labelled EMPTY, reads OCCUPIED") for line in said
    )
    assert sum(line.startswith("  ") for line in said) == 2
    assert said[-1] == "not kept: these labels make it no better; the model stays as it is"


def test_a_new_lesson_replaces_the_one_before_and_says_so(config, tmp_path, capsys):
    labels = sort_crops(config, tmp_path)
    capsys.readouterr()
    learn(config, "--labels", labels)
    first = capsys.readouterr().out.splitlines()
    # In lower case, as a person may type it.
    (labels / "EMPTY").rename(labels / "empty")
    learn(config, "--labels", labels)
    second = capsys.readouterr().out.splitlines()
    storage = config.parent / "state"
    kept = f"kept in {storage / HEAD_FILE}"
    assert first[-2] == f"{kept}; a running daemon takes it within 3 seconds."
    assert second[-2] == (
        f"{kept}; it replaces what was learnt before; a running daemon takes it within 3 seconds."
    )
    assert second[-1] == "To go back: slotwatch learn --undo"
    # What was learnt first is no part of what is compared.
    assert second[:-2] == first[:-2]


def test_a_folder_that_is_not_there_is_named(config, tmp_path, capsys):
    assert learn(config, "--labels", tmp_path / "nope") == 78
    assert capsys.readouterr().err == (
        f"{tmp_path / 'nope'}: there is no such folder; give the one that holds EMPTY and "
        "OCCUPIED\n"
    )


def test_a_picture_in_both_folders_is_named(config, tmp_path, capsys):
    labels = sort_crops(config, tmp_path)
    copied = sorted((labels / "EMPTY").iterdir())[0]
    (labels / "OCCUPIED" / "copy.png").write_bytes(copied.read_bytes())
    capsys.readouterr()
    assert learn(config, "--labels", labels) == 78
    assert f"{copied}: the same picture as " in capsys.readouterr().err


def test_everything_wrong_with_the_folder_is_said_at_once(config, tmp_path, capsys):
    labels = tmp_path / "labels"
    (labels / "EMPTY").mkdir(parents=True)
    (labels / "EMPTY" / ".DS_Store").write_bytes(b"x")
    (labels / "EMPTY" / "a.png").write_bytes(b"")
    (labels / "EMPTY" / "b.jpg").write_bytes(b"no picture")
    (labels / "EMPTY" / "c.png").mkdir()
    save(labels / "EMPTY" / "d.png", np.zeros((4, 90, 3), np.uint8))
    assert learn(config, "--labels", labels) == 78
    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == 5
    assert problems[0].endswith("a.png: the file is empty; take it out of the folder")
    assert "b.jpg: it is damaged, no picture" in problems[1]
    assert "c.png: " in problems[2]
    assert "d.png: smaller than 8 pixels" in problems[3]
    assert "OCCUPIED: 0 pictures; put at least 3 crops of OCCUPIED slots there" in problems[4]
    assert not (config.parent / "state").exists()


def test_more_crops_than_a_site_needs_are_refused_unread(config, tmp_path, capsys):
    for label in ("EMPTY", "OCCUPIED"):
        (tmp_path / label).mkdir()
        for number in range(201):
            (tmp_path / label / f"{number}.png").touch()
    assert learn(config, "--labels", tmp_path) == 78
    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == 2
    assert "201 pictures; leave the 200 that differ most" in problems[0]


def test_a_name_that_begins_with_a_slot_uses_its_empty_picture(config, tmp_path, capsys):
    labels = sort_crops(config, tmp_path, count=24)
    # A thing that the model takes for an empty slot.
    assert list(labels.glob("OCCUPIED/S12_*"))
    capsys.readouterr()
    learn(config, "--labels", labels)
    alone = capsys.readouterr().out.splitlines()[1]
    save(tmp_path / "empty.png", cabinet(contents=2))  # in which this slot is empty
    words = ["--slot", "S12", "--source", str(tmp_path / "empty.png")]
    assert main(["reference", "--config", str(config), *words]) == 0
    capsys.readouterr()
    learn(config, "--labels", labels)
    beside = capsys.readouterr().out.splitlines()[1]
    before = "before, by the model and its references alone"
    assert alone.startswith(f"{before}: 0 right, 3 wrong,")
    assert beside.startswith(f"{before}: 1 right, 2 wrong,")


def sort_golden(tmp_path, count=3, exchanged=0):
    """Sort the bundle's golden crops, of which it is sure; the first of each label wrongly."""
    golden = read_golden(read_bundle(MODEL))
    order = np.argsort(golden.probability)
    labels = tmp_path / "labels"
    for name, wrong_name, indices in (
        ("EMPTY", "OCCUPIED", order[:count]),
        ("OCCUPIED", "EMPTY", order[-count:]),
    ):
        for number, index in enumerate(indices):
            folder = labels / (wrong_name if number < exchanged else name)
            folder.mkdir(parents=True, exist_ok=True)
            save(folder / f"{index}.png", golden.crops_rgb[index])
    return labels


def test_folders_that_are_mixed_up_are_refused(config, tmp_path, capsys):
    labels = sort_golden(tmp_path, exchanged=3)
    assert learn(config, "--labels", labels) == 78
    assert capsys.readouterr().err == (
        f"{labels}: most labels contradict how the crops are read; if EMPTY and OCCUPIED are mixed "
        "up, exchange the two folders; if the labels are right, add --allow-contradicting "
        "(not kept: the model stays as it is)\n"
    )
    assert not (config.parent / "state").exists()


def test_folders_that_are_mixed_up_leave_what_was_learnt_before(config, tmp_path, capsys):
    assert learn(config, "--labels", sort_crops(config, tmp_path)) == 0
    path = config.parent / "state" / HEAD_FILE
    learnt = path.read_bytes()
    labels = sort_golden(tmp_path / "other", exchanged=3)
    assert learn(config, "--labels", labels) == 78
    assert "(not kept: what was learnt before stays in use)\n" in capsys.readouterr().err
    assert path.read_bytes() == learnt
    assert learn(config, "--undo") == 0  # to before both: the second left nothing to go back to
    assert not path.exists()


def test_labels_that_contradict_the_model_are_learnt_where_someone_means_it(config, tmp_path):
    labels = sort_golden(tmp_path, exchanged=3)
    assert learn(config, "--labels", labels, "--allow-contradicting") == 0
    assert read_head(config.parent / "state", sha_of_model()) is not None


@pytest.mark.parametrize("words", [[], ["--labels", "a", "--undo"]])
def test_one_thing_is_asked_for(config, words):
    with pytest.raises(SystemExit) as stopped:
        learn(config, *words)
    assert stopped.value.code == 2
