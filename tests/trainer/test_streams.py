"""Whatever a terminal, a pipe or a file name is like, a command ends with a word and a status."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.__main__ import main
from trainer.exit_status import exit_status_of
from trainer.streams import printable

pytestmark = pytest.mark.trainer

ROOT = Path(__file__).parents[2]


def summary_in_a_shell(data: Path, redirections: str, **environment: str) -> tuple[int, bytes]:
    """Return the exit status, and what came out on both streams."""
    command = f'"{sys.executable}" -m trainer summary --data "{data}" {redirections}'
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("redirections", "status", "message"),
    [
        (">&-", 0, b""),
        (">&- 2>&- <&-", 0, b""),
        (">/dev/full", 1, b"the work is done, but standard output cannot be written: [Errno 28]"),
    ],
)
def test_closed_and_full_streams_do_no_harm(
    redirections: str,
    status: int,
    message: bytes,
    tmp_path: Path,
    drawn_folders: Callable[..., None],
) -> None:
    drawn_folders(tmp_path)
    found_status, said = summary_in_a_shell(tmp_path, f"2>&1 {redirections}")
    assert found_status == status
    assert said.startswith(message)
    assert len(said.splitlines()) <= 1


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_names_that_are_no_text_are_shown_as_far_as_they_are(
    encoding: str, tmp_path: Path, drawn_folders: Callable[..., None]
) -> None:
    drawn_folders(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path / "EMPTY") + b"/no\xfftext.png")).write_bytes(b"")
    (tmp_path / "EMPTY" / "\x1b[31mred.png").write_bytes(b"")
    (tmp_path / "EMPTY" / "사진.png").write_bytes(b"")
    status, said = summary_in_a_shell(tmp_path, "", PYTHONIOENCODING=encoding)
    assert status == 0
    assert b"no?text.png: the file is empty" in said
    assert b"/?[31mred.png: the file is empty" in said
    shown = "??.png" if encoding.startswith("ascii") else "사진.png"
    assert f"/{shown}: the file is empty".encode() in said


def test_errors_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "--data", "\x1b[31mred"]) == 78
    assert capsys.readouterr().err.startswith("?[31mred: no such folder")


def test_lines_and_other_scripts_are_printable() -> None:
    assert printable("사진\n\tü") == "사진\n\tü"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("8 GiB"), "not enough memory (8 GiB); give fewer crops"),
        (KeyboardInterrupt(), "stopped before the end; give the same command again"),
    ],
)
def test_what_no_file_is_to_blame_for_ends_with_1(
    error: BaseException, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> str:
        raise error

    assert exit_status_of(run) == 1
    assert message in capsys.readouterr().err
