"""report.md: the words and tables of a report, for a terminal or a repository's page."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.report_blocks import Block, Section, Table


def markdown(
    title: str, verdict: Sequence[str], cautions: Sequence[str], sections: Sequence[Section]
) -> str:
    """Return the text of report.md; plots and pictures are in report.html alone."""
    paragraphs = [f"# {title}", f"**{' '.join(verdict)}**"]
    paragraphs += [f"> {caution}" for caution in cautions]
    paragraphs.append("The plots are in `report.html`.")
    for section in sections:
        blocks = [text for block in section.blocks if (text := _block(block))]
        if blocks:
            paragraphs += [f"## {section.title}", *blocks]
    return "\n\n".join(paragraphs) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, Table):
        lines = [_line(block.header), "|" + "---|" * len(block.header), *map(_line, block.rows)]
        return "\n".join(([f"{block.folded}:", ""] if block.folded else []) + lines)
    return ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|").replace("\n", "<br>") for c in cells) + " |"
