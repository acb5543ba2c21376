"""Broken settings files: each ends with the right file, line, setting and remedy."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.settings import SettingsInvalid, read_settings

CONFIG = """\
device: cabinet-a
camera:
  source: simulator
  every: 1s
model: model
slots: slots.yaml
decision:
  occupied_at: 0.6
  empty_at: 0.4
mqtt:
  host: localhost
  port: 1883
web:
  listen: 127.0.0.1:8080
"""
SLOTS = """\
frame: [1280, 720]
slots:
  A1: [120, 80, 210, 160]
  A2: [[340, 82], [545, 90], [540, 250], [338, 240]]
grid:
  - corners: [[600, 60], [1200, 75], [1190, 700], [610, 690]]
    rows: 2
    columns: 2
    ids: "G{row}-{column}"
"""


@dataclass(frozen=True)
class Broken:
    """A change of the good files, and the problems it must give."""

    problems: tuple[str, ...]
    config: tuple[str, str] = ("", "")  # replace the first with the second
    slots: tuple[str, str] = ("", "")
    config_bytes: bytes | None = None
    slots_bytes: bytes | None = None
    removed: tuple[str, ...] = ()


BROKEN = {
    "setting listed twice": Broken(
        (
            "config.yaml:5: camera.every: this setting is listed twice (first on line 4); keep "
            "one of them",
        ),
        config=("  every: 1s\n", "  every: 1s\n  every: 2s\n"),
    ),
    "section listed twice": Broken(
        (
            "config.yaml:15: mqtt: this setting is listed twice (first on line 10); keep one of "
            "them",
        ),
        config=("web:", "web:\n  listen: 127.0.0.1:8080\nmqtt:"),
    ),
    "slot listed twice": Broken(
        (
            "slots.yaml:5: A1: this slot is listed twice (first on line 3); delete one of them, "
            "or give it another id",
        ),
        slots=("grid:", "  A1: [340, 300, 200, 200]\ngrid:"),
    ),
    "slot in the grid too": Broken(
        (
            "slots.yaml:9: grid[1].ids: slot 'A1' is listed twice (first on line 3); change the "
            "pattern, or delete the other one",
        ),
        slots=("G{row}-{column}", "{row:A}{column}"),
    ),
    "12:30 as an id": Broken(
        (
            "slots.yaml:3: 12:30: '12:30' is not a slot's id: only letters A-Z a-z, digits, - and "
            "_ may be used; write it like 12-30",
        ),
        slots=("  A1:", "  12:30:"),
    ),
    "on as an id, twice": Broken(
        (
            "slots.yaml:4: on: this slot is listed twice (first on line 3); delete one of them, "
            "or give it another id",
        ),
        slots=("  A1:", "  on: [0, 0, 20, 20]\n  on:"),
    ),
    "a tab": Broken(
        ("config.yaml:4: a tab where YAML allows only spaces; replace it with spaces",),
        config=("  every", "\tevery"),
    ),
    "NaN": Broken(
        ("slots.yaml:3: A1: '.nan' is not a number; write it like 120",),
        slots=("[120, 80", "[.nan, 80"),
    ),
    "infinity": Broken(
        ("config.yaml:8: decision.occupied_at: '.inf' is not a number; write it like 0.5",),
        config=("0.6", ".inf"),
    ),
    "region outside": Broken(
        (
            "slots.yaml:3: A1: the region ends at x=1300, outside the 1280x720 frame; make its "
            "width at most 20",
        ),
        slots=("[120, 80, 210, 160]", "[1260, 80, 40, 160]"),
    ),
    "corner outside": Broken(
        (
            "slots.yaml:4: A2: corner 2 [5450, 90] lies outside the 1280x720 frame; move it to "
            "[1280, 90] or further in",
        ),
        slots=("545", "5450"),
    ),
    "region crossing": Broken(
        (
            "slots.yaml:4: A2: the sides cross each other; give the corners in this order: "
            "[[340, 82], [545, 90], [540, 250], [338, 240]]",
        ),
        slots=("[540, 250], [338, 240]", "[338, 240], [540, 250]"),
    ),
    "region with a dent": Broken(
        (
            "slots.yaml:4: A2: the region has a dent at corner 3; move that corner outwards until "
            "no corner points inwards",
        ),
        slots=("[540, 250]", "[400, 120]"),
    ),
    "region too small": Broken(
        ("slots.yaml:3: A1: the region is 7 px wide; make its width at least 8",),
        slots=("210, 160]", "7, 160]"),
    ),
    "grid crossing": Broken(
        (
            "slots.yaml:6: grid[1].corners: the sides cross each other; give the corners in this "
            "order: [[600, 60], [1200, 75], [1190, 700], [610, 690]]",
        ),
        slots=("[1190, 700], [610, 690]", "[610, 690], [1190, 700]"),
    ),
    "grid ids that clash": Broken(
        (
            "slots.yaml:9: grid[1].ids: row 1, column 1 and row 1, column 2 both get the id 'G1'; "
            'use {row} and {column}, apart by a letter or -: "{row}-{column}"',
        ),
        slots=("G{row}-{column}", "G{row}"),
    ),
    "two blocks with the same ids": Broken(
        (
            "slots.yaml:10: grid[2].ids: slot 'G1-1' is listed twice (first on line 9); change "
            "the pattern, or delete the other one",
        ),
        slots_bytes=SLOTS.encode()
        + b"  - {corners: [[0, 300], [300, 300], [300, 700], [0, 700]], rows: 1, columns: 1, "
        b'ids: "G{row}-{column}"}\n',
    ),
    "pattern without quotes": Broken(
        (
            "slots.yaml:9: a value begins with a character that means something else in YAML; put "
            "the value in quotes",
        ),
        slots=('"G{row}-{column}"', "{row}{column}"),
    ),
    "slots file missing": Broken(
        (
            "config.yaml:6: slots: there is no file {folder}/slots.yaml; correct the path or make "
            "the file",
        ),
        removed=("slots.yaml",),
    ),
    "slots is a folder": Broken(
        ("config.yaml:6: slots: {folder}/model is not a file; name the file itself",),
        config=("slots.yaml", "model"),
    ),
    "config missing": Broken(
        ("config.yaml: there is no such file; give the right path with --config",),
        removed=("config.yaml",),
    ),
    "model folder missing": Broken(
        (
            "config.yaml:5: model: there is no model folder {folder}/models/best; name a folder "
            "that holds bundle.json",
        ),
        config=("model: model", "model: models/best"),
    ),
    "model is no bundle": Broken(
        (
            "config.yaml:5: model: {folder}/model holds no bundle.json; name the whole folder the "
            "trainer wrote",
        ),
        removed=("model/bundle.json",),
    ),
    "model is a file": Broken(
        (
            "config.yaml:5: model: {folder}/model/bundle.json is a file; name the folder that "
            "holds bundle.json",
        ),
        config=("model: model", "model: model/bundle.json"),
    ),
    "password file missing": Broken(
        (
            "config.yaml:12: mqtt.password_file: there is no file {folder}/secret; correct the "
            "path or make the file",
        ),
        config=("  port: 1883\n", "  password_file: secret\n  username: a\n"),
    ),
    "password without a user": Broken(
        (
            "config.yaml:12: mqtt.password_file: a password without a user name; add 'username' "
            "beside it",
        ),
        config=("  port: 1883\n", "  password_file: slots.yaml\n"),
    ),
    "password in the file": Broken(
        (
            "config.yaml:12: mqtt.password: the password itself must not stand in this file; "
            "write it to a file of its own and name that with 'password_file'",
        ),
        config=("  port: 1883\n", "  password: hunter2\n"),
    ),
    "TLS files missing": Broken(
        (
            "config.yaml:12: mqtt.tls.ca: there is no file {folder}/ca.pem; correct the path or "
            "make the file",
            "config.yaml:12: mqtt.tls.key: there is no file {folder}/key.pem; correct the path or "
            "make the file",
            "config.yaml:12: mqtt.tls.key: 'certificate' is missing beside it; add 'certificate'",
        ),
        config=("  port: 1883\n", "  tls: {ca: ca.pem, key: key.pem}\n"),
    ),
    "TLS without an authority": Broken(
        (
            "config.yaml:12: mqtt.tls.ca: missing; add it: PEM file the broker's certificate is "
            "checked with",
        ),
        config=("  port: 1883\n", "  tls: {}\n"),
    ),
    "alias": Broken(
        (
            "slots.yaml:3: an anchor (&box) is not allowed here; delete it and write values out",
            "slots.yaml:4: an alias (*box) is not allowed here; write the value out where it is "
            "needed",
        ),
        slots=(
            "[120, 80, 210, 160]\n  A2: [[340, 82], [545, 90], [540, 250], [338, 240]]",
            "&box [120, 80, 210, 160]\n  A2: *box",
        ),
    ),
    "merge key": Broken(
        (
            "config.yaml:2: an anchor (&base) is not allowed here; delete it and write values out",
            "config.yaml:11: an alias (*base) is not allowed here; write the value out where it "
            "is needed",
            "config.yaml:11: a merge key (<<) is not allowed here; write the settings out where "
            "needed",
        ),
        config_bytes=CONFIG.replace("camera:\n", "camera: &base\n")
        .replace("mqtt:\n", "mqtt:\n  <<: *base\n")
        .encode(),
    ),
    "a Python object": Broken(
        (
            "config.yaml:1: a tag (tag:yaml.org,2002:python/object/apply:o…) is not allowed here; "
            "delete it; every setting knows its own kind",
            "config.yaml:1: device: expected one value, not a list; write it like cabinet-a",
        ),
        config=("cabinet-a", "!!python/object/apply:os.system [reboot]"),
    ),
    "huge file": Broken(
        (
            "slots.yaml:1: the file is larger than 1 MiB; this is no settings file; name the right "
            "one",
        ),
        slots_bytes=SLOTS.encode() + b"#" * (1 << 20),
    ),
    "deep nesting": Broken(
        (
            "slots.yaml:2: lists or mappings nested more than 12 deep; no setting is nested so "
            "deeply; check the brackets and the indentation",
        ),
        slots_bytes=b"frame: [1280, 720]\nslots: " + b"{a: " * 10_000,
    ),
    "5,000 digits": Broken(
        ("slots.yaml:3: A1: a number of 5000 digits is too large; write it like 120",),
        slots=("[120,", f"[{'1' * 5000},"),
    ),
    "not UTF-8": Broken(
        ("slots.yaml:2: the text is not UTF-8; save the file with the encoding UTF-8",),
        slots_bytes="frame: [1280, 720]\n# für Schlüssel\n".encode("latin-1"),
    ),
    "a picture instead of a file": Broken(
        ("slots.yaml:1: the text is not UTF-8; save the file with the encoding UTF-8",),
        slots_bytes=b"\x89PNG\r\n\x1a\n\0\0\0",
    ),
    "two documents": Broken(
        ("config.yaml:15: a second document begins here ('---'); keep one document per file",),
        config_bytes=CONFIG.encode() + b"---\ndevice: b\n",
    ),
    "empty config": Broken(
        ("config.yaml:1: the file is empty; begin with a copy of the example file",),
        config_bytes=b"",
    ),
    "empty slots file": Broken(
        ("slots.yaml:1: the file is empty; begin with a copy of the example file",),
        slots_bytes=b"# nothing yet\n",
    ),
    "a list instead of settings": Broken(
        (
            "config.yaml:1: expected settings ('name: value'), not a list; begin with a copy of "
            "the example file",
        ),
        config_bytes=b"- device: a\n",
    ),
    "a list instead of a section": Broken(
        (
            "config.yaml:13: web: expected settings of its own, not a list; write its settings "
            "below it, indented, such as 'listen: …'",
        ),
        config=("web:\n  listen", "web:\n  - listen"),
    ),
    "a word instead of a section": Broken(
        (
            "config.yaml:10: mqtt: expected settings of its own, not 'localhost'; write its "
            "settings below it, indented, such as 'host: …', or 'off'",
        ),
        config=("mqtt:\n  host: localhost\n  port: 1883\n", "mqtt: localhost\n"),
    ),
    "unknown setting": Broken(
        ("config.yaml:4: camera.evry: unknown setting; did you mean 'every'?",),
        config=("every", "evry"),
    ),
    "setting in the wrong place": Broken(
        ("config.yaml:1: host: unknown setting here; move it below 'mqtt:', indented",),
        config=("device: cabinet-a", "host: localhost\ndevice: cabinet-a"),
    ),
    "unknown setting that resembles none": Broken(
        ("config.yaml:14: web.colour: unknown setting; delete it; known here are listen",),
        config=("listen: 127.0.0.1:8080", "colour: blue"),
    ),
    "required settings missing": Broken(
        (
            "config.yaml:1: device: missing; add it: names the MQTT topics; unique per broker",
            "config.yaml:1: camera.source: missing; add it: /dev/video0, rtsp://…, http://…, a "
            "video file, a folder of images, or simulator",
            "config.yaml:1: model: missing; add it: folder of a model bundle",
            "config.yaml:1: slots: missing; add it: the slots file",
        ),
        config_bytes=b"storage: x\n",
    ),
    "source missing in its section": Broken(
        (
            "config.yaml:2: camera.source: missing; add it: /dev/video0, rtsp://…, http://…, a "
            "video file, a folder of images, or simulator",
        ),
        config=("  source: simulator\n", ""),
    ),
    "no value": Broken(
        (
            "config.yaml:1: device: no value is given; give one",
            "config.yaml:4: camera.every: no value is given; give one or delete the line to use 1s",
        ),
        config_bytes=CONFIG.replace("cabinet-a", "").replace("1s", "").encode(),
    ),
    "source that does not exist": Broken(
        (
            "config.yaml:3: camera.source: there is no file or folder {folder}/webcam; name a "
            "device such as /dev/video0, an address (rtsp://…), a folder or simulator",
        ),
        config=("simulator", "webcam"),
    ),
    "kind of stream that does not exist": Broken(
        ("config.yaml:3: camera.source: 'rstp://' is not a kind of stream; did you mean rtsp://?",),
        config=("simulator", "rstp://10.0.0.5/stream"),
    ),
    "duration without a unit": Broken(
        ("config.yaml:4: camera.every: '1' has no unit; write 1s, 1ms or 1min",),
        config=("1s", "1"),
    ),
    "thresholds the wrong way round": Broken(
        (
            "config.yaml:8: decision.occupied_at: 0.3 is not above decision.empty_at 0.4; make it "
            "larger than 0.4",
        ),
        config=("0.6", "0.3"),
    ),
    "equal thresholds": Broken(
        (
            "config.yaml:8: decision.occupied_at: 0.4 is not above decision.empty_at 0.4; make it "
            "larger than 0.4",
        ),
        config=("0.6", "0.4"),
    ),
    "threshold against a default": Broken(
        (
            "config.yaml:8: decision.empty_at: 0.7 is not below decision.occupied_at 0.6; make it "
            "smaller than 0.6",
        ),
        config=("  occupied_at: 0.6\n  empty_at: 0.4", "  empty_at: 0.7"),
    ),
    "a slot's threshold against the default": Broken(
        (
            "slots.yaml:5: A3.empty_at: 0.6 is not below occupied_at 0.6 of the decision settings; "
            "make it smaller than 0.6, or give this slot a larger occupied_at",
        ),
        slots=("grid:", "  A3: {region: [0, 0, 20, 20], empty_at: 0.6}\ngrid:"),
    ),
    "port out of range": Broken(
        ("config.yaml:12: mqtt.port: 70000 is out of range; give 1 to 65535",),
        config=("1883", "70000"),
    ),
    "jsonl in no folder": Broken(
        ("config.yaml:1: jsonl: there is no folder {folder}/logs; make it, or name another file",),
        config=("device", "jsonl: logs/events.jsonl\ndevice"),
    ),
    "jsonl is a folder": Broken(
        ("config.yaml:1: jsonl: {folder}/model is a folder; name a file in it",),
        config=("device", "jsonl: model\ndevice"),
    ),
    "escape sequences for a terminal": Broken(
        (
            "config.yaml:1: \\x1b[2Jdevice: unknown setting; did you mean 'device'?",
            "config.yaml:1: device: missing; add it: names the MQTT topics; unique per broker",
        ),
        config=("device:", '"\\e[2Jdevice":'),
    ),
    "escape sequences in a slot's id": Broken(
        (
            "slots.yaml:3: A\\x1b[2J: 'A\\x1b[2J' is not a slot's id: only letters A-Z a-z, "
            "digits, - and _ may be used; write it like A-2J",
            "slots.yaml:3: A\\x1b[2J: no region is given; write one: A\\x1b[2J: "
            "[120, 80, 210, 160]",
        ),
        slots=("A1: [120, 80, 210, 160]", '"A\\e[2J":'),
    ),
}


def write_files(folder: Path, broken: Broken) -> Path:
    (folder / "model").mkdir()
    (folder / "model" / "bundle.json").write_text("{}")
    config = CONFIG.replace(*broken.config, 1).encode()
    slots = SLOTS.replace(*broken.slots, 1).encode()
    if broken.config_bytes is not None:
        config = broken.config_bytes
    if broken.slots_bytes is not None:
        slots = broken.slots_bytes
    (folder / "config.yaml").write_bytes(config)
    (folder / "slots.yaml").write_bytes(slots)
    for path in broken.removed:
        (folder / path).unlink()
    return folder / "config.yaml"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_names_file_line_setting_and_remedy(tmp_path, name):
    broken = BROKEN[name]
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(write_files(tmp_path, broken))
    lines = [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]
    assert lines == [problem.replace("{folder}", str(tmp_path)) for problem in broken.problems]


@pytest.mark.parametrize("name", BROKEN)
def test_the_check_command_prints_every_problem_and_ends_with_78(tmp_path, capsys, name):
    broken = BROKEN[name]
    config_path = write_files(tmp_path, broken)
    assert main(["check", "--no-camera", "--config", str(config_path)]) == 78
    printed = capsys.readouterr().err.splitlines()
    for problem in broken.problems:
        assert f"{tmp_path}/{problem}".replace("{folder}", str(tmp_path)) in printed


def test_the_files_are_fine_before_they_are_broken(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bundle.json").write_text("{}")
    (tmp_path / "slots.yaml").write_text(SLOTS)
    for text in (CONFIG, CONFIG.replace("\n", "\r\n"), "\ufeff" + CONFIG):
        (tmp_path / "config.yaml").write_bytes(text.encode())
        assert len(read_settings(tmp_path / "config.yaml").slots) == 6
