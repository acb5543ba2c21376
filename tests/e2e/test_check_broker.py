"""`slotwatch check` asks the broker whether it lets this device in."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

import pytest

from edge.__main__ import main
from tests.broker import MOSQUITTO, Mosquitto, eventually, free_port, retained
from tests.cabinets import Cabinet
from tests.daemon import running_daemon

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed (Debian: apt-get install mosquitto)"
)


def checked(cabinet: Cabinet, capsys: pytest.CaptureFixture[str], **mqtt: object) -> str:
    """Return what is said of the broker."""
    cabinet.config["mqtt"].update(mqtt)
    cabinet.write()
    assert main(["check", "--config", str(cabinet.config_path), "--no-camera"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if " mqtt: " in line]
    return line


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_broker_that_lets_the_device_in(
    cabinet: Cabinet, broker: Mosquitto, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    line = checked(cabinet, capsys, protocol=protocol)
    assert line == f"ok       mqtt: the broker at 127.0.0.1:{broker.port} lets this device in"


def test_nobody_listens(cabinet: Cabinet, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    line = checked(cabinet, capsys, port=port)
    assert line.startswith(f"warning  mqtt: no connection to 127.0.0.1:{port} (")
    assert line.endswith("; the daemon would keep trying")


def test_wrong_password(
    cabinet: Cabinet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "bench", "right"], check=True)
    users.chmod(0o644)
    lines = ("allow_anonymous false", f"password_file {users}", f"user {getpass.getuser()}")
    guarded = Mosquitto(tmp_path, lines)
    try:
        (tmp_path / "password").write_text("wrong\n")
        words = {"port": guarded.port, "username": "bench", "password_file": "password"}
        line = checked(cabinet, capsys, **words)
        assert "as user 'bench' (Not authorized)" in line
        assert "check mqtt.username, mqtt.password_file" in line
        (tmp_path / "password").write_text("right\n")
        assert checked(cabinet, capsys, **words).startswith("ok       mqtt: ")
    finally:
        guarded.close()


def test_certificates_that_cannot_be_read(
    cabinet: Cabinet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    line = checked(cabinet, capsys, tls={"ca": "ca.pem"})
    assert line.startswith("warning  mqtt: mqtt.tls: ")
    assert "readable PEM files" in line


def test_a_daemon_that_runs_is_not_pushed_off(
    cabinet: Cabinet, broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    status = f"slotwatch/{cabinet.config['device']}/status"
    with running_daemon(cabinet.config_path) as daemon:
        eventually(lambda: retained(broker).get(status) == b"online", what=daemon.log)
        assert checked(cabinet, capsys).startswith("ok       mqtt: ")
        assert retained(broker).get(status) == b"online"
        assert "lost" not in daemon.log()
