"""The two files a technician edits -> Settings, or every problem in them at once.

Called by the main thread; nothing here keeps state.
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from edge.config_file import SLOTS_FILE, ConfigFile, exists
from edge.problems import Problem, Report, SettingsInvalid
from edge.regions import overlaps
from edge.setting_kinds import described
from edge.slots_file import SlotsFile, read_slots
from edge.types import Settings, Slot
from edge.yaml_nodes import LIMIT_BYTES, Mapping, Scalar, Unreadable, read_nodes

__all__ = ["Problem", "SettingsInvalid", "fingerprint_of", "read_settings", "settings_warnings"]

# Of one file: the list also travels as the message of an alert.
_LIMIT_PROBLEMS = 100


def read_settings(config_path: Path) -> Settings:
    """Return everything both files say, all paths absolute.

    Raises:
        SettingsInvalid: with every problem of both files, in the order of files and lines.
    """
    report = Report(config_path)
    config_bytes = _read_bytes(config_path)
    root = _read_root(config_bytes, report, "give the right path with --config")
    if root is None:
        raise SettingsInvalid(report.problems)
    config = ConfigFile(root, config_path.parent, report)
    problems = _in_line_order(report)
    slots: SlotsFile | None = None
    slots_bytes = None
    if config.slots_path is not None:
        slots_bytes = _read_bytes(config.slots_path)
        slots_report = Report(config.slots_path)
        slots_root = _read_root(slots_bytes, slots_report, "name a readable file with 'slots'")
        if slots_root is not None:
            slots = read_slots(slots_root, slots_report, config.occupied_at, config.empty_at)
        problems += _in_line_order(slots_report)
    if problems or slots is None or slots.frame_wh is None:
        raise SettingsInvalid(problems)
    return config.settings(
        config_path, slots.slots, slots.frame_wh, _fingerprint(config_bytes, slots_bytes)
    )


def _read_bytes(path: Path) -> bytes | None:
    """Return the start of a regular file, one byte more than is allowed; None without one."""
    try:
        # A pipe or a device would block the reader for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            return file.read(LIMIT_BYTES + 1)
    except (OSError, ValueError):  # ValueError: a null character in the path.
        return None


def _read_root(data: bytes | None, report: Report, remedy: str) -> Mapping | None:
    """Return the file's mapping; None, with the reason reported, when there is none."""
    if data is None:
        what = "this is no readable file" if exists(report.path) else "there is no such file"
        report.add(0, "", what, remedy)
        return None
    try:
        root, faults = read_nodes(data)
    except Unreadable as unreadable:
        root, faults = None, (unreadable.fault,)
    for fault in faults:
        report.add(fault.line, "", fault.what, fault.remedy)
    if isinstance(root, Mapping):
        return root
    if faults:
        return None
    if root is None or (isinstance(root, Scalar) and root.is_missing):
        report.add(1, "", "the file is empty", "begin with a copy of the example file")
    else:
        what = f"expected settings ('name: value'), not {described(root)}"
        report.add(root.line, "", what, "begin with a copy of the example file")
    return None


def _in_line_order(report: Report) -> list[Problem]:
    problems = sorted(report.problems, key=lambda problem: problem.line)
    left_out = len(problems) - _LIMIT_PROBLEMS
    if left_out <= 0:
        return problems
    what = f"{left_out} more problems are not shown"
    return [*problems[:_LIMIT_PROBLEMS], Problem(report.path, 0, "", what, "mend these first")]


def fingerprint_of(config_path: Path) -> str:
    """Return the SHA-256 over both files as they are now, in hexadecimal; never raises.

    Equal to `Settings.fingerprint` while nothing changed. A missing file counts as one.
    """
    config_bytes = _read_bytes(config_path)
    slots_path = _slots_path(config_path, config_bytes)
    return _fingerprint(config_bytes, _read_bytes(slots_path) if slots_path else None)


def _slots_path(config_path: Path, config_bytes: bytes | None) -> Path | None:
    """Return the slots file that a config names, however broken the rest of it is."""
    try:
        root, _ = read_nodes(config_bytes or b"")
    except Unreadable:
        return None
    for entry in root.entries if isinstance(root, Mapping) else ():
        if entry.key == SLOTS_FILE.name and isinstance(entry.value, Scalar):
            return config_path.parent / entry.value.text.strip()
    return None


def _fingerprint(*contents: bytes | None) -> str:
    digest = hashlib.sha256()
    for content in contents:
        # The length apart from the bytes: moving text between the files is a change too.
        digest.update(b"missing;" if content is None else b"%d;" % len(content))
        digest.update(content or b"")
    return digest.hexdigest()


def settings_warnings(settings: Settings, input_size_px: int | None = None) -> tuple[str, ...]:
    """Return what is allowed but most likely not meant, one line each.

    `input_size_px` is the side of the model's input; without it no region is called small.
    """
    config, slots = settings.config_path, settings.slots_path
    camera, mqtt, drawn = settings.camera, settings.mqtt, settings.frame_wh
    warnings = []
    if mqtt and mqtt.tls and mqtt.port == 1883:
        warnings.append(
            f"{config}: mqtt.port: 1883 is rarely encrypted; brokers listen for TLS on 8883"
        )
    if Path(camera.source).is_absolute() and not exists(Path(camera.source)):
        warnings.append(
            f"{config}: camera.source: there is no {camera.source} now; plug the camera in, or "
            "name another"
        )
    if settings.decision.unknown_after_s < camera.every_s:
        warnings.append(
            f"{config}: decision.unknown_after: shorter than camera.every, so that one unsure "
            "reading makes a slot UNKNOWN; make it longer"
        )
    # Slots are scaled to a picture of another size, but not to one of another shape.
    asked = camera.resolution_wh
    if asked and abs(asked[0] * drawn[1] / (asked[1] * drawn[0]) - 1) > 0.01:
        warnings.append(
            f"{config}: camera.resolution: {asked[0]}x{asked[1]} has another shape than the "
            f"{drawn[0]}x{drawn[1]} frame of {slots.name}; make them agree"
        )
    if input_size_px is not None:
        warnings += [
            f"{slots}: {slot.id}: {problem}"
            for slot in settings.slots
            if (problem := _too_small(slot, input_size_px))
        ]
    for first, second, share in overlaps([slot.polygon_px for slot in settings.slots], 0.5):
        warnings.append(
            f"{slots}: {settings.slots[second].id}: {share:.0%} of it or of "
            f"{settings.slots[first].id} lies in the other; check both regions"
        )
    return tuple(warnings)


def _too_small(slot: Slot, input_size_px: int) -> str | None:
    width_px, height_px = slot.polygon_px.max(axis=0) - slot.polygon_px.min(axis=0)
    # Up to twice its size a region is enlarged without harm worth a word.
    if max(width_px, height_px) * 2 >= input_size_px:
        return None
    return (
        f"the region is {width_px:.0f}x{height_px:.0f} px and the model sees {input_size_px}x"
        f"{input_size_px}; use a higher resolution or move the camera closer"
    )
