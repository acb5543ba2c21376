"""A real daemon in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.broker import eventually

REPOSITORY = Path(__file__).parents[1]
MODEL = REPOSITORY / "models" / "default"


def write_yaml(path: Path, document: Any) -> None:
    """Write a document as JSON, which is YAML."""
    path.write_text(json.dumps(document, indent=1), "utf-8")


class RunningDaemon:
    """`slotwatch run`, its log, and ways to end it."""

    def __init__(self, config: Path, environ: dict[str, str] | None = None) -> None:
        self.log_path = config.with_suffix(f".{id(self)}.log")
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge", "run", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                env=environ,
            )

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def camera_pid(self) -> int:
        """Return the camera process's id."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        def children() -> list[int]:
            # The inference thread may have started it: look at every thread's children.
            tasks = path.parents[1].iterdir()
            return [int(word) for task in tasks for word in (task / "children").read_text().split()]

        return int(eventually(children, what=self.log)[0])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running_daemon(config: Path, environ: dict[str, str] | None = None) -> Iterator[RunningDaemon]:
    """Yield a daemon that is gone afterwards."""
    daemon = RunningDaemon(config, environ)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait(20)
