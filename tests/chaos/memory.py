"""What a process holds in memory."""

from __future__ import annotations

from pathlib import Path


def memory_mb(pid: int | str = "self", name: str = "VmRSS") -> float:
    """Return `VmRSS` (now) or `VmHWM` (the peak) of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024
