"""Several processes that learn as one, through TensorFlow's own distribution strategies.

Every worker holds the whole network and takes its part of every batch. Gradients are summed
over all workers, so that all of them take the same step: what one process alone would take.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from edge.types import ConfigurationError
from trainer.cluster import CLUSTER_VARIABLE, WorkerLost


@dataclass(frozen=True, eq=False)
class Workers:
    """All processes of a run, as one of them sees them."""

    count: int = 1
    index: int = 0  # of this process; the first, 0, writes the files
    strategy: Any = field(default_factory=tf.distribute.get_strategy)

    def part_of(self, batch: Any) -> Any:
        """Return what this worker learns of a batch (or of a mask for it), along the first axis."""
        return batch[self.index :: self.count]

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the function gives; only within it can `total` be asked for."""
        return self.strategy.run(function, args=arguments)

    def of_each(self, number: float) -> tuple[float, ...]:
        """Return this number of every worker, in their order. All of them must ask."""
        own = np.zeros(self.count)
        own[self.index] = number

        @tf.function  # type: ignore[untyped-decorator]
        def gathered(own: tf.Tensor) -> tf.Tensor:
            # A tensor that was computed nowhere yet has no place to be summed at.
            return self.run(lambda: total(tf.identity(own)))

        return tuple(float(each) for each in gathered(tf.constant(own)))

    @contextmanager
    def losses_named(self) -> Iterator[None]:
        """Turn what TensorFlow says when others can no longer be reached into words for people.

        Raises:
            WorkerLost: in place of TensorFlow's error.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if self.count == 1:
                raise
            raise WorkerLost(
                f"learning together failed: {error.message.partition(chr(10))[0]}; see what the "
                "other workers say, and start all of them again: they go on after the last epoch"
            ) from error


def total(values: Any) -> Any:
    """Return the sum over all workers of a tensor, or of each of a list of tensors."""
    replica = tf.distribute.get_replica_context()
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, values)


ALONE = Workers()


def join_workers() -> Workers:
    """Return the workers that TF_CONFIG names, once all of them are there; else one alone.

    Call it before anything else is asked of TensorFlow, which reads TF_CONFIG only at first.

    Raises:
        ConfigurationError: TF_CONFIG is set, and is no list of workers with this one's place.
    """
    text = os.environ.get(CLUSTER_VARIABLE)
    if text is None:
        return ALONE
    try:
        found = json.loads(text)
        addresses: Sequence[str] = found["cluster"]["worker"]
        index = int(found["task"]["index"])
        addresses[index]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigurationError(
            f"{CLUSTER_VARIABLE}: cannot be read ({error!r}); unset it, or use --cluster and "
            "--worker-index in its place"
        ) from error
    return Workers(len(addresses), index, tf.distribute.MultiWorkerMirroredStrategy())
