"""Simulated cabinets on disk: labelled crops, folders of frames, videos."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from edge.cameras.simulator.geometry import HEIGHT_PX, WIDTH_PX, Grid
from edge.cameras.simulator.simulation import SimulatedFrame, Simulation
from edge.preprocess import apply_plan, plan_crop
from edge.types import ImageRGB, SlotwatchError

# Pictures carry a time; the simulated calendar begins here.
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
Progress = Callable[[int, int], None]  # done, of how many


class WriteFailed(SlotwatchError):
    """A picture or a video could not be written."""


def write_crops(
    folder: Path,
    seeds: Iterable[int],
    count: int,
    size_px: int = 128,
    progress: Progress | None = None,
) -> int:
    """Write `count` labelled crops, shared evenly among the seeds; return how many.

    `EMPTY/*.png` and `OCCUPIED/*.png` as `edge.preprocess` cuts them, and `index.csv`
    with file, label, source, camera, slot and time. Every seed is another cabinet with
    its own camera; between two frames all things are other ones and hours have passed.
    Slots behind a hand are left out.
    """
    chosen = list(seeds)
    for label in ("EMPTY", "OCCUPIED"):
        (folder / label).mkdir(parents=True, exist_ok=True)
    written = 0
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        index = csv.writer(file)
        index.writerow(("file", "label", "source", "camera", "slot", "time"))
        for place, seed in enumerate(chosen):
            wanted = count * (place + 1) // len(chosen)
            for row, crop in _crops_of(seed, wanted - written, size_px):
                _save(folder / row[0], crop)
                index.writerow(row)
                written += 1
                if progress is not None:
                    progress(written, count)
    return written


def _crops_of(
    seed: int, count: int, size_px: int
) -> Iterable[tuple[tuple[str, str, str, str, str, str], ImageRGB]]:
    """Yield rows of the index with their crops."""
    random = np.random.default_rng((seed, 7))
    # A frame every few hours, hands now and then, days of different fill.
    simulation = Simulation(seed, step_s=3.7, activity=0.05, day_s=120.0, start_hour=6.0)
    slots = simulation.slots()
    plans = {slot.id: plan_crop(slot, size_px, (WIDTH_PX, HEIGHT_PX)) for slot in slots}
    done = 0
    while done < count:
        simulation.shuffle(float(random.uniform(0.3, 0.7)))
        frame = simulation.step()
        image = _picture_of(frame)
        time = (FIRST_DAY + timedelta(days=frame.simulated_s / 120)).isoformat(timespec="seconds")
        for number in random.permutation(len(slots)):
            slot_id = slots[int(number)].id
            if slot_id in frame.covered:
                continue
            label = frame.truth[slot_id].value
            name = f"{label}/sim{seed}_{frame.sequence:05d}_{slot_id}.png"
            row = (name, label, "simulator", f"sim{seed}", slot_id, time)
            yield row, apply_plan(image, plans[slot_id])
            done += 1
            if done == count:
                return


def write_frames(
    folder: Path, simulation: Simulation, count: int, progress: Progress | None = None
) -> None:
    """Write numbered JPEGs, `labels.csv` (frame, slot, label, covered) and `slots.yaml`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slots.yaml").write_text(slots_yaml(simulation.grid()), encoding="utf-8")
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        labels = csv.writer(file)
        labels.writerow(("frame", "slot", "label", "covered"))
        for number in range(count):
            frame = simulation.step()
            name = f"{number:06d}.jpg"
            _save(folder / name, _picture_of(frame), [cv2.IMWRITE_JPEG_QUALITY, 92])
            _write_truth(labels, name, frame)
            if progress is not None:
                progress(number + 1, count)


def write_video(
    path: Path,
    simulation: Simulation,
    count: int,
    fps: float = 5.0,
    progress: Progress | None = None,
) -> None:
    """Write an MP4 (or what the name's ending says) and, beside it, `<name>.csv` as labels.

    Raises:
        WriteFailed: this OpenCV cannot write such a video.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    video = cv2.VideoWriter(str(path), code, fps, (WIDTH_PX, HEIGHT_PX))
    if not video.isOpened():
        raise WriteFailed(f"{path}: OpenCV cannot write this kind of video; use .avi or .mp4")
    try:
        with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            labels = csv.writer(file)
            labels.writerow(("frame", "slot", "label", "covered"))
            for number in range(count):
                frame = simulation.step()
                video.write(cv2.cvtColor(_picture_of(frame), cv2.COLOR_RGB2BGR))
                _write_truth(labels, str(number), frame)
                if progress is not None:
                    progress(number + 1, count)
    finally:
        video.release()


def slots_yaml(grid: Grid) -> str:
    """Return a slots file for the rack, without comments."""
    corners = ", ".join(f"[{x}, {y}]" for x, y in grid.corners_px)
    return (
        f"frame: [{grid.frame_wh[0]}, {grid.frame_wh[1]}]\n"
        "grid:\n"
        f"  - corners: [{corners}]\n"
        f"    rows: {grid.rows}\n"
        f"    columns: {grid.columns}\n"
        '    ids: "{row:A}{column}"\n'
        f"    gap: {grid.gap:g}\n"
    )


def _picture_of(frame: SimulatedFrame) -> ImageRGB:
    if frame.image_rgb is None:
        raise ValueError("the simulation does not render: build it with render=True")
    return frame.image_rgb


def _save(path: Path, image_rgb: ImageRGB, parameters: list[int] | None = None) -> None:
    image = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), image, parameters or []):
        raise WriteFailed(f"{path}: could not be written; is the disk full?")


def _write_truth(labels: csv.Writer, name: str, frame: SimulatedFrame) -> None:  # type: ignore[name-defined]
    for slot_id, state in frame.truth.items():
        labels.writerow((name, slot_id, state.value, int(slot_id in frame.covered)))
