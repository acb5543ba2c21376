"""Whatever is in the files: settings, or SettingsInvalid, and nothing else."""

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.settings import SettingsInvalid, fingerprint_of, read_settings, settings_warnings
from edge.yaml_nodes import Unreadable, read_nodes

CONFIG = """\
device: cabinet-a
camera: {source: simulator, resolution: [1280, 720], every: 1s, stall_after: 10s}
model: model
slots: slots.yaml
decision: {occupied_at: 0.6, empty_at: 0.4, confirm: 3, unknown_after: 30s}
mqtt:
  host: localhost
  protocol: auto
  tls: {ca: ca.pem}
web: {listen: "[::1]:8080"}
"""
SLOTS = """\
frame: [1280, 720]
slots:
  A1: [120, 80, 210, 160]
  A2: [[340, 82], [545, 90], [540, 250], [338, 240]]
  A3: {region: [560, 90, 20, 158], label: Torque wrench, occupied_at: 0.7, enabled: true}
grid:
  - corners: [[600, 60], [1200, 75], [1190, 700], [610, 690]]
    rows: 2
    columns: 2
    ids: "G{row:02}-{column:A}"
    gap: 0.06
"""
WORDS = [
    *("", "~", "null", "on", "0", "-1", "8", "1e9", ".nan", ".inf", "9" * 400, "12:30", "1s", "1"),
    *("[", "]", "{", "}", "[]", "{}", "- ", ": ", "? ", "&a ", "*a", "<<: ", "!!int ", "|", ">"),
    *(
        "---\n",
        "...\n",
        "%YAML 9\n",
        "\t",
        "\n",
        "\r\n",
        "#",
        "'",
        '"',
        "\0",
        "\ufeff",
        "ß",
        "\u2028",
    ),
    *("[0, 0, 9, 9]", "[[0, 0], [9, 0], [9, 9], [0, 9]]", "{row}", "{row:\n}", "../..", "a" * 300),
]


@st.composite
def mutated(draw, text):
    """Return the text with a few pieces cut out and words put in."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(WORDS)) + text[end:]
    return text.encode()


def read(config, slots):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        (folder / "model" / "bundle.json").write_text("{}")
        (folder / "ca.pem").write_text("x")
        (folder / "config.yaml").write_bytes(config)
        (folder / "slots.yaml").write_bytes(slots)
        fingerprint = fingerprint_of(folder / "config.yaml")
        try:
            found = read_settings(folder / "config.yaml")
        except SettingsInvalid as error:
            found, problems = None, error.problems
        if found:
            assert found.fingerprint == fingerprint
            settings_warnings(found, 96)
            return found
        assert problems
        for problem in problems:
            assert str(problem).isprintable()
            assert problem.what
            assert problem.remedy
        return None


def test_the_unchanged_files_are_fine():
    assert len(read(CONFIG.encode(), SLOTS.encode()).slots) == 7


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(config=mutated(CONFIG), slots=mutated(SLOTS))
def test_mutated_files_give_settings_or_problems(config, slots):
    read(config, SLOTS.encode())
    read(CONFIG.encode(), slots)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    data=st.binary(max_size=200)
    | st.lists(st.sampled_from(WORDS)).map(lambda w: "".join(w).encode())
)
def test_any_bytes_give_settings_or_problems(data):
    read(data, data)
    read(CONFIG.encode(), data)


@pytest.mark.parametrize("text", [CONFIG, SLOTS])
def test_both_parsers_read_the_same(text):
    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(data=mutated(text))
    def same(data):
        answers = []
        for loader in (yaml.CSafeLoader, yaml.SafeLoader):
            try:
                answers.append(read_nodes(data, loader))
            except Unreadable:
                answers.append(None)
        # They differ in a few corners of what they accept (a tab after a colon), never in
        # what an accepted text means.
        if None not in answers:
            assert answers[0] == answers[1]

    same()
