"""Tables of text for a terminal of 80 columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_WIDEST = 18  # columns of a cell; a longer word is cut short


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> list[str]:
    """Return the lines of a table: the first `words` columns to the left, figures to the right.

    Korean, Chinese and Japanese characters take two columns each.
    """
    cells = [[_cut(cell) for cell in row] for row in (header, *rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(header))]
    return ["  ".join(_padded(row, widths, words)).rstrip() for row in cells]


def _padded(row: Sequence[str], widths: Sequence[int], words: int) -> list[str]:
    spaces = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
    return [
        cell + space if column < words else space + cell
        for column, (cell, space) in enumerate(zip(row, spaces, strict=True))
    ]


def _width(text: str) -> int:
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str) -> str:
    # What a file name holds must not steer the terminal that shows it.
    text = "".join(c if c.isprintable() else "?" for c in text)
    if _width(text) <= _WIDEST:
        return text
    while _width(text) > _WIDEST - 1:
        text = text[:-1]
    return text + "…"
