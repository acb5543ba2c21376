"""The broker's files of docs/mqtt.md: certificates, listeners and access, as pasted.

Every openssl command, `mosquitto.conf`, access list and `mqtt:` section below is taken from
the page; only names, ports and folders are replaced by this machine's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.broker import MOSQUITTO, Mosquitto, eventually, free_port, retained, subscriber
from tests.daemon import MODEL, REPOSITORY, running_daemon, write_yaml
from tests.page import blocks_of, section_of

TOOLS = ("openssl", "mosquitto_passwd", "mosquitto_rr")

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None or any(shutil.which(tool) is None for tool in TOOLS),
    reason="Debian: apt-get install mosquitto mosquitto-clients openssl",
)

CERTIFICATES, LISTENERS, ACCESS, DEVICE = (
    section_of("mqtt.md", title) for title in ("Certificates", "Listeners", "Access", "The device")
)
PASSWORD = "correct horse"  # of every user
USERS = ("cabinet-a", "cabinet-b", "dashboard", "wall", "technician", "homeassistant", "observer")
OBSERVER = ("observer", PASSWORD)  # not of the page: sees and may do everything


@dataclass(frozen=True)
class Site:
    """Where a broker is set up as the page says."""

    folder: Path  # where the certificates lie
    port_of: dict[str, int]  # by that of the page

    def here(self, text: str) -> str:
        """Return a text of the page with this machine's names, folders and ports."""
        for asked, given in (
            ("DNS:broker.example,IP:192.0.2.7", "DNS:localhost,IP:127.0.0.1"),
            ("broker.example", "localhost"),
            ("/etc/mosquitto/certs/", f"{self.folder}/"),
            ("/etc/mosquitto/", f"{self.folder}/"),
            *((page, f"{port}") for page, port in self.port_of.items()),
        ):
            text = text.replace(asked, given)
        return text

    def shell(self, block: str) -> str:
        """Run a block of the page; return what it printed."""
        return subprocess.run(
            ["bash", "-euc", self.here(block)],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("site"), {"8883": free_port(), "8884": free_port()})
    [certificates] = [block for block in blocks_of(CERTIFICATES, "sh") if "sudo" not in block]
    made.shell(certificates)
    (made.folder / "passwords").touch(0o600)
    for user in USERS:
        made.shell(f"mosquitto_passwd -b passwords {user} '{PASSWORD}'")
    [access] = blocks_of(ACCESS, "conf")
    (made.folder / "access").write_text(f"{access}\nuser observer\ntopic readwrite #\n")
    return made


@pytest.fixture(scope="module")
def broker(site: Site) -> Iterator[Mosquitto]:
    """The page's broker; its own host and port are a listener without TLS, for the tests."""
    [listeners] = blocks_of(LISTENERS, "conf")
    mosquitto = Mosquitto(site.folder, ("user root", *site.here(listeners).splitlines()))
    yield mosquitto
    mosquitto.close()


def publish(broker: Mosquitto, user: str, topic: str, is_retained: bool = False) -> bool:
    """Return whether the broker took a message of this user."""
    is_taken: list[bool] = []
    is_answered = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(user, PASSWORD)

    def on_publish(_client, _userdata, _mid, reason_code, _properties):
        is_taken.append(not reason_code.is_failure)
        is_answered.set()

    client.on_publish = on_publish
    client.on_connect = lambda client, *_: client.publish(topic, b"{}", 1, is_retained)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        assert is_answered.wait(10), "the broker did not answer within 10 s"
    finally:
        client.disconnect()
        client.loop_stop()
    return is_taken[0]


A, B = "slotwatch/cabinet-a", "slotwatch/cabinet-b"
# Every topic of two devices, and who may write it beside the technician and the device itself.
OWN = ("status", "slots/A1", "events", "health", "info", "alerts/camera_lost", "response/events")
WRITERS: dict[str, set[str]] = {
    **{f"{A}/{topic}": {"cabinet-a"} for topic in OWN},
    **{f"{B}/{topic}": {"cabinet-b"} for topic in OWN},
    **{
        f"{A}/request/{command}": {"cabinet-a", "technician"} for command in ("reload", "reference")
    },
    **{
        f"{A}/request/{command}": {"cabinet-a", "technician", "dashboard"}
        for command in ("events", "snapshot")
    },
    f"{A}/request/recheck": {"cabinet-a", "technician", "dashboard", "homeassistant"},
    f"{A}/request/rebirth": {"cabinet-a", "technician", "homeassistant"},
    "homeassistant/device/cabinet-a/config": {"cabinet-a", "homeassistant"},
    "homeassistant/device/cabinet-b/config": {"cabinet-b", "homeassistant"},
    "homeassistant/status": {"homeassistant"},
    "slotwatch/status": set(),
    "elsewhere": set(),
}


@pytest.mark.parametrize("user", USERS[:-1])
def test_user_writes_what_the_page_lets_him_write(broker: Mosquitto, user: str) -> None:
    written = {topic for topic in WRITERS if publish(broker, user, topic)}
    assert written == {topic for topic, writers in WRITERS.items() if user in writers}


