"""report.md and a self-contained report.html: what a bundle gets right and wrong."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.scores import Bools
from trainer.dataset import Crops, Sample
from trainer.metrics import Figures, confusion, figures, reliability, roc_curve

WORST_COUNT = 24
_COLUMNS = (
    "crops",
    "EMPTY",
    "OCCUPIED",
    "balanced accuracy",
    "AUC",
    "EMPTY right",
    "OCCUPIED right",
    "answered",
    "balanced accuracy of these",
    "calibration error",
)
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #d5dae0; text-align: right }
th:first-child, td:first-child { text-align: left }
figure { display: inline-block; margin: .4rem; vertical-align: top; font-size: .8rem }
figure img { display: block; width: 128px; height: 128px; image-rendering: pixelated }

"""


@dataclass(frozen=True, eq=False)
class Scored:
    """Crops with what the bundle said of them."""

    title: str
    samples: tuple[Sample, ...]
    crops_rgb: Crops
    probability: npt.NDArray[np.floating]  # (count,)

    @property
    def occupied(self) -> Bools:
        """True where the label is OCCUPIED, shape (count,)."""
        return np.array([s.is_occupied for s in self.samples], bool)


@dataclass(frozen=True)
class Report:
    """Everything a report shows."""

    title: str
    facts: Mapping[str, str]
    cautions: Sequence[str]
    parts: Sequence[Scored]  # the first is the one that counts: plots and worst crops are its
    empty_at: float
    occupied_at: float
    set_aside: Sequence[str] = ()
    has_pictures: bool = True  # False where the crops' licences forbid passing them on


def write_report(folder: Path, report: Report) -> None:
    """Write report.md and report.html into an existing folder."""
    (folder / "report.md").write_text(_markdown(report), "utf-8")
    (folder / "report.html").write_text(_html(report), "utf-8")


def rows_of(report: Report) -> list[tuple[str, ...]]:
    """Return the table of figures: each part, then each of its sources."""
    rows = []
    for part in report.parts:
        rows.append(_row(part.title, part.occupied, part.probability, report))
        sources = np.array([f"{s.source} {s.camera}".strip() for s in part.samples])
        if len(set(sources)) > 1:
            for source in sorted(set(sources)):
                of_source = sources == source
                rows.append(
                    _row(
                        f"- {source}", part.occupied[of_source], part.probability[of_source], report
                    )
                )
    return rows


def _row(
    title: str, occupied: Bools, probability: npt.NDArray[np.floating], report: Report
) -> tuple[str, ...]:
    result: Figures = figures(occupied, probability, report.empty_at, report.occupied_at)
    return (
        title,
        str(len(occupied)),
        str(result.empty_count),
        str(result.occupied_count),
        *(
            "-" if value is None else f"{value:.4f}"
            for value in (
                result.balanced_accuracy,
                result.auc,
                result.empty_accuracy,
                result.occupied_accuracy,
                result.coverage,
                result.answered_balanced_accuracy,
                result.calibration_error,
            )
        ),
    )


def _explanation(report: Report) -> str:
    return (
        "A crop reads OCCUPIED from 0.5 here. *Answered* is the share at or beyond one of the "
        f"thresholds {report.empty_at:g} and {report.occupied_at:g}; the others read UNKNOWN."
    )


def _worst(part: Scored) -> list[int]:
    """Return the indexes of the crops that are furthest from their label, worst first."""
    distance = np.abs(part.probability - part.occupied)
    return [int(i) for i in np.argsort(-distance, kind="stable")[:WORST_COUNT]]


