"""`slotwatch run`: the daemon."""

from __future__ import annotations

import argparse
import os
import signal

from edge.commands import add_config_argument, set_up_logging
from edge.daemon import Daemon
from edge.notify import Notifier, watchdog_interval_s


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    parser.add_argument(
        "--verbose", action="store_true", help="also log what only helps to find a fault"
    )


def run(arguments: argparse.Namespace) -> int:
    """Watch until SIGTERM or SIGINT; SIGHUP looks at the files at once."""
    set_up_logging(arguments.verbose)
    notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
    daemon = Daemon(arguments.config, notifier, watchdog_interval_s(os.environ))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
    return daemon.run()
