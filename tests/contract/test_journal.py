"""One suite over every journal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from poolhand.domain.errors import BrokenPrecondition
from poolhand.ports.journal import Forgotten, Journal, Marked, Written
from poolhand.store.errors import JournalFull, JournalLocked, JournalTooNew
from poolhand.store.file import FileJournal
from poolhand.store.memory import MemoryJournal
from poolhand.store.record import Codec
from poolhand.store.sql import SqlJournal

Reopen = Callable[[Journal], Journal]


@pytest.fixture(
    params=["memory", "file", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def kind(request) -> str:
    return request.param


@pytest.fixture
def where(kind, request, tmp_path) -> str:
    """Return the folder, or the URL of the database."""
    return request.getfixturevalue("postgres") if kind == "postgres" else str(tmp_path)


@pytest.fixture
def journal(kind, where):
    made = _open(kind, where)
    yield made
    made.close()


@pytest.fixture
def reopen(kind, where):
    opened = []

    def again(journal: Journal) -> Journal:
        journal.close()
        fresh = journal.reopened() if kind == "memory" else _open(kind, where)
        opened.append(fresh)
        return fresh

    yield again
    for fresh in opened:
        fresh.close()


def _open(kind: str, where: str) -> Journal:
    match kind:
        case "memory":
            return MemoryJournal()
        case "file":
            return FileJournal(Path(where) / "sub" / "journal", slack=3)
        case "postgres":
            return SqlJournal(where)
        case _:
            return SqlJournal(f"sqlite:///{where}/journal.db")


EVENTS = [
    ("a", {"x": 1}),
    ("b", {"text": 'quotes " and\nnewlines, ünïcode \u2028'}),
    ("a", {"nested": {"list": [1, None, True, 2**80]}}),
]


def test_what_was_appended_is_read_in_order(journal, reopen):
    for stream, event in EVENTS:
        journal.append(stream, event)
    assert list(journal.read()) == EVENTS
    assert list(reopen(journal).read()) == EVENTS


def test_a_forgotten_stream_is_gone_and_the_others_stay(journal, reopen):
    for stream, event in EVENTS:
        journal.append(stream, event)
    journal.forget("a")
    journal.forget("a")
    journal.forget("never heard of")
    assert list(journal.read()) == [EVENTS[1]]
    assert list(reopen(journal).read()) == [EVENTS[1]]


def test_a_forgotten_stream_may_begin_again(journal, reopen):
    journal.append("a", {"life": 1})
    journal.forget("a")
    journal.append("a", {"life": 2})
    assert list(reopen(journal).read()) == [("a", {"life": 2})]


def test_many_forgotten_streams_leave_nothing_behind(journal, reopen):
    for number in range(40):
        journal.append(f"s{number}", {"n": number})
        journal.append("kept", {"n": number})
        journal.forget(f"s{number}")
    kept = [("kept", {"n": number}) for number in range(40)]
    assert list(journal.read()) == kept
    fresh = reopen(journal)
    fresh.append("kept", {"n": 40})
    assert list(fresh.read()) == [*kept, ("kept", {"n": 40})]


def test_changes_of_one_commit_are_made_in_their_order(kind, journal, reopen):
    if kind == "file":
        return  # a worker's journal takes no batches
    journal.append("b", {"old": 1})
    journal.commit(
        [Written("a", '{"n":1}'), Forgotten("a"), Forgotten("b"), Written("a", '{"n":2}'),
         Written("c", '{"n":3}')]
    )  # fmt: skip
    held = [("a", {"n": 2}), ("c", {"n": 3})]
    assert list(journal.read()) == held
    assert list(reopen(journal).read()) == held


def test_a_commit_that_fails_changes_nothing(tmp_path):
    journal = SqlJournal(f"sqlite:///{tmp_path}/j.db")
    journal.append("a", {"n": 1})
    with sqlite3_limit(journal, pages=6), pytest.raises(JournalFull):
        journal.commit([Forgotten("a"), Written("b", '"' + "x" * 10**6 + '"')])
    assert list(journal.read()) == [("a", {"n": 1})]
    journal.commit([Written("b", '{"n":2}')])
    assert list(journal.read()) == [("a", {"n": 1}), ("b", {"n": 2})]
    journal.close()


@contextmanager
def sqlite3_limit(journal, pages):
    """Make a database a full disk for a while."""
    connection = journal._connection
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    connection.rollback()
    yield
    connection.exec_driver_sql("PRAGMA max_page_count=1073741823")
    connection.rollback()


def test_only_streams_whose_names_begin_so_are_read(journal, reopen):
    names = ["task/1", "task/2", "Task/3", "tx/1", "task", "task_4", "täsk/5"]
    for name in names:
        journal.append(name, {})
    for _ in range(2):
        assert [stream for stream, _ in journal.read("task/")] == ["task/1", "task/2"]
        assert [stream for stream, _ in journal.read()] == names
        journal = reopen(journal)


def test_cursors_stand_where_they_were_set(kind, journal, reopen):
    if kind == "file":
        return  # a worker follows nothing
    journal.commit([Marked("deals", 7), Marked("other", 1), Marked("deals", 2**40)])
    journal.commit([Marked("other", 0)])
    assert journal.marks() == {"deals": 2**40, "other": 0}
    assert reopen(journal).marks() == {"deals": 2**40, "other": 0}


def test_a_caller_cannot_change_what_was_recorded(journal):
    event = {"list": [1]}
    journal.append("a", event)
    event["list"].append(2)
    next(iter(journal.read()))[1]["list"].append(3)
    assert list(journal.read()) == [("a", {"list": [1]})]


def test_what_is_not_json_is_refused_and_not_recorded(journal):
    with pytest.raises(BrokenPrecondition):
        journal.append("a", {"bytes": b"\x00"})
    assert list(journal.read()) == []


def test_a_closed_journal_refuses(journal):
    journal.close()
    journal.close()
    with pytest.raises(BrokenPrecondition):
        journal.append("a", {})


def test_an_open_journal_is_not_opened_twice(kind, journal, where):
    if kind == "memory":
        return
    journal.append("a", {})
    with pytest.raises(JournalLocked):
        _open(kind, where)
    journal.append("b", {})
    assert len(list(journal.read())) == 2


def test_records_of_an_old_version_are_brought_up(tmp_path):
    newer = Codec(version=2, upcasters={1: lambda _, event: {"name": event["n"]}})
    for old, new in (
        (lambda: FileJournal(tmp_path / "j"), lambda: FileJournal(tmp_path / "j", newer)),
        (
            lambda: SqlJournal(f"sqlite:///{tmp_path}/j.db"),
            lambda: SqlJournal(f"sqlite:///{tmp_path}/j.db", newer),
        ),
    ):
        first = old()
        first.append("a", {"n": "x"})
        first.close()
        second = new()
        second.append("a", {"name": "y"})
        assert [event for _, event in second.read()] == [{"name": "x"}, {"name": "y"}]
        second.close()


def test_records_of_a_later_version_are_refused(tmp_path):
    later = FileJournal(tmp_path / "j", Codec(version=2))
    later.append("a", {})
    later.close()
    with pytest.raises(JournalTooNew):
        FileJournal(tmp_path / "j")


def test_the_line_format_is_kept(tmp_path):
    """Golden: written by Poolhand 0.1; journals in the field look like this."""
    golden = b'{"v":1,"n":1,"s":"tx","e":{"k":"\xc3\xbc"},"c":"d1e89000"}\n'
    made = FileJournal(tmp_path / "j")
    made.append("tx", {"k": "ü"})
    made.close()
    assert (tmp_path / "j").read_bytes() == golden
