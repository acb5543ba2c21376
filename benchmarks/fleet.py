"""A fleet on one broker, and its return after the broker was killed without a memory.

    python -m benchmarks.fleet [--devices 2000] [--daemons 5] [--out FOLDER]

A simulated device is the daemon's own MQTT sink with a thread and a journal (in memory) of its own;
the daemons are `slotwatch run` with the simulated cabinet. The broker is Mosquitto without
persistence: whatever stands on it afterwards, the devices have told it anew. `--out` writes the
table and the plot. Needs Mosquitto, and matplotlib for the plot; a minute.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleet_broker import Broker, Observer
from benchmarks.fleet_devices import PREFIX, SLOTS, Devices, device_name, is_right
from benchmarks.plots import BLUE, plot
from edge.cameras.simulator import Simulation
from edge.cameras.simulator.writers import slots_yaml
from edge.commands.demo import default_model

ROOT = Path(__file__).parents[1]
OUTAGE_S = 5.0
LIMIT_S = 60.0  # for everyone to be back
START_WITHIN_S = 120.0
STOP_S = 10.0
OPEN_FILES = 20_000  # of the broker: a connection each


@dataclass(frozen=True)
class Figures:
    """What the return of the fleet was like. Seconds count from the start of the new broker."""

    devices: int
    daemons: int
    back_s: tuple[float, ...]  # when each device stood there, online, every slot right; sorted
    missing: tuple[str, ...]  # the devices that did not
    connects: dict[int, int]  # connections that the broker accepted, by second
    unsent_events: int  # of the changes during the outage
    broker_cpu_s: float  # of the new broker, until the last one was back
    broker_rss_mb: float  # the most it held

    @property
    def peak(self) -> int:
        """The most connections in one second."""
        return max(self.connects.values(), default=0)


class Daemon:
    """`slotwatch run` with a simulated cabinet."""

    def __init__(self, folder: Path, number: int, port: int) -> None:
        """Start it; its settings, log and storage are in the folder."""
        self.name = f"daemon-{number}"
        self._storage = folder / self.name / "storage"
        self._storage.mkdir(parents=True)
        config = {
            "device": self.name,
            "camera": {"source": f"simulator?seed={number}&activity=0.5", "every": "1s"},
            "model": str(default_model()),
            "slots": "slots.yaml",
            "mqtt": {"host": Broker.host, "port": port, "topic_prefix": PREFIX},
            "storage": str(self._storage),
        }
        slots = slots_yaml(Simulation(number, render=False).grid())
        (self._storage.parent / "slots.yaml").write_text(slots, "utf-8")
        # JSON is YAML.
        config_path = self._storage.parent / "config.yaml"
        config_path.write_text(json.dumps(config), "utf-8")
        with (self._storage.parent / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge", "run", "--config", str(config_path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    def is_right(self, observer: Observer) -> bool:
        """Return whether the broker shows what stands in the daemon's journal."""
        if observer.payload(f"{PREFIX}/{self.name}/status") != b"online":
            return False  # It may be about to make its journal, and nobody may hold that then.
        # Only to read: a file that is not there yet must not be made by the one who looks.
        address = f"file:{self._storage}/journal.db?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as journal:
                rows = journal.execute("SELECT slot, state, seq FROM slots").fetchall()
        except sqlite3.Error:
            return False  # it is only about to make the file
        return len(rows) > 0 and all(
            observer.state(f"{PREFIX}/{self.name}/slots/{slot}") == (state, seq)
            for slot, state, seq in rows
        )

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def measure(devices: int, daemons: int, folder: Path) -> Figures:
    """Let the fleet connect, kill the broker, and watch everyone's return.

    Raises:
        TimeoutError: the fleet did not even come up.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    with ExitStack() as stack:
        broker = Broker(folder)
        stack.callback(broker.close)
        real = [Daemon(folder, number, broker.port) for number in range(1, daemons + 1)]
        for daemon in real:
            stack.callback(daemon.close)
        simulated = Devices(devices, broker.port)
        stack.callback(simulated.close)
        with closing(Observer(broker.port, f"{PREFIX}/#")) as observer:
            fleet = _fleet(devices, real, observer, has_changed=False)
            _returns(fleet, time.monotonic(), START_WITHIN_S)
            if fleet:
                raise TimeoutError(f"these did not come up: {', '.join(fleet)}")
        broker.kill()
        simulated.change()
        time.sleep(OUTAGE_S)
        started_s = time.monotonic()
        broker.start()
        with closing(Observer(broker.port, f"{PREFIX}/#")) as observer:
            fleet = _fleet(devices, real, observer, has_changed=True)
            back_s = _returns(fleet, started_s, LIMIT_S)
            cpu_s = broker.cpu_s()
        return Figures(
            devices,
            daemons,
            tuple(sorted(back_s)),
            tuple(fleet),
            dict(Counter(broker.connects_s())),
            simulated.unsent_events(),
            cpu_s,
            broker.peak_rss_mb(),
        )


def _fleet(
    devices: int, daemons: Sequence[Daemon], observer: Observer, has_changed: bool
) -> dict[str, Callable[[], bool]]:
    """Return a claim by device: that the observer sees it as it is."""

    def claim(number: int) -> Callable[[], bool]:
        return lambda: is_right(observer, number, has_changed)

    def daemon_claim(daemon: Daemon) -> Callable[[], bool]:
        return lambda: daemon.is_right(observer)

    return {device_name(number): claim(number) for number in range(devices)} | {
        daemon.name: daemon_claim(daemon) for daemon in daemons
    }


def _returns(fleet: dict[str, Callable[[], bool]], since_s: float, within_s: float) -> list[float]:
    """Return when each claim came true; those that did not stay in `fleet`."""
    back_s = []
    while fleet and time.monotonic() < since_s + within_s:
        for name in [name for name, is_true in fleet.items() if is_true()]:
            del fleet[name]
            back_s.append(time.monotonic() - since_s)
        time.sleep(0.1)
    return back_s


def table(figures: Figures) -> str:
    """Return the figures as Markdown."""
    back_s = figures.back_s
    rows = (
        ("simulated devices", f"{figures.devices:,} x {SLOTS} slots"),
        ("daemons with a simulated cabinet", figures.daemons),
        ("back with the right retained state", f"{len(back_s):,}, {len(figures.missing)} missing"),
        ("half of them after", f"{statistics.median(back_s):.1f} s"),
        ("99 of 100 after", f"{back_s[int(0.99 * (len(back_s) - 1))]:.1f} s"),
        ("the last after", f"{back_s[-1]:.1f} s (limit {LIMIT_S:g} s)"),
        ("most connections in one second", f"{figures.peak:,}"),
        ("changes of the outage still unsent", figures.unsent_events),
        ("the broker's processor time until then", f"{figures.broker_cpu_s:.1f} s"),
        ("the most memory the broker held", f"{figures.broker_rss_mb:.0f} MB"),
    )
    return "\n".join(("| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)))


def draw(figures: Figures, path: Path) -> None:
    """Write the plot of the connections."""
    with plot(path, height_in=3.2) as axes:
        axes.bar([*figures.connects], [*figures.connects.values()], 0.9, color=BLUE)
        axes.set_xlabel("seconds after the broker's start")
        axes.set_ylabel("connections accepted")


def main() -> int:
    """Measure and print; return 1 when somebody is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--devices", type=int, default=2000, help="simulated ones")
    parser.add_argument("--daemons", type=int, default=5, help="real ones")
    parser.add_argument("--out", type=Path, help="folder for fleet.md and fleet.svg")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slotwatch-fleet-") as folder:
        figures = measure(arguments.devices, arguments.daemons, Path(folder))
    print(table(figures))
    print("connections by second:", *(f"{at}:{n}" for at, n in sorted(figures.connects.items())))
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "fleet.md").write_text(table(figures) + "\n", "utf-8")
        draw(figures, arguments.out / "fleet.svg")
    return 1 if figures.missing or figures.unsent_events else 0


if __name__ == "__main__":
    sys.exit(main())
