"""Report -> its sections: first what the model is worth, then where it is weak and why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainer import plots
from trainer.intervals import Ratio, balanced_ratios, clusters_of, interval
from trainer.metrics import Figures, LabelFigures, confusion, figures, is_answered
from trainer.report import Report, Scored
from trainer.report_background import background_sections
from trainer.report_blocks import Block, Plot, Section, Table
from trainer.report_weak import places_section, worst_section
from trainer.words import percent, percent_range, three_digits


def sections_of(report: Report) -> tuple[Section, ...]:
    """Return every section that the report has something for."""
    part = report.parts[0]
    sections = [
        _figures_section(report),
        _answers_section(part, report),
        Section("Plots", _plots(report)),
        places_section(part, report),
        worst_section(part, report),
        *background_sections(report),
    ]
    return tuple(section for section in sections if section.blocks)


# What a figure is called, what it means, and how it is read off; figures with an interval
# have a function of their own below.
_PLAIN_FIGURES: tuple[tuple[str, str, Callable[[Figures], str]], ...] = (
    (
        "Balanced accuracy of the answered",
        "EMPTY and OCCUPIED counting alike, without what reads UNKNOWN",
        lambda f: percent(f.answered_balanced_accuracy),
    ),
    (
        "Accuracy",
        "share on the right side of 0.5, UNKNOWN forced to an answer too",
        lambda f: percent(f.accuracy),
    ),
    (
        "Area under ROC",
        "chance that an OCCUPIED crop gets more than an EMPTY one; 0.5 is guessing, 1 perfect",
        lambda f: three_digits(f.auc),
    ),
    (
        "Area under precision-recall",
        "how clean the OCCUPIED found stay while all of them are found; 1 is perfect",
        lambda f: three_digits(f.average_precision),
    ),
    (
        "Calibration error",
        "how far a probability lies from what is true, on average; 0 is perfect",
        lambda f: percent(f.calibration_error),
    ),
)


def _figures_section(report: Report) -> Section:
    results = [
        figures(p.occupied, p.probability, report.empty_at, report.occupied_at)
        for p in report.parts
    ]
    counts = [
        f"{len(p.samples):,}\n{r.empty_count:,} + {r.occupied_count:,}"
        for p, r in zip(report.parts, results, strict=True)
    ]
    ranged = zip(*(_ranged_figures(part, report) for part in report.parts), strict=True)
    names = (
        (
            "Answered",
            f"share at or beyond a threshold, {report.empty_at:g} or "
            f"{report.occupied_at:g}; the others read UNKNOWN",
        ),
        ("Right, of the answered", "what a user of the device sees"),
        (
            "Balanced accuracy",
            "all crops at 0.5, EMPTY and OCCUPIED counting alike however many there are of each",
        ),
    )
    rows = [("Crops\nEMPTY + OCCUPIED", *counts)]
    rows += [
        (f"{name}\n{meaning}", *cells) for (name, meaning), cells in zip(names, ranged, strict=True)
    ]
    rows += [(f"{name}\n{meaning}", *map(read, results)) for name, meaning, read in _PLAIN_FIGURES]
    return Section(
        "Figures",
        (
            Table(("", *(part.title for part in report.parts)), rows),
            "The small range under a figure is its 95% interval: where it would lie for other "
            "cameras, days or slots like these. Whole groups were drawn again 2,000 times, "
            "because crops of one group say little more than one crop does; with fewer than five "
            "groups each counts as one single observation, so the range is wide. A group is a "
            "camera, a day, a slot or, where names tell nothing, a block of neighbouring file "
            "names.",
        ),
    )


def _ranged_figures(part: Scored, report: Report) -> tuple[str, str, str]:
    """Return the share answered, right of these, and the balanced accuracy, with intervals."""
    groups = clusters_of(part.samples).keys
    answered = is_answered(part.probability, report.empty_at, report.occupied_at)
    is_right = (part.probability >= 0.5) == part.occupied
    ratios = (
        [Ratio(answered, np.ones_like(answered))],
        [Ratio(answered & is_right, answered)],
        balanced_ratios(part.occupied, is_right),
    )
    cells = []
    for ratio in ratios:
        value, spread = interval(ratio, groups)
        cells.append(f"{percent(value)}\n{percent_range(spread)}")
    return cells[0], cells[1], cells[2]


def _answers_section(part: Scored, report: Report) -> Section:
    table = confusion(part.occupied, part.probability, report.empty_at, report.occupied_at)
    result = figures(part.occupied, part.probability, report.empty_at, report.occupied_at)

    def label_row(name: str, of_label: LabelFigures) -> tuple[str, ...]:
        return (
            name,
            *map(percent, (of_label.precision, of_label.recall)),
            three_digits(of_label.f1),
        )

    return Section(
        "What it answers",
        (
            f"From here on: {part.title}. Each row is what the crops really are, each column what "
            "the device would read.",
            Table(
                ("", "reads EMPTY", "reads UNKNOWN", "reads OCCUPIED"),
                [
                    ("is " + name, *(f"{count:,}" for count in counts))
                    for name, counts in zip(("EMPTY", "OCCUPIED"), table, strict=True)
                ],
            ),
            "Forced to an answer at 0.5: precision is how often an answer is right, recall how "
            "much of the label is found, F1 the two in one figure (1 is perfect).",
            Table(
                ("", "precision", "recall", "F1"),
                [label_row("EMPTY", result.empty), label_row("OCCUPIED", result.occupied)],
            ),
        ),
    )


def _plots(report: Report) -> list[Block]:
    part = report.parts[0]
    thresholds = (report.empty_at, report.occupied_at)
    same_crops = [p for p in report.parts if p.samples == part.samples]
    blocks: list[Block] = [
        Plot(
            "Probabilities",
            "The two colours should stand at the two ends; what lies between the dotted "
            "thresholds reads UNKNOWN. Each line upwards is ten times more crops.",
            plots.histogram(part, *thresholds),
        ),
        Plot(
            "Reliability",
            "On the dashed line a probability means what it says: of crops that get 0.8, 80 in "
            "100 are OCCUPIED. Large dots hold many crops; where small ones lie is mostly chance.",
            plots.reliability_diagram(part),
        ),
        Plot(
            "Coverage against error",
            "Moving both thresholds away from 0.5 answers fewer crops (to the left) and errs "
            "less (down). The dot is where the thresholds stand.",
            plots.coverage_against_error(part, *thresholds),
        ),
    ]
    if len(set(part.occupied.tolist())) == 2:
        blocks += [
            Plot(
                "ROC",
                "The closer to the upper left corner the better; the dashed line is guessing. "
                "The number is the area under the curve.",
                plots.roc(same_crops),
            ),
            Plot(
                "Precision and recall",
                "The closer to the upper right corner the better. The number is the area under "
                "the curve.",
                plots.precision_recall(part),
            ),
        ]
    return blocks
