"""The folder a person labels: copies, a table, a page to look at, and folders to sort into.

OUT/to_label holds the copies and index.csv; whoever fills in its labels has a data folder.
Or the copies are moved into OUT/empty and OUT/occupied; then OUT is one.
"""

from __future__ import annotations

import base64
import csv
import html
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2

from trainer.dataset import INDEX_FILE, DataError
from trainer.mining.doubts import DISPUTED, UNDECIDED, Doubt
from trainer.mining.pool import PoolCrop
from trainer.pictures import read_picture

_HEADINGS = {
    DISPUTED: "Perhaps wrong: another witness disagrees",
    UNDECIDED: "Undecided: neither surely EMPTY nor surely OCCUPIED",
}
_EXPLANATION = (
    "Move the pictures from to_label into the folders empty and occupied beside this page, and "
    "train with --data on this folder. Or write EMPTY or OCCUPIED into the column 'label' of "
    "to_label/index.csv and train with --data on to_label. Move what shows no slot into neither, "
    "and delete its line. The figures are the probability of OCCUPIED: 0 is surely EMPTY, 1 surely "
    "OCCUPIED."
)
_THUMBNAIL_PX = 192
TO_LABEL, PAGE_FILE = "to_label", "index.html"
DONE_FOLDERS = ("empty", "occupied", "neither")  # the last holds what shows no slot
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff }
figure { display: inline-block; width: 12rem; margin: .5rem; vertical-align: top; font-size: .8rem }
figure img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
  image-rendering: pixelated; background: #eef0f3 }
small { color: #59636e; overflow-wrap: anywhere }
"""


@dataclass(frozen=True)
class Row:
    """One line of index.csv: what training reads, then why the crop is here."""

    file: str
    label: str  # the person's
    camera: str
    slot: str
    time: str
    source: str
    doubt: str  # undecided or disputed
    strength: str
    reason: str


def row_of(crop: PoolCrop, doubt: Doubt) -> Row:
    """Return the line of a crop that nobody has labelled yet."""
    return Row(
        crop.handed_out_name,
        "",
        crop.camera,
        crop.slot,
        crop.time,
        crop.source,
        doubt.kind,
        f"{doubt.strength:.3f}",
        doubt.reason,
    )


def kept_rows(out: Path) -> list[Row]:
    """Return the lines of crops handed out before whose copies still lie there.

    Raises:
        DataError: the table cannot be read: a spreadsheet saved it in its own way.
    """
    file = out / TO_LABEL / INDEX_FILE
    if not file.is_file():
        return []
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            rows = [
                Row(**{f.name: line.get(f.name) or "" for f in fields(Row)})
                for line in csv.DictReader(handle)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read ({error}); save it as UTF-8 CSV") from error
    return [row for row in rows if row.file and (out / TO_LABEL / row.file).is_file()]


def names_handed_out(out: Path) -> set[str]:
    """Return the names of all copies, labelled or not."""
    folders = (TO_LABEL, *DONE_FOLDERS)
    return {file.name for folder in folders for file in (out / folder).glob("*")}


def hand_out(out: Path, kept: Sequence[Row], new: Sequence[tuple[PoolCrop, Doubt]]) -> None:
    """Copy the new crops, and write the table and the page of all."""
    for folder in (TO_LABEL, *DONE_FOLDERS):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rows = [*kept, *(row_of(crop, doubt) for crop, doubt in new)]
    table = out / TO_LABEL / INDEX_FILE
    partial = table.with_suffix(".part")
    # The mark at the front makes spreadsheets read UTF-8.
    with partial.open("w", newline="", encoding="utf-8-sig") as handle:
        writer = csv.DictWriter(handle, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    # Labels written by hand lie in the old one: replace it whole or not at all.
    partial.replace(table)
    # After the table, and each whole or not at all: a copy without a line would count as
    # handed out and never be shown. A line without a copy is dropped by the next run.
    for crop, _ in new:
        copy = out / TO_LABEL / crop.handed_out_name
        partial = out / f".{copy.name}.part"
        shutil.copyfile(crop.file, partial)
        partial.replace(copy)
    (out / PAGE_FILE).write_text(_page(out, rows), "utf-8")


def _page(out: Path, rows: Sequence[Row]) -> str:
    """Return a self-contained page of all crops, the strongest doubts first."""
    sections = []
    for kind, heading in _HEADINGS.items():
        of_kind = sorted(
            (row for row in rows if row.doubt == kind), key=lambda row: row.strength, reverse=True
        )
        figures = "".join(_figure(out / TO_LABEL / row.file, row) for row in of_kind)
        sections.append(f"<h2>{heading} ({len(of_kind)})</h2>{figures}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Crops to label</title>'
        f"<style>{_STYLE}</style><h1>{len(rows)} crops to label</h1><p>{_EXPLANATION}</p>"
        f"{''.join(sections)}</html>\n"
    )


def _figure(file: Path, row: Row) -> str:
    label = f"<b>{html.escape(row.label)}</b> " if row.label else ""
    return (
        f'<figure><img alt="" src="{_thumbnail(file)}"><figcaption>{label}'
        f"{html.escape(row.reason)}<br><small>{html.escape(row.file)}</small></figcaption></figure>"
    )


def _thumbnail(file: Path) -> str:
    """Return the picture as a data address, at most _THUMBNAIL_PX wide and high; else ""."""
    picture_rgb = read_picture(file)
    if isinstance(picture_rgb, str):
        return ""
    factor = min(1.0, _THUMBNAIL_PX / max(picture_rgb.shape[:2]))
    small_rgb = cv2.resize(picture_rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small_rgb, cv2.COLOR_RGB2BGR))
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
