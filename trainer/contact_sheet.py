"""What the network sees in training, as one picture or page for people.

If you cannot tell the label of a view, the network is taught to guess: make the
augmentation weaker. If you can tell the label of a piece of garbage, it is none.
"""

from __future__ import annotations

import base64
import html
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge.garbage import GARBAGE
from edge.types import ImageRGB
from trainer.augment import augment
from trainer.dataset import Crops, Sample

VIEWS = 11  # of each crop, beside the crop itself
CROPS_PER_LABEL = 2  # of each source

# The sheet is some 1,800 px wide; shown on a smaller screen its words must stay readable.
_TITLE_PX, _DETAIL_PX = 22, 18
_TITLE_WIDTH_PX, _HEADING_PX = 250, 48
_GAP_PX = 4
# Not white: one kind of garbage is.
_PAPER, _INK, _FAINT_INK = (236, 239, 243), (27, 31, 36), (89, 99, 110)
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem; color: #1b1f24; background: #eceff3 }
th { text-align: left; font-weight: 600; padding-right: 1rem; white-space: nowrap }
th small { display: block; font-weight: 400; color: #59636e }
td:nth-child(2) { padding-right: 1rem }
img { display: block; width: 96px; height: 96px; image-rendering: pixelated }
"""
_EXPLANATION = (
    "Left, each crop as it was read; right of it, as training sees it. Below, garbage: "
    "pictures that show no slot, taught as neither EMPTY nor OCCUPIED."
)


@dataclass(frozen=True, eq=False)
class SheetRow:
    """Pictures of one crop or one kind of garbage, all of one size."""

    title: str
    detail: str
    pictures_rgb: tuple[ImageRGB, ...]


def contact_sheet(samples: Sequence[Sample], crops_rgb: Crops, seed: int = 1) -> ImageRGB:
    """Return crops of each source and label beside their augmented views, and garbage.

    RGB uint8; crops are shown in their own size. The same for the same seed.
    """
    return draw_sheet(sheet_rows(samples, crops_rgb, seed))


def sheet_rows(samples: Sequence[Sample], crops_rgb: Crops, seed: int = 1) -> list[SheetRow]:
    """Return the rows of a sheet: those of each source and label, then one per kind of garbage."""
    cells: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        cells[sample.source, sample.is_occupied].append(index)
    random = np.random.default_rng(seed)
    rows = []
    for (source, _), indexes in sorted(cells.items()):
        neighbours = cells.get((source, True), indexes)
        count = min(CROPS_PER_LABEL, len(indexes))
        for index in random.choice(indexes, count, replace=False):
            views_rgb = [
                augment(crops_rgb[index], random, crops_rgb[random.choice(neighbours)])
                for _ in range(VIEWS)
            ]
            sample = samples[index]
            detail = " ".join(filter(None, (sample.camera, sample.slot, sample.time)))
            rows.append(
                SheetRow(f"{source} {sample.label}", detail, (crops_rgb[index], *views_rgb))
            )
    for name, draw in GARBAGE.items():
        pictures_rgb = tuple(
            draw(crops_rgb.shape[1], random, crops_rgb[random.integers(len(crops_rgb))])
            for _ in range(VIEWS + 1)
        )
        rows.append(SheetRow(f"garbage: {name}", "taught as neither", pictures_rgb))
    return rows


def draw_sheet(rows: Sequence[SheetRow]) -> ImageRGB:
    """Return the rows as one RGB picture, each with its title on the left."""
    pitch_px = len(rows[0].pictures_rgb[0]) + _GAP_PX
    width_px = _left_px(VIEWS + 1, pitch_px)
    sheet = Image.new("RGB", (width_px, _HEADING_PX + len(rows) * pitch_px), _PAPER)
    pen = ImageDraw.Draw(sheet)
    title_font, detail_font = (ImageFont.load_default(size) for size in (_TITLE_PX, _DETAIL_PX))
    pen.text((8, 8), _EXPLANATION, _INK, title_font)
    for row_number, row in enumerate(rows):
        top_px = _HEADING_PX + row_number * pitch_px
        pen.text((8, top_px + 6), row.title, _INK, title_font)
        pen.text((8, top_px + 10 + _TITLE_PX), row.detail, _FAINT_INK, detail_font)
        for column, picture_rgb in enumerate(row.pictures_rgb):
            sheet.paste(Image.fromarray(picture_rgb), (_left_px(column, pitch_px), top_px))
    return np.asarray(sheet, dtype=np.uint8)


def _left_px(column: int, pitch_px: int) -> int:
    """Return where a column begins: the first stands a little apart."""
    return _TITLE_WIDTH_PX + column * pitch_px + (2 * _GAP_PX if column else 0)


def sheet_page(rows: Iterable[SheetRow], heading: str) -> str:
    """Return the rows as a self-contained HTML page."""
    lines = [
        f"<tr><th>{html.escape(row.title)}<small>{html.escape(row.detail)}</small></th>"
        + "".join(f"<td>{_image_tag(picture_rgb)}</td>" for picture_rgb in row.pictures_rgb)
        + "</tr>"
        for row in rows
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(heading)}</title><style>{_STYLE}</style>"
        f"<h1>{html.escape(heading)}</h1><p>{_EXPLANATION}</p>"
        f"<table>{''.join(lines)}</table></html>\n"
    )


def _image_tag(picture_rgb: ImageRGB) -> str:
    picture_bgr = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", picture_bgr, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}">'
