"""The fenced blocks of a page of docs/, for the tests that run what a reader pastes."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENTS = Path(__file__).parents[1] / "docs"


def section_of(page: str, title: str) -> str:
    """Return the text below a heading of any level, up to the next of the same level.

    Raises:
        LookupError: the page has no such heading.
    """
    text = (DOCUMENTS / page).read_text("utf-8")
    heading = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    if heading is None:
        raise LookupError(f"docs/{page} has no section {title!r}")
    rest = text[heading.end() :]
    return re.split(rf"^#{{1,{len(heading[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks_of(text: str, language: str) -> list[str]:
    """Return the contents of the fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
