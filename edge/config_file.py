"""The config file: its settings, and what they must be together.

Used while settings are read, in the main thread.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from edge.problems import Report, closest, shown
from edge.setting_kinds import (
    HOST,
    LISTEN,
    NAME,
    PATH,
    PORT,
    PROBABILITY,
    SIZE,
    TEXT,
    TOPIC_PREFIX,
    YES_NO,
    Section,
    Setting,
    Values,
    choice,
    duration,
    read_values,
    whole,
)
from edge.types import (
    CameraSettings,
    DecisionSettings,
    MqttSettings,
    Settings,
    Slot,
    TlsSettings,
    WebSettings,
)
from edge.yaml_nodes import Mapping

_CREDENTIALS = Path("/run/credentials")  # of running services, one folder each
_DEFAULT_STORAGE = "/var/lib/slotwatch"
# A test holds this to what the cameras can open.
STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")

DEVICE = Setting("device", NAME, "names the MQTT topics; unique per broker", is_required=True)
SOURCE = Setting(
    "camera.source",
    TEXT,
    "`/dev/video0`, `rtsp://…`, `http://…`, a video file, a folder of images, or `simulator`",
    is_required=True,
)
RESOLUTION = Setting(
    "camera.resolution", SIZE, "asked of a local camera; without it the camera chooses"
)
EVERY = Setting("camera.every", duration("50ms", "1h"), "one reading per slot this often", "1s")
STALL_AFTER = Setting(
    "camera.stall_after",
    duration("1s", "2h"),
    "no new frame for so long = camera lost, every slot UNKNOWN",
    "10s",
)
MODEL = Setting("model", PATH, "folder of a model bundle", is_required=True)
SLOTS_FILE = Setting("slots", PATH, "the slots file", is_required=True)
OCCUPIED_AT = Setting(
    "decision.occupied_at",
    PROBABILITY,
    "probability of OCCUPIED from which a reading says OCCUPIED; above empty_at",
    "0.6",
)
EMPTY_AT = Setting(
    "decision.empty_at",
    PROBABILITY,
    "probability of OCCUPIED up to which a reading says EMPTY; between the two it says UNKNOWN",
    "0.4",
)
CONFIRM = Setting(
    "decision.confirm", whole(1, 100), "equal readings in a row before a state changes", "3"
)
CONFIRM_FOR = Setting(
    "decision.confirm_for",
    duration("0s", "1h"),
    "and at least so long from the first of these readings to the last",
    "0s",
)
UNKNOWN_AFTER = Setting(
    "decision.unknown_after",
    duration("100ms", "24h"),
    "no confident reading of the state for so long = UNKNOWN",
    "30s",
)
MQTT_HOST = Setting("mqtt.host", HOST, "the broker", "localhost")
MQTT_PORT = Setting("mqtt.port", PORT, "the broker's port; with TLS usually 8883", "1883")
PROTOCOL = Setting(
    "mqtt.protocol",
    choice("auto", "5", "3.1.1"),
    "MQTT version; auto: 5, and 3.1.1 where the broker refuses it",
    "auto",
)
USERNAME = Setting("mqtt.username", TEXT, "as the broker knows this device")
PASSWORD_FILE = Setting(
    "mqtt.password_file", PATH, "a file with the password alone; the password never stands here"
)
TLS_CA = Setting(
    "mqtt.tls.ca", PATH, "PEM file the broker's certificate is checked with", None, True
)
TLS_CERTIFICATE = Setting("mqtt.tls.certificate", PATH, "this device's own certificate, PEM")
TLS_KEY = Setting("mqtt.tls.key", PATH, "the key of `certificate`, PEM")
TOPIC_PREFIX_SETTING = Setting(
    "mqtt.topic_prefix", TOPIC_PREFIX, "begins every topic, before the device's name", "slotwatch"
)
HOME_ASSISTANT = Setting(
    "mqtt.home_assistant", YES_NO, "announce the slots to Home Assistant", "true"
)
JSONL = Setting("jsonl", PATH, "also append every event to this file, one JSON object per line")
LISTEN_AT = Setting(
    "web.listen",
    LISTEN,
    "where the technician's page is served; `0.0.0.0:8080` for every network",
    "127.0.0.1:8080",
)
STORAGE = Setting(
    "storage",
    PATH,
    "folder of journal, references and samples; bounded",
    default_words=f"`$STATE_DIRECTORY` (set by systemd), else `{_DEFAULT_STORAGE}`",
)

CONFIG_SETTINGS: tuple[Setting[Any], ...] = (
    DEVICE,
    SOURCE,
    RESOLUTION,
    EVERY,
    STALL_AFTER,
    MODEL,
    SLOTS_FILE,
    OCCUPIED_AT,
    EMPTY_AT,
    CONFIRM,
    CONFIRM_FOR,
    UNKNOWN_AFTER,
    MQTT_HOST,
    MQTT_PORT,
    PROTOCOL,
    USERNAME,
    PASSWORD_FILE,
    TLS_CA,
    TLS_CERTIFICATE,
    TLS_KEY,
    TOPIC_PREFIX_SETTING,
    HOME_ASSISTANT,
    JSONL,
    LISTEN_AT,
    STORAGE,
)
CONFIG_SECTIONS = (
    Section("camera", "where the pictures come from", is_required=True),
    Section("decision", "how readings become states"),
    Section(
        "mqtt",
        "the broker and the topics; `off`: no MQTT (then `jsonl` is needed)",
        can_be_off=True,
    ),
    Section("mqtt.tls", "encrypted connection to the broker"),
    Section("web", "the technician's page"),
)


class ConfigFile:
    """What a config file says; complete when no problem was reported."""

    def __init__(self, root: Mapping, folder: Path, report: Report) -> None:
        """Read every setting; paths are seen from the folder the file lies in."""
        self._values = values = read_values(root, CONFIG_SETTINGS, CONFIG_SECTIONS, report)
        self._files = _Files(folder, values, report)
        _check_thresholds(values, report)
        _check_mqtt(values, self._files)
        _check_model(self._files)
        self._jsonl = _jsonl(values, self._files)
        self._source = _source(self._files)
        self.slots_path = self._files.existing(SLOTS_FILE)
        self.occupied_at = values.get(OCCUPIED_AT)
        self.empty_at = values.get(EMPTY_AT)

    def settings(
        self,
        config_path: Path,
        slots: tuple[Slot, ...],
        frame_wh: tuple[int, int],
        fingerprint: str,
    ) -> Settings:
        """Return the settings of both files; only when no problem was reported."""
        values, files = self._values, self._files
        return Settings(
            device=values[DEVICE],
            camera=CameraSettings(
                self._source, values.get(RESOLUTION), values[EVERY], values[STALL_AFTER]
            ),
            slots=slots,
            frame_wh=frame_wh,
            model=files.absolute(MODEL),
            slots_path=files.absolute(SLOTS_FILE),
            config_path=config_path.absolute(),
            storage=_storage(files),
            decision=DecisionSettings(
                values[OCCUPIED_AT],
                values[EMPTY_AT],
                values[CONFIRM],
                values[UNKNOWN_AFTER],
                values[CONFIRM_FOR],
            ),
            mqtt=None if "mqtt" in values.off else _mqtt(values, files),
            jsonl=self._jsonl,
            web=WebSettings(*values[LISTEN_AT]),
            fingerprint=fingerprint,
        )


def _jsonl(values: Values, files: _Files) -> Path | None:
    path = files.path(JSONL)
    if "mqtt" in values.off and JSONL.name not in values.lines:
        files.report.add(
            values.lines["mqtt"],
            "mqtt",
            "nothing would receive the events",
            "add 'jsonl: events.jsonl', or settings of a broker",
        )
    if path is None:
        return None
    if not exists(path.parent):
        files.refuse(JSONL, f"there is no folder {path.parent}", "make it, or name another file")
    elif path.is_dir():
        files.refuse(JSONL, f"{path} is a folder", "name a file in it")
    return path.absolute()


class _Files:
    """The paths among the settings, seen from the config file's folder."""

    def __init__(self, folder: Path, values: Values, report: Report) -> None:
        self.folder = folder
        self.values = values
        self.report = report

    def path(self, setting: Setting[str]) -> Path | None:
        """Return where the setting points, or None when it is not given."""
        text = self.values.get(setting)
        return None if text is None else self.folder / text

    def absolute(self, setting: Setting[str]) -> Path:
        """Return where a required setting points."""
        return (self.folder / self.values[setting]).absolute()

    def existing(self, setting: Setting[str]) -> Path | None:
        """Return the file the setting names; reports it when it cannot be read."""
        path = self.path(setting)
        if path is None:
            return None
        if path.is_relative_to(_CREDENTIALS) and not exists(path.parent):
            # systemd makes this folder when the service starts; `check` may come before.
            return path
        if not exists(path):
            self.refuse(setting, f"there is no file {path}", "correct the path or make the file")
        elif not path.is_file():
            self.refuse(setting, f"{path} is not a file", "name the file itself")
        elif not os.access(path, os.R_OK):
            self.refuse(
                setting, f"{path} may not be read by this user", "change the file's owner or mode"
            )
        else:
            return path
        return None

    def refuse(self, setting: Setting[Any], what: str, remedy: str) -> None:
        """Report a problem with what a setting names, on its line."""
        self.report.add(self.values.lines.get(setting.name, 1), setting.name, what, remedy)


