"""Disks that fill up, and disks that fail: small real file systems, and errors from the kernel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.broker import eventually

STRACE = shutil.which("strace")
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MKFS = shutil.which("mkfs.ext4", path=SBIN)
FSCK = shutil.which("e2fsck", path=SBIN)


def run_as_root(*words: str | Path) -> None:
    """Run a program that needs root; skip the test where that is refused."""
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{words[0]} is refused here: {done.stderr.decode().strip()}")


@contextmanager
def mounted(folder: Path, *words: str | Path) -> Iterator[None]:
    """Mount something at the folder, for a while."""
    run_as_root("mount", *words, folder)
    try:
        yield
    finally:
        if subprocess.run(["umount", str(folder)], check=False).returncode != 0:
            # A test that failed left something open there: gone when that is.
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_ext4(image: Path, megabytes: int) -> None:
    """Make a file that holds an empty ext4 file system."""
    if MKFS is None:
        pytest.skip("mkfs.ext4 is not installed (Debian: apt-get install e2fsprogs)")
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    # Blocks of 4 KiB, as on every disk beyond 512 MB.
    subprocess.run([MKFS, "-q", "-F", "-b", "4096", str(image)], check=True)


def repair(image: Path) -> None:
    """Do what a start does with a file system that had an error."""
    assert FSCK is not None
    # 1: errors were corrected, which is what it was asked for.
    assert subprocess.run([FSCK, "-p", "-f", str(image)], check=False).returncode in (0, 1)


def fill(folder: Path) -> Path:
    """Take the last byte of the disk; return the file to delete."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return ballast


@contextmanager
def failing(pid: int, calls: str, error: str) -> Iterator[None]:
    """Let the system calls of a running process fail, for a while.

    `calls` are names with commas in between, `error` is an errno's name.
    """
    if STRACE is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    words = ["-f", "--quiet=attach,exit,path-resolution", "-o", os.devnull, "-e", f"trace={calls}"]
    tracer = subprocess.Popen(
        [STRACE, *words, "-e", f"inject={calls}:error={error}", "-p", str(pid)],
        stderr=subprocess.PIPE,
    )
    try:
        tasks = Path(f"/proc/{pid}/task")

        def is_attached() -> bool:
            if tracer.poll() is not None:
                assert tracer.stderr is not None
                pytest.skip(f"strace is refused here: {tracer.stderr.read().decode().strip()}")
            status = [(task / "status").read_text() for task in tasks.iterdir()]
            return all(f"TracerPid:\t{tracer.pid}\n" in text for text in status)

        eventually(is_attached)
        yield
    finally:
        tracer.send_signal(signal.SIGTERM)
        tracer.communicate(timeout=20)


def fail_ext4(folder: Path) -> None:
    """Let the kernel find an error on the ext4 that is mounted there: it turns read-only."""
    device = folder.stat().st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    trigger = Path(f"/sys/fs/ext4/{block}/trigger_fs_error")
    if not os.access(trigger, os.W_OK):
        pytest.skip("this kernel lets nobody fail a file system on purpose")
    trigger.write_text("1")
