"""What a report says, from scores worked out by hand."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.cautions import cautions_of_garbage
from trainer.dataset import Sample
from trainer.drawn import drawn_crop
from trainer.learning_curve import LearningPoint
from trainer.metrics import difference, figures
from trainer.plots import coverage_against_error, histogram
from trainer.provenance import provenance_of
from trainer.report import Cost, Report, Scored, write_report
from trainer.trials import GarbageTrial, LightTrial
from trainer.verdict import verdict

pytestmark = pytest.mark.trainer


def scored(
    probability: Sequence[float], occupied: Sequence[bool], cameras: int = 1, title: str = "test"
) -> Scored:
    """Return crops spread over cameras; a name that would be markup if it were not escaped."""
    samples = tuple(
        Sample(Path(f"a<b>{i}.png"), is_occupied, "site", f"cam{i % cameras}", f"s{i}", "")
        for i, is_occupied in enumerate(occupied)
    )
    crops_rgb = np.stack([drawn_crop(32, bool(o), i) for i, o in enumerate(occupied)])
    return Scored(title, samples, crops_rgb, np.array(probability), "cameras it never saw")


def report_of(part: Scored, **more: Any) -> Report:
    return replace(Report("Model <x>", {"bundle": "x"}, (), (part,), 0.4, 0.6), **more)


def pages_of(folder: Path, report: Report) -> tuple[str, str]:
    write_report(folder, report)
    return (folder / "report.md").read_text("utf-8"), (folder / "report.html").read_text("utf-8")


RIGHT = [0.9, 0.1] * 8
LABELS = [True, False] * 8
MANIFEST = {
    "created_at": "2026-01-02T03:04:05Z",
    "recipe": {"name": "tiny", "licences": {"site": "CC BY 4.0"}, "source_weights": {"site": 2.0}},
    "trained_on": [
        {
            "source": "site",
            "licence": "CC BY 4.0",
            "split_by": "camera",
            "groups": 9,
            "counts": {
                "train": {"EMPTY": 1200, "OCCUPIED": 7},
                "holdout": {"EMPTY": 3},
                "test": {},
            },
        }
    ],
    "training": {
        "calibration": {"scale": 0.5},
        "duration_s": 120,
        "versions": {"keras": "3.15"},
        "epochs": [
            {"run": 1, "epoch": 0, "train_loss": None, "holdout_loss": 0.5},
            {"run": 1, "epoch": 1, "train_loss": 0.4, "holdout_loss": 0.3},
        ],
    },
}


@pytest.mark.parametrize(
    ("right", "wrong", "unknown", "words"),
    [
        (931, 39, 30, "of 100 crops it answers 97 and of these 93 are right; the other 3 read"),
        # 999.5 of 1,000: out of a hundred it would look perfect.
        (1990, 1, 9, "of 1,000 crops it answers 996 and of these 995 are right; the other 4 read"),
        (500, 0, 0, "of 100 crops it answers 100 and of these 100 are right; none reads UNKNOWN"),
        (6, 1, 1, "of 8 crops it answers 7 and of these 6 are right; the other 1 reads UNKNOWN"),
    ],
)
def test_the_verdict_counts_in_the_roundest_number_that_hides_nothing(
    right: int, wrong: int, unknown: int, words: str
) -> None:
    probability = [0.9] * right + [0.1] * wrong + [0.5] * unknown
    count = len(probability)
    samples = tuple(Sample(Path(f"{i}.png"), True, "site", "cam", "s", "") for i in range(count))
    part = Scored("test", samples, np.zeros((count, 1, 1, 3), np.uint8), np.array(probability))
    first, _ = verdict(report_of(part))
    assert first.startswith(f"On these crops (test: {count:,} crops), ")
    assert words in first


def test_the_verdict_says_how_far_it_carries() -> None:
    part = scored([*RIGHT[:-1], 0.9], LABELS, cameras=8)
    first, second = verdict(report_of(part))
    assert first.startswith("On cameras it never saw (test: 16 crops), of 16 crops it answers 16")
    assert re.fullmatch(
        r"With other cameras like these, expect [\d.]+.100% of its answers to be right "
        r"\(95% interval over 8 cameras\)\.",
        second,
    )


def test_one_slot_on_one_day_carries_nowhere() -> None:
    samples = tuple(Sample(Path(f"{i}.png"), True, "site", "cam", "s1", "") for i in range(9))
    part = Scored("test", samples, np.zeros((9, 8, 8, 3), np.uint8), np.full(9, 0.9))
    _, second = verdict(report_of(part))
    assert second == "All of them are of one camera: what it does on another, they cannot say."


def test_a_full_report_has_every_section(tmp_path: Path) -> None:
    part = scored([*RIGHT[:-1], 0.55], LABELS, cameras=8)
    in_the_middle = np.zeros((16, 3, 3), np.float32)
    in_the_middle[:, 1, 1] = 1
    part = replace(part, attention=in_the_middle)
    result = figures(part.occupied, part.probability)
    text, page = pages_of(
        tmp_path,
        report_of(
            part,
            cautions=("These crops are drawn.",),
            set_aside=("torn.jpg: not a picture",),
            provenance=provenance_of(MANIFEST),
            quantized=difference(part.probability, np.array([*RIGHT[:-1], 0.65])),
            garbage=(GarbageTrial("black", 50, 49, 0.71), GarbageTrial("noise", 50, 50, 0.5)),
            light=LightTrial(1 / 3, result, figures(part.occupied, np.full(16, 0.9))),
            learning=(
                LearningPoint(0.5, 4, 8, 0.8, 0.7, 0.9),
                LearningPoint(1, 8, 16, 0.9, 0.9, 0.9),
            ),
            cost=Cost(2_500_000, 0.5, "litert", "x86_64"),
        ),
    )
    titles = [
        "Figures",
        "What it answers",
        "Where it is weak",
        "Furthest from their label",
        "Pictures made worse on purpose",
        "From floats to integers",
        "Is more data worth it?",
        "What it costs",
        "Where it comes from",
        "Set aside",
    ]
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == titles
    assert re.findall(r"<h2>(.*?)</h2>", page) == [*titles[:2], "Plots", *titles[2:]]
    for words in (
        "> These crops are drawn.",
        "| is EMPTY | 7 | 1 | 0 |",
        "In OCCUPIED crops, 100% of what spoke for OCCUPIED lay inside the slot, away from its rim "
        "(1/8 along each side); looking everywhere alike would give 56.2%.",
        "Of 100 pictures that show no slot, 1 was answered",
        "| black | 50 | 98.0% | 0.710 |",
        "| Balanced accuracy | 93.8% | 50.0% |",
        "on 16 held-out crops: 1 of the decisions differ (6.2%), 0 of them are the opposite",
        "Perhaps still rising: from 4 to 8 groups it gained 10.0 points",
        "2.50 MB, 0.50 ms per crop (litert on x86_64, one thread, median).",
        "| site<br>licence: CC BY 4.0 | 1,200 + 7 | 3 + 0 | 0 + 0 | camera<br>9 groups |",
        "| temperature | 2.00 (above 1: it was too sure before calibration) |",
        "| source weights | site 2 |",
        "| versions | keras 3.15 |",
        "| torn.jpg | not a picture |",
    ):
        assert words in text
    # Histogram, reliability, coverage, ROC, precision and recall, learning curve, loss.
    assert page.count("<svg") == 7
    # 16 crops, each with its attention map.
    assert page.count('src="data:image/jpeg;base64,') == 32


def test_a_bare_report_leaves_out_what_was_not_measured(tmp_path: Path) -> None:
    text, page = pages_of(tmp_path, report_of(scored(RIGHT, LABELS)))
    assert "made worse on purpose" not in text
    assert "worth it" not in text
    assert page.count("<svg") == 5


def test_a_page_needs_nothing_else_and_names_nothing_twice(tmp_path: Path) -> None:
    _, page = pages_of(tmp_path, report_of(scored(RIGHT, LABELS, cameras=3)))
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    names = re.findall(r' id="([^"]*)"', page)
    assert len(names) == len(set(names))
    assert "Model &lt;x&gt;" in page
    assert "<b>" not in page


def test_the_same_report_is_the_same_file(tmp_path: Path) -> None:
    report = report_of(scored(RIGHT, LABELS))
    first = pages_of(tmp_path, report)
    assert pages_of(tmp_path, report) == first


def test_without_pictures_plots_stay_and_crops_do_not(tmp_path: Path) -> None:
    _, page = pages_of(tmp_path, report_of(scored(RIGHT, LABELS), has_pictures=False))
    assert "data:image" not in page
    assert page.count("<svg") == 5
    assert "Written without pictures: their licences do not let them be passed on." in page
    assert "a&lt;b&gt;0.png" in page


def test_one_label_alone_still_makes_a_report(tmp_path: Path) -> None:
    text, page = pages_of(tmp_path, report_of(scored([0.9, 0.2], [True, True])))
    assert "Area under ROC" in text
    assert page.count("<svg") == 3


def test_a_model_that_never_answers_still_makes_a_report(tmp_path: Path) -> None:
    text, page = pages_of(tmp_path, report_of(scored([0.5] * 16, LABELS, cameras=8)))
    assert "of 16 crops it answers 0 and of these 0 are right; the other 16 read UNKNOWN" in text
    assert "It is of no use as it is" in text
    assert page.count("<svg") == 5


def test_a_bar_in_a_name_does_not_break_the_table(tmp_path: Path) -> None:
    text, _ = pages_of(
        tmp_path, report_of(scored(RIGHT, LABELS), set_aside=("a|b.png: the file is empty",))
    )
    assert "| a\\|b.png | the file is empty |" in text


def test_plots_of_a_model_without_faults_have_readable_axes() -> None:
    part = scored(RIGHT, LABELS)
    errors = coverage_against_error(part, 0.4, 0.6)
    assert ">1.0</text>" in errors, "percent of answers wrong up to 1, not to a twentieth of one"
    assert ">1</text>" in histogram(part, 0.4, 0.6), "a count, not a power of ten"


def test_answered_garbage_is_a_caution_and_unanswered_none() -> None:
    quiet, loud = GarbageTrial("black", 1000, 1000, 0.5), GarbageTrial("hand", 1000, 995, 0.9)
    assert not list(cautions_of_garbage([quiet]))
    (caution,) = cautions_of_garbage([quiet, loud])
    assert caution.startswith("Of 2,000 pictures that show no slot, such as a hand or noise, 5 got")
