"""All figures of speed, their table and their plot.

    python -m benchmarks.speed [--config config.yaml] [--write]

Runs `slotwatch bench`, then the same model in tflite-runtime 2.14 and as floats, and what the
processor's arithmetic would allow; `--write` puts table and plot into docs/. Needs the trainer's
packages, and for tflite-runtime the environment .venv-tflite (or what $SLOTWATCH_TFLITE_PYTHON
names). Leave the machine alone meanwhile: three minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from benchmarks.arithmetic import (
    MultiplyAdds,
    count_multiply_adds,
    product_model,
    this_core,
)
from benchmarks.plots import BLUE, LINE, ORANGE, plot
from edge.bundle import read_bundle
from edge.classifier import load_runtime
from edge.commands import bench
from edge.measure.cost import FrameCost
from edge.settings import read_settings
from edge.types import Bundle
from trainer.export import keep_floats
from trainer.network_file import network_of_bundle

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "speed.svg"
BEGIN, END = "<!-- speed: begin -->\n", "<!-- speed: end -->\n"
ROUNDS = 30
IN_A_ROW = 32  # inferences per measurement, as a device classifies the slots of a frame

# In the other environment: times so many inferences for every line it is sent.
_THERE = """
import sys, time
from pathlib import Path
import numpy as np
from edge.classifier import load_runtime

_, interpreter_class = load_runtime("tflite-runtime")
interpreter = interpreter_class(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
(detail,) = interpreter.get_input_details()
crop = np.random.default_rng(2).integers(0, 256, detail["shape"], dtype=np.uint8)
interpreter.set_tensor(detail["index"], crop)
for line in sys.stdin:
    start_s = time.perf_counter()
    for _ in range(int(line)):
        interpreter.invoke()
    print((time.perf_counter() - start_s) * 1000 / int(line), flush=True)
"""


@dataclass(frozen=True)
class Timed:
    """What a model costs per inference, one thread; the median of the rounds."""

    name: str
    ms: float
    work: MultiplyAdds

    @property
    def per_second(self) -> float:
        """The multiply-adds that were done per second."""
        return self.work.all / self.ms * 1000


class Here:
    """A model in this environment's runtime."""

    def __init__(self, model: bytes) -> None:
        """Load it, with one thread and something in its input."""
        _, interpreter_class = load_runtime()
        self._interpreter = interpreter_class(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        (detail,) = self._interpreter.get_input_details()
        values = np.random.default_rng(2).integers(0, 127, detail["shape"])
        self._interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))

    def time_ms(self, count: int) -> float:
        """Return the milliseconds of one inference, of so many in a row."""
        start_s = time.perf_counter()
        for _ in range(count):
            self._interpreter.invoke()
        return (time.perf_counter() - start_s) * 1000 / count


