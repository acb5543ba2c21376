"""A small machine whose power can be cut: user-mode Linux with a disk of its own.

The guest sees the host's files, read-only, and one ext4 disk that lies in a file of the
host. SIGKILL of the guest is the power cut: what its kernel had not yet handed to the disk
is gone. (What a real disk holds in a cache of its own and acknowledged is not tried here.)
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

LINUX = shutil.which("linux.uml") or shutil.which("linux")
DISK = "/mnt/disk"  # where the guest has its own disk

_INIT = """#!/bin/sh
mount -t proc none /proc && mount -t tmpfs none /mnt && mkdir {disk} &&
    mount -t ext4 /dev/ubda {disk} && exec {command}
echo "the machine cannot start"
"""


class Machine:
    """One boot, from the power switch to the power cut."""

    def __init__(self, folder: Path, disk: Path, command: list[str]) -> None:
        """Switch on; `command` is run from the host's files, as the only program."""
        init = folder / "init"
        init.write_text(_INIT.format(disk=DISK, command=" ".join(command)))
        init.chmod(0o755)
        self._rest = b""
        self._process = subprocess.Popen(
            [
                str(LINUX),
                "mem=160M",
                "rootfstype=hostfs",
                "rootflags=/",
                "ro",
                "quiet",
                f"init={init}",
                f"ubd0={disk}",
                f"uml_dir={folder}/",
                "con=null",
                "con0=null,fd:1",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)},
            start_new_session=True,  # the guest is several processes: all of them are killed
        )

    def lines(self, for_s: float) -> Iterator[str]:
        """Yield the whole lines that the guest says, until the time is over or it ends."""
        assert self._process.stdout is not None
        deadline_s = time.monotonic() + for_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if select.select([self._process.stdout], [], [], left_s)[0]:
                data = os.read(self._process.stdout.fileno(), 1 << 16)
                if not data:
                    return
                yield from self._split(data)

    def cut_power(self) -> list[str]:
        """End the machine at once; return the whole lines that it had said by then."""
        os.killpg(self._process.pid, signal.SIGKILL)
        assert self._process.stdout is not None
        # Up to the end: the pipe closes when the last of its processes is gone.
        with self._process.stdout as rest:
            lines = self._split(rest.read())
        self._process.wait(20)
        return lines

    def _split(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace").strip() for line in whole]
