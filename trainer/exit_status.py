"""What a command's end means to people and to scripts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from edge.types import ConfigurationError, SlotwatchError

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h


def exit_status_of(run: Callable[[], str]) -> int:
    """Print what `run` returns, or the error it raises, and return the exit status for it.

    0, 78 for a wrong configuration or data, else 1. What the trainer logs goes to stderr.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("trainer").setLevel(logging.INFO)
    try:
        print(run())
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIGURATION
    except (SlotwatchError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 1
    return 0
