import pytest

from edge.problems import Unfit
from edge.setting_kinds import (
    HOST,
    LISTEN,
    NAME,
    PATH,
    PORT,
    PROBABILITY,
    SIZE,
    TEXT,
    TOPIC_PREFIX,
    YES_NO,
    choice,
    duration,
    whole,
)
from edge.yaml_nodes import Mapping, read_nodes

EVERY = duration("50ms", "1h")
PROTOCOL = choice("auto", "5", "3.1.1")


def node(text):
    root, _ = read_nodes(f"value: {text}\n".encode())
    assert isinstance(root, Mapping)
    return root.entries[0].value


OK = [
    (EVERY, "1s", 1.0),
    (EVERY, "50ms", 0.05),
    (EVERY, "1.5 min", 90.0),
    (EVERY, "1h", 3600.0),
    (PROBABILITY, "0.6", 0.6),
    (PROBABILITY, "0", 0.0),
    (PROBABILITY, "1", 1.0),
    (PROBABILITY, ".5", 0.5),
    (PORT, "1", 1),
    (PORT, "65535", 65535),
    (whole(1, 100), "010", 10),
    (YES_NO, "on", True),
    (YES_NO, "No", False),
    (YES_NO, "TRUE", True),
    (NAME, "on", "on"),
    (NAME, "010", "010"),
    (NAME, "1e3", "1e3"),
    (TEXT, "12:30:00", "12:30:00"),
    (TEXT, "Schlüssel 17", "Schlüssel 17"),
    (TEXT, "yes", "yes"),
    (TOPIC_PREFIX, "site/hall-3/slotwatch", "site/hall-3/slotwatch"),
    (SIZE, "[1920, 1080]", (1920, 1080)),
    (HOST, "localhost", "localhost"),
    (HOST, "broker.example.org", "broker.example.org"),
    (HOST, "192.168.1.5", "192.168.1.5"),
    (HOST, "'fe80::1'", "fe80::1"),
    (LISTEN, "127.0.0.1:8080", ("127.0.0.1", 8080)),
    (LISTEN, "localhost:80", ("localhost", 80)),
    (LISTEN, '"[::1]:8080"', ("::1", 8080)),
    (LISTEN, '"[::]:8080"', ("::", 8080)),
    (PROTOCOL, "5", "5"),
    (PROTOCOL, "3.1.1", "3.1.1"),
    (PATH, "models/default", "models/default"),
]

FAIL = [
    (EVERY, "1", "'1' has no unit; write 1s, 1ms or 1min"),
    (EVERY, "1m", "'m' is not a unit of time; write 1min"),
    (EVERY, "10 sec", "'sec' is not a unit of time; write 10s"),
    (EVERY, "10 S", "'S' is not a unit of time; write 10s"),
    (EVERY, "3 days", "'days' is not a unit of time; use ms, s, min or h"),
    (EVERY, "49ms", "'49ms' is out of range; give 50ms to 1h"),
    (EVERY, "61min", "'61min' is out of range; give 50ms to 1h"),
    (EVERY, "-1s", "'-1s' is not a duration; write a number and ms, s, min or h, such as 10s"),
    (EVERY, ".inf", "'.inf' is not a duration; write a number and ms, s, min or h, such as 10s"),
    (EVERY, "[1s]", "expected one value, not a list; write it like 10s"),
    (PROBABILITY, "1.01", "1.01 is out of range; give 0 to 1"),
    (PROBABILITY, "-0.1", "-0.1 is out of range; give 0 to 1"),
    (PROBABILITY, "0,6", "'0,6' is not a number; write it with a point: 0.6"),
    (PROBABILITY, "60%", "'60%' is not a number; write it as a share of 1: 0.6"),
    (PROBABILITY, ".nan", "'.nan' is not a number; write it like 0.5"),
    (PROBABILITY, "inf", "'inf' is not a number; write it like 0.5"),
    (PROBABILITY, "9" * 5000, "a number of 5000 digits is too large; write it like 0.5"),
    (PORT, "0", "0 is out of range; give 1 to 65535"),
    (PORT, "65536", "65536 is out of range; give 1 to 65535"),
    (PORT, "1e3", "'1e3' is not a whole number; give 1 to 65535"),
    (PORT, "1883.5", "'1883.5' is not a whole number; give 1 to 65535"),
    (PORT, "9" * 5000, f"'{'9' * 39}…' is not a whole number; give 1 to 65535"),
    (YES_NO, "maybe", "'maybe' is neither yes nor no; write true or false"),
    (YES_NO, "1", "'1' is neither yes nor no; write true or false"),
    (
        NAME,
        "cab net",
        "'cab net' is not a name for topics: only letters A-Z a-z, digits, - and _ may be used; "
        "write it like cab-net",
    ),
    (
        NAME,
        "'+'",
        "'+' is not a name for topics: only letters A-Z a-z, digits, - and _ may be used; "
        "give it another name",
    ),
    (NAME, "a" * 65, "a name for topics of 65 characters is too long; use at most 64"),
    (TEXT, "x" * 257, "257 characters are too many; use at most 256"),
    (TEXT, '"a\\nb"', "'a\\nb' holds a line break or an invisible character; delete it"),
    (
        TOPIC_PREFIX,
        "/site",
        "'/site' is not a prefix for topics; use letters A-Z a-z, digits, - and _, with single / "
        "between levels",
    ),
    (
        TOPIC_PREFIX,
        "site/#",
        "'site/#' is not a prefix for topics; use letters A-Z a-z, digits, - and _, with single / "
        "between levels",
    ),
    (SIZE, "1920x1080", "expected a width and a height, not '1920x1080'; write [1920, 1080]"),
    (SIZE, "[1920]", "expected a width and a height, not a list of 1; write [1920, 1080]"),
    (
        SIZE,
        "[1920, 0]",
        "the height '0' is not a number of pixels; give whole numbers 16 to 16384",
    ),
    (
        HOST,
        "mqtt://broker",
        "'mqtt://broker' is an address with a scheme; give only the broker's name; its port is "
        "'port', encryption is 'tls'",
    ),
    (
        HOST,
        "broker:1883",
        "'broker:1883' is not a host name; give the port as 'port' on its own line",
    ),
    (
        HOST,
        "my broker",
        "'my broker' is not a host name; write it like localhost or broker.example.org",
    ),
    (
        LISTEN,
        "8080",
        "'8080' is not host:port; write 127.0.0.1:8080 for this machine alone, 0.0.0.0:8080 for "
        "every network",
    ),
    (LISTEN, "'::1:8080'", "'::1:8080' is ambiguous; put the address in brackets: \"[::1]:8080\""),
    (LISTEN, "999.1.1.1:80", "'999.1.1.1' is not a host; write it like 127.0.0.1:8080"),
    (LISTEN, "localhost:0", "0 is out of range; give 1 to 65535"),
    (PROTOCOL, "3.11", "'3.11' is not one of auto, 5, 3.1.1; did you mean '3.1.1'?"),
    (PROTOCOL, "4", "'4' is not one of auto, 5, 3.1.1; write auto"),
    (PATH, "{a: b}", "expected one value, not a mapping (name: value); write it like folder/file"),
]


@pytest.mark.parametrize(("kind", "text", "value"), OK, ids=lambda part: str(part)[:20])
def test_ok(kind, text, value):
    assert kind.convert(node(text)) == value


@pytest.mark.parametrize(("kind", "text", "message"), FAIL, ids=lambda part: str(part)[:20])
def test_fail(kind, text, message):
    with pytest.raises(Unfit) as caught:
        kind.convert(node(text))
    assert str(caught.value) == message
