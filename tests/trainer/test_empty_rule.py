"""One empty picture per slot: what it is compared with, what it is scored on, who fits for whom."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.empties import EmptyRule
from trainer.compare import FoldFigures
from trainer.empty_rule import Beside, beside_one_empty, fit_empty_rule, score_beside, strangers
from trainer.empty_table import empty_table
from trainer.kept_crops import KeptCrops, kept_file, write_kept
from trainer.recipe import Recipe

pytestmark = pytest.mark.trainer

FEATURES = 16
Crop = tuple[str, bool]  # slot, is occupied


def crops_of(source: str, crops: Sequence[Crop], seed: int = 0, camera: str = "cam") -> KeptCrops:
    """Return crops whose embeddings lie near their slot's own when empty, and far when not.

    The model is right on most of them, by a logit of 1 with a spread of 1.
    """
    random = np.random.default_rng(seed)
    names = sorted({slot for slot, _ in crops})
    of_slot = dict(zip(names, random.uniform(1, 3, (len(names), FEATURES)), strict=True))
    embeddings = [
        of_slot[slot] + random.normal(0, 0.4 if is_occupied else 0.2, FEATURES)
        for slot, is_occupied in crops
    ]
    occupied = np.array([is_occupied for _, is_occupied in crops])
    return KeptCrops(
        (np.where(occupied, 1, -1) + random.normal(0, 1, len(crops))).astype(np.float32),
        np.array(embeddings, np.float16),
        occupied,
        np.array([source] * len(crops)),
        np.array([camera] * len(crops)),
        np.array([slot for slot, _ in crops]),
        np.array([0.1, -0.1, 3.0, 0.2], np.float32),
        random.normal(0, 1, (4, FEATURES)).astype(np.float16),
    )


def cabinet(source: str, seed: int = 0, slots: int = 12) -> KeptCrops:
    """Return two crops of each label of each slot."""
    crops = [(f"s{n}", label) for n in range(slots) for label in (False, False, True, True)]
    return crops_of(source, crops, seed)


def beside(kept: KeptCrops, seed: int = 1) -> Beside:
    found = beside_one_empty(kept, seed)
    assert found is not None
    return found


def test_one_empty_crop_of_each_slot_is_compared_with_and_not_scored() -> None:
    kept = cabinet("yard", slots=12)
    found = beside(kept)
    assert (int((~found.occupied).sum()), int(found.occupied.sum())) == (12, 24)
    # The two EMPTY crops of a slot differ, so a crop beside itself would show.
    assert found.distances.min() > 1e-4
    assert found.distances[~found.occupied].mean() < found.distances[found.occupied].mean() / 1.5
    assert len(found.garbage_distances) == 4


def test_another_seed_shows_other_pictures() -> None:
    kept = cabinet("yard")
    assert not np.array_equal(beside(kept, 1).distances, beside(kept, 2).distances)
    assert np.array_equal(beside(kept, 1).distances, beside(kept, 1).distances)


def test_pictures_of_other_slots_stand_in_for_a_slot_never_seen_empty() -> None:
    kept = crops_of("yard", [("s1", False), ("s1", False), ("s2", False), ("s3", True)])
    # What stands in s3 is all but s2's only picture.
    kept.embeddings[3] = kept.embeddings[2]
    found = beside(kept)
    assert found.distances[found.occupied] == pytest.approx([0], abs=1e-6)


def test_the_same_name_at_another_camera_is_another_slot() -> None:
    near, far = (crops_of("yard", [("s1", False)] * 2 + [("s1", True)], seed) for seed in (1, 2))
    joined = {
        name: np.concatenate([getattr(near, name), getattr(far, name)])
        for name in ("logits", "embeddings", "occupied", "sources")
    }
    cameras = np.array(["near"] * 3 + ["far"] * 3)
    both = replace(near, **joined, cameras=cameras, slots=np.array(["s1"] * 6))
    assert len(beside(both).distances) == 4
    assert len(beside(replace(both, cameras=near.cameras.repeat(2))).distances) == 5


@pytest.mark.parametrize(
    "crops",
    [
        [("s1", False), ("s2", False), ("s3", True)],  # one picture of each slot
        [("", False), ("", False), ("", True)],  # nobody says which slot it is
        [("s1", True), ("s1", True)],
    ],
)
def test_of_slots_with_one_picture_nothing_is_said(crops: list[Crop]) -> None:
    assert beside_one_empty(crops_of("yard", crops), 1) is None


def test_the_rule_makes_a_source_it_was_not_fitted_on_better() -> None:
    rule = fit_empty_rule([beside(cabinet("yard", 1)), beside(cabinet("hall", 2))])
    assert rule.of_logit > 0
    assert rule.of_distance > 0
    found = score_beside(beside(cabinet("shed", 3)), rule, 0.4, 0.6)
    assert found.alone.auc is not None
    assert found.beside.auc is not None
    assert found.beside.auc > found.alone.auc + 0.02


def test_a_source_counts_once_however_many_crops_it_has() -> None:
    few, many = beside(cabinet("yard", 1)), beside(cabinet("hall", 2))
    often = replace(
        many,
        logits=np.tile(many.logits, 20),
        distances=np.tile(many.distances, 20),
        occupied=np.tile(many.occupied, 20),
    )
    once, again = fit_empty_rule([few, many]), fit_empty_rule([few, often])
    assert again.of_distance / again.of_logit == pytest.approx(
        once.of_distance / once.of_logit, rel=0.1
    )


def test_a_rule_of_the_logit_alone_changes_nothing() -> None:
    found = score_beside(beside(cabinet("yard")), EmptyRule(1.0, 0.0, 0.0), 0.4, 0.6)
    assert found.beside == found.alone
    assert found.garbage_answered == 0.25


def test_boards_of_one_source_are_no_strangers() -> None:
    one, two, other = (beside(cabinet(source)) for source in ("chess", "chess", "yard"))
    assert strangers(one, [one, two, other]) == [other]


def row_of(fold: str, seed: int = 1) -> FoldFigures:
    return FoldFigures("tiny", seed, fold, 10, 0.9, 0.8, 0.9, 0.9, 0.7, 20, 1.0, "key")


def table(out: Path, folds: Mapping[str, KeptCrops | None]) -> str:
    for name, kept in folds.items():
        if kept is not None:
            write_kept(kept_file(out, "key", 1, name), kept)
    return empty_table(Recipe("tiny"), [row_of(name) for name in folds], out)


def test_a_fold_is_scored_with_the_rule_of_the_other_sources(tmp_path: Path) -> None:
    folds = {
        "board1": cabinet("chess", 1),
        "board2": cabinet("chess", 2),
        "yard": cabinet("yard", 3),
    }
    text = table(tmp_path, folds)
    found = {name: beside(kept) for name, kept in folds.items()}
    expected = score_beside(found["board1"], fit_empty_rule([found["yard"]]), 0.4, 0.6)
    auc = f"{expected.beside.auc:.4f}"
    (line,) = [line for line in text.splitlines() if line.startswith("| tiny | board1 |")]
    assert f"| 36 | {expected.alone.auc:.4f} |" in line
    assert f"| {auc} ({auc}-{auc}) |" in line
    rule = fit_empty_rule(list(found.values()))
    assert f'Fitted on all of these: `{{"of_logit": {round(rule.of_logit, 3)}, ' in text
    assert "| **tiny** | **mean** |" in text


def test_what_is_not_kept_or_says_nothing_is_named(tmp_path: Path) -> None:
    text = table(
        tmp_path,
        {
            "hall": cabinet("hall", 1),
            "yard": cabinet("yard", 2),
            "shelf": crops_of("shelf", [("s1", False), ("s2", True)]),
            "old": None,
        },
    )
    assert "| tiny | hall |" in text
    assert "Not among them: shelf; beside one empty picture of each slot no crops of both" in text
    assert "Not among them: old; what the network says of the crops was not kept." in text
    assert "| tiny | old |" not in text


def test_figures_of_an_earlier_version_have_no_rows(tmp_path: Path) -> None:
    text = table(tmp_path, {"hall": None, "yard": None})
    assert "|" not in text
    assert "Not among them: hall, yard; what the network says" in text


def test_one_source_cannot_be_scored(tmp_path: Path) -> None:
    text = table(tmp_path, {"board1": cabinet("chess", 1), "board2": cabinet("chess", 2)})
    assert "The rule needs two sources at least" in text
    assert "|" not in text
