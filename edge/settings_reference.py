"""The tables of `docs/config.md`, from the same descriptions the files are read with.

`python -m edge.settings_reference` prints them; a test holds the page to them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from edge.config_file import CONFIG_SECTIONS, CONFIG_SETTINGS
from edge.setting_kinds import Setting
from edge.slots_file import FILE_SETTINGS, GRID_SETTINGS, SLOT_SETTINGS

_OPTIONAL = {section.name for section in CONFIG_SECTIONS if not section.is_required}


def settings_reference() -> str:
    """Return every setting of both files as Markdown."""
    sections = "\n".join(f"- `{section.name}`: {section.help}" for section in CONFIG_SECTIONS)
    return "\n".join(
        [
            "### The config file",
            "",
            _table(CONFIG_SETTINGS),
            "",
            "The part before the dot is a section, written as a line of its own with its settings",
            "indented below it:",
            "",
            sections,
            "",
            "### The slots file",
            "",
            _table(FILE_SETTINGS),
            "",
            "### A slot that is written as a mapping",
            "",
            _table(SLOT_SETTINGS),
            "",
            "### A block of the grid",
            "",
            _table(GRID_SETTINGS),
            "",
        ]
    )


def _table(settings: Sequence[Setting[Any]]) -> str:
    rows = ["| setting | takes | default | what it does |", "|---|---|---|---|"]
    for setting in settings:
        section = setting.name.rpartition(".")[0]
        if setting.is_required:
            default = f"**required** in `{section}`" if section in _OPTIONAL else "**required**"
        elif setting.default is None:
            default = setting.default_words or "none"
        else:
            default = f"`{setting.default}`"
        rows.append(f"| `{setting.name}` | {setting.kind.words} | {default} | {setting.help} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
