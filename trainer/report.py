"""What a report shows, as values; report.md and a self-contained report.html are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.scores import Bools
from trainer.dataset import Crops, Sample
from trainer.learning_curve import LearningPoint
from trainer.metrics import Difference
from trainer.provenance import Provenance
from trainer.trials import GarbageTrial, LightTrial


@dataclass(frozen=True, eq=False)
class Scored:
    """Crops with what a model said of them."""

    title: str
    samples: tuple[Sample, ...]
    crops_rgb: Crops
    probability: npt.NDArray[np.floating]  # (count,)
    # What these crops are to the model: "cameras that training never saw". The verdict says it.
    subject: str = "these crops"
    attention: npt.NDArray[np.float32] | None = None  # (count, rows, columns)

    @property
    def occupied(self) -> Bools:
        """True where the label is OCCUPIED, shape (count,)."""
        return np.array([s.is_occupied for s in self.samples], bool)


@dataclass(frozen=True)
class Cost:
    """What one crop costs on the machine that wrote the report."""

    model_bytes: int
    inference_ms: float  # median, one thread
    runtime: str
    machine: str


@dataclass(frozen=True)
class Report:
    """Everything a report shows. What is empty or None is left out of it."""

    title: str
    facts: Mapping[str, str]
    cautions: Sequence[str]
    parts: Sequence[Scored]  # the first is the one that counts: plots and worst crops are its
    empty_at: float
    occupied_at: float
    set_aside: Sequence[str] = ()
    has_pictures: bool = True  # False where the crops' licences forbid passing them on
    provenance: Provenance = field(default_factory=Provenance)
    quantized: Difference | None = None  # float beside int8, on crops no weight learned from
    garbage: Sequence[GarbageTrial] = ()
    light: LightTrial | None = None  # of the first part
    learning: Sequence[LearningPoint] = ()
    cost: Cost | None = None


def write_report(folder: Path, report: Report) -> None:
    """Write report.md and report.html into an existing folder."""
    # They draw with matplotlib, which takes a second to import: a help text must come at once.
    from trainer.report_markdown import markdown
    from trainer.report_page import page
    from trainer.report_sections import sections_of
    from trainer.verdict import verdict

    sections = sections_of(report)
    words = (report.title, verdict(report), report.cautions, sections)
    # A file name from another system may hold what UTF-8 cannot.
    (folder / "report.md").write_text(markdown(*words), "utf-8", errors="replace")
    (folder / "report.html").write_text(page(*words), "utf-8", errors="replace")
