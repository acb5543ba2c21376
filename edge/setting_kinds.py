"""What a setting may be given as: one description each, for reading and for the reference.

A `Kind` turns a node into a value by the setting's own type; a `Setting` names one
setting with its kind, default, unit and help. Validation and `docs/config.md` both
derive from these, so neither can tell another story.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edge.problems import Report, Unfit, closest, shown
from edge.yaml_nodes import Entry, Listing, Mapping, Node, Scalar

T = TypeVar("T")

NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([A-Za-zµ]*)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_UNIT_MEANT = {
    "m": "min",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "minute": "min",
    "minutes": "min",
    "mins": "min",
    "msec": "ms",
    "hour": "h",
    "hours": "h",
    "hr": "h",
}
_WHOLE = re.compile(r"[+-]?\d{1,9}")
_DECIMAL = re.compile(r"[+-]?(?:\d{1,9}(?:\.\d{0,12})?|\.\d{1,12})")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_TEXT_LIMIT = 256


@dataclass(frozen=True)
class Kind(Generic[T]):
    """How a value is written."""

    words: str  # for the reference page
    convert: Callable[[Node], T]  # raises Unfit


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting: everything there is to know about it."""

    name: str  # dotted, as it is nested in the file
    kind: Kind[T]
    help: str  # one line
    default: str | None = None  # as it would be written; None: required, or none
    is_required: bool = False  # where its section is given
    default_words: str | None = None  # for the reference, where the default is not a plain value


@dataclass(frozen=True)
class Section:
    """A mapping that groups settings."""

    name: str
    help: str
    is_required: bool = False
    can_be_off: bool = False  # `name: off` instead of a mapping


class Values:
    """What was read: complete when no problem was reported."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self.lines: dict[str, int] = {}  # of every setting and section that is in the file
        self.off: set[str] = set()  # sections given as `off`

    def put(self, setting: Setting[T], value: T) -> None:
        """Remember a setting's value."""
        self._values[setting.name] = value

    def get(self, setting: Setting[T]) -> T | None:
        """Return the value; None when it has none or it did not fit."""
        return self._values.get(setting.name)

    def __getitem__(self, setting: Setting[T]) -> T:
        """Return the value of a setting that is required or has a default."""
        value: T = self._values[setting.name]
        return value


def read_values(
    root: Mapping,
    settings: Sequence[Setting[Any]],
    sections: Sequence[Section],
    report: Report,
    owner: str = "",
) -> Values:
    """Return the values of a mapping's settings; what does not fit goes to the report.

    `owner` is written before each setting's name in problems (a slot's id, a grid block).
    """
    values = Values()
    reader = _Reader({s.name: s for s in settings}, {s.name: s for s in sections}, report, owner)
    reader.read_section(root, "", values)
    reader.add_missing(root, values)
    return values