def exists(path: Path) -> bool:
    """Return whether something is there that this user can see."""
    try:
        return path.exists()
    except OSError:  # A name that is too long, a folder that may not be entered.
        return False


def _check_thresholds(values: Values, report: Report) -> None:
    occupied_at, empty_at = values.get(OCCUPIED_AT), values.get(EMPTY_AT)
    if occupied_at is None or empty_at is None or empty_at < occupied_at:
        return
    if OCCUPIED_AT.name in values.lines:
        given, other, word, relation = OCCUPIED_AT, EMPTY_AT, "above", "larger"
    else:
        given, other, word, relation = EMPTY_AT, OCCUPIED_AT, "below", "smaller"
    report.add(
        values.lines[given.name],
        given.name,
        f"{values[given]:g} is not {word} {other.name} {values[other]:g}",
        f"make it {relation} than {values[other]:g}",
    )


def _check_mqtt(values: Values, files: _Files) -> None:
    for setting in (PASSWORD_FILE, TLS_CA, TLS_CERTIFICATE, TLS_KEY):
        files.existing(setting)
    if PASSWORD_FILE.name in values.lines and USERNAME.name not in values.lines:
        files.refuse(PASSWORD_FILE, "a password without a user name", "add 'username' beside it")
    for given, missing in ((TLS_CERTIFICATE, TLS_KEY), (TLS_KEY, TLS_CERTIFICATE)):
        if given.name in values.lines and missing.name not in values.lines:
            word = missing.name.rpartition(".")[2]
            files.refuse(given, f"'{word}' is missing beside it", f"add '{word}'")


