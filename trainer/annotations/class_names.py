"""What the classes of annotations mean: EMPTY, OCCUPIED, or nothing here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainer.dataset import DataError

EMPTY_NAMES = ("empty", "free", "vacant", "available", "unoccupied", "space-empty", "not-occupied")
OCCUPIED_NAMES = ("occupied", "full", "taken", "busy", "filled", "space-occupied", "not-empty")


@dataclass(frozen=True)
class ClassMeaning:
    """Which classes are EMPTY and OCCUPIED, and which are left out; names in `plain` form."""

    empty: frozenset[str]
    occupied: frozenset[str]
    ignored: frozenset[str]

    def is_occupied(self, class_name: str) -> bool | None:
        """Return the label of a class, None where its boxes are left out."""
        name = plain(class_name)
        return None if name in self.ignored else name in self.occupied


def plain(class_name: str) -> str:
    """Return a class's name in lower case, words joined by `-`."""
    return re.sub(r"[\s_-]+", "-", class_name.strip().casefold())


def class_meaning(
    class_names: Iterable[str],
    empty: Sequence[str] = (),
    occupied: Sequence[str] = (),
    ignored: Sequence[str] = (),
) -> ClassMeaning:
    """Return what the classes of all boxes mean; what a person says goes before the usual names.

    Raises:
        DataError: a class means neither, or was given two meanings.
    """
    said = {
        "--empty": {plain(name) for name in empty},
        "--occupied": {plain(name) for name in occupied},
        "--ignore": {plain(name) for name in ignored},
    }
    for name in set().union(*said.values()):
        options = [option for option, names in said.items() if name in names]
        if len(options) > 1:
            raise DataError(f"{' and '.join(options)}: {name}: say one of them")
    everything_said = set().union(*said.values())
    meaning = ClassMeaning(
        frozenset(said["--empty"] | (set(EMPTY_NAMES) - everything_said)),
        frozenset(said["--occupied"] | (set(OCCUPIED_NAMES) - everything_said)),
        frozenset(said["--ignore"]),
    )
    known = meaning.empty | meaning.occupied | meaning.ignored
    counts = Counter(name for name in class_names if plain(name) not in known)
    if counts:
        listed = ", ".join(f"{name} ({count} boxes)" for name, count in sorted(counts.items()))
        raise DataError(
            f"classes that mean neither EMPTY nor OCCUPIED: {listed}; say for each what it is: "
            "--empty NAME, --occupied NAME or --ignore NAME"
        )
    return meaning
