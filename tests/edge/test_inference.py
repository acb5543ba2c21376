"""The inference thread with a camera, a disk and a dashboard that do as they are told."""

import queue
import weakref
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge.alerts import Alerts, Fanout
from edge.cameras import CameraError
from edge.classifier import Prediction
from edge.health import Health
from edge.inference import Assignment, InferenceThread
from edge.journal import Journal, JournalError
from edge.preprocess import rectangle_polygon
from edge.types import CameraSettings, DecisionSettings, Frame, Settings, Slot
from tests.broker import eventually

CAMERA = CameraSettings("told", every_s=0.001, stall_after_s=0.0)
DARK = np.zeros((100, 100, 3), np.uint8)


def picture(a1):
    image = np.zeros((100, 100, 3), np.uint8)
    image[50:, 50:] = np.linspace(0, 255, 50).astype(np.uint8)[:, None]
    image[:40, :40] = round(255 * a1)
    return image


class ToldCamera:
    """Shows what is put before it; an exception is raised."""

    pid = None
    restarts = 0

    def __init__(self):
        self.shown = queue.Queue()
        self.waits_s = []
        self._sequence = 0

    def show(self, *things):
        for thing in things:
            self.shown.put(thing)

    def next_frame(self, timeout_s):
        self.waits_s.append(timeout_s)
        thing = self.shown.get(timeout=20)
        if thing is None or isinstance(thing, Exception):
            if thing is None:
                return None
            raise thing
        self._sequence += 1
        return Frame(thing, self._sequence, datetime.now(UTC), float(self._sequence))

    def interrupt(self):
        self.shown.put(None)

    def close(self):
        pass


class ToldJournal(Journal):
    """A journal in memory whose disk can be full."""

    is_full = False

    def record(self, changes, *regions):
        if self.is_full and changes:
            raise JournalError("the disk is full")
        return super().record(changes, *regions)


class Listener:
    """A sink that remembers events and alerts."""

    def __init__(self):
        self.events = []
        self.alerts = []
        self.states = []

    def transition(self, transition):
        self.events.append((transition.slot_id, str(transition.before), str(transition.after)))

    def alert(self, alert):
        self.alerts.append(alert.id)

    def end_alert(self, alert_id):
        self.alerts.append(f"end of {alert_id}")

    def slot(self, slot_id, memory):
        self.states.append((str(memory.state), memory.reason and str(memory.reason)))

    def forget_slot(self, slot_id):
        pass

    def info(self, info):
        pass


def assignment(tmp_path, x=0):
    bundle = SimpleNamespace(name="brightness", model_sha256="", input_size_px=32, manifest={})

    def predict_all(crops, _names):
        none = np.zeros(0, np.float32)
        return [Prediction(float(crop.mean()) / 255, none, none) for crop in crops]

    classifier: Any = SimpleNamespace(bundle=bundle, runtime="none", predict_all=predict_all)
    slots = (Slot("A1", rectangle_polygon(x, 0, 30, 30)),)
    settings = Settings(
        device="bench",
        camera=CAMERA,
        slots=slots,
        frame_wh=(100, 100),
        model=tmp_path,
        slots_path=tmp_path,
        config_path=tmp_path,
        storage=tmp_path,
        decision=DecisionSettings(confirm=2),
    )
    return Assignment(settings, classifier)


@pytest.fixture
def watch(tmp_path):
    camera: Any = ToldCamera()
    listener: Any = Listener()
    journal = ToldJournal(None)
    sinks = Fanout([listener])
    thread = InferenceThread(assignment(tmp_path), camera, journal, sinks, Alerts(sinks), Health())
    thread.start()
    yield SimpleNamespace(thread=thread, camera=camera, journal=journal, listener=listener)
    thread.stop()
    journal.close()


def shown(watch):
    """Wait until the camera's pictures were looked at, and the thread waits for another."""
    wanted = len(watch.camera.waits_s) + watch.camera.shown.qsize()
    eventually(lambda: watch.camera.shown.empty() and len(watch.camera.waits_s) >= wanted)


