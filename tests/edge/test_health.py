"""Whether the device keeps pace, and what it costs."""

import subprocess
import sys

from edge.health import PACE_FRAMES, Pace, cpu_seconds, resident_bytes


def judged(pace, costs_s):
    return [pace.judge(cost_s) for cost_s in costs_s]


def test_a_pace_is_unknown_until_enough_frames_were_seen():
    assert judged(Pace(60.0), [99.0] * PACE_FRAMES) == [None] * (PACE_FRAMES - 1) + [True]
    assert judged(Pace(0.05), [9.0] * 200) == [None] * 199 + [True]  # 10 s of frames


def test_a_few_slow_frames_are_no_slow_device():
    costs_s = ([0.5] * 6 + [3.0] * 4) * 20
    assert set(judged(Pace(1.0), costs_s)) == {None, False}


def test_a_device_that_is_barely_fast_enough_does_not_flap():
    pace = Pace(1.0)
    assert judged(pace, [1.1] * 10)[-1] is True
    assert set(judged(pace, [0.95, 1.05, 0.9] * 50)) == {True}
    assert judged(pace, [0.7] * 10)[-1] is False
    assert set(judged(pace, [0.95, 1.05, 0.9] * 50)) == {False}


def test_a_process_that_is_gone_uses_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert (cpu_seconds(process.pid), resident_bytes(process.pid)) == (0.0, 0)
