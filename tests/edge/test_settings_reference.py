import re
from pathlib import Path

import pytest

from edge.config_file import CONFIG_SETTINGS
from edge.settings import read_settings
from edge.settings_reference import settings_reference
from edge.slots_file import FILE_SETTINGS, GRID_SETTINGS, SLOT_SETTINGS

PAGE = (Path(__file__).parents[2] / "docs" / "config.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(# (?:config|slots)\.yaml\n.*?)^```", PAGE, re.M | re.S)
CONFIG = "device: a\ncamera: {source: simulator}\nmodel: models/default\nslots: slots.yaml\n"
SLOTS = "frame: [640, 480]\nslots: {A1: [0, 0, 20, 20]}\n"


def test_the_page_has_the_tables_that_the_descriptions_give():
    assert settings_reference() in PAGE, (
        "docs/config.md is out of date; replace its tables with what "
        "`python -m edge.settings_reference` prints"
    )


@pytest.mark.parametrize(
    "setting",
    [*CONFIG_SETTINGS, *FILE_SETTINGS, *SLOT_SETTINGS, *GRID_SETTINGS],
    ids=lambda setting: setting.name,
)
def test_every_setting_is_on_the_page_in_one_line(setting):
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| `{setting.name}` | ")]
    assert any(setting.help in row and setting.kind.words in row for row in rows)
    assert all(row.count("|") == 5 for row in rows), "a | inside a cell breaks the table"


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_on_the_page_can_be_copied(tmp_path, example):
    (tmp_path / "models" / "default").mkdir(parents=True)
    (tmp_path / "models" / "default" / "bundle.json").write_text("{}")
    (tmp_path / "pictures").mkdir()
    for name in ("ca.pem", "mqtt-password"):
        (tmp_path / name).write_text("x")
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "slots.yaml").write_text(SLOTS)
    (tmp_path / example.split()[1]).write_text(example, "utf-8")
    assert read_settings(tmp_path / "config.yaml").slots


def test_there_are_examples_of_both_files():
    assert {example.split()[1] for example in EXAMPLES} == {"config.yaml", "slots.yaml"}