@dataclass(frozen=True)
class _Reader:
    settings: dict[str, Setting[Any]]
    sections: dict[str, Section]
    report: Report
    owner: str

    def label(self, name: str) -> str:
        return f"{self.owner}.{name}" if self.owner else name

    def read_section(self, node: Mapping, section: str, values: Values) -> None:
        prefix = f"{section}." if section else ""
        first_lines: dict[str, int] = {}
        for entry in node.entries:
            name = prefix + entry.key
            if entry.key in first_lines:
                self.report.add(
                    entry.line,
                    self.label(name),
                    f"this setting is listed twice (first on line {first_lines[entry.key]})",
                    "keep one of them",
                )
                continue
            first_lines[entry.key] = entry.line
            if name in self.settings:
                values.lines[name] = entry.line
                self.read_value(self.settings[name], entry, values)
            elif name in self.sections:
                values.lines[name] = entry.line
                self.read_subsection(self.sections[name], entry, values)
            else:
                self.add_unknown(entry, prefix)

    def read_value(self, setting: Setting[Any], entry: Entry, values: Values) -> None:
        if isinstance(entry.value, Scalar) and entry.value.is_missing:
            default = f" to use {setting.default}" if setting.default else ""
            self.report.add(
                entry.line,
                self.label(setting.name),
                "no value is given",
                "give one" if setting.is_required else f"give one or delete the line{default}",
            )
            return
        try:
            values.put(setting, setting.kind.convert(entry.value))
        except Unfit as unfit:
            self.report.add_unfit(entry.line, self.label(setting.name), unfit)

    def read_subsection(self, section: Section, entry: Entry, values: Values) -> None:
        if isinstance(entry.value, Mapping):
            self.read_section(entry.value, section.name, values)
        elif isinstance(entry.value, Scalar) and entry.value.is_missing:
            pass  # Every line of the section is commented out: its defaults.
        elif section.can_be_off and is_off(entry.value):
            values.off.add(section.name)
        else:
            inside = [n.rpartition(".")[2] for n in self.settings if n.startswith(section.name)]
            self.report.add(
                entry.line,
                self.label(section.name),
                f"expected settings of its own, not {described(entry.value)}",
                f"write its settings below it, indented, such as '{inside[0]}: …'"
                + (", or 'off'" if section.can_be_off else ""),
            )

    def add_unknown(self, entry: Entry, prefix: str) -> None:
        siblings = {
            name.removeprefix(prefix).partition(".")[0]
            for name in (*self.settings, *self.sections)
            if name.startswith(prefix)
        }
        elsewhere = [
            name
            for name in self.settings
            if "." in name and name.endswith(f".{entry.key}") and not name.startswith(prefix or " ")
        ]
        meant = closest(entry.key, siblings)
        if entry.key == "password":
            what = "the password itself must not stand in this file"
            remedy = "write it to a file of its own and name that with 'password_file'"
        elif meant:
            what, remedy = "unknown setting", f"did you mean '{meant}'?"
        elif elsewhere:
            section = elsewhere[0].rpartition(".")[0]
            what, remedy = "unknown setting here", f"move it below '{section}:', indented"
        else:
            what = "unknown setting"
            remedy = f"delete it; known here are {', '.join(sorted(siblings))}"
        self.report.add(entry.line, self.label(prefix + entry.key), what, remedy)

    def add_missing(self, root: Mapping, values: Values) -> None:
        for setting in self.settings.values():
            if setting.name in values.lines:
                continue
            section = setting.name.rpartition(".")[0]
            is_expected = (
                not section or section in values.lines or self.sections[section].is_required
            )
            if setting.is_required and is_expected:
                self.report.add(
                    values.lines.get(section, root.line),
                    self.label(setting.name),
                    "missing",
                    f"add it: {setting.help.replace('`', '')}",
                )
            elif setting.default is not None:
                values.put(setting, setting.kind.convert(Scalar(setting.default, 0)))


def described(node: Node) -> str:
    """Return what a node is, in a technician's words."""
    if isinstance(node, Scalar):
        return shown(node.text)
    return "a list" if isinstance(node, Listing) else "a mapping (name: value)"


def is_off(node: Node) -> bool:
    """Return whether the node is a plain word for no."""
    return isinstance(node, Scalar) and _WORDS.get(node.text.lower()) is False


def scalar_text(node: Node, example: str) -> str:
    """Return the node's text.

    Raises:
        Unfit: a list or mapping, or nothing, stands where one value belongs.
    """
    if not isinstance(node, Scalar):
        raise Unfit(f"expected one value, not {described(node)}", f"write it like {example}")
    text = node.text.strip()
    if not text:
        raise Unfit("no value is given", f"write it like {example}")
    return text


def number(node: Node, example: str) -> float:
    """Return a finite number in plain decimal writing.

    Raises:
        Unfit: it is anything else.
    """
    text = scalar_text(node, example)
    if _DECIMAL.fullmatch(text):
        return float(text)
    what = f"{shown(text)} is not a number"
    if re.fullmatch(r"[+-]?\d{1,9},\d{1,9}", text):
        raise Unfit(what, f"write it with a point: {text.replace(',', '.')}")
    if re.fullmatch(r"\d{1,3} ?%", text):
        raise Unfit(what, f"write it as a share of 1: {int(text.rstrip(' %')) / 100:g}")
    if re.fullmatch(r"[+-]?\d{10,}", text):
        raise Unfit(f"a number of {len(text)} digits is too large", f"write it like {example}")
    raise Unfit(what, f"write it like {example}")


