"""One set of settings -> the parts that the daemon runs on, but for the camera.

Called by the main thread, at the start and whenever the files change.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edge.answers import ANSWERS
from edge.bundle import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, read_bundle
from edge.classifier import Classifier, open_classifier
from edge.desk import Desk
from edge.inference import Assignment
from edge.journal import Journal, JournalError
from edge.learned_head import HEAD_FILE
from edge.references import FOLDER, INDEX_FILE
from edge.sinks import Sink
from edge.sinks.jsonl import JsonLinesSink
from edge.sinks.mqtt import MqttSink
from edge.types import ConfigurationError, MqttSettings, Settings

log = logging.getLogger(__name__)


def build_sinks(
    settings: Settings, journal: Journal, desks: Mapping[str, Desk] = MappingProxyType({})
) -> list[Sink]:
    """Return every sink the settings ask for; `desks` holds by command who answers requests.

    Raises:
        ConfigurationError: the password's file cannot be read.
    """
    sinks: list[Sink] = []
    if settings.mqtt is not None:
        sinks.append(_mqtt_sink(settings.device, settings.mqtt, journal, desks))
    if settings.jsonl is not None:
        sinks.append(JsonLinesSink(settings.jsonl))
    return sinks


def _mqtt_sink(
    device: str, mqtt: MqttSettings, journal: Journal, desks: Mapping[str, Desk]
) -> MqttSink:
    return MqttSink(
        device=device,
        host=mqtt.host,
        port=mqtt.port,
        protocol=mqtt.protocol,
        username=mqtt.username,
        password=read_password(mqtt),
        tls=mqtt.tls,
        topic_prefix=mqtt.topic_prefix,
        home_assistant=mqtt.home_assistant,
        journal=journal,
        desks=desks,
    )


def read_password(mqtt: MqttSettings) -> str | None:
    """Return the broker's password, None where there is none.

    Raises:
        ConfigurationError: its file cannot be read.
    """
    if mqtt.password_file is None:
        return None
    try:
        return mqtt.password_file.read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{mqtt.password_file}: the broker's password cannot be read ({error}); "
            "see mqtt.password_file"
        ) from error


def open_journal(storage: Path, has_outbox: bool) -> Journal:
    """Return the journal in the storage folder, which is made when missing.

    `has_outbox` says whether there is a broker to acknowledge events.

    Raises:
        ConfigurationError: the folder cannot be made or written, or another daemon uses it.
    """
    try:
        storage.mkdir(parents=True, exist_ok=True)
        claim_storage(storage.resolve())
        return Journal(storage / "journal.db", has_outbox=has_outbox, is_patient=True)
    except (OSError, JournalError) as error:
        raise ConfigurationError(
            f"{storage}: cannot be written ({error}); set `storage` to a folder this user may write"
        ) from error


@functools.cache
def claim_storage(storage: Path) -> int:
    """Keep every other daemon out of the folder until this process ends; return its descriptor.

    Raises:
        ConfigurationError: another daemon uses it.
        OSError: it cannot be opened.
    """
    folder_fd = os.open(storage, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder_fd)
        raise ConfigurationError(
            f"{storage}: another slotwatch uses this folder; end it, or give each device a "
            "`storage` of its own"
        ) from None
    except OSError as error:
        # Some network file systems cannot lock; that alone is no reason not to watch.
        log.warning("%s: cannot be locked (%s); use it for one device only", storage, error)
    return folder_fd


def open_assignment(settings: Settings, current: Classifier | None = None) -> Assignment:
    """Return what the inference thread needs; the `current` classifier if it is the right one.

    Raises:
        ConfigurationError: the model cannot be used.
    """
    bundle = read_bundle(settings.model)
    if current is not None and current.bundle.manifest == bundle.manifest:
        return Assignment(settings, current)
    return Assignment(settings, open_classifier(bundle))


@dataclass(frozen=True)
class Parts:
    """Everything built from one set of settings, but for the camera."""

    assignment: Assignment
    journal: Journal
    sinks: tuple[Sink, ...]
    frame_desk: Desk  # requests that are answered with a frame, by the inference thread
    reload_desk: Desk  # and those that the main thread answers
    stamp: str  # see `stamp_of`


def build_parts(
    settings: Settings, current: Classifier | None = None, journal: Journal | None = None
) -> Parts:
    """Return new parts; `current` is the classifier in use.

    They may be built while older ones are in use: no sink has begun. `journal` is the one in use
    where the storage stays the same: two on one file know nothing of each other.

    Raises:
        ConfigurationError: something cannot be built; nothing stays open then.
    """
    stamp = stamp_of(settings)  # Before it is read: an edit meanwhile shall show.
    assignment = open_assignment(settings, current)
    has_outbox = settings.mqtt is not None
    is_shared = journal is not None
    if journal is None:
        journal = open_journal(settings.storage, has_outbox)
    frame_desk, reload_desk = Desk(), Desk()
    desks = {**dict.fromkeys(ANSWERS, frame_desk), "reload": reload_desk}
    try:
        sinks = build_sinks(settings, journal, desks)
    except BaseException:
        if not is_shared:
            journal.close()
        raise
    journal.has_outbox = has_outbox
    return Parts(assignment, journal, tuple(sinks), frame_desk, reload_desk, stamp)


def stamp_of(settings: Settings) -> str:
    """Return a text that changes when a file of the bundle does, or what a person has shown.

    Unlike the technician's files these are too large to be read every second.
    """
    stamps: list[object] = []
    shown = (settings.storage / FOLDER / INDEX_FILE, settings.storage / HEAD_FILE)
    bundle = (settings.model / name for name in (MANIFEST_FILE, MODEL_FILE, GOLDEN_FILE))
    for path in (*bundle, *shown):
        try:
            status = path.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return str(stamps)
