"""LiteRT and its predecessor tflite-runtime give the same answers for the shipped model.

The predecessor needs Python 3.11 and numpy 1, so it has an environment of its own:
$SLOTWATCH_TFLITE_PYTHON names its interpreter, else .venv-tflite (which `make test` makes
where there is a Python 3.11).
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import read_bundle, read_golden
from edge.classifier import Classifier

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models" / "default"

# The same class, in the other environment.
ANSWER = """
import json, sys
from pathlib import Path
from edge.bundle import read_bundle, read_golden
from edge.classifier import open_classifier

bundle = read_bundle(Path(sys.argv[1]))
classifier = open_classifier(bundle)
predictions = [classifier.predict(crop) for crop in read_golden(bundle).crops_rgb]
print(json.dumps({
    "runtime": classifier.runtime,
    "probability": [p.probability for p in predictions],
    "attention": [p.attention.ravel().tolist() for p in predictions],
}))
"""


@pytest.fixture(scope="module")
def tflite_python() -> Path:
    """The interpreter of the environment that holds tflite-runtime."""
    named = os.environ.get("SLOTWATCH_TFLITE_PYTHON")
    python = Path(named) if named else ROOT / ".venv-tflite" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{python} does not exist: `make .venv-tflite/ready` makes it (Python 3.11)")
    return python


def test_the_golden_crops_agree_on_both_runtimes(tflite_python: Path) -> None:
    bundle = read_bundle(BUNDLE)
    golden = read_golden(bundle)
    litert = Classifier(bundle, runtime="ai-edge-litert")
    here = [litert.predict(crop) for crop in golden.crops_rgb]

    process = subprocess.run(
        [tflite_python, "-c", ANSWER, BUNDLE], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert process.returncode == 0, process.stderr
    there = json.loads(process.stdout)

    assert there["runtime"] == "tflite-runtime"
    # Both against each other, besides each against the trainer (`open_classifier` did that).
    assert there["probability"] == pytest.approx(
        [prediction.probability for prediction in here], abs=bundle.golden_tolerance
    )
    # The maps are for people: each place within a fifth of what the maps range over (the two
    # runtimes round inside the network differently; an empty slot's map is nearly flat).
    maps_here = np.stack([prediction.attention.ravel() for prediction in here])
    maps_there = np.array(there["attention"])
    assert maps_there.shape == maps_here.shape
    assert np.abs(maps_there - maps_here).max() <= 0.2 * np.ptp(maps_here)
