"""What a command's end means to people and to scripts."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from edge.types import ConfigurationError, SlotwatchError
from trainer.streams import PrintableFormatter, open_closed_streams, printable

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h


def exit_status_of(run: Callable[[], str]) -> int:
    """Print what `run` returns, or the error it raises, and return the exit status for it.

    0, 78 for a wrong configuration or data, else 1. What the trainer logs goes to stderr.
    """
    open_closed_streams()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("trainer").setLevel(logging.INFO)
    try:
        said = run()
    except ConfigurationError as error:
        _complain(str(error))
        return EXIT_CONFIGURATION
    except (SlotwatchError, OSError) as error:
        _complain(str(error))
        return 1
    except MemoryError as error:
        _complain(f"not enough memory ({error}); give fewer crops, or use a larger machine")
        return 1
    except KeyboardInterrupt:
        _complain("stopped before the end; give the same command again")
        return 1
    return _tell(said)


def _complain(message: str) -> None:
    print(printable(message, sys.stderr.encoding), file=sys.stderr)


def _tell(said: str) -> int:
    try:
        print(printable(said, sys.stdout.encoding), flush=True)
    except OSError as error:
        _complain(f"the work is done, but standard output cannot be written: {error}")
        # Python would try once more at its end, and complain in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return 0