def _markdown(report: Report) -> str:
    lines = [f"# {report.title}", ""]
    lines += [f"- {name}: {value}" for name, value in report.facts.items()]
    lines += ["", *(f"> {caution}\n" for caution in report.cautions)]
    header = ("", *_COLUMNS)
    lines += ["## Figures", "", _explanation(report), "", "| " + " | ".join(header) + " |"]
    lines += ["|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows_of(report)]
    part = report.parts[0]
    table = confusion(part.occupied, part.probability >= 0.5)
    lines += [
        "",
        f"## Confusion: {part.title}",
        "",
        "| label | reads EMPTY | reads OCCUPIED |",
        "|---|---|---|",
        f"| EMPTY | {table[0, 0]} | {table[0, 1]} |",
        f"| OCCUPIED | {table[1, 0]} | {table[1, 1]} |",
        "",
        f"## Furthest from their label: {part.title}",
        "",
        *(
            f"- `{part.samples[i].file.name}`: {_label(part.samples[i])}, "
            f"probability {part.probability[i]:.3f}"
            for i in _worst(part)
        ),
    ]
    if report.set_aside:
        lines += ["", "## Set aside", "", *(f"- {line}" for line in report.set_aside)]
    return "\n".join(lines) + "\n"


def _label(sample: Sample) -> str:
    return "OCCUPIED" if sample.is_occupied else "EMPTY"


def _html(report: Report) -> str:
    part = report.parts[0]
    text = html.escape
    table = confusion(part.occupied, part.probability >= 0.5)
    body = [
        f"<h1>{text(report.title)}</h1>",
        "<ul>"
        + "".join(f"<li>{text(k)}: {text(v)}</li>" for k, v in report.facts.items())
        + "</ul>",
        *(f"<p><strong>{text(caution)}</strong></p>" for caution in report.cautions),
        "<h2>Figures</h2>",
        f"<p>{text(_explanation(report).replace('*', ''))}</p>",
        _table(("", *_COLUMNS), rows_of(report)),
        f"<h2>Plots: {text(part.title)}</h2>",
        f'<div class="plots">{_plots(part, report)}</div>',
        f"<h2>Confusion: {text(part.title)}</h2>",
        _table(
            ("label", "reads EMPTY", "reads OCCUPIED"),
            [
                ("EMPTY", str(table[0, 0]), str(table[0, 1])),
                ("OCCUPIED", str(table[1, 0]), str(table[1, 1])),
            ],
        ),
        f"<h2>Furthest from their label: {text(part.title)}</h2>",
    ]
    if report.has_pictures:
        body += [_figure(part, index) for index in _worst(part)]
    else:
        body.append("<p>Written without pictures; report.md lists the files.</p>")
    if report.set_aside:
        items = "".join(f"<li>{text(line)}</li>" for line in report.set_aside)
        body.append(f"<h2>Set aside</h2><ul>{items}</ul>")
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{text(report.title)}</title><style>{_STYLE}</style>\n" + "\n".join(body) + "\n"
        "</html>\n"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(part: Scored, index: int) -> str:
    crop_bgr = cv2.cvtColor(part.crops_rgb[index], cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", crop_bgr)
    picture = base64.b64encode(data.tobytes()).decode()
    sample = part.samples[index]
    name = html.escape(sample.file.name)
    return (
        f'<figure><img alt="{name}" src="data:image/png;base64,{picture}">'
        f"<figcaption>{_label(sample)}, {part.probability[index]:.3f}<br>{name}</figcaption>"
        "</figure>"
    )


def _plots(part: Scored, report: Report) -> str:
    """Return ROC, histogram and reliability diagram as inline SVG."""
    import matplotlib

    matplotlib.use("svg")
    # Text stays text, and two runs give the same file.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "slotwatch"})
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    roc, histogram, calibration = figure.subplots(1, 3)
    occupied, probability = part.occupied, part.probability
    roc.plot(*roc_curve(occupied, probability), color="#0b5fa5")
    roc.set(title="ROC", xlabel="EMPTY read as OCCUPIED", ylabel="OCCUPIED read as OCCUPIED")
    bins = np.linspace(0, 1, 26)
    histogram.hist(probability[~occupied], bins, alpha=0.7, label="EMPTY", color="#4c9f70")
    histogram.hist(probability[occupied], bins, alpha=0.7, label="OCCUPIED", color="#c8553d")
    for threshold in (report.empty_at, report.occupied_at):
        histogram.axvline(threshold, color="#666", linestyle=":")
    histogram.set(title="Probabilities", xlabel="probability of OCCUPIED", yscale="log")
    histogram.legend()
    points = reliability(occupied, probability)
    calibration.plot([0, 1], [0, 1], color="#bbb")
    calibration.plot(
        [mean for mean, _, _ in points],
        [share for _, share, _ in points],
        marker="o",
        color="#0b5fa5",
    )
    calibration.set(title="Calibration", xlabel="probability said", ylabel="share OCCUPIED")
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
    )
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :].replace("<svg ", '<svg style="max-width:100%" ', 1)
