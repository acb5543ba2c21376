"""Every line of docs/mqtt.md that a reader may paste, against a real daemon and broker.

The broker's own files are in test_broker_files.py. And the other way round: what a subscriber
hears meanwhile is all on the page, in the AsyncAPI document and in the schemas.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.asyncapi_document import binding_of, channel_of, document
from tests.broker import MOSQUITTO, Mosquitto, eventually, retained
from tests.daemon import MODEL, REPOSITORY, RunningDaemon, running_daemon, write_yaml
from tests.page import blocks_of, section_of
from tests.schemas import problems_of

TOOLS = ("mosquitto_rr", "jq", "base64")

pytestmark = pytest.mark.skipif(
    MOSQUITTO is None or any(shutil.which(tool) is None for tool in TOOLS),
    reason="Debian: apt-get install mosquitto mosquitto-clients jq",
)

P = "slotwatch/cabinet-a"
LOOKS = blocks_of(section_of("mqtt.md", "Look at it"), "sh")[0].splitlines()
REQUESTS, REFERENCE, KEPT_EVENTS, BUTTON = blocks_of(section_of("mqtt.md", "Requests"), "sh")
SAME_SHELL = f"P={P}\n"  # the first block of the section says so
ONCE = section_of("mqtt.md", "Every event exactly once")


@dataclass(frozen=True)
class Message:
    """One message as it was sent: with its own retain flag and QoS."""

    topic: str
    payload: bytes
    is_retained: bool
    qos: int


@dataclass
class Witness:
    """Hears everything, as it was published."""

    heard: list[Message] = field(default_factory=list)

    def answers(self, command: str) -> list[dict[str, Any]]:
        topic = f"{P}/response/{command}"
        return [json.loads(one.payload) for one in list(self.heard) if one.topic == topic]


@pytest.fixture(scope="module")
def log_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the broker says what its clients do."""
    return tmp_path_factory.mktemp("broker") / "log"


@pytest.fixture(scope="module")
def broker(log_path: Path) -> Iterator[Mosquitto]:
    mosquitto = Mosquitto(
        log_path.parent, ("user root", f"log_dest file {log_path}", "log_type all")
    )
    yield mosquitto
    mosquitto.close()


@pytest.fixture(scope="module")
def witness(broker: Mosquitto) -> Iterator[Witness]:
    seen = Witness()
    is_subscribed = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    # Without it a broker hides the flag of whatever is published while we listen.
    as_sent = SubscribeOptions(qos=2, retainAsPublished=True)
    client.on_connect = lambda client, *_: client.subscribe("#", options=as_sent)
    client.on_subscribe = lambda *_: is_subscribed.set()
    client.on_message = lambda client, userdata, message: seen.heard.append(
        Message(message.topic, bytes(message.payload), message.retain, message.qos)
    )
    client.connect(broker.host, broker.port)
    client.loop_start()
    assert is_subscribed.wait(10), "no subscription within 10 s"
    yield seen
    client.disconnect()
    client.loop_stop()


@pytest.fixture(scope="module")
def daemon(
    broker: Mosquitto, witness: Witness, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDaemon]:
    """The busy simulated cabinet, as cabinet-a."""
    config = tmp_path_factory.mktemp("cabinet-a") / "config.yaml"
    write_yaml(
        config,
        {
            "device": "cabinet-a",
            "camera": {"source": "simulator?activity=3", "every": "100ms"},
            "model": str(MODEL),
            "slots": str(REPOSITORY / "slots.yaml"),
            "decision": {"confirm": 2},
            "mqtt": {"host": broker.host, "port": broker.port},
            "storage": "state",
        },
    )
    with running_daemon(config) as running:
        eventually(lambda: f"{P}/slots/H8" in retained(broker, f"{P}/#"), 20.0, running.log)
        yield running


