"""Which processes learn together: their addresses, and which of them this one is.

Told the way TensorFlow wants it, in the environment. Imports no TensorFlow: the process that
starts the others needs none.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from edge.types import SlotwatchError

CLUSTER_VARIABLE = "TF_CONFIG"


class WorkerLost(SlotwatchError):
    """A worker ended before its work was done; the message says what it said last."""


def enter_cluster(addresses: Sequence[str], index: int) -> None:
    """Make this process the worker of this index; `addresses` are HOST:PORT of each."""
    os.environ[CLUSTER_VARIABLE] = json.dumps(
        {"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": index}}
    )


def is_in_cluster() -> bool:
    """Return whether this process was told of one."""
    return CLUSTER_VARIABLE in os.environ


def free_addresses(count: int) -> list[str]:
    """Return addresses of this machine that nothing listens on."""
    with ExitStack() as stack:
        # All at once, or the same one would be found again.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return ["{}:{}".format(*each.getsockname()) for each in sockets]
