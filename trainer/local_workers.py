"""Workers on this machine: one process each, started together, ended together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from edge.types import ConfigurationError
from trainer.cluster import WorkerLost, enter_cluster, free_addresses
from trainer.exit_status import EXIT_CONFIGURATION

_GRACE_S = 2.0
_SHOWN_LINES = 5


def run_as_workers(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(*arguments)` in `count` processes that TF_CONFIG makes one cluster.

    Of the first one's output everything is shown, of the others' nothing. Whatever happens,
    none of them outlives this call, nor this process.

    Raises:
        ConfigurationError: one ended with 78.
        WorkerLost: one ended with anything else but 0.
    """
    # Forked processes would inherit threads and locks that TensorFlow cannot live with.
    context = multiprocessing.get_context("spawn")
    addresses = free_addresses(count)
    with tempfile.TemporaryDirectory() as folder:
        outputs = [None, *(Path(folder, f"{index}.txt") for index in range(1, count))]
        processes: list[BaseProcess] = [
            context.Process(target=_be_worker, args=(addresses, index, output, work, arguments))
            for index, output in enumerate(outputs)
        ]
        try:
            for process in processes:
                process.start()
            _wait_for_all(processes, outputs)
        finally:
            _end(processes)


def _wait_for_all(processes: Sequence[BaseProcess], outputs: Sequence[Path | None]) -> None:
    running: dict[Any, int] = {process.sentinel: index for index, process in enumerate(processes)}
    while running:
        for sentinel in connection.wait(list(running)):
            index = running.pop(sentinel)
            processes[index].join()
            if exit_code := processes[index].exitcode:
                lost = ConfigurationError if exit_code == EXIT_CONFIGURATION else WorkerLost
                raise lost(_last_words(index, exit_code, outputs[index]))


def _last_words(index: int, exit_code: int, output: Path | None) -> str:
    said = "" if output is None else output.read_text("utf-8", errors="replace").strip()
    lines = said.splitlines()[-_SHOWN_LINES:] or ["(it said nothing more)"]
    if output is None:
        lines = ["what it said is above"]
    how = f"signal {-exit_code}" if exit_code < 0 else f"status {exit_code}"
    return "\n  ".join([f"worker {index} ended with {how}; all others were ended too", *lines])


def _end(processes: Sequence[BaseProcess]) -> None:
    started = [process for process in processes if process.pid is not None]
    for process in started:
        process.terminate()
    for process in started:
        process.join(_GRACE_S)
        process.kill()
        process.join()


def _be_worker(
    addresses: Sequence[str],
    index: int,
    output: Path | None,
    work: Callable[..., None],
    arguments: Sequence[Any],
) -> None:
    # Ctrl-C reaches every process of a terminal; the one that started the others ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if output is not None:
        with output.open("wb") as file:
            os.dup2(file.fileno(), sys.stdout.fileno())
            os.dup2(file.fileno(), sys.stderr.fileno())
    enter_cluster(addresses, index)
    work(*arguments)


def _end_with(parent: BaseProcess | None) -> None:
    if parent is not None:
        parent.join()
    # A worker may be waiting for another inside TensorFlow, where no exception reaches it.
    os._exit(1)
