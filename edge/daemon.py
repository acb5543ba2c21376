"""Builds the parts and owns every thread.

main thread        signals, settings watcher, health, systemd's watchdog (`Daemon.run`)
inference thread   camera process -> pipeline -> journal -> sinks (`InferenceThread`)
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
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import __version__
from edge.bundle import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, read_bundle
from edge.cameras import CameraError, CameraUnusable
from edge.cameras.process import CameraProcess
from edge.classifier import Classifier, open_classifier
from edge.health import Health, Pace
from edge.journal import Journal, JournalError
from edge.notify import Notifier
from edge.pipeline import Change, FrameResult, Pipeline, carry_over, region_key
from edge.settings import SettingsInvalid, fingerprint_of, read_settings
from edge.sinks import Sink
from edge.sinks.jsonl import JsonLinesSink
from edge.sinks.mqtt import MqttSink
from edge.types import (
    Alert,
    ConfigurationError,
    MqttSettings,
    Reason,
    Settings,
    SlotMemory,
    State,
    utc_now,
)

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1  # of the MQTT payloads
HEALTH_EVERY_S = 30.0
LOOK_AT_FILES_EVERY_S = 1.0
RETRY_INVALID_EVERY_S = 5.0
# The first frames of a cabinet that nothing is known of are read this fast: a fresh start
# shows the truth within moments instead of after `confirm` x `every`.
SETTLE_EVERY_S = 0.2
# A camera that is lost gets at least this long to come back, and longer with every attempt:
# some need more than that to open, a stream with rare key frames say.
LOST_CAMERA_DEADLINE_S = 10.0
LONGEST_CAMERA_DEADLINE_S = 40.0
PROCESSING_DEADLINE_S = 20.0  # one frame of 1024 slots at the 100 ms budget never comes near

FRAME_ALERTS: dict[Reason, tuple[str, str]] = {
    Reason.FRAME_DARK: (
        "frame_dark",
        "the picture is black; light the cabinet or uncover the lens",
    ),
    Reason.FRAME_BRIGHT: ("frame_bright", "the picture is white; shade the lens or lower exposure"),
    Reason.FRAME_FLAT: (
        "frame_blurred",
        "the picture shows no detail; clean, uncover or focus the lens",
    ),
    Reason.FRAME_SIZE: (
        "settings_invalid",
        "the camera's picture has another shape than `frame` in the slots file; "
        "set camera.resolution or draw the slots on this camera's picture",
    ),
}


class Fanout:
    """Hands everything to every sink; one that fails is logged, the others go on."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._failing: set[int] = set()

    def each(self, call: Callable[[Sink], None]) -> None:
        """Call every sink behind a fence."""
        for index, sink in enumerate(self._sinks):
            try:
                call(sink)
            except Exception:
                if index not in self._failing:
                    self._failing.add(index)
                    log.exception("%s failed; it is tried again", type(sink).__name__)
            else:
                self._failing.discard(index)


class Alerts:
    """What a person should look at; one alert may have several causes. Used by two threads."""

    def __init__(self, sinks: Fanout) -> None:
        self._sinks = sinks
        self._lock = threading.Lock()
        self._active: dict[str, dict[str, Alert]] = {}

    def begin(self, alert_id: str, message: str, cause: str = "") -> None:
        """Raise an alert, or renew its message; a fault is logged once, when it begins."""
        with self._lock:
            causes = self._active.setdefault(alert_id, {})
            known = causes.get(cause)
            if known is not None and known.message == message:
                return
            alert = Alert(alert_id, message, known.since if known else utc_now())
            causes[cause] = alert
            log.warning("%s: %s", alert_id, message)
            self._sinks.each(lambda sink: sink.alert(alert))

    def end(self, alert_id: str, cause: str = "") -> None:
        """End an alert, unless another cause of it remains."""
        with self._lock:
            causes = self._active.get(alert_id, {})
            if causes.pop(cause, None) is None:
                return
            if causes:
                remaining = next(iter(causes.values()))
                self._sinks.each(lambda sink: sink.alert(remaining))
                return
            del self._active[alert_id]
            log.warning("%s: over", alert_id)
            self._sinks.each(lambda sink: sink.end_alert(alert_id))

    def active(self) -> tuple[str, ...]:
        """Return the ids of the alerts that last."""
        with self._lock:
            return tuple(self._active)


