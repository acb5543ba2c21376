"""The plots of a report, as SVG without numbered parts, so that many fit on one page.

The two colours differ in brightness too: they stay apart for colour-blind people and on paper.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from edge.scores import area_under_roc
from trainer.learning_curve import LearningPoint
from trainer.metrics import average_precision, error_by_coverage, is_answered, reliability
from trainer.provenance import EpochLoss
from trainer.report import Scored

_EMPTY, _OCCUPIED, _LINE, _HINT = "#0072b2", "#d55e00", "#1b1f24", "#8b949e"


class _Drawing:
    """One plot being drawn; `svg` holds it afterwards."""

    def __init__(self, figure: Any) -> None:
        self.axes: Any = figure.subplots()
        self.svg = ""


@contextmanager
def _drawing(title: str) -> Iterator[_Drawing]:
    settings = {
        "svg.fonttype": "none",  # text stays text: small, sharp, searchable
        "svg.hashsalt": title,  # two runs give the same file
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(4.6, 3.3), layout="constrained")
        drawing = _Drawing(figure)
        yield drawing
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    # Every drawing numbers its groups alike, and a page must not hold a name twice.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg[svg.index("<svg") :])
    drawing.svg = svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def histogram(part: Scored, empty_at: float, occupied_at: float) -> str:
    """Return how often each probability was given, by label, the thresholds dotted."""
    with _drawing("Histogram of probabilities") as drawing:
        axes, bins = drawing.axes, np.linspace(0, 1, 21)
        axes.hist(
            [part.probability[~part.occupied], part.probability[part.occupied]],
            bins,
            color=[_EMPTY, _OCCUPIED],
            label=["EMPTY", "OCCUPIED"],
        )
        for threshold in (empty_at, occupied_at):
            axes.axvline(threshold, color=_LINE, linestyle=":")
        axes.set(xlabel="probability of OCCUPIED", ylabel="crops", yscale="log", xlim=(0, 1))
        axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
        # Above the axes: nothing is hidden there, neither bars nor thresholds.
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    return drawing.svg


def reliability_diagram(part: Scored) -> str:
    """Return the probability said against the share that is OCCUPIED."""
    with _drawing("Reliability diagram") as drawing:
        axes, points = drawing.axes, reliability(part.occupied, part.probability)
        axes.plot([0, 1], [0, 1], color=_HINT, linestyle="--")
        said, true, counts = zip(*points, strict=True)
        axes.plot(said, true, color=_EMPTY, linewidth=0.8)
        areas = 15 + 200 * np.sqrt(np.array(counts) / max(counts))
        axes.scatter(said, true, areas, color=_EMPTY, alpha=0.7)
        axes.set(xlabel="probability said", ylabel="share that is OCCUPIED")
    return drawing.svg


def coverage_against_error(part: Scored, empty_at: float, occupied_at: float) -> str:
    """Return the share of wrong answers over the share answered, the chosen thresholds marked."""
    with _drawing("Coverage against error") as drawing:
        axes = drawing.axes
        coverage, error = error_by_coverage(part.occupied, part.probability)
        axes.plot(coverage * 100, error * 100, color=_LINE)
        answered = is_answered(part.probability, empty_at, occupied_at)
        if answered.any():
            is_wrong = (part.probability >= 0.5) != part.occupied
            axes.plot(
                answered.mean() * 100,
                is_wrong[answered].mean() * 100,
                "o",
                color=_OCCUPIED,
                label=f"the thresholds {empty_at:g} and {occupied_at:g}",
            )
            axes.legend(loc="upper left")
        # At least 1 %, so that a model without faults has its line low rather than nowhere.
        most = max(1.0, float(error.max()) * 105)
        axes.set(xlabel="% of crops answered", ylabel="% of answers wrong")
        axes.set(xlim=(-3, 103), ylim=(-most / 50, most))
    return drawing.svg


def roc(parts: Sequence[Scored]) -> str:
    """Return the ROC curve of each part."""
    with _drawing("ROC curve") as drawing:
        axes = drawing.axes
        axes.plot([0, 1], [0, 1], color=_HINT, linestyle="--")
        for part, style in zip(parts, ("-", ":", "-."), strict=False):
            false_rate, true_rate, _ = roc_curve(part.occupied, part.probability)
            area = area_under_roc(part.occupied, part.probability)
            axes.plot(false_rate, true_rate, style, color=_EMPTY, label=f"{part.title}: {area:.3f}")
        axes.set(xlabel="share of EMPTY that reads OCCUPIED", ylabel="share of OCCUPIED found")
        axes.legend(loc="lower right", fontsize=8)
    return drawing.svg


def precision_recall(part: Scored) -> str:
    """Return the precision-recall curve of both labels."""
    with _drawing("Precision-recall curves") as drawing:
        axes = drawing.axes
        for is_label, probability, name, colour, style in (
            (~part.occupied, 1 - part.probability, "EMPTY", _EMPTY, "-"),
            (part.occupied, part.probability, "OCCUPIED", _OCCUPIED, "--"),
        ):
            precision, recall, _ = precision_recall_curve(is_label, probability)
            area = average_precision(is_label, probability)
            axes.plot(recall, precision, style, color=colour, label=f"{name}: {area:.3f}")
        axes.set(xlabel="share found (recall)", ylabel="share right (precision)", ylim=(0, 1.03))
        axes.legend(loc="lower left")
    return drawing.svg


def learning(points: Sequence[LearningPoint]) -> str:
    """Return the balanced accuracy over the crops learned from, from worst draw to best."""
    with _drawing("Learning curve") as drawing:
        axes, crops = drawing.axes, [p.crops for p in points]
        low, middle, high = (
            [getattr(p, name) * 100 for p in points]
            for name in ("low", "balanced_accuracy", "high")
        )
        axes.fill_between(crops, low, high, color=_EMPTY, alpha=0.2)
        axes.plot(crops, middle, "o-", color=_EMPTY)
        axes.set(xlabel="crops learned from", ylabel="balanced accuracy, %", xscale="log")
        axes.set_xticks(crops, [f"{count:,}" for count in crops])
        axes.minorticks_off()
    return drawing.svg


def losses(epochs: Sequence[EpochLoss]) -> str:
    """Return the loss of training and of the held-out crops after each epoch."""
    with _drawing("Loss per epoch") as drawing:
        axes = drawing.axes
        for run in sorted({e.run for e in epochs}):
            of_run = [e for e in epochs if e.run == run]
            learned = [e for e in of_run if e.train_loss is not None]
            lines = (
                (of_run, "holdout_loss", "o-", _OCCUPIED, "held-out crops"),
                (learned, "train_loss", ".--", _EMPTY, "training crops (augmented)"),
            )
            for entries, name, style, colour, label in lines:
                axes.plot(
                    [e.epoch for e in entries],
                    [getattr(e, name) for e in entries],
                    style,
                    color=colour,
                    label=label if run == 1 else None,
                )
        axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    return drawing.svg
