"""The simulator as a camera; runs where every camera runs, in the camera's process."""

from __future__ import annotations

import time

from edge.cameras.simulator.options import read_options, simulation_of
from edge.types import CameraSettings, Frame, utc_now


class SimulatorCamera:
    """Every read is the next step of `camera.every` simulated seconds; none is lost."""

    is_live = False

    def __init__(self, settings: CameraSettings, once: bool) -> None:
        """Build the cabinet; `once`: end after as many frames as the option says.

        Raises:
            CameraUnusable: an option is unknown or its value cannot be used.
        """
        self._frames = int(read_options(settings.source)["frames"]) if once else None
        self._every_s = settings.every_s
        self._simulation = simulation_of(settings.source, settings.every_s)
        self._sequence = 0

    def read(self) -> Frame | None:
        """Return the next frame, or None after the last one of a replay."""
        if self._frames is not None and self._sequence >= self._frames:
            return None
        image = self._simulation.step().image_rgb
        if image is None:
            raise RuntimeError("the simulation does not render")
        # A replay runs as fast as it goes: its durations are those of the simulation.
        is_replay = self._frames is not None
        now_s = self._sequence * self._every_s if is_replay else time.monotonic()
        frame = Frame(image, self._sequence, utc_now(), now_s)
        self._sequence += 1
        return frame

    def skip(self) -> None:
        """Never called: this camera waits for its reader."""

    def close(self) -> None:
        """Nothing to release."""
