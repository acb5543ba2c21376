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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edge.alerts import Alerts, Fanout
from edge.answers import ANSWERS
from edge.bundle import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, read_bundle
from edge.cameras.process import CameraProcess
from edge.classifier import Classifier, open_classifier
from edge.desk import Desk, Waiting
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
        home_assistant=mqtt.home_assistant,
        journal=journal,
        desks=desks,
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
    frame_desk, reload_desk = Desk(), Desk()
    desks = {**dict.fromkeys(ANSWERS, frame_desk), "reload": reload_desk}
    try:
        sinks = build_sinks(settings, journal, desks)
    except BaseException:
        journal.close()
        raise
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
        self._told_alerts: tuple[str, ...] = ()
        self._dropped = 0  # events given up, as of the newest alert
        self._retry_s = math.inf  # when files that are invalid are read again
        self._fanout = Fanout(parts.sinks)
        self._alerts = Alerts(self._fanout)
        self._health = Health()
        self._problem: str | None = None  # why an edit of the files is not in use
        self._inference = InferenceThread(
            self._assignment,
            camera,
            self._journal,
            self._fanout,
            self._alerts,
            self._health,
            parts.frame_desk,
        )
        self._frame_desk, self._reload_desk = parts.frame_desk, parts.reload_desk
        self._frame_desk.notify(self._inference.nudge)
        self._reload_desk.notify(daemon.reload)
        # Only now: the first connection publishes all there is before it says `online`.
        self._tell_health()
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
            # Alerts are part of it, and nobody waits half a minute for those.
            if now_s >= health_due_s or self._alerts.active() != self._told_alerts:
                health_due_s = now_s + HEALTH_EVERY_S
                self._tell_health()
                self._tell_systemd()
            if not self._frame_desk.is_empty():
                self._inference.nudge()
            asked = self._reload_desk.take()
            replacement = self._look_at_files(is_asked=bool(asked))
            self._answer_reload(asked, replacement)
            if replacement is not None:
                return replacement
        return 0

    def _answer_reload(self, asked: Sequence[Waiting], replacement: Parts | None) -> None:
        in_use = (replacement.assignment if replacement else self._assignment).settings
        for waiting in asked:
            if self._problem is None:
                waiting.reply({"settings_sha256": in_use.fingerprint}, None)
            else:
                waiting.reply(None, self._problem)

    def _tell_health(self) -> None:
        try:
            depth = self._journal.depth()
        except JournalError as error:
            self._alerts.begin("storage_full", str(error), cause="depth")
            depth = None
        else:
            self._alerts.end("storage_full", cause="depth")
        self._judge_journal(depth)
        self._told_alerts = self._alerts.active()
        report = self._health.report(
            self._inference.camera_pid,
            depth,
            self._inference.camera_restarts,
            self._journal.newest_seq,
            self._journal.dropped,
            self._told_alerts,
        )
        self._fanout.each(lambda sink: sink.health(report))

    def _tell_systemd(self) -> None:
        counts = self._inference.counts()
        words = ", ".join(f"{counts[state]} {state.value}" for state in State)
        alerts = self._told_alerts
        self._daemon.notifier.status(words + (f"; alerts: {', '.join(alerts)}" if alerts else ""))

    def _judge_journal(self, depth: int | None) -> None:
        """Raise the alerts of events that were lost, and end them."""
        journal = self._journal
        if journal.dropped > self._dropped:
            self._dropped = journal.dropped
            self._alerts.begin(
                "journal_overflow",
                f"{journal.dropped} events were given up, because more than "
                f"{journal.max_unacknowledged} waited for the broker; see that it can be reached",
            )
        elif depth is not None and depth < journal.max_unacknowledged // 2:
            self._alerts.end("journal_overflow")
        damaged = journal.damaged()
        if damaged:
            self._alerts.begin(
                "journal_damaged",
                f"the journal could not be read and a new one was begun; events that were not "
                f"sent are in {damaged[0]}: look at the disk, then delete that file",
            )
        else:
            self._alerts.end("journal_damaged")

    def _look_at_files(self, is_asked: bool = False) -> Parts | None:
        """Take a valid edit over; return new parts when the connections must be others.

        What is wrong is read again when it is asked for.
        """
        current = self._assignment
        seen = (fingerprint_of(self._daemon.config_path), stamp_of(current.settings))
        is_due = time.monotonic() >= self._retry_s or (is_asked and self._problem is not None)
        if seen == self._seen and not is_due:
            return None
        self._seen = seen
        self._retry_s = math.inf
        try:
            settings = read_settings(self._daemon.config_path)
            if _connections(settings) != _connections(current.settings):
                parts = build_parts(settings, current.classifier)
                self._is_renamed = _address(settings) != _address(current.settings)
                self._problem = None
                self._alerts.end("settings_invalid", cause="files")
                return parts
        except ConfigurationError as error:
            # What is missing may be another file, a certificate say: look again.
            self._retry_s = time.monotonic() + RETRY_INVALID_EVERY_S
            self._problem = str(error)
            self._alerts.begin("settings_invalid", _in_one_line(error), cause="files")
            return None
        self._problem = None
        self._alerts.end("settings_invalid", cause="files")
        # Before the model is read: an edit meanwhile shall show.
        self._seen = (settings.fingerprint, stamp_of(settings))
        try:
            self._assignment = open_assignment(settings, current.classifier)
        except ConfigurationError as error:
            self._problem = f"{error}; the one before stays in use"
            self._alerts.begin("model_rejected", self._problem)
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
