"""What was ever published, remembered until it is cleared, and a while longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.journal import Journal, JournalError
from edge.ledger import REMEMBER_DAYS, REMEMBER_TOPICS
from edge.sinks.published import RETRY_S, Published

AT = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


def test_topics_survive_a_restart(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal.db")
    first.ledger.note(["P/slots/A1", "P/info"])
    first.ledger.clear(["P/slots/A1"])
    first.close()
    second = Journal(tmp_path / "journal.db")
    assert second.ledger.topics() == {"P/info": False, "P/slots/A1": True}
    second.ledger.note(["P/slots/A1"])
    assert second.ledger.topics()["P/slots/A1"] is False
    second.close()


def test_cleared_topics_are_remembered_for_a_while_and_not_without_end(tmp_path: Path) -> None:
    now = AT
    journal = Journal(tmp_path / "journal.db", clock=lambda: now)
    journal.ledger.note(["old", "kept"])
    journal.ledger.clear(["old"])
    now += timedelta(days=REMEMBER_DAYS, seconds=1)
    journal.ledger.note(["new"])
    journal.ledger.clear(["new"])
    assert journal.ledger.topics() == {"kept": False, "new": True}

    many = [f"T{number}" for number in range(REMEMBER_TOPICS + 5)]
    journal.ledger.note(many)
    now += timedelta(seconds=1)
    journal.ledger.clear(many)
    assert len(journal.ledger.topics()) == REMEMBER_TOPICS + 1
    assert journal.ledger.topics()["kept"] is False
    journal.close()


def test_journal_of_an_earlier_version_gets_a_ledger(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    with journal._file.transaction("go back") as connection:
        connection.execute("DROP TABLE topics")
    journal.close()
    again = Journal(tmp_path / "journal.db")
    assert again.ledger.topics() == {}
    again.close()


def test_topic_below_a_former_name_is_cleared_once_and_an_own_one_is_remembered() -> None:
    journal = Journal(None)
    journal.ledger.note(["P/old/info", "P/now/slots/A1"])
    published = Published(journal.ledger, own=("P/now/",), presumed=("P/now/alerts/x",))
    assert set(published.topics(0.0)) == {"P/old/info", "P/now/slots/A1", "P/now/alerts/x"}
    for topic in published.topics(0.0):
        published.cleared(topic)
    assert published.commit(set(published.landed), 0.0) == {"P/old/info"}
    assert journal.ledger.topics() == {"P/now/slots/A1": True}
    journal.close()


def test_what_another_device_may_be_called_by_now_is_left_alone() -> None:
    journal = Journal(None)
    journal.ledger.note(["P/old/info", "P/now/slots/A1"])
    journal.ledger.clear(["P/old/info", "P/now/slots/A1"])  # by whoever was called so
    assert Published(journal.ledger, own=("P/now/",)).topics(0.0) == ["P/now/slots/A1"]
    journal.close()


def test_ledger_of_a_journal_that_was_replaced_is_written_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    published = Published(journal.ledger, own=("P/",))
    published.topics(0.0)
    published.note(["P/info"], 0.0)
    assert published.is_noted("P/info")
    with journal._file.transaction("change a byte") as connection:
        connection.execute("INSERT INTO slots VALUES ('A1', 'OSCUPIED', '', '', 0, '', 1, '')")
    with pytest.raises(JournalError):
        journal.slots()
    assert not published.is_noted("P/info")
    assert published.topics(0.0) == []
    published.note(["P/info"], 0.0)
    assert journal.ledger.topics() == {"P/info": False}
    journal.close()


class FailingLedger:
    """A ledger on a disk that fails for a while."""

    def __init__(self) -> None:
        self.generation = 0
        self.is_failing = True
        self.noted: list[str] = []

    def _fail(self) -> None:
        if self.is_failing:
            raise JournalError("the disk is full; free space on this disk")

    def topics(self) -> dict[str, bool]:
        return {}

    def note(self, topics: list[str]) -> None:
        self._fail()
        self.noted += topics


def test_disk_that_fails_is_said_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    ledger = FailingLedger()
    published = Published(ledger, own=("P/",))  # type: ignore[arg-type]
    assert published.topics(0.0) == []
    published.note(["P/info"], 0.0)
    published.note(["P/info"], RETRY_S - 1)
    published.note(["P/info"], RETRY_S + 1)
    assert not published.is_noted("P/info")
    assert [record.getMessage() for record in caplog.records] == [
        "MQTT: the disk is full; free space on this disk"
    ]
    ledger.is_failing = False
    published.note(["P/info", "P/health"], 3 * RETRY_S)
    assert ledger.noted == ["P/info", "P/health"]
    assert published.is_noted("P/info")
