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
    level, section, is_fenced = 0, [], False
    for line in text.splitlines(keepends=True):
        is_fenced ^= line.startswith("```")
        # Inside a fence a line that begins with # is a comment of whatever is shown.
        heading = None if is_fenced else re.fullmatch(r"(#+) (.*)\n", line)
        if heading and level and len(heading[1]) <= level:
            break
        if level:
            section.append(line)
        elif heading and heading[2] == title:
            level = len(heading[1])
    if not level:
        raise LookupError(f"docs/{page} has no section {title!r}")
    return "".join(section)


def blocks_of(text: str, language: str) -> list[str]:
    """Return the contents of the fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