def decimal(low: float, high: float, words: str) -> Kind[float]:
    """Return the kind of a number within bounds, both included."""

    def convert(node: Node) -> float:
        value = number(node, f"{(low + high) / 2:g}")
        if not low <= value <= high:
            raise Unfit(f"{value:g} is out of range", f"give {low:g} to {high:g}")
        return value

    return Kind(f"{words}, {low:g} to {high:g}", convert)


def whole(low: int, high: int, words: str = "whole number") -> Kind[int]:
    """Return the kind of a whole number within bounds, both included."""

    def convert(node: Node) -> int:
        text = scalar_text(node, str(low))
        if not _WHOLE.fullmatch(text):
            raise Unfit(f"{shown(text)} is not a whole number", f"give {low} to {high}")
        value = int(text)
        if not low <= value <= high:
            raise Unfit(f"{value} is out of range", f"give {low} to {high}")
        return value

    return Kind(f"{words}, {low} to {high}", convert)


def duration(low: str, high: str) -> Kind[float]:
    """Return the kind of a time span in seconds, written with its unit."""

    def convert(node: Node) -> float:
        value_s = _seconds(scalar_text(node, "10s"))
        if not _seconds(low) <= value_s <= _seconds(high):
            raise Unfit(f"{shown(scalar_text(node, low))} is out of range", f"give {low} to {high}")
        return value_s

    return Kind(f"duration, {low} to {high}", convert)


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if not found:
        raise Unfit(
            f"{shown(text)} is not a duration", "write a number and ms, s, min or h, such as 10s"
        )
    amount, unit = found[1], found[2]
    if unit in _UNITS_S:
        return float(amount) * _UNITS_S[unit]
    if not unit:
        raise Unfit(f"{shown(text)} has no unit", f"write {amount}s, {amount}ms or {amount}min")
    meant = _UNIT_MEANT.get(unit.lower(), unit.lower() if unit.lower() in _UNITS_S else None)
    raise Unfit(
        f"{shown(unit)} is not a unit of time",
        f"write {amount}{meant}" if meant else "use ms, s, min or h",
    )


def _yes_no(node: Node) -> bool:
    text = scalar_text(node, "true")
    if text.lower() not in _WORDS:
        raise Unfit(f"{shown(text)} is neither yes nor no", "write true or false")
    return _WORDS[text.lower()]


def choice(*words: str) -> Kind[str]:
    """Return the kind of one word out of a few."""

    def convert(node: Node) -> str:
        text = scalar_text(node, words[0])
        if text not in words:
            meant = closest(text, words)
            raise Unfit(
                f"{shown(text)} is not one of {', '.join(words)}",
                f"did you mean '{meant}'?" if meant else f"write {words[0]}",
            )
        return text

    return Kind(" or ".join(words), convert)


def _text(node: Node) -> str:
    text = scalar_text(node, '"some text"')
    if len(text) > _TEXT_LIMIT:
        raise Unfit(f"{len(text)} characters are too many", f"use at most {_TEXT_LIMIT}")
    if not text.isprintable():
        raise Unfit(f"{shown(text)} holds a line break or an invisible character", "delete it")
    return text


def name_unfit(text: str, what: str) -> Unfit | None:
    """Return what is wrong with a name for topics (a device, a slot's id), or None."""
    if NAME_PATTERN.fullmatch(text):
        return None
    if len(text) > 64:
        return Unfit(f"{what} of {len(text)} characters is too long", "use at most 64")
    suggestion = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")
    return Unfit(
        f"{shown(text)} is not {what}: only letters A-Z a-z, digits, - and _ may be used",
        f"write it like {suggestion}" if suggestion else "give it another name",
    )


