"""YAML text -> nodes that keep their text and their line.

`yaml.safe_load` guesses types (`on` becomes a boolean, `010` eight, `12:30` 750), drops
duplicate keys silently and forgets lines. Here every scalar stays the text a person
wrote, and the setting it belongs to decides what it means. Nodes are built from parser
events without recursion, so that no nesting of a file can exhaust the stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from edge.problems import plain, shown

LIMIT_BYTES = 1 << 20
_LIMIT_DEPTH = 12
# 1,024 slots with every setting are about 30,000 nodes.
_LIMIT_NODES = 60_000

# libyaml is ten times as fast; both read the same language and the tests hold both.
FAST_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What YAML allows, less the invisible line separators that editors do not count as lines.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LINE_BREAK = re.compile("\r\n|\r|\n")
# How the parsers mark a scalar without quotes: PyYAML, and libyaml.
_PLAIN = (None, "")
# A value that begins with a character YAML gives a meaning of its own.
_NEEDS_QUOTES = re.compile(r"(?:^|[:\-]\s+)[{\[@`%*&!|>]")


@dataclass(frozen=True)
class Scalar:
    """A single value, as it was written."""

    text: str
    line: int  # from 1
    is_quoted: bool = False

    @property
    def is_missing(self) -> bool:
        """Whether nothing stands where a value should."""
        return not self.is_quoted and self.text in ("", "~", "null")


@dataclass(frozen=True)
class Listing:
    """A list of values."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True)
class Entry:
    """One `key: value` of a mapping."""

    key: str
    line: int  # of the key
    value: Node


@dataclass(frozen=True)
class Mapping:
    """Entries in their order; a key may be there more than once."""

    entries: tuple[Entry, ...]
    line: int


Node: TypeAlias = Scalar | Listing | Mapping


@dataclass(frozen=True)
class Fault:
    """Something about the text itself that is refused."""

    line: int
    what: str
    remedy: str


class Unreadable(Exception):
    """The text has no nodes to go on with."""

    def __init__(self, line: int, what: str, remedy: str) -> None:
        self.fault = Fault(line, what, remedy)
        super().__init__(what)


def read_nodes(data: bytes, loader: Any = FAST_LOADER) -> tuple[Node | None, tuple[Fault, ...]]:
    """Return the document's root (None when the file is empty), and what is refused in it.

    Faults (anchors, aliases, merge keys, tags) leave a usable root, so that the settings
    can be checked in the same go.

    Raises:
        Unreadable: not UTF-8, too large, too deep, or no YAML.
    """
    text = _decode(data)
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from None
    except (yaml.YAMLError, ValueError) as error:
        # PyYAML's pure Python scanner lets ValueError through for some escapes.
        raise Unreadable(
            1, f"no readable YAML ({error})", "compare it with the example files"
        ) from error
    return builder.root, tuple(builder.faults)


