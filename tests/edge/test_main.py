"""The command line as a shell sees it."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.__main__ import COMMANDS

REPOSITORY = Path(__file__).parents[2]


def slotwatch(words, redirections="", cwd=REPOSITORY):
    """Run the command in a shell; return its result, output and errors together."""
    return subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m edge "$@" {redirections}', sys.executable, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    result = slotwatch([command, "--help"])
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: slotwatch {command}")
    assert f"{COMMANDS[command][1:]}." in " ".join(result.stdout.split())


def test_a_mistyped_command_is_named():
    result = slotwatch(["wach"])
    assert result.returncode == 2
    assert "invalid choice: 'wach'" in result.stdout


@pytest.mark.parametrize("config", ["nowhere.yaml", "folder", "pipe"])
def test_settings_that_are_no_file_end_with_78(tmp_path, config):
    (tmp_path / "folder").mkdir()
    subprocess.run(["mkfifo", str(tmp_path / "pipe")], check=True)
    result = slotwatch(["check", "--config", config], cwd=tmp_path)
    assert result.returncode == 78
    assert result.stdout.startswith(f"{config}: ")
    assert "give the right path with --config" in result.stdout


def test_a_reader_that_goes_away_gets_no_traceback():
    result = slotwatch(["check", "--no-camera"], "| true")
    assert result.stdout == ""


def test_a_program_without_standard_streams_does_its_work():
    assert slotwatch(["check", "--no-camera"], "<&- 2>&-").returncode == 0
    assert slotwatch(["check", "--no-camera"], ">&- 2>&-").returncode == 0
    assert slotwatch(["model", "verify", "models/default"], "2>&-").returncode == 0


def test_a_picture_without_a_known_ending_is_refused_before_the_camera_is_asked(tmp_path):
    result = slotwatch(["snapshot", "--out", "picture.gif"], cwd=tmp_path)
    assert result.returncode == 78
    assert result.stdout == "picture.gif: give --out a name that ends in .png or .jpg\n"


def test_a_line_of_labels_that_is_too_short_is_left_out(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("frame,slot,label\nx.png,A1\n")
    result = slotwatch(["replay", "--source", "nowhere/x.png", "--labels", str(labels)])
    assert result.stdout == "slotwatch replay: nowhere/x.png: no such folder or picture\n"
    assert result.returncode == 1


def test_a_number_of_threads_below_one_is_refused():
    result = slotwatch(["bench", "--threads", "0"])
    assert result.returncode == 2
    assert "'0' is no whole number above 0" in result.stdout


def test_the_simulator_is_replayed_for_as_many_frames_as_asked():
    endless = slotwatch(["replay", "--source", "simulator"])
    assert endless.returncode == 78
    assert endless.stdout == "the simulator has no end; say how many frames with --frames\n"
    assert slotwatch(["replay", "--source", "simulator", "--frames", "2"]).stdout.startswith(
        "2 frames, "
    )