def test_an_error_of_the_program_ends_the_thread_and_is_kept(watch):
    watch.camera.show(RuntimeError("a bug"))
    watch.thread.join(10)
    assert str(watch.thread.failure) == "a bug"
    assert not watch.thread.is_responsive()


def test_a_dark_while_raises_one_alert_and_ends_it_once(watch):
    watch.camera.show(*[picture(0.9)] * 2, *[DARK] * 20, *[picture(0.9)] * 2)
    eventually(lambda: len(watch.listener.alerts) > 1)
    shown(watch)
    assert watch.listener.alerts == ["frame_dark", "end of frame_dark"]


def test_a_camera_that_is_lost_gets_more_time_with_every_attempt(watch):
    watch.camera.show(*[CameraError("silent")] * 5, picture(0.9), CameraError("silent"))
    eventually(lambda: len(watch.camera.waits_s) >= 8)
    assert watch.camera.waits_s[:5] == [10.0, 20.0, 40.0, 40.0, 40.0]
    assert watch.camera.waits_s[6] == 10.0  # it had come back
    assert watch.listener.alerts[:2] == ["camera_lost", "end of camera_lost"]


def test_events_stay_a_chain_when_a_region_moves_while_the_disk_is_full(watch, tmp_path):
    watch.camera.show(*[picture(0.1)] * 2)
    eventually(lambda: watch.listener.events)
    watch.journal.is_full = True
    watch.thread.assign(assignment(tmp_path, x=5))
    eventually(lambda: watch.listener.alerts == ["storage_full"])
    watch.camera.show(*[picture(0.1)] * 3)
    shown(watch)
    watch.journal.is_full = False
    watch.camera.show(*[picture(0.1)] * 2)
    eventually(lambda: len(watch.listener.events) >= 3, what=lambda: str(watch.listener.events))
    assert watch.listener.events == [
        ("A1", "UNKNOWN", "EMPTY"),
        ("A1", "EMPTY", "UNKNOWN"),
        ("A1", "UNKNOWN", "EMPTY"),
    ]
    assert watch.listener.alerts == ["storage_full", "end of storage_full"]


def test_picture_before_is_gone_while_the_next_one_is_read(watch):
    pictures = [picture(0.1), picture(0.3)]  # a still one would be kept to be compared with
    references = [weakref.ref(each) for each in pictures]
    kept = []
    watch.listener.slot = lambda *_: kept.append(sum(r() is not None for r in references))
    watch.camera.show(pictures.pop())
    shown(watch)
    watch.camera.show(pictures.pop())
    # The second one confirms, and is told of while it is being read.
    eventually(lambda: kept)
    assert kept == [1]


def test_a_state_that_cannot_be_recorded_is_not_claimed(watch):
    watch.camera.show(*[picture(0.1)] * 2)
    eventually(lambda: watch.listener.states[-1:] == [("EMPTY", None)])
    watch.journal.is_full = True
    watch.camera.show(*[picture(0.9)] * 3)
    # Not EMPTY, which is over, and not OCCUPIED, which a power cut would take back.
    eventually(lambda: watch.listener.states[-1:] == [("UNKNOWN", "storage_full")])
    watch.journal.is_full = False
    watch.camera.show(picture(0.9))
    eventually(lambda: watch.listener.states[-1:] == [("OCCUPIED", None)])
    assert watch.listener.events == [("A1", "UNKNOWN", "EMPTY"), ("A1", "EMPTY", "OCCUPIED")]


def test_a_change_that_is_taken_back_while_the_disk_is_full_is_forgotten(watch):
    watch.camera.show(*[picture(0.1)] * 2)
    eventually(lambda: watch.listener.states[-1:] == [("EMPTY", None)])
    watch.journal.is_full = True
    watch.camera.show(*[picture(0.9)] * 3)
    eventually(lambda: watch.listener.states[-1:] == [("UNKNOWN", "storage_full")])
    watch.camera.show(*[picture(0.1)] * 2)
    eventually(lambda: watch.listener.states[-1:] == [("EMPTY", None)])
    assert watch.listener.events == [("A1", "UNKNOWN", "EMPTY")]
