"""The daemon as it runs on a device: real camera process, real model, real Mosquitto."""

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import cv2
import numpy as np

from edge.__main__ import main
from tests.broker import eventually, retained, subscriber
from tests.cabinets import PREFIX, events, states, wait_for
from tests.daemon import MODEL, running_daemon


def test_a_change_in_the_picture_reaches_the_subscriber(cabinet, broker):
    cabinet.show("A2")
    with subscriber(broker) as listener, running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        cabinet.show("A1", "A2")
        wait_for(broker, daemon, {"A1": "OCCUPIED", "A2": "OCCUPIED"})
        heard = events(listener)
        assert [(e["slot"], e["before"], e["after"]) for e in heard] == [
            ("A1", "UNKNOWN", "EMPTY"),
            ("A2", "UNKNOWN", "OCCUPIED"),
            ("A1", "EMPTY", "OCCUPIED"),
        ]
        first = heard[0]["seq"]
        assert [e["seq"] for e in heard] == [first, first + 1, first + 2]


def test_a_stop_says_offline_and_a_kill_says_lost(cabinet, broker):
    cabinet.show("A2")
    status = f"{PREFIX}/status"
    with running_daemon(cabinet.config_path) as daemon:
        eventually(lambda: retained(broker).get(status) == b"online", what=daemon.log)
        assert daemon.stop() == 0
        assert retained(broker)[status] == b"offline"
    with running_daemon(cabinet.config_path) as daemon:
        eventually(lambda: retained(broker).get(status) == b"online", what=daemon.log)
        daemon.stop(signal.SIGKILL)
        eventually(lambda: retained(broker).get(status) == b"lost", 30.0)


