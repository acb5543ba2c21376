"""A simulated cabinet: a camera like any other, with the truth known.

`source: simulator` in config.yaml, or with options as in a web address:
`simulator?seed=7&activity=0.2&day=600`. `OPTIONS` lists them all. Every seed is another
cabinet, seen by another camera; the repository's slots.yaml belongs to the default seed,
`python -m edge.cameras.simulator slots --seed 7` prints that of another.

`Simulation` is the same cabinet without the camera; `writers` makes labelled crops,
folders of frames and videos of it.
"""

from __future__ import annotations

from edge.cameras.simulator.camera import SimulatorCamera
from edge.cameras.simulator.options import OPTIONS, simulation_of
from edge.cameras.simulator.simulation import SimulatedFrame, Simulation

__all__ = ["OPTIONS", "SimulatedFrame", "Simulation", "SimulatorCamera", "simulation_of"]