def _check_model(files: _Files) -> None:
    folder = files.path(MODEL)
    if folder is None:
        return
    if not exists(folder):
        files.refuse(
            MODEL, f"there is no model folder {folder}", "name a folder that holds bundle.json"
        )
    elif not folder.is_dir():
        files.refuse(MODEL, f"{folder} is a file", "name the folder that holds bundle.json")
    elif not exists(folder / "bundle.json"):
        files.refuse(
            MODEL, f"{folder} holds no bundle.json", "name the whole folder the trainer wrote"
        )


def _source(files: _Files) -> str:
    """Return the camera's source: paths made absolute, everything else as it is."""
    text = files.values.get(SOURCE)
    if text is None:
        return ""
    scheme, mark, _ = text.partition("://")
    if mark:
        if scheme.lower() not in STREAM_SCHEMES:
            meant = closest(scheme, STREAM_SCHEMES)
            files.refuse(
                SOURCE,
                f"{shown(scheme + mark)} is not a kind of stream",
                f"did you mean {meant}://?" if meant else "use rtsp:// or http://",
            )
        return text
    # Digits alone are the number of a local camera.
    if text.partition("?")[0] == "simulator" or text.isdecimal():
        return text
    path = files.folder / text
    # A disk or a share may come later; a single bare word is a mistake.
    if not exists(path) and re.fullmatch(r"[^/.\\]+", text):
        meant = closest(text, ("simulator",))
        files.refuse(
            SOURCE,
            f"there is no file or folder {path}",
            f"did you mean '{meant}'?"
            if meant
            else "name a device such as /dev/video0, an address (rtsp://…), a folder or simulator",
        )
    return str(path.absolute())


def _mqtt(values: Values, files: _Files) -> MqttSettings:
    def file(setting: Setting[str]) -> Path | None:
        return files.absolute(setting) if values.get(setting) else None

    tls = None
    if "mqtt.tls" in values.lines:
        tls = TlsSettings(files.absolute(TLS_CA), file(TLS_CERTIFICATE), file(TLS_KEY))
    return MqttSettings(
        host=values[MQTT_HOST],
        port=values[MQTT_PORT],
        protocol=values[PROTOCOL],
        username=values.get(USERNAME),
        password_file=file(PASSWORD_FILE),
        tls=tls,
        topic_prefix=values[TOPIC_PREFIX_SETTING],
        home_assistant=values[HOME_ASSISTANT],
    )


def _storage(files: _Files) -> Path:
    if files.values.get(STORAGE):
        return files.absolute(STORAGE)
    # systemd lists several folders apart by colons; the unit asks for one.
    return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or _DEFAULT_STORAGE)
