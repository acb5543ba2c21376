"""The second half of a report: trials, cost, and where the model comes from."""

from __future__ import annotations

from collections.abc import Iterator

from trainer import plots
from trainer.learning_curve import is_worth_it
from trainer.provenance import SPLITS
from trainer.report import Report
from trainer.report_blocks import Block, Plot, Section, Table
from trainer.words import counted, percent, three_digits


def background_sections(report: Report) -> Iterator[Section]:
    """Yield the sections that say what else was tried and how the model was made."""
    yield Section("Pictures made worse on purpose", [*_garbage(report), *_light(report)])
    yield Section("From floats to integers", _quantized(report))
    yield Section("Is more data worth it?", _learning(report))
    yield Section("What it costs", _cost(report))
    yield Section("Where it comes from", _provenance(report))
    yield Section("Set aside", _set_aside(report))


def _garbage(report: Report) -> list[Block]:
    if not report.garbage:
        return []
    count = sum(trial.count for trial in report.garbage)
    answered = count - sum(trial.unknown_count for trial in report.garbage)
    return [
        f"Of {counted(count, 'picture')} that show no slot, {answered:,} "
        f"{'was' if answered == 1 else 'were'} answered; all should read UNKNOWN.",
        Table(
            ("shows", "pictures", "read UNKNOWN", "probability furthest from 0.5"),
            [
                (
                    trial.kind,
                    f"{trial.count:,}",
                    percent(trial.unknown_count / trial.count),
                    three_digits(trial.worst_probability),
                )
                for trial in report.garbage
            ],
        ),
    ]


def _light(report: Report) -> list[Block]:
    if report.light is None:
        return []
    before, after = report.light.before, report.light.after
    return [
        f"The same crops with {report.light.share:.0%} of their light (each pixel's value), which "
        "a lamp that failed leaves:",
        Table(
            ("", "as they are", "in less light"),
            [
                (
                    "Balanced accuracy",
                    percent(before.balanced_accuracy),
                    percent(after.balanced_accuracy),
                ),
                ("Answered", percent(before.coverage), percent(after.coverage)),
                (
                    "Balanced accuracy of the answered",
                    percent(before.answered_balanced_accuracy),
                    percent(after.answered_balanced_accuracy),
                ),
            ],
        ),
    ]


def _quantized(report: Report) -> list[Block]:
    change = report.quantized
    if change is None:
        return []
    return [
        "The file that ships computes in integers. Beside the network it was made from, on "
        f"{counted(change.count, 'held-out crop')}: {change.decisions:,} of the decisions differ "
        f"({percent(change.decisions / max(change.count, 1))}), {change.opposites:,} of them are "
        f"the opposite; a probability changes by {change.largest:.3f} at most and "
        f"{change.mean:.4f} on average."
    ]


def _learning(report: Report) -> list[Block]:
    if not report.learning:
        return []
    return [
        is_worth_it(report.learning),
        Plot(
            "Learning curve",
            "The line is the mean, the band runs from the worst draw of groups to the best. "
            "Where the line still climbs, more data is worth it.",
            plots.learning(report.learning),
        ),
        Table(
            ("of the training groups", "crops", "balanced accuracy", "worst and best draw"),
            [
                (
                    f"{percent(point.share)}\n{counted(point.groups, 'group')}",
                    f"{point.crops:,}",
                    percent(point.balanced_accuracy),
                    f"{percent(point.low)} to {percent(point.high)}",
                )
                for point in report.learning
            ],
        ),
        "A head alone, on the features of the backbone as it came, because a backbone that was "
        "trained on all crops would make an eighth of them look like enough. The figures are "
        "not the model's own; what counts is the slope.",
    ]


def _cost(report: Report) -> list[Block]:
    cost = report.cost
    if cost is None:
        return []
    return [
        f"{cost.model_bytes / 1e6:.2f} MB, {cost.inference_ms:.2f} ms per crop ({cost.runtime} on "
        f"{cost.machine}, one thread, median)."
    ]


def _provenance(report: Report) -> list[Block]:
    made = report.provenance
    blocks: list[Block] = []
    facts = list(report.facts.items())
    if made.created_at:
        took = f", in {made.duration_s / 60:.0f} min" if made.duration_s else ""
        facts.append(("made", f"{made.created_at}{took}"))
    if made.temperature:
        facts.append(
            ("temperature", f"{made.temperature:.2f} (above 1: it was too sure before calibration)")
        )
    if made.versions:
        facts.append(("versions", ", ".join(f"{name} {number}" for name, number in made.versions)))
    if facts:
        blocks.append(Table(("what", "is"), facts, is_text=True))
    if made.sources:
        blocks += [
            "The crops it was made from, EMPTY + OCCUPIED: train taught it, holdout stopped the "
            "training and calibrated it, test gave figures and nothing else.",
            Table(
                ("source", *SPLITS, "split by"),
                [
                    (
                        f"{source.name}\nlicence: {source.licence}",
                        *(f"{empty:,} + {occupied:,}" for empty, occupied in source.counts),
                        f"{source.split_by}\n{counted(source.groups, 'group')}",
                    )
                    for source in made.sources
                ],
            ),
        ]
    if len(made.epochs) > 1:
        blocks.append(
            Plot(
                "Loss per epoch",
                "Lower is better. Training stops when the held-out crops get no better; a gap "
                "that widens would be learning by heart.",
                plots.losses(made.epochs),
            )
        )
    if made.recipe:
        blocks.append(Table(("setting", "value"), made.recipe, "The recipe", True))
    return blocks


def _set_aside(report: Report) -> list[Block]:
    if not report.set_aside:
        return []
    rows = [tuple(line.split(": ", 1)) for line in report.set_aside]
    return [Table(("file", "why"), rows, counted(len(rows), "file") + " not used", True)]