def _decode(data: bytes) -> str:
    if len(data) > LIMIT_BYTES:
        raise Unreadable(
            1, "the file is larger than 1 MiB", "this is no settings file; name the right one"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + len(_LINE_BREAK.findall(data[: error.start].decode("utf-8", "replace")))
        raise Unreadable(
            line, "the text is not UTF-8", "save the file with the encoding UTF-8"
        ) from None
    found = _UNPRINTABLE.search(text)
    if found:
        raise Unreadable(
            1 + len(_LINE_BREAK.findall(text[: found.start()])),
            f"an invisible character (U+{ord(found[0]):04X}) that no text file holds",
            "delete it, or save the file as plain UTF-8 text",
        )
    return text


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    line: int
    is_mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    key: Scalar | None = None


class _Builder:
    """Parser events in, nodes out."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._nodes = 0

    def take(self, event: Any) -> None:
        """Take the parser's next event.

        Raises:
            Unreadable: what was read is not a settings file.
        """
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise Unreadable(
                    line, "a second document begins here ('---')", "keep one document per file"
                )
        elif isinstance(event, yaml.AliasEvent):
            self._refuse(
                line,
                f"an alias (*{plain(str(event.anchor))})",
                "write the value out where it is needed",
            )
            self._place(self._anchors.get(str(event.anchor), Scalar("", line)))
        elif isinstance(event, yaml.ScalarEvent):
            self._check_properties(event, line)
            node = Scalar(event.value, line, is_quoted=event.style not in _PLAIN)
            self._remember(event.anchor, node)
            self._place(node)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self._check_properties(event, line)
            if len(self._open) == _LIMIT_DEPTH:
                raise Unreadable(
                    line,
                    f"lists or mappings nested more than {_LIMIT_DEPTH} deep",
                    "no setting is nested so deeply; check the brackets and the indentation",
                )
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            if self._expects_key():
                raise _key_is_no_word(line)
            self._open.append(_Open(line, is_mapping, event.anchor))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            closed = self._open.pop()
            built: Node = (
                Mapping(tuple(closed.entries), closed.line)
                if closed.is_mapping
                else Listing(tuple(closed.items), closed.line)
            )
            self._remember(closed.anchor, built)
            self._place(built)

    def _refuse(self, line: int, what: str, remedy: str) -> None:
        self.faults.append(Fault(line, f"{what} is not allowed here", remedy))

    def _check_properties(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self._refuse(
                line, f"an anchor (&{plain(event.anchor)})", "delete it and write values out"
            )
        if event.tag is not None:
            self._refuse(
                line, f"a tag ({plain(event.tag)})", "delete it; every setting knows its own kind"
            )

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _expects_key(self) -> bool:
        return bool(self._open) and self._open[-1].is_mapping and self._open[-1].key is None

    def _place(self, node: Node) -> None:
        self._nodes += 1
        if self._nodes > _LIMIT_NODES:
            raise Unreadable(
                node.line,
                f"more than {_LIMIT_NODES:,} values",
                "this is no settings file; name the right one",
            )
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            if not isinstance(node, Scalar):
                raise _key_is_no_word(node.line)
            parent.key = node
        else:
            if parent.key.text == "<<" and not parent.key.is_quoted:
                self._refuse(
                    parent.key.line, "a merge key (<<)", "write the settings out where needed"
                )
            else:
                parent.entries.append(Entry(parent.key.text, parent.key.line, node))
            parent.key = None


def _key_is_no_word(line: int) -> Unreadable:
    return Unreadable(
        line,
        "a list or mapping where the name of a setting should be",
        "write 'name: value'; put names and values that begin with [ or { in quotes",
    )


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> Unreadable:
    """Return the parser's complaint in a technician's words, on the line to look at."""
    lines = _LINE_BREAK.split(text)
    mark = error.problem_mark or error.context_mark
    opened = error.context_mark
    line = mark.line + 1 if mark else 1
    written = lines[line - 1] if line <= len(lines) else ""
    problem, context = str(error.problem or ""), str(error.context or "")
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent or (mark is not None and written[mark.column : mark.column + 1] == "\t"):
        return Unreadable(line, "a tab where YAML allows only spaces", "replace it with spaces")
    if opened is not None and "quoted scalar" in context and "end of stream" in problem:
        return Unreadable(opened.line + 1, "a quote is opened and never closed", "close it")
    if "expected ':'" in problem and opened is not None:
        word = lines[opened.line].strip() if opened.line < len(lines) else ""
        return Unreadable(
            opened.line + 1, f"{shown(word)} has no ':' after it", "write 'name: value'"
        )
    if opened is not None and "flow" in context:
        bracket = "[" if "sequence" in context else "{"
        return Unreadable(
            opened.line + 1,
            f"a list or mapping opened with '{bracket}' is not closed where it should be",
            f"look for the missing '{']' if bracket == '[' else '}'}' or ',' up to line {line}",
        )
    if _NEEDS_QUOTES.search(written):
        return Unreadable(
            line,
            "a value begins with a character that means something else in YAML",
            "put the value in quotes",
        )
    if "mapping values are not allowed" in problem:
        return Unreadable(
            line,
            "a ':' where no setting can begin",
            "check this line's indentation and the line above; put a text with ': ' in quotes",
        )
    if "block" in context or "block" in problem:
        return Unreadable(
            line,
            "this line does not fit the ones above",
            "give settings of one section the same indentation",
        )
    return Unreadable(
        line, f"not readable as YAML ({problem})", "compare this line with the example files"
    )
