"""The sections of a report that say where a model is weak: sources, cameras, slots, crops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.breakdown import Row, breakdown
from trainer.dataset import Sample
from trainer.overlay import overlay
from trainer.pointing import RIM_SHARE, pointing
from trainer.report import Report, Scored
from trainer.report_blocks import Block, Picture, Section, Table
from trainer.words import counted, percent, percent_range, three_digits

WORST_COUNT = 24
_SHOWN_CAMERAS = 15
_SHOWN_SLOTS = 40


def _source(sample: Sample) -> str:
    return sample.source


def _camera(sample: Sample) -> str:
    return f"{sample.source} {sample.camera}".strip()


def _slot(sample: Sample) -> str:
    return f"{_camera(sample)} {sample.slot}".strip()


def places_section(part: Scored, report: Report) -> Section:
    """Return the tables of sources, cameras and slots, those that tell anything."""
    blocks: list[Block] = []
    before = 1
    for plural, key, shown in (
        ("sources", _source, _SHOWN_CAMERAS),
        ("cameras", _camera, _SHOWN_CAMERAS),
        ("slots", _slot, _SHOWN_SLOTS),
    ):
        keys = [key(sample) for sample in part.samples]
        count = len(set(keys))
        # As many cameras as sources would be the same table again.
        if count > before:
            rows = breakdown(
                part.samples,
                part.probability,
                keys,
                report.empty_at,
                report.occupied_at,
                shown,
                plural,
            )
            folded = f"The {count:,} slots, worst first" if plural == "slots" else None
            blocks.append(_places_table(plural.removesuffix("s"), rows, folded))
            before = count
    if blocks:
        blocks.insert(
            0,
            "Worst first. Right is the balanced accuracy at 0.5 with its 95% interval, over the "
            "groups named beside the crops; with one group there is none. Wrong counts the crops "
            "that were answered, and wrongly. The worst of many is partly bad luck; its range "
            "tells.",
        )
    return Section("Where it is weak", blocks)


def _places_table(what: str, rows: Sequence[Row], folded: str | None) -> Table:
    return Table(
        (what, "crops\nEMPTY + OCCUPIED", "right", "answered", "wrong"),
        [
            (
                row.name,
                f"{row.empty_count:,} + {row.occupied_count:,}\n"
                + (counted(row.groups, row.unit) if row.groups > 1 else ""),
                f"{percent(row.right)}\n{percent_range(row.right_interval)}",
                percent(row.answered),
                f"{row.wrong:,}",
            )
            for row in rows
        ],
        folded,
    )


def worst_section(part: Scored, report: Report) -> Section:
    """Return the crops that are furthest from their label, worst first."""
    distance = np.abs(part.probability - part.occupied)
    worst = [int(i) for i in np.argsort(-distance, kind="stable")[:WORST_COUNT]]
    rows = [
        (
            part.samples[i].file.name,
            "OCCUPIED" if part.samples[i].is_occupied else "EMPTY",
            three_digits(float(part.probability[i])),
        )
        for i in worst
    ]
    blocks: list[Block] = []
    if part.attention is not None:
        blocks.append(_where_it_looked(part.attention[part.occupied]))
    if report.has_pictures:
        blocks.append(
            "Look at these first: is the label right, is the region? Beside each crop (in "
            "report.html), yellow is where the model saw most of OCCUPIED, dark blue where least."
            if part.attention is not None
            else "Look at these first: is the label right, is the region?"
        )
        blocks += [_picture(part, i) for i in worst]
    else:
        blocks.append("Written without pictures: their licences do not let them be passed on.")
    folded = f"The files of the {len(rows)} crops furthest from their label"
    blocks.append(Table(("file", "label", "probability of OCCUPIED"), rows, folded, True))
    return Section("Furthest from their label", blocks)


def _where_it_looked(attentions: npt.NDArray[np.floating]) -> str:
    """Return how much of the attention to these crops, (count, rows, columns), is in the slot."""
    looked = pointing(attentions)
    if looked.inner_share is None:
        return "Nowhere in these crops did the model see anything that speaks for OCCUPIED."
    return (
        f"In OCCUPIED crops, {percent(looked.inner_share)} of what spoke for OCCUPIED lay inside "
        f"the slot, away from its rim (1/{round(1 / RIM_SHARE)} along each side); looking "
        f"everywhere alike would give {percent(looked.uniform_inner_share)}. Less than that means "
        "it watches the rim."
    )


def _picture(part: Scored, index: int) -> Picture:
    sample, crop_rgb = part.samples[index], part.crops_rgb[index]
    label = "OCCUPIED" if sample.is_occupied else "EMPTY"
    return Picture(
        crop_rgb,
        None if part.attention is None else overlay(crop_rgb, part.attention[index]),
        f"is {label}, got {part.probability[index]:.3f}\n{_slot(sample)}: {sample.file.name}",
    )