@dataclass(frozen=True)
class Assignment:
    """What the inference thread is to watch; a valid edit of the files makes a new one."""

    settings: Settings
    classifier: Classifier


class InferenceThread(threading.Thread):
    """Camera process -> pipeline -> journal -> sinks, for one camera."""

    def __init__(
        self,
        assignment: Assignment,
        camera: CameraProcess,
        journal: Journal,
        sinks: Fanout,
        alerts: Alerts,
        health: Health,
    ) -> None:
        super().__init__(name="inference", daemon=True)
        self._assignments: queue.SimpleQueue[Assignment] = queue.SimpleQueue()
        self._stop_event = threading.Event()
        self._camera = camera
        self._journal = journal
        self._sinks = sinks
        self._alerts = alerts
        self._health = health
        self._back_by_s = time.monotonic() + PROCESSING_DEADLINE_S
        self._settings = assignment.settings
        self._waiting_since_s: float | None = None
        self._patience_s = LOST_CAMERA_DEADLINE_S
        self._unrecorded: tuple[Change, ...] = ()  # what an edit changed, while the disk is full
        self._is_fresh = False
        self._frames_since_start = 0
        self._pace = Pace(assignment.settings.camera.every_s)
        self._frame_alert: str | None = None
        self.failure: BaseException | None = None
        self._watch(assignment, journal.slots())

    # --- called from the main thread

    def assign(self, assignment: Assignment) -> None:
        """Watch something else from the next frame on."""
        # In this order, as in `stop`: the thread looks again after it has changed cameras.
        self._assignments.put(assignment)
        self._camera.interrupt()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread and the camera's process."""
        self._stop_event.set()
        self._camera.interrupt()
        self.join(timeout_s)
        self._camera.close()

    def is_responsive(self) -> bool:
        """Return whether the loop is back when it said it would be."""
        return self.is_alive() and time.monotonic() <= self._back_by_s

    @property
    def camera_pid(self) -> int | None:
        """The camera process's id, for the health topic."""
        return self._camera.pid

    @property
    def camera_restarts(self) -> int:
        """How often the camera's process had to be started again."""
        return self._camera.restarts

    def counts(self) -> Mapping[State, int]:
        """Return how many slots have each state."""
        states = [memory.state for memory in tuple(self._pipeline.memories.values())]
        return {state: states.count(state) for state in State}

    # --- the thread itself

    def run(self) -> None:
        """Watch until told to stop."""
        try:
            due_s = time.monotonic()
            while True:
                self._adopt_newest()
                if self._stop_event.is_set():
                    return
                now_s = time.monotonic()
                if now_s < due_s:
                    self._promise(due_s - now_s)
                    # An interrupted wait comes round again; `due_s` stays.
                    self._stop_event.wait(min(due_s - now_s, 0.5))
                    continue
                if self._read_one():
                    due_s = max(due_s + self._pace_s(), time.monotonic() - self._pace_s())
        except BaseException as error:
            log.exception("the inference thread ends")
            self.failure = error

    def _promise(self, duration_s: float) -> None:
        """Tell the main thread how long the next step may take."""
        self._back_by_s = time.monotonic() + duration_s + PROCESSING_DEADLINE_S

    def _pace_s(self) -> float:
        every_s = self._settings.camera.every_s
        if self._is_fresh and self._frames_since_start < self._settings.decision.confirm:
            return min(every_s, SETTLE_EVERY_S)
        return every_s

    def _read_one(self) -> bool:
        """Read and process one frame; return False when none came."""
        camera_settings = self._settings.camera
        now_s = time.monotonic()
        if self._waiting_since_s is None:
            self._waiting_since_s = now_s
        is_lost = now_s - self._waiting_since_s >= camera_settings.stall_after_s
        timeout_s = (
            max(self._patience_s, camera_settings.stall_after_s)
            if is_lost
            else self._waiting_since_s + camera_settings.stall_after_s - now_s
        )
        self._promise(timeout_s)
        try:
            frame = self._camera.next_frame(timeout_s)
        except CameraUnusable as error:
            self._lose_camera(str(error))
            return False
        except CameraError as error:
            if time.monotonic() - self._waiting_since_s >= camera_settings.stall_after_s:
                self._lose_camera(str(error))
            if is_lost:
                self._patience_s = min(2 * self._patience_s, LONGEST_CAMERA_DEADLINE_S)
            return False
        if frame is None:  # interrupted: there is something else to do first
            return False
        self._waiting_since_s = None
        self._patience_s = LOST_CAMERA_DEADLINE_S
        self._alerts.end("camera_lost")
        self._promise(0.0)
        start_s = time.perf_counter()
        result = self._pipeline.process(frame)
        self._publish(result)
        cost_s = time.perf_counter() - start_s
        self._frames_since_start += 1
        self._health.add_frame(len(result.readings), cost_s)
        self._judge_pace(cost_s)
        return True

    def _judge_pace(self, cost_s: float) -> None:
        match self._pace.judge(cost_s):
            case True:
                self._alerts.begin(
                    "inference_slow",
                    "one round over the slots costs more than camera.every "
                    f"({self._settings.camera.every_s:g} s); set a longer `every`, or use a "
                    "smaller model",
                )
            case False:
                self._alerts.end("inference_slow")

    def _lose_camera(self, why: str) -> None:
        self._alerts.begin("camera_lost", f"no picture from the camera: {why}")
        self._set_frame_alert(None)
        self._publish(self._pipeline.lose_camera(utc_now()))

    def _publish(self, result: FrameResult) -> None:
        if result.unusable is not Reason.CAMERA_LOST:
            self._set_frame_alert(result.unusable)
        self._record(result.changes)
        for slot_id in result.renewed:
            self._tell_slot(slot_id)

    def _record(self, changes: Sequence[Change]) -> None:
        changes = (*self._unrecorded, *changes)
        if not changes:
            return
        try:
            recorded = self._journal.record(changes, self._regions)
        except JournalError as error:
            # Not committed: the next frame proposes its changes again.
            self._alerts.begin("storage_full", str(error))
            return
        self._unrecorded = ()
        self._alerts.end("storage_full")
        self._pipeline.commit(recorded)
        for transition, _ in recorded:
            log.info(
                "%s: %s -> %s%s",
                transition.slot_id,
                transition.before,
                transition.after,
                f" ({transition.reason})" if transition.reason else "",
            )
            self._sinks.each(lambda sink, event=transition: sink.transition(event))  # type: ignore[misc]
            self._tell_slot(transition.slot_id)

    def _tell_slot(self, slot_id: str) -> None:
        memory = self._pipeline.memories[slot_id]
        self._sinks.each(lambda sink: sink.slot(slot_id, memory))

    def _set_frame_alert(self, reason: Reason | None) -> None:
        alert = FRAME_ALERTS.get(reason) if reason else None
        if self._frame_alert is not None and (alert is None or alert[0] != self._frame_alert):
            self._alerts.end(self._frame_alert, cause="frame")
        self._frame_alert = alert[0] if alert else None
        if alert is not None:
            self._alerts.begin(*alert, cause="frame")

    def _adopt_newest(self) -> None:
        # Until there is none: `interrupt` misses a camera that is just being replaced.
        while not self._assignments.empty():
            newest = self._assignments.get_nowait()
            if self._assignments.empty():
                self._adopt(newest)

    def _adopt(self, newest: Assignment) -> None:
        before = self._settings
        known = {
            slot.id: (self._pipeline.memories[slot.id], region_key(slot)) for slot in before.slots
        }
        if newest.settings.camera != before.camera:
            self._camera.close()
            self._camera = CameraProcess(newest.settings.camera)
            self._waiting_since_s = None
        self._watch(newest, known)

    def _watch(self, assignment: Assignment, known: Mapping[str, tuple[SlotMemory, str]]) -> None:
        """Build the pipeline of an assignment from what is known, and tell every sink."""
        settings, classifier = assignment.settings, assignment.classifier
        self._settings = settings
        self._pace = Pace(settings.camera.every_s)
        self._regions = {slot.id: region_key(slot) for slot in settings.slots}
        self._pipeline = Pipeline(
            settings.slots,
            settings.frame_wh,
            settings.decision,
            classifier.probability,
            classifier.bundle.input_size_px,
        )
        memories, changes, gone = carry_over(settings.slots, known, utc_now())
        self._pipeline.remember(memories)
        for slot_id in gone:
            self._forget(slot_id)
            self._sinks.each(lambda sink, gone_id=slot_id: sink.forget_slot(gone_id))  # type: ignore[misc]
        # No frame proposes these again; they are kept until the disk takes them.
        unrecorded = (*self._unrecorded, *changes)
        self._unrecorded = tuple(c for c in unrecorded if c[0].slot_id in self._regions)
        self._record(())
        self._sinks.each(lambda sink: sink.info(device_info(assignment)))
        for slot in settings.slots:
            self._tell_slot(slot.id)
        self._is_fresh = not memories
        self._frames_since_start = 0

    def _forget(self, slot_id: str) -> None:
        try:
            self._journal.forget(slot_id)
        except JournalError as error:
            # It is forgotten at the next start: the journal still knows it then.
            self._alerts.begin("storage_full", str(error))


