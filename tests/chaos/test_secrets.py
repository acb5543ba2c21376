"""A password and a key that are marked: looked for wherever the daemon could leave them."""

from __future__ import annotations

import functools
import re
import ssl
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.broker import Subscriber, eventually, free_port, subscriber
from tests.cabinets import PREFIX, Cabinet, Drawn
from tests.chaos.amount import report
from tests.chaos.certificates import Authorities
from tests.chaos.fuzzed_requests import COMMANDS
from tests.chaos.guarded import PASSWORD, READER, Guarded, mutual
from tests.daemon import REPOSITORY, RunningDaemon, running_daemon, write_yaml


def secrets(key_pem: str) -> dict[str, bytes]:
    """Return what must not be found, by name."""
    return {
        "password": PASSWORD.encode(),
        "key": key_pem.splitlines()[1].encode(),
        "key, decoded": ssl.PEM_cert_to_DER_cert(key_pem.replace("PRIVATE KEY", "CERTIFICATE")),
    }


def ask_everything(broker: Guarded, listener: Subscriber, cabinet: Cabinet) -> None:
    """Ask for everything that can be asked for, and for what cannot be read."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(*READER)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        for command in COMMANDS:
            answers = functools.partial(listener.of, f"{PREFIX}/response/{command}")
            for count, payload in enumerate(
                (b'{"since":0}' if command == "events" else b"{}", b"?")
            ):
                cabinet.show("A2")  # a new picture, for those who ask for one
                client.publish(f"{PREFIX}/request/{command}", payload, qos=1)
                eventually(lambda: len(answers()) > count, 20, what=lambda: command)  # noqa: B023
    finally:
        client.disconnect()
        client.loop_stop()


# What a technician in a hurry may write below `mqtt`.
MISTAKES = ({"password": PASSWORD}, {"password_file": ""}, {"tls": None, "certificate": "x"})


def make_mistakes(cabinet: Cabinet, listener: Subscriber, daemon: RunningDaemon) -> None:
    """Write each mistake into the settings and take it back."""
    alerts = functools.partial(listener.of, f"{PREFIX}/alerts/settings_invalid")
    for mistake in MISTAKES:
        mqtt = {**cabinet.config["mqtt"], **mistake}
        write_yaml(cabinet.config_path, {**cabinet.config, "mqtt": mqtt})
        eventually(lambda: alerts() and alerts()[-1], 15, daemon.log)
        cabinet.write()
        eventually(lambda: not alerts()[-1], 15, daemon.log)


def lock_out(broker: Guarded, daemon: RunningDaemon) -> None:
    """Have the broker refuse the device, and take it back."""
    broker.know("cabinet", "another-one")
    broker.reload()
    eventually(lambda: "refuses" in daemon.log(), 30, daemon.log)
    broker.know("cabinet", PASSWORD)
    broker.reload()
    eventually(lambda: "again, MQTT 5" in daemon.log(), 60, daemon.log)


def processes_of(daemon: RunningDaemon) -> list[Path]:
    """Return the daemon's and its camera's folders in /proc."""
    return [Path(f"/proc/{pid}") for pid in (daemon.process.pid, daemon.camera_pid())]


@pytest.mark.slow
def test_no_secret_in_arguments_environment_log_messages_or_storage(
    tmp_path: Path, two_slots: Drawn
) -> None:
    authorities = Authorities(tmp_path / "authorities")
    own = authorities.issue("bench")
    port = free_port()
    broker_folder = tmp_path / "broker"
    broker_folder.mkdir()
    broker = Guarded(broker_folder, lines=mutual(authorities, port))
    cabinet = Cabinet(tmp_path, broker, two_slots)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    cabinet.config["mqtt"] = {
        "host": broker.host,
        "port": port,
        "username": "cabinet",
        "password_file": "password",
        "tls": {
            "ca": str(authorities.trusted.public_path),
            "certificate": str(own.public_path),
            "key": str(own.key_path),
        },
    }
    cabinet.write()
    cabinet.show("A2")
    try:
        with (
            subscriber(broker, password=READER) as listener,
            running_daemon(cabinet.config_path) as daemon,
        ):
            states = functools.partial(listener.of, f"{PREFIX}/slots/A2")
            eventually(lambda: states() and b'"OCCUPIED"' in states()[-1], 30, daemon.log)
            ask_everything(broker, listener, cabinet)
            make_mistakes(cabinet, listener, daemon)
            lock_out(broker, daemon)
            places = {
                str(process / name): (process / name).read_bytes()
                for process in processes_of(daemon)
                for name in ("cmdline", "environ")
            }
            assert daemon.stop() == 0
            eventually(lambda: listener.of(f"{PREFIX}/status")[-1] == b"offline")
            for number, message in enumerate(listener.heard):
                places[f"message {number} on {message.topic}"] = message.payload
    finally:
        broker.close()
    places["log"] = daemon.log().encode()
    stored = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    places |= {str(path): path.read_bytes() for path in stored}
    found = [
        f"{name} in {place}"
        for name, secret in secrets(own.key_path.read_text()).items()
        for place, content in places.items()
        if secret in content
    ]
    assert found == []
    assert stored
    report(f"no password and no key in {len(places)} places: arguments, log, messages, storage")


def test_the_service_leaves_no_core_dump() -> None:
    # It would hold the password: the unit forbids it.
    unit = (REPOSITORY / "systemd" / "slotwatch@.service").read_text()
    assert re.search("^LimitCORE=0$", unit, re.MULTILINE)
