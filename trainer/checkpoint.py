"""Where a run is, on disk after each epoch: a run that was interrupted goes on from there."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import ARRAYS_UNREADABLE

log = logging.getLogger(__name__)

KEPT_DAYS = 14  # one takes some 50 MB

Arrays = tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a run has come."""

    losses: tuple[tuple[float, float], ...] = ()  # of training and holdout, per epoch
    # Of the best epoch, or of the last one where a recipe keeps that.
    best_loss: float = float("inf")
    bad_epochs: int = 0  # since the best one
    best_weights: Arrays = ()
    state: Arrays = ()  # everything the next epoch starts from

    def after(
        self,
        train_loss: float,
        holdout_loss: float,
        weights: Sequence[npt.NDArray[Any]],
        is_kept: bool = False,
    ) -> Progress:
        """Return the progress after one more epoch, whose weights are these.

        `is_kept` makes it the best one, whatever its holdout loss, as long as that is a number.
        """
        is_better = holdout_loss < self.best_loss or (is_kept and math.isfinite(holdout_loss))
        return Progress(
            (*self.losses, (train_loss, holdout_loss)),
            holdout_loss if is_better else self.best_loss,
            0 if is_better else self.bad_epochs + 1,
            tuple(weights) if is_better else self.best_weights,
        )

    def with_state(self, state: Sequence[npt.ArrayLike]) -> Progress:
        """Return the progress with what the next epoch starts from."""
        return replace(self, state=tuple(map(np.asarray, state)))


@dataclass(frozen=True)
class Checkpoint:
    """The file of one run. Its name must tell apart everything the run depends on."""

    file: Path

    def read(self) -> Progress | None:
        """Return the progress, or None where there is none that can be read."""
        if not self.file.is_file():
            return None
        try:
            # numpy leaves a file it opened itself open when it is no zip file.
            with self.file.open("rb") as handle, np.load(handle, allow_pickle=False) as saved:
                facts = json.loads(str(saved["facts"]))
                progress = Progress(
                    tuple((train, holdout) for train, holdout in facts["losses"]),
                    facts["best_loss"],
                    facts["bad_epochs"],
                    tuple(saved[f"best{i}"] for i in range(facts["best_count"])),
                    tuple(saved[f"state{i}"] for i in range(facts["state_count"])),
                )
        except ARRAYS_UNREADABLE as error:
            log.warning("%s: cannot be read (%s); starting anew", self.file, error)
            return None
        return progress

    def write(self, progress: Progress) -> None:
        """Replace the file as a whole: an interruption leaves the one before.

        A full disk costs the file, not the run.
        """
        try:
            self._write(progress)
        except OSError as error:
            log.warning(
                "%s: cannot be written (%s); the training goes on, but starts after the epoch "
                "kept last if it is interrupted",
                self.file,
                error.strerror or error,
            )

    def _write(self, progress: Progress) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_name(f".{self.file.stem}.{os.getpid()}.part")
        facts = {
            "losses": progress.losses,
            "best_loss": progress.best_loss,
            "bad_epochs": progress.bad_epochs,
            "best_count": len(progress.best_weights),
            "state_count": len(progress.state),
        }
        try:
            arrays = {"facts": np.array(json.dumps(facts))}
            arrays |= {f"best{i}": value for i, value in enumerate(progress.best_weights)}
            arrays |= {f"state{i}": value for i, value in enumerate(progress.state)}
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            partial.replace(self.file)
        finally:
            partial.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget the run."""
        self.file.unlink(missing_ok=True)


def forget_abandoned_runs(folder: Path, now_s: float) -> None:
    """Remove the checkpoints nobody came back for in KEPT_DAYS; `now_s` is `time.time()`."""
    for file in folder.glob("*.npz"):
        if file.stat().st_mtime < now_s - KEPT_DAYS * 86400:
            file.unlink(missing_ok=True)