def device_info(assignment: Assignment) -> dict[str, Any]:
    """Return the payload of P/info."""
    settings, bundle = assignment.settings, assignment.classifier.bundle
    return {
        "version": __version__,
        "schema": SCHEMA_VERSION,
        "model": {"name": bundle.name, "sha256": bundle.model_sha256},
        "settings_sha256": settings.fingerprint,
        "runtime": assignment.classifier.runtime,
        "frame": list(settings.frame_wh),
        "slots": [
            {
                "id": slot.id,
                "label": slot.label,
                "enabled": slot.enabled,
                "region": [[round(float(x), 2), round(float(y), 2)] for x, y in slot.polygon_px],
            }
            for slot in settings.slots
        ],
    }


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
    model_stamp: str  # see `stamp_of`


def build_parts(settings: Settings, current: Classifier | None = None) -> Parts:
    """Return new parts; `current` is the classifier in use.

    They may be built while older ones are in use: no sink has begun, and the journal's
    file may be open twice.

    Raises:
        ConfigurationError: something cannot be built; nothing stays open then.
    """
    model_stamp = stamp_of(settings.model)  # Before it is read: an edit meanwhile shall show.
    assignment = open_assignment(settings, current)
    journal = open_journal(settings.storage, settings.mqtt is not None)
    try:
        sinks = build_sinks(settings, journal)
    except BaseException:
        journal.close()
        raise
    return Parts(assignment, journal, tuple(sinks), model_stamp)


def stamp_of(model: Path) -> str:
    """Return a text that changes when a file of the bundle does.

    Unlike the technician's files these are too large to be read every second.
    """
    stamps: list[object] = []
    for name in (MANIFEST_FILE, MODEL_FILE, GOLDEN_FILE):
        try:
            status = (model / name).stat()
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
        self._seen = (parts.assignment.settings.fingerprint, parts.model_stamp)
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
        seen = (fingerprint_of(self._daemon.config_path), stamp_of(current.settings.model))
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
        self._seen = (settings.fingerprint, stamp_of(settings.model))
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
