"""The demo's screen, from messages alone."""

import json

from edge.commands.live_view import Board, Header, clip, render, visible_length
from edge.types import State

HEADER = Header("simulated cabinet", 65.0, "Ctrl-C ends", "right 99.0 %")
ROWS = (("A1", "A2"), ("B1", "B2"))


def event(seq, slot, before, after, reason=None):
    return json.dumps(
        {
            "seq": seq,
            "slot": slot,
            "before": before,
            "after": after,
            "probability": None if reason else 0.97,
            "reason": reason,
            "at": "2026-01-01T10:20:30.000Z",
            "historical": False,
        }
    ).encode()


def board():
    subject = Board("slotwatch/demo")
    subject.take("slotwatch/demo/status", b"online", 0.0)
    for slot, state in (("A1", "OCCUPIED"), ("A2", "EMPTY"), ("B1", "UNKNOWN")):
        payload = json.dumps({"state": state, "reason": None}).encode()
        subject.take(f"slotwatch/demo/slots/{slot}", payload, 0.0)
    subject.take("slotwatch/demo/events", event(1, "A1", "EMPTY", "OCCUPIED"), 10.0)
    subject.take("slotwatch/demo/events", event(2, "B1", "EMPTY", "UNKNOWN", "frame_dark"), 11.0)
    return subject


def text(size=(100, 20), now_s=11.5, subject=None):
    return "\n".join(render(subject or board(), HEADER, ROWS, size, now_s))


def test_the_screen_shows_states_events_and_time():
    shown = text()
    for words in ("online", "1:05", "1 occupied", "1 empty", "1 unknown", "right 99.0 %"):
        assert words in shown
    assert "10:20:30  A1   EMPTY    → OCCUPIED p 0.97" in shown
    assert "10:20:30  B1   EMPTY    → UNKNOWN  frame_dark" in shown


def test_a_slot_that_changed_is_marked_for_a_moment():
    assert "▸A1 " in text(now_s=11.5)
    assert "▸A1 " not in text(now_s=13.0)


def test_a_cleared_slot_is_gone_from_the_counts():
    subject = board()
    subject.take("slotwatch/demo/slots/A1", b"", 12.0)
    assert subject.count(State.OCCUPIED) == 0


def test_an_alert_is_shown_while_it_lasts():
    subject = board()
    payload = json.dumps({"id": "camera_lost", "message": "no picture"}).encode()
    subject.take("slotwatch/demo/alerts/camera_lost", payload, 12.0)
    assert "no picture" in text(subject=subject)
    subject.take("slotwatch/demo/alerts/camera_lost", b"", 12.0)
    assert "no picture" not in text(subject=subject)


def test_nothing_is_wider_or_longer_than_the_terminal():
    for size in ((100, 20), (60, 10), (24, 8), (200, 50)):
        lines = render(board(), HEADER, ROWS, size, 11.5)
        assert len(lines) <= size[1]
        assert max(map(visible_length, lines)) <= size[0]


def test_clipping_keeps_colours_whole():
    assert clip("\x1b[1mabcdef\x1b[0m", 3) == "\x1b[1mabc\x1b[0m"
