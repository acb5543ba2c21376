"""Keep what TensorFlow's C++ side says to itself off the user's terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_output_silenced() -> Iterator[None]:
    """Swallow everything written to the process's stdout and stderr, native libraries' too.

    When the block raises, what it wrote is shown after all: it may tell why.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as sink:
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            try:
                yield
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os.dup2(kept[0], 1)
                os.dup2(kept[1], 2)
        except Exception:
            sink.seek(0)
            os.write(2, sink.read())
            raise
        finally:
            for descriptor in kept:
                os.close(descriptor)
