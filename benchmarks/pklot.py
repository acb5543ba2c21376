"""Settings for the car-park day that no model was trained on (PKLot, camera UFPR05).

    python -m benchmarks.pklot ../shared/data/03_pklot_ufpr05 OUT
    slotwatch replay --config OUT/config.yaml \
        --source ../shared/data/03_pklot_ufpr05/day_2013-04-15/frames \
        --labels ../shared/data/03_pklot_ufpr05/day_2013-04-15/labels.csv

The data set (Almeida et al. 2015, CC BY 4.0) is not part of this repository.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

DAY = "day_2013-04-15"


def read_regions(slots_json: Path) -> dict[str, list[list[float]]]:
    """Return id -> four corners, clockwise from each slot's own top-left.

    The source starts at the bottom-left and goes counter-clockwise: bottom-left,
    bottom-right, top-right, top-left.
    """
    entries = json.loads(slots_json.read_text("utf-8"))
    return {
        entry["id"]: np.array(entry["polygon"], float)[[3, 2, 1, 0]].tolist() for entry in entries
    }


def write_files(data: Path, out: Path, model: Path, **changes: Any) -> Path:
    """Write config.yaml and slots.yaml for the day; return the settings' path.

    `changes` replace top-level settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    slots = {"frame": [1280, 720], "slots": read_regions(data / "slots.json")}
    config = {
        "device": "car-park",
        "camera": {
            "source": str((data / DAY / "frames").resolve()),
            "every": "1s",
            "stall_after": "10min",
        },
        "model": str(model.resolve()),
        "slots": "slots.yaml",
        "decision": {"confirm": 2},
        "storage": str((out / "state").resolve()),
        **changes,
    }
    (out / "slots.yaml").write_text(json.dumps(slots), "utf-8")
    (out / "config.yaml").write_text(json.dumps(config, indent=1), "utf-8")
    return out / "config.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with slots.json and the day's folder")
    parser.add_argument("out", type=Path, help="where config.yaml and slots.yaml go")
    parser.add_argument("--model", type=Path, default=Path("models/default"))
    arguments = parser.parse_args()
    print(write_files(arguments.data, arguments.out, arguments.model))


if __name__ == "__main__":
    main()
