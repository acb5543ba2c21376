"""The head that was learnt from this site's labels, kept on disk beside the references.

    site_head.json            the head in use
    site_head.previous.json   the one before it, for `slotwatch learn --undo`

A head belongs to one model: for another its numbers mean nothing. Written by the command, read by
the inference thread.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from edge.files import write_durably
from edge.site_head import SiteHead

log = logging.getLogger(__name__)

HEAD_FILE = "site_head.json"
PREVIOUS_FILE = "site_head.previous.json"
_FORMAT = 1
_LIMIT_BYTES = 1 << 20  # two layers of 1,280 numbers are 14 kB


def read_head(storage: Path, model_sha256: str) -> SiteHead | None:
    """Return the head that was learnt for this model; None where there is none.

    One that is damaged or of another model is left out, with a warning.
    """
    path = storage / HEAD_FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise ValueError("too large")
        document = json.loads(path.read_bytes())
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']}, this program reads {_FORMAT}")
        if document["model_sha256"] != model_sha256:
            log.warning(
                "%s: learnt with another model; the site is read without it until "
                "`slotwatch learn` is run again",
                path,
            )
            return None
        return _head(document)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        log.warning(
            "%s: cannot be read (%s); the site is read without it until `slotwatch learn` is run "
            "again",
            path,
            error,
        )
        return None


def _head(document: dict[str, Any]) -> SiteHead:
    data = base64.b64decode(document["kernels"], validate=True)
    correction, likeness = (float(bias) for bias in document["biases"])
    if _digest(data, (correction, likeness)) != document["digest"]:
        raise ValueError("its content changed")
    kernels = np.frombuffer(data, "<f4").reshape(2, -1).astype(np.float32)
    if not (np.isfinite(kernels).all() and math.isfinite(correction) and math.isfinite(likeness)):
        raise ValueError("not all of its numbers are finite")
    return SiteHead(kernels, (correction, likeness))


def _digest(data: bytes, biases: tuple[float, float]) -> str:
    return hashlib.sha256(data + np.array(biases, "<f8").tobytes()).hexdigest()


def write_head(storage: Path, head: SiteHead, model_sha256: str) -> None:
    """Keep this head, and the one before it for `undo`.

    Raises:
        OSError: the storage cannot be written; the head that was there stays.
    """
    storage.mkdir(parents=True, exist_ok=True)
    data = head.kernels.astype("<f4").tobytes()
    document = {
        "format": _FORMAT,
        "model_sha256": model_sha256,
        "biases": list(head.biases),
        "kernels": base64.b64encode(data).decode("ascii"),
        "digest": _digest(data, head.biases),
    }
    path = storage / HEAD_FILE
    if path.is_file():
        # A copy: a power cut between the two writes must not leave the site without a head.
        write_durably(storage / PREVIOUS_FILE, path.read_bytes())
    write_durably(path, json.dumps(document, indent=1).encode())


def undo_head(storage: Path) -> bool | None:
    """Go back to the head before; return whether there was one, None where nothing was learnt.

    Raises:
        OSError: the storage cannot be written.
    """
    path, previous = storage / HEAD_FILE, storage / PREVIOUS_FILE
    if not path.is_file():
        return None
    if previous.is_file():
        previous.replace(path)
        return True
    path.unlink()
    return False
