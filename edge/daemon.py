"""Builds the parts and owns every thread.

main thread        signals, settings watcher, health, systemd's watchdog (`Daemon.run`)
inference thread   camera process -> pipeline -> journal -> sinks (`edge.inference`)
paho's thread      the broker's socket and acknowledgements (inside the MQTT sink)

Frozen values cross between them; the inference thread alone owns the pipeline, the
classifier and the camera. No thread is started again inside the process: when one dies
or hangs, the process ends or stops feeding the watchdog, and systemd starts it anew.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import math
import os
import queue
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.alerts import Alerts, Fanout
from edge.bundle import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, read_bundle
from edge.cameras.process import CameraProcess
from edge.classifier import Classifier, open_classifier
from edge.health import Health
from edge.inference import Assignment, InferenceThread
from edge.journal import Journal, JournalError
from edge.learned_head import HEAD_FILE
from edge.notify import Notifier
from edge.references import FOLDER, INDEX_FILE
from edge.settings import SettingsInvalid, fingerprint_of, read_settings
from edge.sinks import Sink
from edge.sinks.jsonl import JsonLinesSink
from edge.sinks.mqtt import MqttSink
from edge.types import (
    ConfigurationError,
    MqttSettings,
    Settings,
    State,
)

log = logging.getLogger(__name__)

HEALTH_EVERY_S = 30.0
LOOK_AT_FILES_EVERY_S = 1.0
RETRY_INVALID_EVERY_S = 5.0


def build_sinks(settings: Settings, journal: Journal) -> list[Sink]:
    """Return every sink the settings ask for.

    Raises:
        ConfigurationError: the password's file cannot be read.
    """
    sinks: list[Sink] = []
    if settings.mqtt is not None:
        sinks.append(_mqtt_sink(settings.device, settings.mqtt, journal))
    if settings.jsonl is not None:
        sinks.append(JsonLinesSink(settings.jsonl))
    return sinks


def _mqtt_sink(device: str, mqtt: MqttSettings, journal: Journal) -> MqttSink:
    password = None
    if mqtt.password_file is not None:
        try:
            password = mqtt.password_file.read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{mqtt.password_file}: the broker's password cannot be read ({error}); "
                "see mqtt.password_file"
            ) from error
    return MqttSink(
        device=device,
        host=mqtt.host,
        port=mqtt.port,
        protocol=mqtt.protocol,
        username=mqtt.username,
        password=password,
        tls=mqtt.tls,
        topic_prefix=mqtt.topic_prefix,
        journal=journal,
    )


def open_journal(storage: Path, has_outbox: bool) -> Journal:
    """Return the journal in the storage folder, which is made when missing.

    `has_outbox` says whether there is a broker to acknowledge events.

    Raises:
        ConfigurationError: the folder cannot be made or written, or another daemon uses it.
    """
    try:
        storage.mkdir(parents=True, exist_ok=True)
        claim_storage(storage.resolve())
        return Journal(storage / "journal.db", has_outbox=has_outbox)
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
    stamp: str  # see `stamp_of`


def build_parts(settings: Settings, current: Classifier | None = None) -> Parts:
    """Return new parts; `current` is the classifier in use.

    They may be built while older ones are in use: no sink has begun, and the journal's
    file may be open twice.

    Raises:
        ConfigurationError: something cannot be built; nothing stays open then.
    """
    stamp = stamp_of(settings)  # Before it is read: an edit meanwhile shall show.
    assignment = open_assignment(settings, current)
    journal = open_journal(settings.storage, settings.mqtt is not None)
    try:
        sinks = build_sinks(settings, journal)
    except BaseException:
        journal.close()
        raise
    return Parts(assignment, journal, tuple(sinks), stamp)


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


class Daemon:
    """One cabinet, watched until a signal says stop."""

    def __init__(
        self, config_path: Path, notifier: Notifier, watchdog_every_s: float | None
    ) -> None:
        self.config_path = config_path
        self.notifier = notifier
        self.watchdog_every_s = watchdog_every_s
        self.is_stopping = False
        # Not an Event: its lock is not reentrant, and a signal that comes while the main
        # thread holds it would stop the daemon for ever.
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def stop(self) -> None:
        """End soon; safe in a signal handler."""
        self.is_stopping = True
        self._calls.put(None)

    def reload(self) -> None:
        """Look at the files now; safe in a signal handler."""
        self._calls.put(None)

    def wait(self, timeout_s: float) -> None:
        """Return after the time, or as soon as `stop` or `reload` is called."""
        with suppress(queue.Empty):
            self._calls.get(timeout=timeout_s)
            while True:  # however many there are, one look at the files answers them
                self._calls.get_nowait()

    def run(self) -> int:
        """Watch the cabinet; return the exit status.

        Raises:
            ConfigurationError: the files or the model cannot be used at the start.
        """
        settings = read_settings(self.config_path)
        camera = CameraProcess(settings.camera)
        camera.start()  # It starts while the model loads.
        try:
            parts = build_parts(settings)
        except BaseException:
            camera.close()
            raise
        while True:
            outcome = _Watch(self, parts, camera).run()
            if isinstance(outcome, int):
                return outcome
            log.info("the device's connections changed: starting over with the new settings")
            parts = outcome
            camera = CameraProcess(parts.assignment.settings.camera)


class _Watch:
    """The watch with one set of connections (device, broker, storage)."""

    def __init__(self, daemon: Daemon, parts: Parts, camera: CameraProcess) -> None:
        self._daemon = daemon
        self._assignment = parts.assignment
        self._journal = parts.journal
        self._seen = (parts.assignment.settings.fingerprint, parts.stamp)
        self._is_renamed = False  # the topics of now are given up
        self._retry_s = math.inf  # when files that are invalid are read again
        self._fanout = Fanout(parts.sinks)
        self._alerts = Alerts(self._fanout)
        self._health = Health()
        self._inference = InferenceThread(
            self._assignment, camera, self._journal, self._fanout, self._alerts, self._health
        )
        # Only now: the first connection publishes every slot before it says `online`.
        self._fanout.each(lambda sink: sink.start())

    def run(self) -> int | Parts:
        """Return the exit status, or the parts to go on with."""
        self._inference.start()
        self._daemon.notifier.ready()
        settings, classifier = self._assignment.settings, self._assignment.classifier
        log.info(
            "watching %d slots of %s with %s on %s",
            len(settings.slots),
            settings.device,
            classifier.bundle.name,
            classifier.runtime,
        )
        outcome = self._attend()
        if not isinstance(outcome, Parts):
            self._daemon.notifier.stopping()
        self._inference.stop()
        if self._inference.is_alive():
            log.error("the inference thread does not end")
            outcome = 1
        if outcome == 1:
            # Not `offline`, which means on purpose: the broker says `lost` by itself.
            return outcome
        if self._is_renamed:
            self._fanout.each(lambda sink: sink.retire())
        self._fanout.each(lambda sink: sink.close())
        self._journal.close()
        return outcome

    def _attend(self) -> int | Parts:
        """Do what the main thread does; return when this watch is over, and why."""
        daemon = self._daemon
        health_due_s = time.monotonic() + 2.0
        watchdog_due_s = 0.0
        while not daemon.is_stopping:
            daemon.wait(LOOK_AT_FILES_EVERY_S)
            now_s = time.monotonic()
            if self._inference.failure is not None:
                return 1
            if now_s >= watchdog_due_s and daemon.watchdog_every_s is not None:
                watchdog_due_s = now_s + daemon.watchdog_every_s / 3
                if self._inference.is_responsive():
                    daemon.notifier.watchdog()
            if now_s >= health_due_s:
                health_due_s = now_s + HEALTH_EVERY_S
                self._tell_health()
            replacement = self._look_at_files()
            if replacement is not None:
                return replacement
        return 0

    def _tell_health(self) -> None:
        try:
            depth = self._journal.depth()
        except JournalError as error:
            self._alerts.begin("storage_full", str(error), cause="depth")
            depth = None
        else:
            self._alerts.end("storage_full", cause="depth")
        report = self._health.report(
            self._inference.camera_pid, depth, self._inference.camera_restarts
        )
        self._fanout.each(lambda sink: sink.health(report))
        counts = self._inference.counts()
        words = ", ".join(f"{counts[state]} {state.value}" for state in State)
        alerts = self._alerts.active()
        self._daemon.notifier.status(words + (f"; alerts: {', '.join(alerts)}" if alerts else ""))

    def _look_at_files(self) -> Parts | None:
        """Take a valid edit over; return new parts when the connections must be others."""
        current = self._assignment
        seen = (fingerprint_of(self._daemon.config_path), stamp_of(current.settings))
        if seen == self._seen and time.monotonic() < self._retry_s:
            return None
        self._seen = seen
        self._retry_s = math.inf
        try:
            settings = read_settings(self._daemon.config_path)
            if _connections(settings) != _connections(current.settings):
                parts = build_parts(settings, current.classifier)
                self._is_renamed = _address(settings) != _address(current.settings)
                self._alerts.end("settings_invalid", cause="files")
                return parts
        except ConfigurationError as error:
            # What is missing may be another file, a certificate say: look again.
            self._retry_s = time.monotonic() + RETRY_INVALID_EVERY_S
            self._alerts.begin("settings_invalid", _in_one_line(error), cause="files")
            return None
        self._alerts.end("settings_invalid", cause="files")
        # Before the model is read: an edit meanwhile shall show.
        self._seen = (settings.fingerprint, stamp_of(settings))
        try:
            self._assignment = open_assignment(settings, current.classifier)
        except ConfigurationError as error:
            self._alerts.begin("model_rejected", f"{error}; the one before stays in use")
            self._assignment = Assignment(settings, current.classifier)
        else:
            self._alerts.end("model_rejected")
        self._inference.assign(self._assignment)
        log.info("new settings in use")
        return None


def _in_one_line(error: ConfigurationError) -> str:
    """Return the first problem, and how many there are more."""
    if not isinstance(error, SettingsInvalid):
        return str(error)
    first, *others = error.problems
    return f"{first} (and {len(others)} more)" if others else str(first)


def _connections(settings: Settings) -> tuple[object, ...]:
    return (settings.device, settings.mqtt, settings.jsonl, settings.storage)


def _address(settings: Settings) -> tuple[object, ...]:
    """Return where a dashboard finds the device."""
    mqtt = settings.mqtt
    return (settings.device, *((mqtt.host, mqtt.port, mqtt.topic_prefix) if mqtt else ()))
