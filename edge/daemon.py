"""Builds the parts and owns every thread.

main thread        signals, settings watcher, health, systemd's watchdog (`Daemon.run`)
inference thread   camera process -> pipeline -> journal -> sinks (`edge.inference`)
paho's thread      the broker's socket and acknowledgements (inside the MQTT sink)

Frozen values cross between them; the inference thread alone owns the pipeline, the
classifier and the camera. No thread is started again inside the process: when one dies
or hangs, the process ends or stops feeding the watchdog, and systemd starts it anew.
"""

from __future__ import annotations

import logging
import math
import queue
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edge.alerts import Alerts, Fanout
from edge.cameras.process import CameraProcess
from edge.desk import Waiting
from edge.health import Health
from edge.inference import Assignment, InferenceThread
from edge.journal import JournalError
from edge.notify import Notifier
from edge.parts import Parts, build_parts, open_assignment, stamp_of
from edge.settings import SettingsInvalid, fingerprint_of, read_settings
from edge.types import (
    ConfigurationError,
    Settings,
    State,
)

log = logging.getLogger(__name__)

HEALTH_EVERY_S = 30.0
LOOK_AT_FILES_EVERY_S = 1.0
RETRY_INVALID_EVERY_S = 5.0


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
        for desk in (self._frame_desk, self._reload_desk):
            desk.close()
        if self._is_renamed:
            self._fanout.each(lambda sink: sink.retire())
        self._fanout.each(lambda sink: sink.close())
        if not isinstance(outcome, Parts) or outcome.journal is not self._journal:
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
                f"events were given up, because more than {journal.max_unacknowledged} waited for "
                "the broker; see that it can be reached (`events_dropped` in P/health counts them)",
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
                is_same_storage = settings.storage == current.settings.storage
                journal = self._journal if is_same_storage else None
                parts = build_parts(settings, current.classifier, journal)
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
