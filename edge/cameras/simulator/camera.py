"""The simulator as a camera; runs where every camera runs, in the camera's process."""

from __future__ import annotations

import json
import time
from typing import TextIO

from edge.cameras import CameraUnusable
from edge.cameras.simulator.options import read_options, simulation_of, truth_path
from edge.cameras.simulator.simulation import SimulatedFrame
from edge.types import CameraSettings, Frame, utc_now


class SimulatorCamera:
    """Every read is the next step of `camera.every` simulated seconds; none is lost."""

    is_live = False

    def __init__(self, settings: CameraSettings, once: bool) -> None:
        """Build the cabinet; `once`: end after as many frames as the option says.

        Raises:
            CameraUnusable: an option is unknown or its value cannot be used, or the
                file for the truth cannot be written.
        """
        self._frames = int(read_options(settings.source)["frames"]) if once else None
        self._every_s = settings.every_s
        # First what can fail at once, then what takes seconds.
        self._truth_file = _open_truth(settings.source)
        self._simulation = simulation_of(settings.source, settings.every_s)
        self._sequence = 0

    def read(self) -> Frame | None:
        """Return the next frame, or None after the last one of a replay."""
        if self._frames is not None and self._sequence >= self._frames:
            return None
        simulated = self._simulation.step()
        image = simulated.image_rgb
        if image is None:
            raise RuntimeError("the simulation does not render")
        self._write_truth(simulated)
        # A replay runs as fast as it goes: its durations are those of the simulation.
        is_replay = self._frames is not None
        now_s = self._sequence * self._every_s if is_replay else time.monotonic()
        frame = Frame(image, self._sequence, utc_now(), now_s)
        self._sequence += 1
        return frame

    def _write_truth(self, simulated: SimulatedFrame) -> None:
        if self._truth_file is None:
            return
        line = {"sequence": simulated.sequence, "truth": dict(simulated.truth)}
        self._truth_file.write(json.dumps(line) + "\n")
        self._truth_file.flush()

    def skip(self) -> None:
        """Never called: this camera waits for its reader."""

    def close(self) -> None:
        """Close the file for the truth; nothing else is held."""
        if self._truth_file is not None:
            self._truth_file.close()


def _open_truth(source: str) -> TextIO | None:
    path = truth_path(source)
    if path is None:
        return None
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise CameraUnusable(
            f"camera.source: truth={path}: cannot be written ({error.strerror})"
        ) from error
