"""Tables of text for a terminal of 80 columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

COLUMNS = 80
_GAP = "  "
_SHORTEST_WORD = 8  # columns; rather a wider table than words nobody can tell apart


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> list[str]:
    """Return the lines of a table: the first `words` columns to the left, figures to the right.

    Long words are cut so that the table fits. Korean, Chinese and Japanese characters take
    two columns each.
    """
    whole = [header, *rows]
    figures = sum(_widest(whole, column) for column in range(words, len(header)))
    room = COLUMNS - figures - len(_GAP) * (len(header) - 1)
    limit = max(_SHORTEST_WORD, room // words)
    fitting = [[*(_cut(word, limit) for word in row[:words]), *row[words:]] for row in whole]
    widths = [_widest(fitting, column) for column in range(len(header))]
    return [_GAP.join(_padded(row, widths, words)).rstrip() for row in fitting]


def _widest(rows: Sequence[Sequence[str]], column: int) -> int:
    return max(_width(row[column]) for row in rows)


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


def _cut(text: str, limit: int) -> str:
    # What a file name holds must not steer the terminal that shows it.
    text = "".join(c if c.isprintable() else "?" for c in text)
    if _width(text) <= limit:
        return text
    while _width(text) > limit - 1:
        text = text[:-1]
    return text + "…"
