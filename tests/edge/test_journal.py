"""What must survive a restart: the journal on a real disk, with real damage."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from edge.journal import PRUNE_EVERY, Journal, JournalError
from edge.types import Reason, SlotMemory, State, Transition

AT = datetime(2026, 11, 21, 6, 30, 0, 123456, tzinfo=UTC)
REPOSITORY = Path(__file__).parents[2]

Change = tuple[Transition, SlotMemory]


def change(slot_id: str = "A1", after: State = State.OCCUPIED, at: datetime = AT) -> Change:
    before = State.EMPTY if after is State.OCCUPIED else State.OCCUPIED
    reason = Reason.CAMERA_LOST if after is State.UNKNOWN else None
    last_known = None if after is State.UNKNOWN else after
    transition = Transition(slot_id, before, after, 0.97, reason, at)
    return transition, SlotMemory(after, reason, at, 0.97, last_known)


def record(journal: Journal, count: int, at: datetime = AT) -> list[int]:
    changes = [change(f"S{number}", at=at) for number in range(count)]
    return [transition.seq for transition, _ in journal.record(changes)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture(params=["on disk", "in memory"])
def journal(request: pytest.FixtureRequest, path: Path) -> Iterator[Journal]:
    opened = Journal(path if request.param == "on disk" else None, clock=lambda: AT)
    yield opened
    opened.close()


# -- the outbox --------------------------------------------------------------------------


def test_recorded_event_comes_back_with_its_seq_in_both_values(journal: Journal) -> None:
    transition, memory = change()
    [(recorded, remembered)] = journal.record([(transition, memory)])
    assert recorded.seq > 0
    assert recorded == replace(transition, seq=recorded.seq)
    assert remembered == replace(memory, seq=recorded.seq)
    assert journal.unacknowledged(0, 10) == [recorded]


def test_seq_grows_by_one(journal: Journal) -> None:
    seqs = record(journal, 3) + record(journal, 2)
    assert seqs == list(range(seqs[0], seqs[0] + 5))


def test_outbox_is_read_in_order_from_any_point(journal: Journal) -> None:
    seqs = record(journal, 5)
    assert [event.seq for event in journal.unacknowledged(0, 2)] == seqs[:2]
    assert [event.seq for event in journal.unacknowledged(seqs[1], 10)] == seqs[2:]


def test_acknowledged_event_leaves_the_outbox_and_stays_for_those_who_missed_it(
    journal: Journal,
) -> None:
    seqs = record(journal, 4)
    journal.acknowledge([seqs[0], seqs[2]])
    assert journal.depth() == 2
    assert [event.seq for event in journal.unacknowledged(0, 10)] == [seqs[1], seqs[3]]
    assert [event.seq for event in journal.since(seqs[0], 10)] == seqs[1:]


def test_device_without_a_broker_fills_no_outbox(path: Path) -> None:
    journal = Journal(path, has_outbox=False)
    seqs = record(journal, 3)
    assert journal.depth() == 0
    assert [event.seq for event in journal.since(0, 10)] == seqs
    journal.close()


def test_three_threads_share_one_journal(path: Path) -> None:
    journal = Journal(path)
    failures: list[BaseException] = []

    def guarded(work: object) -> None:
        try:
            assert callable(work)
            for _ in range(50):
                work()
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=guarded, args=(work,))
        for work in (
            lambda: record(journal, 2),
            lambda: journal.acknowledge([event.seq for event in journal.unacknowledged(0, 3)]),
            journal.depth,
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(journal.since(0, 1000)) == 100
    journal.close()


# -- restarts ----------------------------------------------------------------------------


def test_restart_knows_events_slots_and_regions(path: Path) -> None:
    first = Journal(path)
    events = first.record(
        [change("A1"), change("A2", State.UNKNOWN)], {"A1": "here", "A2": "there"}
    )
    first.close()

    second = Journal(path)
    assert second.unacknowledged(0, 10) == [transition for transition, _ in events]
    assert second.slots() == {"A1": (events[0][1], "here"), "A2": (events[1][1], "there")}
    second.close()


def test_slot_shows_its_newest_state(journal: Journal) -> None:
    journal.record([change("A1")])
    [(_, newest)] = journal.record([change("A1", State.EMPTY)], {"A1": "here"})
    assert journal.slots() == {"A1": (newest, "here")}


def test_forgotten_slot_leaves_its_events(journal: Journal) -> None:
    journal.record([change("A1"), change("A2")])
    journal.forget("A1")
    assert set(journal.slots()) == {"A2"}
    assert len(journal.since(0, 10)) == 2


def test_seq_does_not_repeat_although_every_event_was_dropped(path: Path) -> None:
    first = Journal(path)
    [last] = record(first, 1)
    first.acknowledge([last])
    first.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("DELETE FROM events")
    other.close()
    second = Journal(path)
    assert record(second, 1) == [last + 1]
    second.close()


def test_seq_does_not_begin_at_one_when_a_kill_came_while_the_file_was_made(path: Path) -> None:
    first = Journal(path, clock=lambda: AT)
    with first._file.transaction("go back to that moment") as connection:
        connection.execute("DELETE FROM sqlite_sequence")
    first.close()
    second = Journal(path, clock=lambda: AT)
    assert record(second, 1)[0] > AT.timestamp()
    second.close()


def test_seq_does_not_repeat_on_a_replaced_memory_card(tmp_path: Path) -> None:
    first = Journal(tmp_path / "old.db", clock=lambda: AT)
    last = record(first, 1000)[-1]
    first.close()
    second = Journal(tmp_path / "new.db", clock=lambda: AT + timedelta(hours=1))
    assert record(second, 1)[0] > last
    second.close()


def test_record_is_on_the_disk_when_it_returns(path: Path) -> None:
    program = (
        "import os, sys; sys.path.insert(0, '.')\n"
        "from datetime import UTC, datetime; from pathlib import Path\n"
        "from edge.journal import Journal; from edge.types import *\n"
        "journal = Journal(Path(sys.argv[1])); at = datetime.now(UTC)\n"
        "event = Transition('A1', State.EMPTY, State.OCCUPIED, 0.9, None, at)\n"
        "journal.record([(event, SlotMemory(State.OCCUPIED, None, at))])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=REPOSITORY, check=False)
    assert done.returncode == -9
    journal = Journal(path)
    assert [event.slot_id for event in journal.unacknowledged(0, 10)] == ["A1"]
    assert set(journal.slots()) == {"A1"}
    journal.close()


# -- bounds ------------------------------------------------------------------------------


def test_acknowledged_events_are_bounded_by_number(path: Path) -> None:
    journal = Journal(path, keep_events=100)
    seqs = record(journal, PRUNE_EVERY)
    journal.acknowledge(seqs)
    newest = record(journal, PRUNE_EVERY)[-1]
    kept = [event.seq for event in journal.since(0, 10_000)]
    assert kept == list(range(newest - PRUNE_EVERY + 1, newest + 1))
    assert journal.depth() == PRUNE_EVERY
    assert journal.dropped == 0
    journal.close()


def test_acknowledged_events_are_bounded_by_age(path: Path) -> None:
    journal = Journal(path, clock=lambda: AT)
    old = record(journal, 10, at=AT - timedelta(days=31))
    young = record(journal, 10, at=AT - timedelta(days=29))
    journal.acknowledge(old + young)
    waiting = record(journal, PRUNE_EVERY, at=AT - timedelta(days=31))
    assert [event.seq for event in journal.since(0, 10_000)] == young + waiting
    journal.close()


def test_unsent_events_beyond_the_bound_are_given_up_oldest_first_and_counted(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(path, max_unacknowledged=PRUNE_EVERY)
    first = record(journal, PRUNE_EVERY)
    assert journal.dropped == 0
    second = record(journal, PRUNE_EVERY)
    record_count = journal.depth()
    assert [event.seq for event in journal.unacknowledged(0, 10_000)] == second
    assert journal.dropped == len(first)
    assert record_count == PRUNE_EVERY
    assert "the oldest are given up" in caplog.text
    journal.close()


def test_quiet_cabinet_writes_nothing(path: Path) -> None:
    journal = Journal(path)
    record(journal, 1)

    def contents() -> dict[str, bytes]:
        return {
            file.name: file.read_bytes()
            for file in path.parent.iterdir()
            if not file.name.endswith("-shm")  # SQLite's locks, in memory
        }

    before = contents()
    journal.record([])
    journal.acknowledge([])
    journal.unacknowledged(0, 10)
    journal.slots()
    journal.depth()
    assert contents() == before
    journal.close()


# -- damage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"no database at all" * 500), id="other bytes"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192),
            id="torn pages",
        ),
    ],
)
def test_damaged_file_is_set_aside_and_seq_goes_on(
    path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    first = Journal(path, clock=lambda: AT)
    last = record(first, 50)[-1]
    first.close()
    assert callable(damage)
    damage(path)
    damaged = path.read_bytes()

    second = Journal(path, clock=lambda: AT + timedelta(hours=1))
    aside = path.with_name("journal.db.corrupt-20261121T073000Z")
    assert second.damaged() == (aside,)
    assert aside.read_bytes() == damaged
    assert f"kept as {aside.name} and a new one begins" in caplog.text
    assert second.slots() == {}
    assert record(second, 1)[0] > last
    second.close()


def test_damage_met_while_running_is_healed_by_the_next_call(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(path, clock=lambda: AT)
    seqs = record(journal, 1000)
    # A write by somebody else makes SQLite read the file again instead of its memory.
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("UPDATE events SET slot = slot")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(JournalError, match="a new journal begins"):
        journal.since(0, 100_000)
    assert record(journal, 1)[0] > seqs[-1]
    assert len(journal.damaged()) == 1
    assert "the journal is damaged" in caplog.text
    journal.close()


def test_only_the_newest_damaged_files_are_kept(path: Path) -> None:
    for hour in range(6):
        path.write_bytes(b"no database" * 500)
        Journal(path, clock=partial(AT.__add__, timedelta(hours=hour))).close()
    names = sorted(file.name for file in path.parent.glob("*.corrupt-*"))
    assert names == [f"journal.db.corrupt-20261121T{hour:02}3000Z" for hour in (9, 10, 11)]


# -- disks that refuse -------------------------------------------------------------------


def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError) as raised:
        Journal(tmp_path / "nowhere" / "journal.db")
    assert str(raised.value) == (
        f"{tmp_path}/nowhere/journal.db: cannot open the journal: unable to open database file; "
        "make the folder exist and writable for this user"
    )


def test_full_disk_keeps_nothing_of_the_call_and_the_next_call_works(path: Path) -> None:
    journal = Journal(path)
    [kept] = record(journal, 1)
    # SQLite's own bound stands in for the disk's: the same error from the same place.
    assert journal._file._connection is not None
    pages = journal._file._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._file._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match=r"cannot record events: .* is full; free space on this"):
        record(journal, 1000)
    assert [event.seq for event in journal.since(0, 10)] == [kept]
    assert set(journal.slots()) == {"S0"}

    journal._file._connection.execute("PRAGMA max_page_count = 100000")
    assert record(journal, 2) == [kept + 1, kept + 2]
    journal.close()


def test_file_held_by_another_program_is_said(path: Path) -> None:
    journal = Journal(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="database is locked; another program holds the file"):
        record(journal, 1)
    other.execute("ROLLBACK")
    other.close()
    assert len(record(journal, 1)) == 1
    journal.close()


def test_closed_journal_says_so_and_does_not_come_back(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.depth()


def test_journal_that_was_killed_keeps_its_locks_when_it_is_opened(
    path: Path, tmp_path: Path
) -> None:
    # Closing any descriptor of a file ends the process's locks on it: another program would then
    # cut the index off below this one.
    running = Journal(path)
    record(running, 3)
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(f"{path}{suffix}", tmp_path / f"killed.db{suffix}")
    killed = Journal(tmp_path / "killed.db")
    inode = (tmp_path / "killed.db-shm").stat().st_ino
    locks = Path("/proc/locks").read_text().splitlines()
    assert any(f"{os.getpid()} " in line and f":{inode} " in line for line in locks)
    killed.close()
    running.close()


def test_copy_of_a_running_journal_can_be_read(path: Path, tmp_path: Path) -> None:
    journal = Journal(path)
    seqs = record(journal, 3)
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(path.with_name(name), tmp_path / name.replace("journal", "copy"))
    copy = Journal(tmp_path / "copy.db")
    assert [event.seq for event in copy.since(0, 10)] == seqs
    copy.close()
    journal.close()
