"""The lock files: exact, hashed, of one mind, and free of any machine's addresses."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements"
LOCKS = ["dev", "device", "home-assistant", "lock", "tflite-runtime", "trainer"]


def entries_of(name: str) -> list[str]:
    """Return the lock's entries, each with its hashes on one line, without comments."""
    text = (REQUIREMENTS / f"{name}.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", "").strip().splitlines()


def pins_of(name: str) -> set[str]:
    """Return `package==version` with its marker, for every entry."""
    return {entry.partition("--hash")[0].strip() for entry in entries_of(name)}


def test_no_lock_is_left_untested() -> None:
    assert sorted(path.stem for path in REQUIREMENTS.glob("*.txt")) == LOCKS


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_an_exact_version_with_hashes(name: str) -> None:
    entries = entries_of(name)
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9][a-z0-9-]*==[^ ;]+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("name", LOCKS)
def test_no_address_of_an_index_or_a_machine_is_in_a_lock(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index|--find-links|file:|(^|\s)/", text)


@pytest.mark.parametrize("name", ["device", "trainer"])
def test_every_lock_holds_the_versions_that_were_tested(name: str) -> None:
    assert pins_of(name) <= pins_of("dev")


def test_the_device_never_installs_the_trainer() -> None:
    packages = {pin.partition("==")[0] for pin in pins_of("device")}
    assert {"ai-edge-litert", "numpy", "opencv-python-headless", "paho-mqtt", "pyyaml"} <= packages
    assert not packages & {"tensorflow", "keras", "matplotlib"}
