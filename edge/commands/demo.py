"""`slotwatch demo`: a simulated cabinet, a broker, the real daemon, and a live view.

The daemon runs as it would on a device, in a process of its own; the view is an MQTT
subscriber like any dashboard and knows nothing else.
"""

from __future__ import annotations

import argparse
import json
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

import edge
from edge.cameras.simulator import Simulation
from edge.cameras.simulator.writers import slots_yaml
from edge.commands.live_view import Board, Header, describe_event, render
from edge.demo_broker import start_broker
from edge.types import ConfigurationError, SlotwatchError, State

PREFIX = "slotwatch/demo"
REDRAW_EVERY_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="end after N seconds (default: at Ctrl-C)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="another cabinet, another day (default: 1)"
    )
    parser.add_argument(
        "--broker",
        choices=("auto", "mosquitto", "embedded"),
        default="auto",
        help="auto takes Mosquitto when it is installed (default)",
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="another model bundle")
    parser.add_argument(
        "--plain", action="store_true", help="one line per event instead of the live view"
    )


def default_model() -> Path:
    """Return the bundle that ships with the program.

    Raises:
        ConfigurationError: it is not where an installation or a clone has it.
    """
    candidates = [
        Path(edge.__file__).resolve().parents[1] / "models" / "default",
        Path(sys.prefix) / "share" / "slotwatch" / "models" / "default",
        Path("models/default").resolve(),
    ]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise ConfigurationError(
        f"the shipped model is missing (looked in {', '.join(map(str, candidates))}); "
        "give one with --model"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show the demo until its time is over or Ctrl-C; return 0 when the daemon worked."""
    model = (arguments.model or default_model()).resolve()
    is_live = sys.stdout.isatty() and not arguments.plain
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slotwatch-demo-")))
        broker = stack.enter_context(start_broker(arguments.broker))
        config = _write_files(folder, arguments.seed, model, broker.port)
        messages = stack.enter_context(_subscribed(broker.host, broker.port))
        daemon = stack.enter_context(_daemon(config, folder / "daemon.log"))
        demo = _Demo(
            Simulation(arguments.seed, render=False),
            Truth(folder / "truth.jsonl"),
            f"simulated cabinet, {broker.kind} on {broker.host}:{broker.port}",
            f"mosquitto_sub -h {broker.host} -p {broker.port} -v -t '{PREFIX}/#'      Ctrl-C ends",
        )
        stack.enter_context(_interruptible(demo))
        show = demo.show_live if is_live else demo.show_plain
        show(messages, daemon, arguments.seconds)
        if daemon.poll() is not None:
            log_text = (folder / "daemon.log").read_text("utf-8", "replace")
            raise SlotwatchError("the daemon ended:\n" + log_text[-3000:])
    print(demo.summary())
    return 0


def _write_files(folder: Path, seed: int, model: Path, port: int) -> Path:
    """Write the two files a technician would, for the simulated cabinet."""
    config = {
        "device": "demo",
        "camera": {
            "source": f"simulator?seed={seed}&truth={folder / 'truth.jsonl'}",
            "every": "500ms",
        },
        "model": str(model),
        "slots": "slots.yaml",
        "decision": {"confirm": 4},
        "mqtt": {"host": "127.0.0.1", "port": port},
        "storage": str(folder / "storage"),
    }
    slots = slots_yaml(Simulation(seed, render=False).grid())
    (folder / "slots.yaml").write_text(slots, "utf-8")
    # JSON is YAML: nothing needs quoting by hand.
    (folder / "config.yaml").write_text(json.dumps(config, indent=1), "utf-8")
    return folder / "config.yaml"


@contextmanager
def _daemon(config: Path, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log_path.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,  # Ctrl-C is ours to hand on.
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


Message = tuple[str, bytes]


@contextmanager
def _subscribed(host: str, port: int) -> Iterator[queue.SimpleQueue[Message]]:
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    # 3.1.1 is what every broker speaks, the embedded one included.
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.on_connect = lambda client, *_: client.subscribe(f"{PREFIX}/#", qos=1)
    client.on_message = lambda _client, _data, message: messages.put(
        (message.topic, bytes(message.payload))
    )
    client.connect(host, port)
    client.loop_start()
    try:
        yield messages
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def _interruptible(demo: _Demo) -> Iterator[None]:
    """End the demo, not the program, at Ctrl-C or a polite kill."""
    before = {
        number: signal.signal(number, lambda *_: demo.end())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Truth:
    """What the simulator says is in each slot, read as its camera process writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""
        self.states: dict[str, State] = {}
        self.changed_s: dict[str, float] = {}

    def read(self, now_s: float) -> None:
        """Take over the newest lines."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        self._position += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            for slot_id, word in json.loads(line)["truth"].items():
                state = State(word)
                if self.states.get(slot_id) is not state:
                    self.states[slot_id] = state
                    self.changed_s[slot_id] = now_s


class _Demo:
    """The running comparison of what MQTT says with what is true."""

    # A change needs `confirm` frames, and a hand may still be in the way.
    GRACE_S = 4.0

    def __init__(self, simulation: Simulation, truth: Truth, title: str, hint: str) -> None:
        self._rows = _rows([slot.id for slot in simulation.slots()], simulation.grid().columns)
        self._truth = truth
        self._title = title
        self._hint = hint
        self._board = Board(PREFIX)
        self._start_s = time.monotonic()
        self._is_over = False
        self._compared = self._agreed = 0

    def end(self) -> None:
        """Stop showing at the next redraw."""
        self._is_over = True

    def show_live(
        self,
        messages: queue.SimpleQueue[Message],
        daemon: subprocess.Popen[bytes],
        seconds: float | None,
    ) -> None:
        """Redraw the whole terminal until the end."""
        # The alternate screen: what was in the terminal before comes back.
        print("\x1b[?1049h\x1b[?25l", end="")
        try:
            for _ in self._ticks(messages, daemon, seconds):
                size = shutil.get_terminal_size()
                header = Header(
                    self._title, time.monotonic() - self._start_s, self._hint, self._agreement()
                )
                lines = render(
                    self._board, header, self._rows, (size.columns, size.lines), time.monotonic()
                )
                print("\x1b[H" + "\x1b[K\n".join(lines) + "\x1b[K", end="", flush=True)
        finally:
            print("\x1b[?25h\x1b[?1049l", end="", flush=True)

    def show_plain(
        self,
        messages: queue.SimpleQueue[Message],
        daemon: subprocess.Popen[bytes],
        seconds: float | None,
    ) -> None:
        """Print one line per event until the end."""
        print(f"{self._title}\n{self._hint}\n{self._agreement()}", flush=True)
        was = ""
        for events in self._ticks(messages, daemon, seconds):
            if self._board.status != was:
                was = self._board.status
                print(f"status {was}", flush=True)
            for event in events:
                print(describe_event(event), flush=True)

    def _ticks(
        self,
        messages: queue.SimpleQueue[Message],
        daemon: subprocess.Popen[bytes],
        seconds: float | None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the events of each tick until the time is over or the daemon is."""
        while not self._is_over and daemon.poll() is None:
            now_s = time.monotonic()
            elapsed_s = now_s - self._start_s
            if seconds is not None and elapsed_s >= seconds:
                return
            yield self._take_messages(messages, now_s + REDRAW_EVERY_S)
            self._compare(time.monotonic())

    def _take_messages(
        self, messages: queue.SimpleQueue[Message], until_s: float
    ) -> list[dict[str, Any]]:
        events = []
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                topic, payload = messages.get(timeout=left_s)
            except queue.Empty:
                break
            event = self._board.take(topic, payload, time.monotonic())
            if event is not None:
                events.append(event)
        return events

    def _compare(self, now_s: float) -> None:
        """Count the slots whose state is known and whose truth is not brand-new."""
        self._truth.read(now_s)
        for slot_id, state in self._board.states.items():
            settled_s = now_s - self._truth.changed_s.get(slot_id, now_s)
            if state is State.UNKNOWN or settled_s < self.GRACE_S:
                continue
            self._compared += 1
            self._agreed += state is self._truth.states[slot_id]

    def _agreement(self) -> str:
        if not self._board.event_count:
            return "building the simulated cabinet …"
        if not self._compared:
            return ""
        return f"right {100 * self._agreed / self._compared:.1f} %"

    def summary(self) -> str:
        """Return what the demo showed, for after the screen is gone."""
        board = self._board
        states = ", ".join(f"{board.count(state)} {state.value}" for state in State)
        text = f"{len(board.states)} slots ({states}), {board.event_count} events"
        if self._compared:
            text += f"; {self._agreement()} of the time against the simulator's truth"
        return text


def _rows(slot_ids: list[str], columns: int) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(slot_ids[start : start + columns]) for start in range(0, len(slot_ids), columns)
    )