@pytest.fixture
def shell(broker: Mosquitto, daemon: RunningDaemon, tmp_path: Path) -> Any:
    """Run what the page shows, with this broker's port; return the finished process."""

    def run(block: str) -> subprocess.CompletedProcess[str]:
        here = block.replace("-h localhost", f"-h {broker.host} -p {broker.port}")
        return subprocess.run(
            ["bash", "-c", here], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    return run


@pytest.mark.parametrize("line", LOOKS, ids=[line.rpartition("#")[2].strip() for line in LOOKS])
def test_look_shows_what_the_page_says(broker: Mosquitto, shell: Any, line: str) -> None:
    if "alerts" in line:
        alert = '{"id":"camera_lost","message":"gone","since":"2026-11-21T06:30:00.123Z"}'
        topic = "slotwatch/cabinet-b/alerts/camera_lost"
        shell(f"mosquitto_pub -h localhost -r -q 1 -t {topic} -m '{alert}'")
    command, _, _ = line.partition("  #")
    ends = "" if "-W" in command else " -C 1 -W 15"
    process = shell(command + ends)
    said = process.stdout.splitlines()
    if "slots" in line:
        assert len(said) == 64
    for words in said:
        topic, payload = words.split(" ", 1) if "-v" in command else (f"{P}/events", words)
        assert problems_of(topic, payload.encode()) == []
    assert said, process.stderr


def test_requests_of_the_page_are_answered(shell: Any, witness: Witness, tmp_path: Path) -> None:
    assert REQUESTS.startswith(SAME_SHELL)
    process = shell(REQUESTS + REFERENCE)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert [answer["error"] for answer in answers] == [None] * 4
    recheck, reload, rebirth, reference = (answer["data"] for answer in answers)
    assert recheck["slots"].keys() == {"A1", "A2"}
    assert reload["settings_sha256"]
    assert rebirth["topics"] >= 67  # status, info, health and the slots
    assert answers[2]["transaction"] == "7"
    assert reference["said"]
    picture = cv2.imread(str(tmp_path / "look.jpg"))
    assert picture is not None
    assert picture.shape[:2] == (720, 960)


def test_kept_events_of_the_page_come_again(shell: Any, tmp_path: Path) -> None:
    [answer] = [json.loads(line) for line in shell(SAME_SHELL + KEPT_EVENTS).stdout.splitlines()]
    assert answer["status"] == "ok"
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    heard = [json.loads(line) for line in lines]
    # Live events may have come before them, and others come behind.
    [begin] = [index for index, event in enumerate(heard) if event["previous"] == 0]
    events = heard[begin : begin + answer["data"]["count"]]
    assert all(event["historical"] for event in events)
    assert answer["data"]["last"] == events[-1]["seq"]
    seqs = [event["seq"] for event in heard[begin:]]
    assert [event["previous"] for event in heard[begin:]] == [0, *seqs[:-1]]


def test_button_of_the_page_is_answered(shell: Any, witness: Witness) -> None:
    shell(SAME_SHELL + BUTTON)
    eventually(
        lambda: [
            answer for answer in witness.answers("recheck") if answer["transaction"] == "button"
        ]
    )


def test_consumer_of_the_page_remembers_what_it_took(
    broker: Mosquitto, daemon: RunningDaemon, tmp_path: Path
) -> None:
    [line] = blocks_of(ONCE, "sh")
    words = line.replace("localhost", f"{broker.host} --port {broker.port}").split()
    assert words[:2] == ["python3", "examples/consumer.py"]
    consumer = subprocess.Popen(
        [sys.executable, str(REPOSITORY / words[1]), *words[2:]], cwd=tmp_path
    )
    try:
        seen = tmp_path / "seen.json"
        eventually(lambda: seen.exists() and json.loads(seen.read_text())["cabinet-a"], 20.0)
    finally:
        consumer.kill()
        consumer.wait(10)


@dataclass
class Rule:
    """The rule of the page, and what it did with events."""

    taken: list[int] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        [code] = blocks_of(ONCE, "python")
        names: dict[str, Any] = {
            "seen": {},
            "json": json,
            "handle": lambda device, event: self.taken.append(event["seq"]),
            "client": self,
        }
        exec(code, names)
        self.take = names["take"]

    def publish(self, topic: str, payload: str, qos: int) -> None:
        assert problems_of(topic, payload.encode()) == []
        self.asked.append(json.loads(payload))


def test_rule_of_the_page_takes_every_event_once_and_asks_for_what_is_missing() -> None:
    rule = Rule()
    for seq, previous in ((7, 6), (8, 7), (8, 7), (7, 6), (11, 10), (9, 8), (10, 9), (11, 10)):
        rule.take("cabinet-a", {"seq": seq, "previous": previous})
    assert rule.taken == [7, 8, 9, 10, 11]
    assert [request["since"] for request in rule.asked] == [8]
    # A new journal counts on from far above; and what was given up leaves a gap, too.
    rule.take("cabinet-a", {"seq": 5000, "previous": 11})
    assert rule.taken[-1] == 5000


def test_everything_that_was_heard_is_in_the_documents(witness: Witness, shell: Any) -> None:
    for topic in ("request/format_disk", "request/UPPER"):
        shell(f"mosquitto_pub -h localhost -q 1 -t {P}/{topic} -m '{{}}'")
    eventually(lambda: witness.answers("format_disk") and witness.answers("unknown"))
    wrong = {}
    channels = set()
    for message in list(witness.heard):
        if message.topic.startswith("tests/") or "/request/" in message.topic:
            continue  # our own
        channel = channel_of(message.topic, "slotwatch")
        if channel is None:
            wrong[message.topic] = ["no channel"]
            continue
        channels.add(channel)
        binding = binding_of(channel)
        if (message.is_retained, message.qos) != (binding["retain"], binding["qos"]):
            wrong[message.topic] = [f"{message.is_retained=}, {message.qos=}"]
        elif found := problems_of(message.topic, message.payload):
            wrong[message.topic] = found
    assert wrong == {}
    published = {"status", "slot", "event", "health", "info", "discovery", "response_unknown"}
    assert channels >= published


def test_device_connects_as_the_asyncapi_document_says(
    daemon: RunningDaemon, log_path: Path
) -> None:
    said = document()["servers"]["plain"]["bindings"]["mqtt"]
    will = said["lastWill"]
    lines = [line.partition(": ")[2] for line in log_path.read_text().splitlines()]
    flags = f"(p5, c{said['cleanSession']:d}, k{said['keepAlive']})."
    [begin] = [
        index
        for index, line in enumerate(lines)
        if line.startswith("New client connected") and f" as {said['clientId']} " in line
    ]
    assert lines[begin].endswith(flags)
    size = f"Will message specified ({len(will['message'])} bytes)"
    assert lines[begin + 1] == f"{size} (r{will['retain']:d}, q{will['qos']})."
    assert lines[begin + 2].strip() == will["topic"]


@pytest.mark.parametrize("title", ["Topics", "Requests"])
def test_samples_of_the_page_fit_the_schemas(title: str) -> None:
    topics = {
        "state": "slots/A1",
        "before": "events",
        "message": "alerts/camera_lost",
        "uptime_s": "health",
        "version": "info",
        "transaction": "response/rebirth",
    }
    lines = "".join(blocks_of(section_of("mqtt.md", title), "json")).splitlines()
    assert len(lines) == {"Topics": 5, "Requests": 2}[title]
    for line in lines:
        [topic] = [topic for key, topic in topics.items() if key in json.loads(line)]
        assert problems_of(f"{P}/{topic}", line.encode()) == [], line