READERS: dict[str, set[str]] = {
    **{topic: {"dashboard", "technician", "homeassistant"} for topic in WRITERS if A in topic},
    **{topic: {"dashboard", "technician", "homeassistant"} for topic in WRITERS if B in topic},
}
for command in ("reload", "reference", "events", "snapshot", "recheck", "rebirth"):
    READERS[f"{A}/request/{command}"] |= {"cabinet-a"}
for name in (A, B):
    READERS[f"{name}/status"] |= {"wall"}
    READERS[f"{name}/slots/A1"] |= {"wall"}
for topic in ("homeassistant/device/cabinet-a/config", "homeassistant/device/cabinet-b/config"):
    READERS[topic] = {"homeassistant"}
READERS["homeassistant/status"] = {*USERS[:-1]}
READERS["slotwatch/status"] = {"dashboard", "technician", "homeassistant"}
READERS["elsewhere"] = set()


@pytest.mark.parametrize("user", USERS[:-1])
def test_user_hears_what_the_page_lets_him_hear(broker: Mosquitto, user: str) -> None:
    last = "homeassistant/status"  # which everybody hears
    with subscriber(broker, "#", (user, PASSWORD)) as listener:
        for topic in sorted(READERS, key=lambda topic: topic == last):
            assert publish(broker, "observer", topic)
        eventually(lambda: listener.of(last))
        heard = {message.topic for message in listener.heard}
    assert heard == {topic for topic, readers in READERS.items() if user in readers}


@pytest.mark.parametrize("block", blocks_of(DEVICE, "yaml"), ids=["certificate", "password"])
def test_device_with_the_settings_of_the_page_is_online(
    site: Site, broker: Mosquitto, block: str
) -> None:
    mqtt = yaml.safe_load(site.here(block))["mqtt"]
    device = mqtt.get("username", "cabinet-a")
    password = site.folder / "mqtt-password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    config = site.folder / f"{device}.yaml"
    write_yaml(
        config,
        {
            "device": device,
            "camera": {"source": "simulator", "every": "200ms"},
            "model": str(MODEL),
            "slots": str(REPOSITORY / "slots.yaml"),
            "mqtt": mqtt,
            "storage": f"state-{device}",
        },
    )
    prefix = f"slotwatch/{device}"
    wanted = {f"{prefix}/{topic}" for topic in ("status", "info", "health", "slots/A1", "slots/H8")}
    wanted.add(f"homeassistant/device/{device}/config")
    with running_daemon(config) as daemon:
        eventually(
            lambda: wanted <= retained(broker, "#", OBSERVER).keys(),
            20.0,
            daemon.log,
        )
        [look] = [block for block in blocks_of(DEVICE, "sh") if "--cafile" in block]
        look = look.replace("-P secret", f"-P '{PASSWORD}'").replace("slotwatch/#", f"{prefix}/+")
        assert f"{prefix}/status online\n" in site.shell(f"{look.rstrip()} -C 3 -W 10")
        dashboard = f"-h localhost -p 8883 --cafile ca.crt -u dashboard -P '{PASSWORD}'"
        topics = f"-q 1 -t {prefix}/request/recheck -e {prefix}/response/recheck"
        answer = site.shell(f"mosquitto_rr {dashboard} {topics} -m '{{}}' -W 10")
        assert json.loads(answer)["status"] == "ok"
        assert "refuses" not in daemon.log()
        assert daemon.stop() == 0


def test_topics_of_a_former_name_are_removed(site: Site, broker: Mosquitto) -> None:
    assert publish(broker, "observer", "slotwatch/former/slots/A1", is_retained=True)
    [line] = [block for block in blocks_of(ACCESS, "sh") if "--remove-retained" in block]
    user = f"-h {broker.host} -p {broker.port} -u observer -P '{PASSWORD}'"
    # Ends when its time is over, which it says with this status.
    site.shell(f"{line.rstrip().replace('-h localhost', user)} || test $? = 27")
    assert retained(broker, "slotwatch/former/#", OBSERVER) == {}


IS_LET_IN = 27  # mosquitto_sub's status when its time is over, and it was connected
RIGHT = {
    "8883": f"--cafile ca.crt -u dashboard -P '{PASSWORD}'",
    "8884": "--cafile ca.crt --cert cabinet-a.crt --key cabinet-a.key",
}


@pytest.mark.parametrize("port", RIGHT)
def test_stranger_is_not_let_in(site: Site, broker: Mosquitto, port: str) -> None:
    def status_of(words: str) -> int:
        line = f"mosquitto_sub -h localhost -p {port} -t nothing -W 1 {words} || echo $?"
        return int(site.shell(line))

    assert status_of(RIGHT[port]) == IS_LET_IN
    for words in (
        "",
        f"-u dashboard -P '{PASSWORD}'",
        "--cafile ca.crt",
        "--cafile ca.crt -u dashboard -P wrong",
    ):
        assert status_of(words) != IS_LET_IN, words
