"""The command line of the trainer: `slotwatch-train`, or `python -m trainer`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from keyword import iskeyword
from types import ModuleType

from trainer.exit_status import exit_status_of

# name -> what it does; each lives in trainer/commands/<name>.py ("-" is "_" there) with
# `add_arguments(parser)` and `run(arguments)`, which returns what to tell the user.
COMMANDS = {
    "import": "boxes drawn with other programs -> labelled crops, or slots for a device",
    "summary": "what labelled crops hold, how they will be split, what to be careful about",
    "train": "labelled crops -> models/NAME",
    "compare": "recipes beside each other on sources that training never saw",
    "evaluate": "figures and plots of a bundle on labelled crops",
    "explain": "pictures of why a bundle answered so, misclassified crops first",
    "export": "a bundle's float network -> ONNX, for other runtimes than the device's",
    "mine": "a pool of unlabelled crops -> the few that are worth a label",
    "contact-sheet": "labelled crops -> a picture of what the network sees in training",
}


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """Return the parser; only the chosen command's module is imported."""
    parser = argparse.ArgumentParser(
        prog="slotwatch-train",
        description="Make a model bundle from labelled crops, and say how good it is.",
        epilog="Exit status: 0 done, 78 something to change in the data or the files, 2 a mistyped "
        "command, 1 anything else. docs/training.md explains each command.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        sentence = f"{summary[0].upper()}{summary[1:]}."
        command = commands.add_parser(name, help=summary, description=sentence)
        if name == chosen:
            _module_of(name).add_arguments(command)
    return parser


def _module_of(name: str) -> ModuleType:
    module = name.replace("-", "_")
    # `import` cannot be a module's name: import_.
    return importlib.import_module(f"trainer.commands.{module}{'_' * iskeyword(module)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0, 78 for a wrong configuration or data, else 1."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in words if word in COMMANDS), None)
    parsed = build_parser(chosen).parse_args(words)
    return exit_status_of(partial(_module_of(parsed.command).run, parsed))


if __name__ == "__main__":
    sys.exit(main())
