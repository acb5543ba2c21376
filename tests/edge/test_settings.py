import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edge.cameras import STREAM_SCHEMES as CAMERA_SCHEMES
from edge.config_file import STREAM_SCHEMES
from edge.settings import SettingsInvalid, fingerprint_of, read_settings, settings_warnings
from edge.types import (
    CameraSettings,
    DecisionSettings,
    MqttSettings,
    Slot,
    TlsSettings,
    WebSettings,
)

SMALLEST = "device: cabinet-a\ncamera: {source: simulator}\nmodel: model\nslots: slots.yaml\n"
SLOTS = "frame: [1280, 720]\nslots:\n  A1: [120, 80, 210, 160]\n  A2: [400, 80, 210, 160]\n"


@pytest.fixture(name="folder")
def _folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bundle.json").write_text("{}")
    (tmp_path / "slots.yaml").write_text(SLOTS)
    return tmp_path


def read(folder, config):
    (folder / "config.yaml").write_text(config, "utf-8")
    return read_settings(folder / "config.yaml")


def problems_of(folder, config):
    with pytest.raises(SettingsInvalid) as caught:
        read(folder, config)
    return [str(p).removeprefix(f"{folder}/") for p in caught.value.problems]


def test_four_settings_are_enough_and_the_rest_has_the_defaults_of_the_values(folder, monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    settings = read(folder, SMALLEST)
    assert settings.device == "cabinet-a"
    assert settings.camera == CameraSettings("simulator")
    assert settings.decision == DecisionSettings()
    assert settings.mqtt == MqttSettings()
    assert settings.web == WebSettings()
    assert settings.jsonl is None
    assert settings.storage == Path("/var/lib/slotwatch")
    assert settings.model == folder / "model"
    assert settings.slots_path == folder / "slots.yaml"
    assert settings.config_path == folder / "config.yaml"
    assert settings.frame_wh == (1280, 720)
    assert [slot.id for slot in settings.slots] == ["A1", "A2"]


def test_every_setting_reaches_its_place(folder):
    for name in ("secret", "ca.pem", "device.pem", "device.key"):
        (folder / name).write_text("x")
    settings = read(
        folder,
        """\
device: cabinet-b
camera:
  source: /dev/video0
  resolution: [1920, 1080]
  every: 500ms
  stall_after: 1min
model: model
slots: slots.yaml
decision: {occupied_at: 0.8, empty_at: 0.3, confirm: 5, confirm_for: 2s, unknown_after: 2min}
mqtt:
  host: broker.example.org
  port: 8883
  protocol: 3.1.1
  username: cabinet-b
  password_file: secret
  tls: {ca: ca.pem, certificate: device.pem, key: device.key}
  topic_prefix: site/slotwatch
  home_assistant: no
jsonl: events.jsonl
web:
  listen: "[::1]:80"
storage: state
""",
    )
    assert settings.device == "cabinet-b"
    assert settings.camera == CameraSettings("/dev/video0", (1920, 1080), 0.5, 60.0)
    assert settings.decision == DecisionSettings(0.8, 0.3, 5, 120.0, confirm_for_s=2.0)
    assert settings.mqtt == MqttSettings(
        host="broker.example.org",
        port=8883,
        protocol="3.1.1",
        username="cabinet-b",
        password_file=folder / "secret",
        tls=TlsSettings(folder / "ca.pem", folder / "device.pem", folder / "device.key"),
        topic_prefix="site/slotwatch",
        home_assistant=False,
    )
    assert settings.jsonl == folder / "events.jsonl"
    assert settings.web == WebSettings("::1", 80)
    assert settings.storage == folder / "state"


def test_a_relative_config_path_gives_absolute_settings_and_short_messages(folder, monkeypatch):
    monkeypatch.chdir(folder)
    Path("config.yaml").write_text(SMALLEST)
    settings = read_settings(Path("config.yaml"))
    assert settings.slots_path == folder / "slots.yaml"
    assert settings.config_path == folder / "config.yaml"
    Path("slots.yaml").write_text(SLOTS + "  A3: [1260, 80, 40, 160]\n")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(Path("config.yaml"))
    assert str(caught.value) == (
        "slots.yaml:5: A3: the region ends at x=1300, outside the 1280x720 frame; make its width "
        "at most 20"
    )


def test_storage_is_where_systemd_says(folder, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/slotwatch/cabinet-a:/var/lib/other")
    assert read(folder, SMALLEST).storage == Path("/var/lib/slotwatch/cabinet-a")


def test_mqtt_off_needs_another_consumer(folder):
    settings = read(folder, SMALLEST + "mqtt: off\njsonl: events.jsonl\n")
    assert settings.mqtt is None
    assert settings.jsonl == folder / "events.jsonl"
    assert problems_of(folder, SMALLEST + "mqtt: off\n") == [
        "config.yaml:5: mqtt: nothing would receive the events; add 'jsonl: events.jsonl', or "
        "settings of a broker"
    ]


def test_a_section_whose_lines_are_all_commented_out_has_its_defaults(folder):
    settings = read(folder, SMALLEST + "mqtt:\n  # host: broker\nweb:\n")
    assert settings.mqtt == MqttSettings()
    assert settings.web == WebSettings()


SOURCES = [
    ("simulator", "simulator"),
    ("simulator?seed=2", "simulator?seed=2"),
    ("rtsp://user:word@10.0.0.5:554/stream?x=1", "rtsp://user:word@10.0.0.5:554/stream?x=1"),
    ("http://10.0.0.5/mjpeg", "http://10.0.0.5/mjpeg"),
    ("/dev/video0", "/dev/video0"),
    ("0", "0"),
    ("pictures", "{folder}/pictures"),
    ("pictures/later.mp4", "{folder}/pictures/later.mp4"),
]


@pytest.mark.parametrize(("written", "expected"), SOURCES)
def test_paths_of_a_source_are_seen_from_the_config_file(folder, written, expected):
    (folder / "pictures").mkdir()
    settings = read(folder, SMALLEST.replace("simulator", f'"{written}"'))
    assert settings.camera.source == expected.format(folder=folder)


def test_settings_accept_the_streams_that_cameras_can_open():
    assert STREAM_SCHEMES == CAMERA_SCHEMES


def test_all_problems_of_both_files_come_at_once_in_order(folder):
    (folder / "slots.yaml").write_text(
        "frame: [1280, 720]\ngrid: 5\nslots:\n  A1: [1260, 90, 40, 158]\n"
    )
    config = SMALLEST.replace("cabinet-a", "a b").replace("simulator}", "simulater, every: 1}")
    config = config.replace("model: model", "model: models") + "web: {listen: 8080}\n"
    assert problems_of(folder, config) == [
        "config.yaml:1: device: 'a b' is not a name for topics: only letters A-Z a-z, digits, - "
        "and _ may be used; write it like a-b",
        "config.yaml:2: camera.every: '1' has no unit; write 1s, 1ms or 1min",
        f"config.yaml:2: camera.source: there is no file or folder {folder}/simulater; did you "
        "mean 'simulator'?",
        f"config.yaml:3: model: there is no model folder {folder}/models; name a folder that "
        "holds bundle.json",
        "config.yaml:5: web.listen: '8080' is not host:port; write 127.0.0.1:8080 for this "
        "machine alone, 0.0.0.0:8080 for every network",
        "slots.yaml:2: grid: expected a list of blocks, not '5'; begin each block with "
        "'- corners: …'",
        "slots.yaml:4: A1: the region ends at x=1300, outside the 1280x720 frame; make its width "
        "at most 20",
    ]


def test_a_long_list_of_problems_is_cut(folder):
    config = SMALLEST + "".join(f"setting_{i}: 1\n" for i in range(1000))
    problems = problems_of(folder, config)
    assert len(problems) == 101
    assert problems[-1] == "config.yaml: 900 more problems are not shown; mend these first"


def test_the_fingerprint_follows_the_contents_of_both_files(folder):
    config_path = folder / "config.yaml"
    settings = read(folder, SMALLEST)
    first = settings.fingerprint
    assert len(first) == 64
    assert fingerprint_of(config_path) == first
    (folder / "slots.yaml").write_text(SLOTS + "\n")
    second = fingerprint_of(config_path)
    assert second != first
    assert read_settings(config_path).fingerprint == second
    (folder / "slots.yaml").write_text(SLOTS)
    assert fingerprint_of(config_path) == first
    config_path.write_text(SMALLEST + "# a comment\n")
    assert fingerprint_of(config_path) != first


def test_the_fingerprint_follows_a_slots_file_of_another_name(folder):
    config_path = folder / "config.yaml"
    config_path.write_text(SMALLEST.replace("slots.yaml", "other.yaml"))
    missing = fingerprint_of(config_path)
    (folder / "other.yaml").write_text(SLOTS)
    assert fingerprint_of(config_path) != missing


def test_the_fingerprint_never_raises(folder):
    config_path = folder / "config.yaml"
    seen = {fingerprint_of(config_path)}
    for text in (b"", b"\xff\xfe", b"slots: [", b"slots: {a: b}", b"slots: ''", b'slots: "\\0"'):
        config_path.write_bytes(text)
        seen.add(fingerprint_of(config_path))
    assert len(seen) == 7
    config_path.unlink()
    os.mkfifo(config_path)
    assert fingerprint_of(config_path) in seen


def test_a_pipe_in_place_of_a_file_does_not_block(folder):
    os.mkfifo(folder / "config.yaml")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(folder / "config.yaml")
    assert str(caught.value) == (
        f"{folder}/config.yaml: this is no readable file; give the right path with --config"
    )


def test_a_sensible_cabinet_gives_no_warnings(folder):
    assert settings_warnings(read(folder, SMALLEST), input_size_px=96) == ()


def test_what_is_allowed_but_hardly_meant_is_a_warning(folder):
    (folder / "ca.pem").write_text("x")
    (folder / "slots.yaml").write_text(
        "frame: [1280, 720]\nslots:\n  A1: [0, 0, 40, 30]\n  A2: [5, 5, 200, 200]\n"
    )
    settings = read(
        folder,
        "device: a\nmodel: model\nslots: slots.yaml\n"
        "camera: {source: /nowhere/video9, resolution: [1600, 1200], every: 1min}\n"
        "mqtt: {tls: {ca: ca.pem}}\n",
    )
    config, slots = settings.config_path, settings.slots_path
    assert settings_warnings(settings, input_size_px=96) == (
        f"{config}: mqtt.port: 1883 is rarely encrypted; brokers listen for TLS on 8883",
        f"{config}: camera.source: there is no /nowhere/video9 now; plug the camera in, or name "
        "another",
        f"{config}: decision.unknown_after: shorter than camera.every, so that one unsure reading "
        "makes a slot UNKNOWN; make it longer",
        f"{config}: camera.resolution: 1600x1200 has another shape than the 1280x720 frame of "
        "slots.yaml; make them agree",
        f"{slots}: A1: the region is 40x30 px and the model sees 96x96; use a higher resolution "
        "or move the camera closer",
        f"{slots}: A2: 73% of it or of A1 lies in the other; check both regions",
    )
    assert not any("model sees" in warning for warning in settings_warnings(settings))


def test_a_moved_slot_is_another_slot_and_an_untouched_one_is_equal(folder):
    before = read(folder, SMALLEST).slots
    (folder / "slots.yaml").write_text(SLOTS.replace("[400,", "[410,"))
    after = read_settings(folder / "config.yaml").slots
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert replace(before[1], polygon_px=after[1].polygon_px) == after[1]
    assert isinstance(after[1], Slot)


def test_the_repositorys_own_files_are_a_rack_of_64_slots_on_the_simulator(folder):
    for name in ("config.yaml", "slots.yaml"):
        shutil.copy(Path(__file__).parents[2] / name, folder / name)
    (folder / "models").mkdir()
    (folder / "model").rename(folder / "models" / "default")
    settings = read_settings(folder / "config.yaml")
    assert settings.camera.source == "simulator"
    assert len(settings.slots) == 64
    assert settings_warnings(settings) == ()


def test_the_credentials_of_a_service_that_is_not_running_are_no_problem(folder):
    path = "/run/credentials/slotwatch@nobody.service/mqtt-password"
    mqtt = read(folder, SMALLEST + f"mqtt: {{username: me, password_file: {path}}}\n").mqtt
    assert mqtt is not None
    assert str(mqtt.password_file) == path
