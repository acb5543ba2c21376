"""What a report is made of, before it is Markdown or a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.types import ImageRGB


@dataclass(frozen=True)
class Table:
    """Rows of cells. After a line break within a cell follows a remark in small print."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: str | None = None  # shown instead of the table until the reader unfolds it
    is_text: bool = False  # words rather than numbers in its columns


@dataclass(frozen=True)
class Plot:
    """A drawing with a sentence on how to read it; only the page has it."""

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, eq=False)
class Picture:
    """A crop, with its attention map over it where there is one; only the page has it."""

    crop_rgb: ImageRGB
    overlay_rgb: ImageRGB | None
    caption: str  # after a line break: a remark in small print
    is_large: bool = False  # for an overlay with details


Block = str | Table | Plot | Picture  # a str is a paragraph


@dataclass(frozen=True)
class Section:
    """One heading and what stands under it."""

    title: str
    blocks: Sequence[Block]
