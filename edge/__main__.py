"""The command line of the device: `slotwatch <command>`.

Exit status: 0 when the command did its job, 78 on anything a person has to change in a
file (systemd must not restart on it), 2 on a mistyped command, 1 on anything else.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from edge import __version__
from edge.types import ConfigurationError, SlotwatchError

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h

# name -> what it does; each lives in edge/commands/<name>.py with `add_arguments` and `run`.
COMMANDS = {
    "demo": "watch a simulated cabinet over MQTT: no camera, no root, nothing to set up",
    "run": "the daemon: watch the cabinet and publish every change until stopped",
    "check": "look for every problem in the files, the model, the camera and the broker",
    "replay": "run the whole pipeline over recorded pictures or a video, as fast as it goes",
    "snapshot": "one annotated picture: regions, states, probabilities",
    "reference": "remember how this cabinet looks, and its slots when empty",
    "learn": "let a few labelled crops of this cabinet correct the model, or undo that",
    "bench": "what a slot, a frame and a start cost on this device",
    "model": "verify, install or roll back a model bundle",
}


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser; only the chosen command's module is imported."""
    parser = argparse.ArgumentParser(
        prog="slotwatch",
        description="Watch the slots of a cabinet with one fixed camera, publish over MQTT.",
        epilog="Exit status: 0 done, 78 something to change in a file, 2 a mistyped command, "
        "1 anything else. "
        "First steps: `slotwatch demo`, then docs/ and the commented config.yaml.",
    )
    parser.add_argument("--version", action="version", version=f"slotwatch {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sentence = f"{summary[0].upper()}{summary[1:]}."
        command = commands.add_parser(name, help=summary, description=sentence)
        if name == chosen:
            importlib.import_module(f"edge.commands.{name}").add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    _open_standard_streams()
    # Read when OpenCV is first imported, by a command. Its pieces of work take microseconds here:
    # waking a second thread for each made a frame a tenth slower.
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if word in COMMANDS), None)
    arguments = build_parser(chosen).parse_args(words)
    command = importlib.import_module(f"edge.commands.{arguments.command}")
    try:
        status = int(command.run(arguments))
        sys.stdout.flush()  # Here, where a fault is handled, rather than at the exit.
        return status
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIGURATION
    except SlotwatchError as error:
        print(f"slotwatch {arguments.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # `slotwatch replay … | head`: the reader went away, which is its right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(f"slotwatch {arguments.command}: {error}", file=sys.stderr)
        return 1


def _open_standard_streams() -> None:
    """Open the standard streams this program was started without (`2>&-`).

    The next file that is opened would take their number, and get what libraries print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))


if __name__ == "__main__":
    sys.exit(main())