class There:
    """The same file in tflite-runtime, in a process and environment of its own."""

    def __init__(self, python: Path, model_path: Path) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [python, "-c", _THERE, model_path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def time_ms(self, count: int) -> float:
        """Return the milliseconds of one inference, of so many in a row."""
        assert self._process.stdin is not None  # noqa: S101  -- both were asked for
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@contextmanager
def _models(bundle: Bundle) -> Iterator[dict[str, tuple[Here | There, MultiplyAdds, int]]]:
    """Yield what is timed: the model, its multiply-adds, how many inferences in a row."""
    model = bundle.model_path.read_bytes()
    as_floats = keep_floats(network_of_bundle(bundle))
    models: dict[str, tuple[Here | There, MultiplyAdds, int]] = {
        "bare interpreter": (Here(model), count_multiply_adds(model), IN_A_ROW),
        "the same network in floats": (Here(as_floats), count_multiply_adds(as_floats), IN_A_ROW),
    }
    for words, is_integer in (("int8", True), ("float", False)):
        product = product_model(is_integer)
        models[f"a large {words} matrix product"] = (Here(product), count_multiply_adds(product), 1)
    named = os.environ.get("SLOTWATCH_TFLITE_PYTHON")
    python = Path(named) if named else ROOT / ".venv-tflite" / "bin" / "python"
    there = There(python, bundle.model_path) if python.exists() else None
    if there is None:
        print(f"{python} does not exist: tflite-runtime is left out", file=sys.stderr)
    else:
        models["tflite-runtime 2.14, same file"] = (there, count_multiply_adds(model), IN_A_ROW)
    try:
        yield models
    finally:
        if there is not None:
            there.close()


def time_models(bundle: Bundle, rounds: int) -> list[Timed]:
    """Return what each model costs, measured in turn; the bundle's own comes first."""
    with _models(bundle) as models:
        times_ms: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(rounds + 1):
            for name, (model, _, count) in models.items():
                times_ms[name].append(model.time_ms(count))
        return [
            # The first round warms up.
            Timed(name, statistics.median(times_ms[name][1:]), work)
            for name, (_, work, _) in models.items()
        ]


def model_table(timed: Sequence[Timed]) -> str:
    """Return the models' figures as Markdown, the arithmetic limit as the last rows."""
    own = timed[0]
    lines = [
        "| one thread | ms | beside the bare interpreter | 10^9 multiply-adds per second |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {one.name} | {one.ms:.3f} | {one.ms / own.ms:.2f} | {one.per_second / 1e9:.0f} |"
        for one in timed
    ]
    core = this_core()
    if core is not None:
        limit_ms = core.limit_ms(own.work)
        lines += [
            f"| arithmetic limit of the model on one core | {limit_ms:.3f} "
            f"| {limit_ms / own.ms:.2f} | {own.work.all / limit_ms / 1e6:.0f} |",
            "",
            f"The model takes {own.work.int8 / 1e6:.1f} million multiply-adds in int8 and "
            f"{own.work.float32 / 1e6:.1f} million in floats. The limit is that of "
            f"{core.instructions.words} at {core.clock_hz / 1e9:.2f} GHz ({core.name}): "
            f"{core.instructions.int8_per_cycle} and {core.instructions.float32_per_cycle} "
            "per cycle.",
        ]
    return "\n".join(lines)


def size_table(costs: Sequence[FrameCost]) -> str:
    """Return what frames of more and more slots cost, as Markdown."""
    lines = [
        "| slots | a frame, ms | bare inferences, ms | ratio | of processor time |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {cost.slots} | {cost.frame_ms:.1f} | {cost.bare_ms:.1f} | {cost.ratio:.3f} "
        f"| {cost.cpu_ratio:.3f} |"
        for cost in costs
    ]
    return "\n".join(lines)


def draw(costs: Sequence[FrameCost], path: Path) -> None:
    """Write the plot of cost against slots."""
    slots = [cost.slots for cost in costs]
    bare_ms = np.array([cost.bare_ms for cost in costs])
    with plot(path, height_in=4.0) as axes:
        axes.loglog(slots, [c.frame_ms for c in costs], "o-", color=ORANGE, label="whole frame")
        axes.loglog(slots, bare_ms, "s-", color=BLUE, label="bare interpreter")
        limit_ms = bench.LIMIT_RATIO * bare_ms
        axes.loglog(slots, limit_ms, ":", color=LINE, label=f"limit: {bench.LIMIT_RATIO} x bare")
        axes.set_xticks(slots, [f"{count}" for count in slots])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("slots")
        axes.set_ylabel("ms per frame, every slot read")
        axes.legend()


def replace_section(document: str, section: str) -> str:
    """Return the document with another text between its two marks.

    Raises:
        ValueError: the marks are not there.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has no {BEGIN.strip()} ... {END.strip()}")
    return f"{before}{BEGIN}\n{section}\n\n{END}{after}"


def main() -> int:
    """Measure, print, and write when asked; return 1 when a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    bench.add_arguments(parser)
    parser.add_argument("--write", action="store_true", help="put table and plot into docs/")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # as `slotwatch` does
    figures = bench.measure(arguments)
    print(bench.table(figures), end="\n\n")
    models = model_table(time_models(read_bundle(read_settings(arguments.config).model), ROUNDS))
    print(models)
    if arguments.write:
        draw(figures.sizes, PLOT)
        section = "\n\n".join(
            [
                f"```\n{bench.table(figures)}\n```",
                size_table(figures.sizes),
                f"![Cost of a frame against its slots]({PLOT.name})",
                models,
            ]
        )
        DOCUMENT.write_text(replace_section(DOCUMENT.read_text("utf-8"), section), "utf-8")
    return 1 if bench.exceeded(figures) else 0


if __name__ == "__main__":
    sys.exit(main())
