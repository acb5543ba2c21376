"""How the plots of the benchmarks look: no background, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

# Seen on white and on black.
LINE, ORANGE, BLUE = "#7d8590", "#db6d28", "#388bfd"


@contextmanager
def plot(path: Path, height_in: float) -> Iterator[Any]:
    """Yield the axes to draw on; write them as SVG afterwards."""
    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": "slotwatch",  # two runs of the same figures give the same file
        "font.size": 11,
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), LINE
        ),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(6.4, height_in), layout="constrained")
        yield figure.subplots()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(path, format="svg", transparent=True, metadata=nothing)
