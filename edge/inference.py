"""The inference thread: camera process -> pipeline -> journal -> sinks, for one camera."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge import __version__
from edge.alerts import Alerts, Fanout
from edge.answers import Seen, answer_all, answer_without_frame, unknown_slot
from edge.cameras import CameraError, CameraUnusable, frozen_after
from edge.cameras.process import CameraProcess
from edge.classifier import BUDGET_S, Classifier
from edge.desk import Desk
from edge.health import Health, Pace
from edge.journal import Journal
from edge.learned_head import read_head
from edge.learning import Learner
from edge.pipeline import FrameResult, Pipeline, carry_over, region_key
from edge.recorder import Recorder
from edge.references import MOST_EMPTIES, read_references
from edge.site import Site
from edge.types import Frame, Reason, Settings, SlotMemory, State, utc_now

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1  # of the MQTT payloads
# The first frames of a cabinet that nothing is known of are read this fast: a fresh start
# shows the truth within moments instead of after `confirm` x `every`.
SETTLE_EVERY_S = 0.2
# A camera that is lost gets at least this long to come back, and longer with every attempt:
# some need more than that to open, a stream with rare key frames say.
LOST_CAMERA_DEADLINE_S = 10.0
LONGEST_CAMERA_DEADLINE_S = 40.0
PROCESSING_DEADLINE_S = 20.0  # of everything but the model's own time

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
    Reason.FRAME_BLURRED: (
        "frame_blurred",
        "the picture is out of focus; clean or focus the lens",
    ),
    Reason.FRAME_FROZEN: (
        "frame_frozen",
        "the camera sends the same picture again and again; restart the camera",
    ),
    Reason.FRAME_TORN: (
        "frame_torn",
        "parts of the picture are missing or broken; look at the camera's cable or network",
    ),
    Reason.FRAME_UNLIKE: (
        "camera_moved",
        "the picture does not show the cabinet of the reference; uncover the lens, turn the camera "
        "back, or take a new reference with `slotwatch reference`",
    ),
    Reason.CAMERA_MOVED: (
        "camera_moved",
        "the camera looks elsewhere, or its lens is covered; uncover it, turn it back, or draw the "
        "slots anew and take a new reference with `slotwatch reference`",
    ),
    Reason.FRAME_SIZE: (
        "settings_invalid",
        "the camera's picture has another shape than `frame` in the slots file; "
        "set camera.resolution or draw the slots on this camera's picture",
    ),
}


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
        desk: Desk | None = None,
    ) -> None:
        """Watch what is assigned; `desk` holds requests that are answered with a frame."""
        super().__init__(name="inference", daemon=True)
        self._assignments: queue.SimpleQueue[Assignment] = queue.SimpleQueue()
        self._stop_event = threading.Event()
        self._camera = camera
        self._recorder = Recorder(journal, sinks, alerts)
        self._sinks = sinks
        self._alerts = alerts
        self._health = health
        self._desk = desk or Desk()
        self._newest: Seen | None = None  # while the camera gives any
        self._back_by_s = time.monotonic() + PROCESSING_DEADLINE_S
        self._settings = assignment.settings
        self._waiting_since_s: float | None = None
        self._patience_s = LOST_CAMERA_DEADLINE_S
        self._attempt_by_s: float | None = None  # when a lost camera is given up, asked or not
        self._is_fresh = False
        self._frames_since_start = 0
        self._pace = Pace(assignment.settings.camera.every_s)
        self._frame_alert: str | None = None
        self.failure: BaseException | None = None
        self._watch(assignment, self._recorder.remembered())

    # --- called from the main thread

    def assign(self, assignment: Assignment) -> None:
        """Watch something else from the next frame on."""
        # In this order, as in `stop`: the thread looks again after it has changed cameras.
        self._assignments.put(assignment)
        self._camera.interrupt()

    def nudge(self) -> None:
        """Have the thread look at its desk."""
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
                answer_without_frame(self._desk, self._regions, self._newest)
                now_s = time.monotonic()
                if now_s < due_s and self._desk.is_empty():
                    self._promise(due_s - now_s)
                    # An interrupted wait comes round again; `due_s` stays.
                    self._stop_event.wait(min(due_s - now_s, 0.5))
                    continue
                if self._read_one():
                    now_s = time.monotonic()
                    # A frame that was read for a request is no reason to wait for the next.
                    due_s = max(min(due_s, now_s) + self._pace_s(), now_s - self._pace_s())
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
        if is_lost:
            # Requests interrupt the wait; they must not keep a camera that hangs from its end.
            self._attempt_by_s = self._attempt_by_s or now_s + timeout_s
            timeout_s = max(0.0, self._attempt_by_s - now_s)
        self._promise(timeout_s)
        try:
            frame = self._camera.next_frame(timeout_s)
        except CameraUnusable as error:
            self._attempt_by_s = None
            self._lose_camera(str(error))
            return False
        except CameraError as error:
            self._attempt_by_s = None
            if time.monotonic() - self._waiting_since_s >= camera_settings.stall_after_s:
                self._lose_camera(str(error))
            if is_lost:
                self._patience_s = min(2 * self._patience_s, LONGEST_CAMERA_DEADLINE_S)
            return False
        if frame is None:  # interrupted: there is something else to do first
            return False
        self._newest = None  # Megabytes that nobody asks for while this one is read.
        self._waiting_since_s = self._attempt_by_s = None
        self._patience_s = LOST_CAMERA_DEADLINE_S
        self._alerts.end("camera_lost")
        self._promise(self._model_budget_s())
        asked = self._desk.take(lambda waiting: unknown_slot(waiting, self._regions) is None)
        if any(waiting.request.command == "recheck" for waiting in asked):
            self._pipeline.read_anew()
        start_s = time.perf_counter()
        result = self._pipeline.process(frame)
        self._publish(result)
        cost_s = time.perf_counter() - start_s
        self._newest = Seen(self._settings, self._classifier, self._pipeline, frame, result)
        answer_all(asked, self._newest)
        self._learn(frame, result)
        self._frames_since_start += 1
        self._health.add_frame(len(result.readings), cost_s)
        self._judge_pace(cost_s)
        return True

    def _model_budget_s(self) -> float:
        """Return how long the model may take for a frame; the first has the empties to read."""
        looks = 1 + (MOST_EMPTIES if self._frames_since_start == 0 else 0)
        return looks * len(self._settings.slots) * BUDGET_S

    def _learn(self, frame: Frame, result: FrameResult) -> None:
        try:
            self._learner.look(frame, self._pipeline, result.readings)
        except Exception:
            # What cannot be learnt must not keep the states from being read.
            log.exception("nothing is learnt from this frame")

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
        self._newest = None
        for waiting in self._desk.take():
            waiting.reply(None, f"no picture from the camera: {why}")
        self._set_frame_alert(None)
        self._publish(self._pipeline.lose_camera(utc_now()))

    def _publish(self, result: FrameResult) -> None:
        if result.unusable is not Reason.CAMERA_LOST:
            self._set_frame_alert(result.unusable)
        self._recorder.record(result.changes)
        for slot_id in result.renewed:
            self._recorder.tell_slot(slot_id)

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
        settings = assignment.settings
        self._settings = settings
        self._pace = Pace(settings.camera.every_s)
        self._regions = {slot.id: region_key(slot) for slot in settings.slots}
        self._classifier = assignment.classifier
        self._newest = None
        self._pipeline, self._learner = build_watch(settings, assignment.classifier)
        memories, changes, gone = carry_over(settings.slots, known, utc_now())
        self._pipeline.remember(memories)
        for slot_id in gone:
            self._recorder.forget(slot_id)
        self._recorder.follow(self._pipeline, self._regions, changes)
        self._sinks.each(lambda sink: sink.info(device_info(assignment)))
        for slot in settings.slots:
            self._recorder.tell_slot(slot.id)
        self._is_fresh = not memories
        self._frames_since_start = 0


def build_pipeline(settings: Settings, classifier: Classifier) -> Pipeline:
    """Return the way of a frame for these slots and this model, remembering no state.

    Beside what the storage holds: references, and a head learnt from labels.
    """
    return build_watch(settings, classifier)[0]


def build_watch(settings: Settings, classifier: Classifier) -> tuple[Pipeline, Learner]:
    """Return the same, and what learns further references from its frames."""
    references = read_references(settings.storage)
    head = read_head(settings.storage, classifier.bundle.model_sha256)
    site = Site(classifier, settings.slots, references, head)
    pipeline = Pipeline(
        settings.slots,
        settings.frame_wh,
        settings.decision,
        site.probabilities,
        site.input_size_px,
        references_rgb=[cabinet.image_rgb for cabinet in references.cabinets],
        frozen_after=frozen_after(settings.camera.source),
    )
    return pipeline, Learner(settings, site, references)


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
