"""A broker that lets nobody in without a password, and not everybody everywhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.broker import Mosquitto, retained
from tests.chaos.certificates import Authorities
from tests.sinks import DEVICE

PASSWORD = "swordfish-73a1"
READER = ("reader", "reader")
TOP = f"slotwatch/{DEVICE}"
EVERYTHING = "topic readwrite #"


class Guarded(Mosquitto):
    """A broker with a password for the device, and an access list that can be changed."""

    def __init__(self, folder: Path, access: str = EVERYTHING, lines: tuple[str, ...] = ()) -> None:
        self._passwords = folder / "passwords"
        self._access = folder / "access"
        self._passwords.touch(mode=0o600)
        self.know("cabinet", PASSWORD)
        self.know(*READER)
        self.allow(access)
        super().__init__(
            folder,
            (
                "allow_anonymous false",
                f"password_file {self._passwords}",
                f"acl_file {self._access}",
                "user root",
                *lines,
            ),
        )

    def know(self, user: str, password: str) -> None:
        """Set a user's password; a running broker learns it by `reload`."""
        words = ["mosquitto_passwd", "-b", str(self._passwords), user, password]
        subprocess.run(words, check=True, capture_output=True)

    def allow(self, access: str) -> None:
        """Set what the device may do; a running broker learns it by `reload`."""
        self._access.write_text(f"user cabinet\n{access}\nuser reader\n{EVERYTHING}\n")
        self._access.chmod(0o600)

    def retained(self) -> dict[str, bytes]:
        """Return what a late subscriber is told at once, by topic."""
        return retained(self, password=READER)

    def status(self) -> bytes | None:
        """Return what stands on the device's status."""
        return self.retained().get(f"{TOP}/status")


def mutual(authorities: Authorities, port: int) -> tuple[str, ...]:
    """Return Mosquitto's lines for a port that asks for certificates."""
    broker = authorities.issue("broker")
    return (
        f"listener {port} 127.0.0.1",
        "require_certificate true",
        f"cafile {shutil.copy(authorities.trusted.public_path, authorities.folder / 'cafile')}",
        f"certfile {broker.public_path}",
        f"keyfile {broker.key_path}",
    )
