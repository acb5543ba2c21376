"""`slotwatch bench`: what a slot, a frame, a start and a message cost on this device.

The limits hold for the ratios and for a quiet machine; what is measured, and how, stands in
the rooms of `edge.measure`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from edge.bundle import read_bundle
from edge.classifier import THREADS, Classifier, open_classifier
from edge.commands import Progress, add_config_argument, count_of
from edge.measure.cost import (
    SIZES,
    WARM_UP_FRAMES,
    FrameCost,
    ThreadCost,
    first_crop,
    measure_sizes,
    measure_threads,
)
from edge.measure.delivery import FRAMES as DELIVERY_ROUNDS
from edge.measure.delivery import Delivery, measure_delivery
from edge.measure.start import Start, measure_start
from edge.settings import read_settings

# What a change must not exceed; printed beside the figures. The delivery brings its own.
LIMIT_RATIO = 1.10
LIMIT_START_S = 1.5
LIMIT_MEMORY_MB = 150.0
ROUNDS = 60
LEAST_ROUNDS = 4
THREAD_ROUNDS = 10


@dataclass(frozen=True)
class Figures:
    """Everything that one run measured."""

    model: str
    runtime: str
    threads: int
    every_s: float
    own: FrameCost  # with the slots of the settings
    own_alone: FrameCost  # the same by one interpreter
    sizes: tuple[FrameCost, ...]
    interpreter: tuple[ThreadCost, ...]
    start: Start | None = None
    delivery: Delivery | None = None  # all slots change
    delivery_of_one: Delivery | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    value: str
    limit: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    parser.add_argument(
        "--rounds",
        type=count_of,
        metavar="N",
        help=f"frames measured (default: {ROUNDS}, and {DELIVERY_ROUNDS} of each delivery)",
    )
    parser.add_argument(
        "--threads",
        type=count_of,
        default=THREADS,
        metavar="N",
        help=f"interpreters at work at the same time (default: {THREADS}, as the daemon)",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=SIZES,
        metavar="N,N,...",
        help="numbers of slots (default: " + ",".join(map(str, SIZES)) + ")",
    )
    parser.add_argument(
        "--no-start",
        action="store_true",
        help="leave out what needs a real daemon and a broker: start, memory, delivery",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def _sizes(text: str) -> tuple[int, ...]:
    """Return numbers of slots, each once, the smallest first."""
    return tuple(sorted({count_of(word) for word in text.split(",")}))


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; return 1 when a limit is exceeded."""
    figures = measure(arguments)
    print(json.dumps(asdict(figures)) if arguments.json else table(figures))
    return 1 if exceeded(figures) else 0


def measure(arguments: argparse.Namespace) -> Figures:
    """Return all figures that the arguments ask for."""
    settings = read_settings(arguments.config)
    bundle = read_bundle(settings.model)
    classifier = open_classifier(bundle, arguments.threads)
    rounds = max(LEAST_ROUNDS, arguments.rounds or ROUNDS)
    own = sum(slot.enabled for slot in settings.slots)
    sizes = sorted({own, *arguments.sizes})
    with Progress("round", (len(sizes) + 1) * (rounds + WARM_UP_FRAMES)) as progress:
        costs = measure_sizes(settings, classifier, sizes, rounds, progress.advance)
        one = Classifier(bundle, threads=1)
        (own_alone,) = measure_sizes(settings, one, [own], rounds, progress.advance)
    crop_rgb = first_crop(settings, bundle.input_size_px)
    interpreter = measure_threads(classifier, crop_rgb, THREAD_ROUNDS)
    start = delivery = delivery_of_one = None
    if not arguments.no_start:
        start = measure_start(settings)
        frames = arguments.rounds or DELIVERY_ROUNDS
        with Progress("frame to a subscriber", 2 * (1 + frames)) as progress:
            delivery = measure_delivery(settings.model, frames, advance=progress.advance)
            delivery_of_one = measure_delivery(
                settings.model, frames, is_one=True, advance=progress.advance
            )
    return Figures(
        bundle.name,
        classifier.runtime,
        classifier.threads,
        settings.camera.every_s,
        costs[sizes.index(own)],
        own_alone,
        tuple(cost for cost in costs if cost.slots in arguments.sizes),
        interpreter,
        start,
        delivery,
        delivery_of_one,
    )


