"""Several workers learn what one would; when one is lost, all end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.types import ConfigurationError
from tests.trainer.learning import SMALL, learn, weights_of
from trainer.__main__ import main
from trainer.cluster import CLUSTER_VARIABLE, WorkerLost, free_addresses
from trainer.local_workers import run_as_workers

pytestmark = pytest.mark.trainer

ROOT = Path(__file__).parents[2]

# No batch of 9 parts evenly between two. Slow learning: where a gradient is next to nothing,
# Adam's first steps follow its sign, and that is rounding.
RECIPES = {
    "last layers": replace(SMALL, learning_rate=1e-4),
    "whole network": replace(SMALL, transfer="whole network", learning_rate=1e-4),
    "from scratch": replace(SMALL, transfer="from scratch", learning_rate=1e-4),
}


def learn_as_worker(folder: Path) -> None:
    from trainer.workers import join_workers

    workers = join_workers()
    for name, recipe in RECIPES.items():
        fitted = learn(recipe, workers=workers)
        losses = [epoch.train_loss for epoch in fitted.epochs[1:]]
        np.savez(folder / f"{name} {workers.index}.npz", np.array(losses), *weights_of(fitted))


@pytest.mark.slow
def test_two_workers_learn_what_one_would(tmp_path: Path) -> None:
    run_as_workers(2, learn_as_worker, tmp_path)
    for name, recipe in RECIPES.items():
        alone = learn(recipe)
        expected = [np.array([epoch.train_loss for epoch in alone.epochs[1:]]), *weights_of(alone)]
        with (
            np.load(tmp_path / f"{name} 0.npz") as first,
            np.load(tmp_path / f"{name} 1.npz") as second,
        ):
            for number, value in enumerate(expected):
                got = first[f"arr_{number}"]
                assert np.array_equal(got, second[f"arr_{number}"]), name
                assert np.allclose(got, value, atol=2e-5, rtol=1e-4), name


def wait_until_the_other_kills_itself() -> None:
    own = json.loads(os.environ[CLUSTER_VARIABLE])["task"]["index"]
    if own == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def test_a_worker_that_is_killed_ends_all() -> None:
    message = "worker 1 ended with signal 9; all others were ended too\n  .it said nothing more"
    with pytest.raises(WorkerLost, match=message):
        run_as_workers(2, wait_until_the_other_kills_itself)


def fail_with_words(status: int) -> None:
    if json.loads(os.environ[CLUSTER_VARIABLE])["task"]["index"] == 1:
        sys.stderr.write("/data: no such folder\n")
        sys.exit(status)
    threading.Event().wait()


def test_what_a_worker_said_last_is_told() -> None:
    with pytest.raises(WorkerLost, match=r"worker 1 ended with status 1; .*\n  /data: no such fol"):
        run_as_workers(2, fail_with_words, 1)


def test_a_worker_that_finds_wrong_data_ends_all_with_78() -> None:
    with pytest.raises(ConfigurationError, match="/data: no such folder"):
        run_as_workers(2, fail_with_words, 78)


def stay_until_ended(port: int) -> None:
    # Nothing is ever sent: the other end hears when this process is gone.
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.recv(1)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_run_is_ended(how: signal.Signals, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = tmp_path / "run.py"
        script.write_text(
            "import signal\n"
            "from tests.trainer.test_workers import stay_until_ended\n"
            "from trainer.local_workers import run_as_workers\n"
            "if __name__ == '__main__':\n"
            # Shells ignore it for what they start in the background.
            "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"    run_as_workers(2, stay_until_ended, {server.getsockname()[1]})\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, script], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL
        )
        workers = [server.accept()[0] for _ in range(2)]
        process.send_signal(how)
        assert process.wait(60) != 0
        for worker in workers:
            with worker:
                worker.settimeout(60)
                assert worker.recv(1) == b""


def test_free_addresses_differ() -> None:
    assert len(set(free_addresses(5))) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "--workers 0: each needs a crop of every batch; choose from 1 to 32"),
        (["--workers", "33"], "choose from 1 to 32, or a larger batch_size"),
        (["--cluster", "one"], "--cluster one: write HOST:PORT,HOST:PORT"),
        (
            ["--cluster", "one:1,two:1"],
            "--worker-index None: say which of the 2 this machine is, from 0 to 1",
        ),
        (["--cluster", "one:1,two:1", "--worker-index", "2"], "--worker-index 2: say which"),
    ],
)
def test_workers_that_cannot_be_end_with_78(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--data", str(tmp_path), "--out", "x", *arguments]) == 78
    assert message in capsys.readouterr().err


def test_a_cluster_nobody_can_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.workers import join_workers

    monkeypatch.setenv(CLUSTER_VARIABLE, '{"cluster": {"worker": ["one:1"]}}')
    with pytest.raises(ConfigurationError, match=r"TF_CONFIG: cannot be read .KeyError..task"):
        join_workers()


def test_a_worker_that_can_no_longer_be_reached_is_named() -> None:
    import tensorflow as tf

    from trainer.workers import ALONE, Workers

    gone = tf.errors.UnavailableError(None, None, "Socket closed\nmore of TensorFlow's words")
    message = "learning together failed: Socket closed; see what the other workers say"
    with pytest.raises(WorkerLost, match=message), Workers(2).losses_named():
        raise gone
    # One alone has lost nobody.
    with pytest.raises(tf.errors.UnavailableError), ALONE.losses_named():
        raise gone