def test_the_camera_process_ends_with_a_killed_daemon(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        pid = daemon.camera_pid()
        daemon.stop(signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_states_and_the_sequence_survive_a_restart(cabinet, broker):
    cabinet.show("A2")
    with subscriber(broker) as listener:
        with running_daemon(cabinet.config_path) as daemon:
            wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
            daemon.stop(signal.SIGKILL)
        # A folder is read from its start: the newer pictures alone shall count.
        shutil.rmtree(cabinet.pictures)
        cabinet.pictures.mkdir()
        cabinet.show("A1", "A2")
        with running_daemon(cabinet.config_path) as daemon:
            wait_for(broker, daemon, {"A1": "OCCUPIED", "A2": "OCCUPIED"})
        # A consumer that remembers the highest `seq` drops what was sent twice.
        heard = {e["seq"]: (e["slot"], e["before"], e["after"]) for e in events(listener)}
        first = min(heard)
        assert heard == {
            first: ("A1", "UNKNOWN", "EMPTY"),
            first + 1: ("A2", "UNKNOWN", "OCCUPIED"),
            first + 2: ("A1", "EMPTY", "OCCUPIED"),
        }


def test_an_outage_of_the_broker_loses_no_event(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        broker.kill()
        cabinet.show("A1", "A2")
        cabinet.show()
        eventually(lambda: "A2: OCCUPIED -> EMPTY" in daemon.log(), what=daemon.log)
        broker.start()
        with subscriber(broker) as listener:
            wait_for(broker, daemon, {"A1": "EMPTY", "A2": "EMPTY"})
            # The last event's number stands in the state; those before it came in order.
            last = json.loads(retained(broker)[f"{PREFIX}/slots/A2"])["seq"]
            eventually(lambda: events(listener) and events(listener)[-1]["seq"] == last)
            sequence = [e["seq"] for e in events(listener)]
            assert sequence == list(range(sequence[0], last + 1))


def test_a_valid_edit_takes_effect_within_3_seconds_without_a_restart(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        cabinet.slots["B1"] = cabinet.slots.pop("A1")
        cabinet.write()
        start_s = time.monotonic()
        eventually(lambda: set(states(broker)) == {"A2", "B1"}, 3.0, daemon.log)
        assert time.monotonic() - start_s < 3.0
        assert states(broker)["A2"] == "OCCUPIED"  # untouched slots keep their memory
        cabinet.show("A2")
        wait_for(broker, daemon, {"B1": "EMPTY", "A2": "OCCUPIED"})
        slots = json.loads(retained(broker)[f"{PREFIX}/info"])["slots"]
        assert [slot["id"] for slot in slots] == ["A2", "B1"]


def test_an_invalid_edit_keeps_the_last_good_settings_and_raises_an_alert(cabinet, broker):
    cabinet.show("A2")
    alert = f"{PREFIX}/alerts/settings_invalid"
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        good = cabinet.slots_path.read_bytes()
        cabinet.slots_path.write_bytes(good[: len(good) // 2])  # half-saved
        payload = eventually(lambda: retained(broker).get(alert), what=daemon.log)
        assert f"{cabinet.slots_path}:" in json.loads(payload)["message"]
        cabinet.show("A1", "A2")
        wait_for(broker, daemon, {"A1": "OCCUPIED", "A2": "OCCUPIED"})
        cabinet.slots_path.write_bytes(good)
        eventually(lambda: alert not in retained(broker), what=daemon.log)


def test_a_moved_region_starts_again_as_unknown(cabinet, broker):
    cabinet.show("A2")
    with subscriber(broker) as listener, running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        cabinet.slots["A1"] = [2, 2, 100, 100]
        cabinet.write()
        wait_for(broker, daemon, {"A1": "UNKNOWN", "A2": "OCCUPIED"})
        last = events(listener)[-1]
        assert (last["slot"], last["after"], last["reason"]) == ("A1", "UNKNOWN", "region_changed")


def test_another_device_name_moves_every_topic(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        cabinet.config["device"] = "renamed"
        cabinet.write()
        eventually(lambda: "slotwatch/renamed/slots/A1" in retained(broker), what=daemon.log)
        eventually(
            lambda: not [topic for topic in retained(broker) if topic.startswith(PREFIX + "/")],
            what=lambda: str(retained(broker)),
        )


def test_a_damaged_new_model_is_refused_and_the_old_one_stays(cabinet, broker, tmp_path):
    shutil.copytree(MODEL, tmp_path / "model")
    cabinet.config["model"] = "model"
    cabinet.write()
    cabinet.show("A2")
    alert = f"{PREFIX}/alerts/model_rejected"
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        model = tmp_path / "model" / "model.tflite"
        data = model.read_bytes()
        model.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        manifest = tmp_path / "model" / "bundle.json"
        manifest.write_text(manifest.read_text() + "\n")  # a new bundle was copied here
        payload = eventually(lambda: retained(broker).get(alert), what=daemon.log)
        assert str(model) in json.loads(payload)["message"]
        cabinet.show("A1", "A2")
        wait_for(broker, daemon, {"A1": "OCCUPIED", "A2": "OCCUPIED"})


def test_a_camera_that_dies_is_started_again(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        os.kill(daemon.camera_pid(), signal.SIGKILL)
        cabinet.show("A1", "A2")
        wait_for(broker, daemon, {"A1": "OCCUPIED", "A2": "OCCUPIED"})


def test_a_camera_that_is_silent_is_lost_and_comes_back(cabinet, broker):
    cabinet.config["camera"]["stall_after"] = "1s"
    cabinet.write()
    cabinet.show("A2")
    alert = f"{PREFIX}/alerts/camera_lost"
    with running_daemon(cabinet.config_path) as daemon:
        # No picture after the first two: every slot becomes UNKNOWN, with the reason.
        eventually(lambda: alert in retained(broker), what=daemon.log)
        wait_for(broker, daemon, {"A1": "UNKNOWN", "A2": "UNKNOWN"})
        slot = json.loads(retained(broker)[f"{PREFIX}/slots/A2"])
        assert (slot["reason"], slot["last_known"]) == ("camera_lost", "OCCUPIED")
        with subscriber(broker, f"{PREFIX}/slots/A2") as listener:
            cabinet.show("A2", frames=3)
            eventually(
                lambda: [p for p in listener.of(f"{PREFIX}/slots/A2") if b'"OCCUPIED","p' in p],
                what=daemon.log,
            )


def test_a_black_picture_means_unknown_not_empty(cabinet, broker):
    cabinet.config["decision"] = {"confirm": 2, "unknown_after": "1s"}
    cabinet.write()
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        black = np.zeros((cabinet.frame_wh[1], cabinet.frame_wh[0], 3), np.uint8)
        encoded = cv2.imencode(".png", black)[1].tobytes()
        for index in range(60):
            (cabinet.pictures / f"9{index:05d}.png").write_bytes(encoded)
        wait_for(broker, daemon, {"A1": "UNKNOWN", "A2": "UNKNOWN"})
        found = retained(broker)
        assert json.loads(found[f"{PREFIX}/slots/A1"])["reason"] == "frame_dark"
        assert f"{PREFIX}/alerts/frame_dark" in found


def test_a_reference_that_is_taken_while_the_daemon_runs_counts_from_then_on(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        picture = next(cabinet.pictures.iterdir())
        words = ["reference", "--config", str(cabinet.config_path), "--source", str(picture)]
        assert main(words) == 0
        eventually(lambda: "new settings in use" in daemon.log(), what=daemon.log)
        width_px, height_px = cabinet.frame_wh
        blocks = np.random.default_rng(2).integers(0, 256, (6, 12, 3), dtype=np.uint8)
        elsewhere = cv2.resize(blocks, (width_px, height_px), interpolation=cv2.INTER_NEAREST)
        elsewhere = cv2.add(
            elsewhere, np.random.default_rng(3).integers(0, 9, elsewhere.shape, np.uint8)
        )
        encoded = cv2.imencode(".png", elsewhere)[1].tobytes()
        for index in range(6):
            (cabinet.pictures / f"9{index:05d}.png").write_bytes(encoded)
        eventually(lambda: f"{PREFIX}/alerts/camera_moved" in retained(broker), what=daemon.log)
        # A picture of something else changes no state.
        assert states(broker) == {"A1": "EMPTY", "A2": "OCCUPIED"}


def test_systemd_hears_ready_watchdog_and_stopping(cabinet, broker, tmp_path):
    cabinet.show("A2")
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(20)
        environ = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"}
        heard = []
        with running_daemon(cabinet.config_path, environ) as daemon:
            while not {"READY=1", "WATCHDOG=1"} <= set(heard):
                heard += listener.recv(4096).decode().splitlines()
            assert heard[0] == "READY=1"
            daemon.stop()
            while "STOPPING=1" not in heard:
                heard += listener.recv(4096).decode().splitlines()


def test_settings_that_cannot_be_used_end_with_78(cabinet, broker):
    cabinet.config["model"] = "nowhere"
    cabinet.write()
    with running_daemon(cabinet.config_path) as daemon:
        assert daemon.process.wait(20) == 78
        assert daemon.log().count("\n") == 1
        assert f"{cabinet.config_path}:" in daemon.log()
        assert "Traceback" not in daemon.log()


def test_a_storage_that_cannot_be_written_ends_with_78(cabinet, broker, tmp_path):
    (tmp_path / "file").write_text("")
    cabinet.config["storage"] = "file/below"
    cabinet.write()
    with running_daemon(cabinet.config_path) as daemon:
        assert daemon.process.wait(20) == 78
        assert "set `storage` to a folder this user may write" in daemon.log()


def info(broker):
    return json.loads(retained(broker)[f"{PREFIX}/info"])


def test_connections_that_cannot_be_built_leave_the_ones_before_in_use(cabinet, broker, tmp_path):
    (tmp_path / "file").write_text("")
    cabinet.show("A2")
    alert = f"{PREFIX}/alerts/settings_invalid"
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        cabinet.config |= {"device": "renamed", "storage": "file/below"}
        cabinet.write()
        payload = eventually(lambda: retained(broker).get(alert), what=daemon.log)
        assert f"{tmp_path}/file/below: cannot be written" in json.loads(payload)["message"]
        cabinet.show("A1", "A2")
        wait_for(broker, daemon, {"A1": "OCCUPIED", "A2": "OCCUPIED"})
        (tmp_path / "file").unlink()  # no edit: what was missing comes
        eventually(lambda: "slotwatch/renamed/slots/A1" in retained(broker), what=daemon.log)
        assert alert not in retained(broker)
        assert daemon.stop() == 0


def test_a_second_daemon_may_not_use_the_same_storage(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as first:
        wait_for(broker, first, {"A1": "EMPTY", "A2": "OCCUPIED"})
        with running_daemon(cabinet.config_path) as second:
            assert second.process.wait(20) == 78
            assert "another slotwatch uses this folder" in second.log()
        assert first.process.poll() is None


def test_of_many_edits_in_a_row_the_last_is_in_use(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        deadline_s = time.monotonic() + 4.0
        while time.monotonic() < deadline_s:
            side = 60 + int(1000 * time.monotonic()) % 40
            cabinet.slots["B1"] = [0, 0, side, side]
            cabinet.write()
        wanted = [[0, 0], [side, 0], [side, side], [0, side]]
        eventually(
            lambda: info(broker)["slots"][-1]["region"] == wanted, what=lambda: str(info(broker))
        )
        assert "Traceback" not in daemon.log()


def test_a_stop_during_the_start_is_obeyed(cabinet, broker):
    with running_daemon(cabinet.config_path) as daemon:
        daemon.camera_pid()  # signals are caught by now; the model is still being read
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log()


def test_a_stop_is_obeyed_while_the_camera_hangs(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        os.kill(daemon.camera_pid(), signal.SIGSTOP)
        start_s = time.monotonic()
        assert daemon.stop(signal.SIGINT) == 0
        assert time.monotonic() - start_s < 5.0


def test_a_storm_of_signals_is_survived(cabinet, broker):
    cabinet.show("A2")
    with running_daemon(cabinet.config_path) as daemon:
        wait_for(broker, daemon, {"A1": "EMPTY", "A2": "OCCUPIED"})
        deadline_s = time.monotonic() + 2.0
        while time.monotonic() < deadline_s:
            daemon.process.send_signal(signal.SIGHUP)
        cabinet.show("A1", "A2")
        wait_for(broker, daemon, {"A1": "OCCUPIED", "A2": "OCCUPIED"})
        assert daemon.stop() == 0