def _name(node: Node) -> str:
    text = scalar_text(node, "cabinet-a")
    unfit = name_unfit(text, "a name for topics")
    if unfit:
        raise unfit
    return text


def _topic_prefix(node: Node) -> str:
    text = scalar_text(node, "slotwatch")
    if len(text) > 128:
        raise Unfit(f"{len(text)} characters are too many", "use at most 128")
    for level in text.split("/"):
        if not NAME_PATTERN.fullmatch(level):
            raise Unfit(
                f"{shown(text)} is not a prefix for topics",
                "use letters A-Z a-z, digits, - and _, with single / between levels",
            )
    return text


def _size(node: Node) -> tuple[int, int]:
    example = "[1920, 1080]"
    if not isinstance(node, Listing) or len(node.items) != 2:
        raise Unfit(f"expected a width and a height, not {_counted(node)}", f"write {example}")
    return _side(node.items[0], "width"), _side(node.items[1], "height")


def _side(node: Node, name: str) -> int:
    text = scalar_text(node, "1920")
    if not _WHOLE.fullmatch(text) or not 16 <= int(text) <= 16384:
        raise Unfit(
            f"the {name} {shown(text)} is not a number of pixels", "give whole numbers 16 to 16384"
        )
    return int(text)


def _counted(node: Node) -> str:
    return f"a list of {len(node.items)}" if isinstance(node, Listing) else described(node)


def _host(node: Node) -> str:
    text = scalar_text(node, "localhost")
    if _is_address(text):
        return text
    if "://" in text:
        raise Unfit(
            f"{shown(text)} is an address with a scheme",
            "give only the broker's name; its port is 'port', encryption is 'tls'",
        )
    if ":" in text:
        raise Unfit(f"{shown(text)} is not a host name", "give the port as 'port' on its own line")
    if not _is_host_name(text):
        raise Unfit(
            f"{shown(text)} is not a host name", "write it like localhost or broker.example.org"
        )
    return text


def _is_host_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?", text) is not None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _listen(node: Node) -> tuple[str, int]:
    if isinstance(node, Listing):
        raise Unfit("expected one value, not a list", 'put an IPv6 address in quotes: "[::1]:8080"')
    text = scalar_text(node, "127.0.0.1:8080")
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise Unfit(
            f"{shown(text)} is not host:port",
            "write 127.0.0.1:8080 for this machine alone, 0.0.0.0:8080 for every network",
        )
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        is_host = _is_address(host) and ":" in host
    elif ":" in host:
        raise Unfit(
            f"{shown(text)} is ambiguous", f'put the address in brackets: "[{host}]:{port}"'
        )
    else:
        is_host = _is_address(host) or (_is_host_name(host) and not host.replace(".", "").isdigit())
    if not is_host:
        raise Unfit(f"{shown(host)} is not a host", "write it like 127.0.0.1:8080")
    return host, PORT.convert(Scalar(port, 0))


def _path(node: Node) -> str:
    text = scalar_text(node, "folder/file")
    if len(text) > 4096 or "\0" in text or not text.isprintable():
        raise Unfit(f"{shown(text)} is not a path", "write it like folder/file")
    return text


PROBABILITY = decimal(0.0, 1.0, "probability")
PORT = whole(1, 65535, "port")
YES_NO: Kind[bool] = Kind("true or false", _yes_no)
TEXT: Kind[str] = Kind("text", _text)
NAME: Kind[str] = Kind("letters, digits, `-` and `_`, at most 64", _name)
TOPIC_PREFIX: Kind[str] = Kind("letters, digits, `-`, `_`, levels apart by `/`", _topic_prefix)
SIZE: Kind[tuple[int, int]] = Kind("`[width, height]` in pixels", _size)
HOST: Kind[str] = Kind("host name or address", _host)
LISTEN: Kind[tuple[str, int]] = Kind("`host:port`", _listen)
PATH: Kind[str] = Kind("path, relative to the folder of `config.yaml`", _path)
