"""Progress bars on stderr, for people only."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress_bar(items: Iterable[Item], what: str, count: int | None = None) -> Iterable[Item]:
    """Return the items, shown on stderr as they pass; silent where stderr is no terminal."""
    bar: Iterable[Item] = tqdm(
        items, desc=what, total=count, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False
    )
    return bar
