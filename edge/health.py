"""How the device is doing: the numbers of P/health.

The inference thread adds what it measured, the main thread reads it every 30 s.
"""

from __future__ import annotations

import math
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# A pace is judged over the newest frames: at least so many, and so many seconds of them.
PACE_FRAMES = 5
PACE_S = 10.0
FAST_AGAIN_SHARE = 0.8  # of camera.every, below which a device that was too slow is not any more

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int | None = None) -> int:
    """Return the resident memory of a process (this one by default), 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid or os.getpid()}/statm").read_text().split()
        return int(fields[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def cpu_seconds(pid: int | None = None) -> float:
    """Return the processor time a process (this one by default) has used, 0 when it is gone."""
    try:
        # The name may hold blanks and brackets: fields count from after the last bracket.
        fields = Path(f"/proc/{pid or os.getpid()}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    except (OSError, IndexError, ValueError):
        return 0.0


def temperature_c() -> float | None:
    """Return the processor's temperature in degrees Celsius where the kernel offers one."""
    try:
        return int(Path("/sys/class/thermal/thermal_zone0/temp").read_text()) / 1000
    except (OSError, ValueError):
        return None


class Health:
    """Measurements of the newest minutes; safe to use from two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started_s = time.monotonic()
        self._frames: deque[tuple[float, int, float]] = deque(maxlen=4096)
        self._last_frame_s: float | None = None
        self._cpu_before = (time.monotonic(), cpu_seconds())

    def add_frame(self, slots: int, duration_s: float) -> None:
        """Take that a frame of so many slots was processed just now, and its cost."""
        with self._lock:
            self._last_frame_s = time.monotonic()
            self._frames.append((self._last_frame_s, slots, duration_s))

    def report(
        self,
        camera_pid: int | None,
        journal_depth: int | None,
        restarts: int,
        seq: int = 0,
        events_dropped: int = 0,
        alerts: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Return the payload of P/health, but for what the sinks add.

        `seq` is that of the newest event, `events_dropped` counts those given up unsent,
        `alerts` are the ids of those that last.
        """
        now_s = time.monotonic()
        with self._lock:
            recent = [frame for frame in self._frames if now_s - frame[0] <= 60.0]
            last_frame_s = self._last_frame_s
        pids = [os.getpid()] + ([camera_pid] if camera_pid else [])
        cpu_s = sum(cpu_seconds(pid) for pid in pids)
        then_s, cpu_before_s = self._cpu_before
        self._cpu_before = (now_s, cpu_s)
        # The camera's process may have been replaced in between: never below zero.
        cpu_percent = 100 * max(0.0, cpu_s - cpu_before_s) / max(now_s - then_s, 1e-3)
        per_slot_ms = sorted(1000 * cost_s / slots for _, slots, cost_s in recent if slots)
        window_s = min(60.0, max(now_s - self._started_s, 1.0))
        temperature = temperature_c()
        return {
            "uptime_s": round(now_s - self._started_s),
            "frame_age_s": None if last_frame_s is None else round(now_s - last_frame_s, 3),
            "readings_per_minute": round(sum(slots for _, slots, _ in recent) * 60 / window_s),
            "ms_per_slot_p50": _percentile(per_slot_ms, 0.50),
            "ms_per_slot_p99": _percentile(per_slot_ms, 0.99),
            "cpu_percent": round(cpu_percent, 1),
            "rss_bytes": sum(resident_bytes(pid) for pid in pids),
            "temperature_c": None if temperature is None else round(temperature, 1),
            "journal_depth": journal_depth,
            "seq": seq,
            "events_dropped": events_dropped,
            "alerts": list(alerts),
            "camera_restarts": restarts,
        }


class Pace:
    """Whether frames cost more time than there is for them; for one thread.

    The median of the newest frames is judged, and a device is too slow until it is clearly
    fast enough again: one that is just about fast enough does not go back and forth.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        frames = max(PACE_FRAMES, math.ceil(PACE_S / every_s))
        self._costs_s: deque[float] = deque(maxlen=frames)
        self._is_slow = False

    def judge(self, cost_s: float) -> bool | None:
        """Take one frame's cost; return whether the device is too slow, None while unknown."""
        self._costs_s.append(cost_s)
        if len(self._costs_s) < (self._costs_s.maxlen or 0):
            return None
        limit_s = self._every_s * (FAST_AGAIN_SHARE if self._is_slow else 1.0)
        self._is_slow = statistics.median(self._costs_s) > limit_s
        return self._is_slow


def _percentile(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)