def exceeded(figures: Figures) -> tuple[str, ...]:
    """Return the names of the limits that these figures exceed."""
    start, delivery, of_one = figures.start, figures.delivery, figures.delivery_of_one
    is_exceeded = {
        "ratio": figures.own.ratio > LIMIT_RATIO,
        "start": start is not None and start.first_retained_s > LIMIT_START_S,
        "memory": start is not None and start.memory_mb > LIMIT_MEMORY_MB,
        "delivery": delivery is not None and delivery.p99_ms > delivery.limit_ms,
        "delivery_of_one": of_one is not None and of_one.p99_ms > of_one.limit_ms,
    }
    return tuple(name for name, is_beyond in is_exceeded.items() if is_beyond)


def table(figures: Figures) -> str:
    """Return the figures for people, the limits beside them."""
    return "\n\n".join(
        _aligned(rows)
        for rows in (
            list(_own_rows(figures)),
            list(_size_rows(figures.sizes)),
            list(_thread_rows(figures)),
            list(_start_rows(figures.start)),
            [*_delivery_rows(figures.delivery_of_one), *_delivery_rows(figures.delivery)],
        )
        if rows
    )


def _own_rows(figures: Figures) -> Iterator[Row]:
    own = figures.own
    per_minute_s = own.frame_ms * 60 / figures.every_s / 1000
    yield Row("slots", f"{own.slots}")
    yield Row("model", f"{figures.model} on {figures.runtime}, {figures.threads} thread(s)")
    yield Row("gates + crop + inference + decision", f"{own.frame_ms / own.slots:.3f} ms per slot")
    yield Row("bare interpreter, same run", f"{own.bare_ms / own.slots:.3f} ms per slot")
    yield Row("ratio, every slot read in every frame", f"{own.ratio:.3f}", f"limit {LIMIT_RATIO}")
    yield Row("the same of processor time", f"{own.cpu_ratio:.3f}")
    yield Row("the ratio with one interpreter at work", f"{figures.own_alone.ratio:.3f}")
    yield Row("one frame", f"{own.frame_ms:.1f} ms")
    yield Row("one minute of watching", f"{per_minute_s:.1f} s of one core")


def _size_rows(costs: Sequence[FrameCost]) -> Iterator[Row]:
    for cost in costs:
        yield Row(
            f"a frame of {cost.slots} slot{'s' if cost.slots > 1 else ''}",
            f"{cost.frame_ms:.1f} ms",
            f"bare {cost.bare_ms:.1f} ms, ratio {cost.ratio:.3f}",
        )


def _thread_rows(figures: Figures) -> Iterator[Row]:
    for cost in figures.interpreter:
        yield Row(
            f"{cost.threads} interpreter{'s' if cost.threads > 1 else ''} at work",
            f"{cost.wall_ms:.3f} ms a crop",
            f"{cost.cpu_ms:.3f} ms of processor time"
            + (", as the daemon" if cost.threads == THREADS else ""),
        )


def _start_rows(start: Start | None) -> Iterator[Row]:
    if start is None:
        return
    yield Row(
        "start to first retained state",
        f"{start.first_retained_s:.2f} s",
        f"limit {LIMIT_START_S:g} s",
    )
    yield Row("start to first confirmed state", f"{start.first_confirmed_s:.2f} s")
    yield Row(
        "memory of daemon and camera process",
        f"{start.memory_mb:.0f} MB",
        f"limit {LIMIT_MEMORY_MB:g} MB; pages that both use counted once",
    )
    yield Row("their resident sizes added up", f"{start.resident_mb:.0f} MB")
    yield Row("resident size of the daemon alone", f"{start.daemon_resident_mb:.0f} MB")


def _delivery_rows(delivery: Delivery | None) -> Iterator[Row]:
    if delivery is None:
        return
    yield Row(
        f"frame to subscriber, change of {delivery.changing} of {delivery.slots} slots",
        f"p99 {delivery.p99_ms:.1f} ms",
        f"limit {delivery.limit_ms:.1f} ms; {delivery.frames} frames, {delivery.broker}",
    )
    yield Row("the same, median", f"{delivery.median_ms:.1f} ms")


def _aligned(rows: Sequence[Row]) -> str:
    name_width = max(len(row.name) for row in rows)
    value_width = max(len(row.value) for row in rows)
    return "\n".join(
        f"{row.name:<{name_width}}  {row.value:<{value_width}}  {row.limit}".rstrip()
        for row in rows
    )
