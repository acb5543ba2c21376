"""Labelled crops of the car park's five other days, as somebody there would sort them.

    python -m benchmarks.site_crops ../shared/data OUT
    slotwatch-train train --recipe one_site --data OUT --out models/NAME --no-pictures

The data set (PKLot, Almeida et al. 2015, CC BY 4.0) is not part of this repository.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2

from benchmarks.recorded import Recording, car_park
from edge.preprocess import apply_plan, plan_crop

SIZE_PX = 128


def write_crops(recording: Recording, out: Path) -> int:
    """Write what is known of a recording's slots beside its own pictures; return how many crops.

    Each lies in the folder of its label, named by source, camera, slot and time.
    """
    plans = {slot.id: plan_crop(slot, SIZE_PX, recording.frame_wh) for slot in recording.slots}
    count = 0
    for shot, states in recording.known:
        image_rgb = shot.read()
        for slot_id, state in states.items():
            name = f"car_park__ufpr05__{slot_id}__{Path(shot.name).stem}.png"
            file = out / state.value / name
            file.parent.mkdir(parents=True, exist_ok=True)
            crop_bgr = cv2.cvtColor(apply_plan(image_rgb, plans[slot_id]), cv2.COLOR_RGB2BGR)
            if not cv2.imwrite(str(file), crop_bgr):
                raise OSError(f"{file}: cannot be written")
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with 03_pklot_ufpr05")
    parser.add_argument("out", type=Path, help="where the folders EMPTY and OCCUPIED go")
    arguments = parser.parse_args()
    (recording,) = car_park(arguments.data, is_final=True)
    print(f"{arguments.out}: {write_crops(recording, arguments.out)} crops")


if __name__ == "__main__":
    main()
