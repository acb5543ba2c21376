"""What a data set holds is told in tables, and its traps in plain words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.types import ImageRGB
from trainer.__main__ import main
from trainer.cautions import cautions_of, cautions_of_seen_cameras
from trainer.dataset import Sample, list_samples, read_dataset
from trainer.drawn import drawn_crop
from trainer.recipe import Recipe
from trainer.recipes import RECIPES
from trainer.splits import Split, group_samples, split_dataset, split_groups
from trainer.summary import summarize
from trainer.tables import text_table
from trainer.training_data import with_imagined

pytestmark = pytest.mark.trainer

POOL = Path(__file__).parents[3] / "shared" / "data" / "A_train_pool"


def crops_of(
    source: str = "a",
    cameras: int = 4,
    slots: int = 4,
    days: int = 3,
    occupied: Callable[[int, int], bool] = lambda slot, day: (slot + day) % 2 == 0,
    per_slot: int = 12,
) -> list[Sample]:
    """Return crops of every camera, slot and day; by default without any trap."""
    return [
        Sample(
            Path(f"{source}{camera}{slot}{day}{number}.png"),
            occupied(slot, day),
            source,
            f"c{camera}",
            f"s{slot}",
            f"2024-01-0{day + 1}_{number:02}",
        )
        for camera in range(cameras)
        for slot in range(slots)
        for day in range(days)
        for number in range(per_slot)
    ]


def cautions(samples: list[Sample], recipe: Recipe | None = None) -> list[str]:
    grouping = group_samples(samples)
    names = split_groups(samples, grouping.groups, recipe or Recipe("r"))
    return list(cautions_of(samples, Split(grouping, names, ())))  # type: ignore[arg-type]


def test_good_crops_raise_no_caution() -> None:
    assert cautions(crops_of()) == []


def test_labels_on_disjoint_slots_are_found() -> None:
    (caution,) = cautions(crops_of(occupied=lambda slot, day: slot % 2 == 0))
    assert caution == (
        "a: no slot is seen both EMPTY and OCCUPIED: the labels lie on disjoint slots, so the "
        "model can learn the slots instead of what is in them. Its figures mean little; give it "
        "a low weight, or add crops of the same slots in the other state."
    )


def test_a_few_slots_that_changed_do_not_heal_the_others() -> None:
    slots = crops_of(
        slots=20, occupied=lambda slot, day: slot % 2 == 0 if slot else day == 0, per_slot=3
    )
    (caution,) = cautions(slots)
    assert caution.startswith("a: only 4 of 80 slots are seen both EMPTY and OCCUPIED: the labels")


def test_slots_seen_once_say_nothing_about_it() -> None:
    samples = crops_of(slots=40, days=1, per_slot=1, occupied=lambda slot, day: slot % 2 == 0)
    assert not any("disjoint slots" in caution for caution in cautions(samples))


@pytest.mark.parametrize(
    ("samples", "caution"),
    [
        (crops_of(cameras=1), "One camera only: the figures say nothing about other cameras."),
        (
            crops_of(days=1, occupied=lambda slot, day: slot % 2 == 0)
            + crops_of(days=1, occupied=lambda slot, day: slot % 2 == 1),
            "a: one day only (2024-01-01): the figures say nothing about other light and weather.",
        ),
        (
            crops_of(slots=10, per_slot=20, occupied=lambda slot, day: slot != day),
            "90% of the crops are OCCUPIED. Both labels count alike in training; the plain "
            "accuracy does not say much, the balanced one does.",
        ),
        (
            crops_of() + crops_of("b", occupied=lambda slot, day: True),
            "b: every crop is OCCUPIED; the model can learn to know the source instead of what is "
            "in the slot. Add crops of the other state, or leave it out.",
        ),
        (
            crops_of(per_slot=2, occupied=lambda slot, day: slot == day),
            "Only 24 crops are OCCUPIED: the figures are rough, and more would help.",
        ),
    ],
)
def test_a_trap_is_named(samples: list[Sample], caution: str) -> None:
    assert caution in cautions(samples)


def test_cameras_that_training_saw_in_other_crops_are_named() -> None:
    crops = crops_of()
    (caution,) = cautions_of_seen_cameras(crops, crops[:1])
    assert caution.startswith("a: training saw these cameras on other days or in other slots")
    assert caution.endswith("How it does on a new camera, nothing here can tell.")
    assert list(cautions_of_seen_cameras([], crops)) == []


def test_sources_that_the_test_does_not_cover_are_named() -> None:
    samples = crops_of() + crops_of("b") + crops_of("c", cameras=2, days=1, slots=1)
    assert cautions(samples, Recipe("r", whole_sources=("b",)))[-1] == (
        "No crop of b is in the test (too few cameras, days or slots to spare one, or the "
        "recipe keeps it whole): its figures do not cover that."
    )


def test_crops_that_tell_nothing_of_their_origin_are_named() -> None:
    samples = [Sample(Path(f"{n}.png"), n % 2 == 0, "a", "", "", "") for n in range(300)]
    assert cautions(samples)[0].startswith(
        "a: nothing says which crops belong to one camera, slot or day, so runs of file names "
        "were kept together; figures may be too good."
    )


def test_the_summary_is_tables_of_80_columns(
    tmp_path: Path,
    drawn_folders: Callable[..., None],
    save_picture: Callable[[Path, ImageRGB], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn_folders(tmp_path)
    for number in range(3):
        for is_occupied, label in enumerate(("EMPTY", "OCCUPIED")):
            name = f"창고 북쪽 벽의 긴 이름__카메라{number}__자리 1__x.png"
            picture_rgb = drawn_crop(30 + number, bool(is_occupied), 70 + number)
            save_picture(tmp_path / label / name, picture_rgb)
    (tmp_path / "EMPTY" / "broken.jpg").write_bytes(b"no picture")
    assert main(["summary", "--data", str(tmp_path), "--split-by", "camera"]) == 0
    said = capsys.readouterr().out
    for line in said.partition("\n!")[0].splitlines():
        # Korean characters take two columns.
        assert sum(2 if "가" <= character <= "힣" else 1 for character in line) <= 80
    assert said.splitlines()[0] == "38 crops: 19 EMPTY, 19 OCCUPIED; 1 set aside"
    assert "drawn          cam0         4         4      4     4         8  40/40/40\n" in said
    assert "창고 북쪽 벽…  카메라2      1         1      1     -         2  32/32/32\n" in said
    assert f"Set aside:\n{tmp_path}/EMPTY/broken.jpg: not a picture that can be read" in said


def test_the_split_is_that_of_the_training(
    tmp_path: Path, drawn_folders: Callable[..., None], tiny_recipe: Recipe
) -> None:
    drawn_folders(tmp_path)
    dataset = read_dataset([tmp_path], 32)
    split = split_dataset(dataset, tiny_recipe)
    (row,) = summarize(dataset, split).splits
    assert (row.source, row.unit, row.group_count) == ("drawn", "camera", 4)
    assert row.counts == tuple((split.names == n).sum() for n in ("train", "holdout", "test"))
    assert sum(row.counts) == 32


def test_drawn_crops_are_counted_but_hide_nothing_that_the_others_lack(
    tmp_path: Path, drawn_folders: Callable[..., None]
) -> None:
    drawn_folders(tmp_path)
    for file in tmp_path.rglob("*cam[123]__*"):
        file.unlink()
    dataset = with_imagined(read_dataset([tmp_path], 32), 40)
    summary = summarize(dataset, split_dataset(dataset, Recipe("r", whole_sources=("imagined",))))
    drawn, imagined = summary.cameras
    assert (drawn.camera, drawn.sides_px) == ("cam0", (40, 40, 40))
    assert (imagined.camera, imagined.empty_count, imagined.occupied_count) == (
        "20 cameras",
        20,
        20,
    )
    assert imagined.sides_px is None
    assert "One camera only: the figures say nothing about other cameras." in summary.cautions
    assert "Only 4 crops are EMPTY: the figures are rough, and more would help." in summary.cautions
    assert not any("imagined" in caution for caution in summary.cautions)


@pytest.mark.skipif(not POOL.is_dir(), reason="the real crops in ../shared/data are not there")
def test_the_trap_of_the_real_aerial_crops_is_found_and_no_other_source_is_accused() -> None:
    samples = list_samples(POOL)
    grouping = group_samples(samples)
    names = split_groups(samples, grouping.groups, RECIPES["shipped"])
    found = list(cautions_of(samples, Split(grouping, names, ())))  # type: ignore[arg-type]
    assert [c.partition(":")[0] for c in found if "disjoint slots" in c] == ["aerial"]


def test_long_and_wide_words_are_cut_and_stand_in_columns() -> None:
    rows = [("가나다", "1"), ("a\x1b[31mb", "22"), ("word " * 20, "333")]
    assert text_table(("name", "count"), rows, words=1) == [
        f"name{' ' * 69}  count",
        f"가나다{' ' * 67}      1",
        f"a?[31mb{' ' * 66}     22",
        f"{'word ' * 14}wo…    333",
    ]
