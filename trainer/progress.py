"""Progress bars on stderr, for people only."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(items: Iterable[Any], what: str, count: int | None = None) -> Iterable[Any]:
    """Return the items, shown on stderr as they pass; silent where stderr is no terminal."""
    return tqdm(
        items, desc=what, total=count, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False
    )
