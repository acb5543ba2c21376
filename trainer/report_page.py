"""report.html: one file that needs nothing else, for a browser, a phone or paper."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from itertools import groupby

import cv2

from edge.types import ImageRGB
from trainer.report_blocks import Block, Picture, Plot, Section, Table

_STYLE = """
:root { color-scheme: light }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 0 auto;
  padding: 1.5rem 1rem 4rem; color: #1b1f24; background: #fff }
h1 { font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .5rem; border-top: 1px solid #d5dae0 }
.verdict, .caution { padding: .7rem 1rem; border-left: .35rem solid #0072b2; background: #f2f7fb }
.verdict { font-size: 1.15rem }
.caution { border-color: #d55e00; background: #fdf4ee }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .9rem }
a { color: #0b5fa5 }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: .9rem;
  font-variant-numeric: tabular-nums }
th, td { padding: .35rem .5rem; border-bottom: 1px solid #d5dae0; text-align: right;
  vertical-align: top }
th:first-child { text-align: left; font-weight: 600; min-width: 6rem }
th:first-child, .words td { overflow-wrap: anywhere }
.words th:first-child { min-width: 8rem }
.words th, .words td { text-align: left }
thead th { border-bottom: 2px solid #8b949e; vertical-align: bottom }
small { display: block; font-size: .8rem; line-height: 1.35; color: #57606a; font-weight: normal }
summary { cursor: pointer; color: #0b5fa5 }
.plots { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
figure { margin: 0; break-inside: avoid }
figure svg { width: 100%; height: auto; max-width: 32rem }
figcaption { font-size: .85rem; color: #3d444d; overflow-wrap: anywhere }
.crops { display: grid; gap: 1.2rem .8rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)) }
.crops div { display: flex; gap: 2px }
.crops img { width: 50%; max-width: 8rem; aspect-ratio: 1; image-rendering: pixelated }
.crops .large { grid-column: 1 / -1 }
.crops .large img { max-width: 28rem }
@media (max-width: 32rem) {
  table { font-size: .8rem }
  th, td { padding: .3rem .25rem }
  th:first-child { min-width: 5rem }
}
@media print {
  body { font-size: 10pt; max-width: none; padding: 0 }
  nav { display: none }
  h2 { break-after: avoid }
  tr { break-inside: avoid }
}
"""


def page(
    title: str, verdict: Sequence[str], cautions: Sequence[str], sections: Sequence[Section]
) -> str:
    """Return the whole page: no script, nothing fetched, pictures and plots inside."""
    links = "".join(
        f'<a href="#{_anchor(section)}">{html.escape(section.title)}</a>' for section in sections
    )
    body = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="verdict">{html.escape(" ".join(verdict))}</p>',
        *(f'<p class="caution">{html.escape(caution)}</p>' for caution in cautions),
        f"<nav>{links}</nav>",
        *(_section(section) for section in sections),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _anchor(section: Section) -> str:
    return "".join(c if c.isalnum() else "-" for c in section.title.lower()).strip("-")


def _section(section: Section) -> str:
    parts = [f'<section id="{_anchor(section)}"><h2>{html.escape(section.title)}</h2>']
    # Neighbouring plots stand side by side, and so do pictures.
    for kind, blocks in groupby(section.blocks, type):
        inner = "\n".join(map(_block, blocks))
        if kind is Plot:
            inner = f'<div class="plots">{inner}</div>'
        elif kind is Picture:
            inner = f'<div class="crops">{inner}</div>'
        parts.append(inner)
    return "\n".join([*parts, "</section>"])


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Plot):
        caption = f"<strong>{html.escape(block.title)}.</strong> {html.escape(block.caption)}"
        return f"<figure>{block.svg}<figcaption>{caption}</figcaption></figure>"
    if isinstance(block, Picture):
        return _picture(block)
    return f"<p>{html.escape(block)}</p>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_cell(cell)}</th>' for cell in table.header)
    rows = "".join(
        f'<tr><th scope="row">{_cell(first)}</th>'
        + "".join(f"<td>{_cell(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in table.rows
    )
    kind = ' class="words"' if table.is_text else ""
    text = f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    if table.folded is None:
        return text
    return f"<details><summary>{html.escape(table.folded)}</summary>{text}</details>"


def _cell(cell: str) -> str:
    text, _, remark = cell.partition("\n")
    return html.escape(text) + (f"<small>{html.escape(remark)}</small>" if remark else "")


def _picture(picture: Picture) -> str:
    images = [_image(picture.crop_rgb, "the crop")]
    if picture.overlay_rgb is not None:
        images.append(_image(picture.overlay_rgb, "where the model looked"))
    caption = _cell(picture.caption)
    size = ' class="large"' if picture.is_large else ""
    return f"<figure{size}><div>{''.join(images)}</div><figcaption>{caption}</figcaption></figure>"


def _image(image_rgb: ImageRGB, description: str) -> str:
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])
    address = f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
    return f'<img alt="{description}" src="{address}">'
