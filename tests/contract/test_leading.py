"""Several processes on one real server: one leads, and whoever lost the lead writes nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from itertools import count

import psycopg
import pytest
from sqlalchemy import Engine, event

from poolhand.domain.lead import LEAD_LEASE, LEAD_SILENCE, StandbyStep, Watching
from poolhand.ports.journal import Marked, Written
from poolhand.ports.lead import LeadClaim, LeadLost
from poolhand.store.errors import JournalLocked, JournalUnreadable, JournalUnwritable
from poolhand.store.sql import SqlJournal
from poolhand.store.sql_reader import SqlReader

pytestmark = pytest.mark.postgres

ONE = LeadClaim("one", "http://one")
TWO = LeadClaim("two", "http://two")


@pytest.fixture
def reader(postgres):
    made = SqlReader(postgres)
    yield made
    made.close()


@pytest.fixture
def lead(postgres):
    """Open the database to lead; whatever is opened is closed in the end."""
    opened = []

    def take(claim=ONE):
        opened.append(SqlJournal(postgres, claim=claim))
        return opened[-1]

    yield take
    for journal in opened:
        journal.close()


def test_whoever_leads_is_seen_with_its_address_and_its_beats(lead, reader):
    assert reader.sight().leader is None
    journal = lead()
    first = reader.sight()
    journal.beat()
    second = reader.sight()
    assert first.is_held
    assert second.is_held
    assert (first.leader.holder, first.leader.address, first.leader.epoch) == (
        "one",
        "http://one",
        1,
    )
    assert second.leader.beats == first.leader.beats + 1


def test_a_second_process_takes_no_lead_and_changes_nothing(lead, reader):
    lead()
    before = reader.sight()
    with pytest.raises(JournalLocked):
        lead(TWO)
    assert reader.sight() == before


def test_whoever_ends_in_peace_lets_another_lead_at_once(lead, reader):
    lead().close()
    found = reader.sight()
    assert not found.is_held
    assert Watching().look(found, 0).decide(0) is StandbyStep.TAKE
    lead(TWO)
    assert (reader.sight().leader.epoch, reader.sight().leader.holder) == (2, "two")


def test_a_row_that_somebody_deleted_ends_its_leader_and_keeps_nobody_from_leading(
    lead, reader, postgres
):
    """Else the pool is away until somebody writes the row by hand."""
    first = lead()
    with psycopg.connect(postgres, autocommit=True) as somebody:
        somebody.execute("DELETE FROM leader")
    with pytest.raises(LeadLost, match="its row is gone"):
        first.append("a", {"n": 1})
    first.close()
    lead(TWO).append("a", {"n": 2})
    found = reader.sight().leader
    assert found.holder == "two"
    assert found.epoch > 1, "an epoch that was led before is nobody else's"


def test_nobody_waits_for_long_on_what_a_stranger_locked(lead, reader, postgres):
    """Else a leader that has lost its lease never ends, and who stands by says that all is well."""
    journal = lead()
    with psycopg.connect(postgres) as stranger:
        stranger.execute("LOCK TABLE leader")
        for act in (journal.beat, lambda: journal.append("a", {"n": 1}), reader.sight):
            with pytest.raises((JournalUnwritable, JournalUnreadable), match="lock timeout"):
                act()
    journal.append("a", {"n": 2})
    assert list(journal.read()) == [("a", {"n": 2})]


def test_a_leader_whose_session_was_ended_writes_nothing_more(lead, reader):
    old = lead()
    old.append("a", {"n": 1})
    assert reader.end(reader.sight()) == 1
    new = lead(TWO)
    for write in (
        lambda: old.append("a", {"n": 2}),
        lambda: old.commit([Marked("deals", 9)]),
        lambda: old.archive.prune(2**40, 10),
        old.beat,
        lambda: old.append("a", {"n": 3}),
    ):
        with pytest.raises(LeadLost):
            write()
    old.close()
    assert list(new.read()) == [("a", {"n": 1})]
    assert new.marks() == {}
    assert reader.sight().leader.holder == "two", "who lost the lead resigns from nobody else's"


def test_a_leader_that_kept_its_session_writes_nothing_after_another_took_the_epoch(
    lead, reader, postgres
):
    """As behind a pooler of connections, which shares sessions: the epoch alone must do."""
    old = lead()
    with psycopg.connect(postgres, autocommit=True) as pooler:
        pooler.execute("UPDATE leader SET epoch = epoch + 1, holder = 'two'")
    for write in (lambda: old.append("a", {"n": 1}), old.beat, lambda: old.archive.prune(9, 9)):
        with pytest.raises(LeadLost, match="two took the lead"):
            write()
    assert list(old.read()) == []


def test_an_epoch_is_not_counted_up_in_the_middle_of_a_commit(lead, postgres):
    old, taken = lead(), threading.Event()

    def take():
        with psycopg.connect(postgres, autocommit=True) as other:
            other.execute("UPDATE leader SET epoch = epoch + 1")
        taken.set()

    with old._writing() as connection:
        taking = threading.Thread(target=take)
        taking.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        with psycopg.connect(postgres, autocommit=True) as other:
            while not other.execute(waiting).fetchone()[0]:
                pass
        assert not taken.is_set()
        old._make(connection, [Written("a", "{}")])
    taking.join()
    assert list(old.read()) == [("a", {})]


def test_a_leader_that_beat_meanwhile_is_not_ended(lead, reader):
    journal = lead()
    seen = reader.sight()
    journal.beat()
    assert reader.end(seen) == 0
    journal.append("a", {})


def test_a_leader_whose_server_went_away_has_lost_the_lead(lead, reader, postgres_server):
    journal = lead()
    postgres_server.kill()
    try:
        with pytest.raises(LeadLost):
            journal.append("a", {})
        with pytest.raises(JournalUnreadable):
            reader.sight()
    finally:
        postgres_server.start()
    with pytest.raises(LeadLost):
        journal.append("a", {})
    assert not reader.sight().is_held


def test_streams_and_rows_are_read_beside_the_leader(lead, reader):
    journal = lead()
    for number in range(5):
        journal.append(f"task/{number}", {"n": number})
    journal.append("task/1", {"n": "again"})
    journal.append("tx/9", {})
    journal.forget("task/3")
    first, heard = reader.events(0, "task/", 3)
    rest, heard = reader.events(heard, "task/", 9)
    assert [name for name, _ in first] == ["task/0", "task/1", "task/2"]
    assert rest == [("task/4", {"n": 4}), ("task/1", {"n": "again"})]
    assert reader.events(heard, "task/", 9) == ([], heard)
    assert reader.stream("task/1") == [{"n": 1}, {"n": "again"}]
    assert reader.stream("task/3") == []
    assert reader.archive.counts() == {}


class Gone(BaseException):
    """The process is killed here."""


def test_whoever_is_killed_while_it_takes_over_leaves_everything_to_the_next(postgres, reader):
    """At every statement: the lock goes with the session, what was begun is undone."""
    first = SqlJournal(postgres, claim=ONE)
    first.append("a", {"n": 1})
    first.close()
    epoch, cuts = reader.sight().leader.epoch, 0
    for number in count(1):
        killed = cut(postgres, number)
        with_next = SqlJournal(postgres, claim=TWO)
        assert list(with_next.read()) == [("a", {"n": 1})]
        assert reader.sight().leader.epoch > epoch
        epoch = reader.sight().leader.epoch
        with_next.close()
        if not killed:
            break
        cuts += 1
    assert cuts >= 4


def cut(url, number):
    """Take the lead, killed at a statement; returns whether there was one of that number."""
    seen = 0

    def look(*_):
        nonlocal seen
        seen += 1
        if seen == number:
            raise Gone

    event.listen(Engine, "before_cursor_execute", look)
    try:
        SqlJournal(url, claim=ONE).close()
    except Gone:
        return True
    finally:
        event.remove(Engine, "before_cursor_execute", look)
    return seen >= number


# ---------------------------------------------------------------------------------- frozen sessions


@contextmanager
def frozen(url, name):
    """Freeze the server's processes behind sessions of a name, as a machine's trouble does."""
    named = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND %s"
    with psycopg.connect(url, autocommit=True) as server:
        found = server.execute(named % "application_name = %s", [name]).fetchall()
    assert found
    for (process,) in found:
        os.kill(process, signal.SIGSTOP)
    try:
        yield found[0][0]
    finally:
        for (process,) in found:
            os.kill(process, signal.SIGCONT)


def test_a_leader_whose_session_is_frozen_has_lost_the_lead_within_its_lease(lead, postgres):
    """The machine answers for the frozen process: no time limit but our own ends this wait."""
    journal = lead()

    def beat():
        with pytest.raises(LeadLost):
            journal.beat()

    beating = threading.Thread(target=beat)
    with frozen(postgres, "poolhand leads"):
        began = time.monotonic()
        beating.start()
        with pytest.raises(LeadLost, match="session"):
            journal.append("a", {"n": 1})
        with pytest.raises(LeadLost):
            journal.append("a", {"n": 2})
        journal.close()
        beating.join()
        assert time.monotonic() - began < 2 * LEAD_LEASE


def test_one_that_stands_by_comes_back_from_a_frozen_session(lead, reader, postgres):
    """Else it sees nothing more, and never takes over."""
    lead()
    reader.sight()
    with frozen(postgres, "poolhand"):
        assert reader.sight().leader.holder == "one"


# ---------------------------------------------------------------------------- as the lead is taken


class Slow:
    """A process that takes the lead and stops before it writes that it does."""

    def __init__(self, url):
        self._url, self._goes_on = url, threading.Event()
        self.is_there, self.journal, self.fault = threading.Event(), None, None
        self._thread = threading.Thread(target=self._take)

    def __enter__(self):
        event.listen(Engine, "before_cursor_execute", self._look)
        self._thread.start()
        self.is_there.wait()
        return self

    def __exit__(self, *_):
        self.go_on()
        event.remove(Engine, "before_cursor_execute", self._look)
        if self.journal:
            self.journal.close()

    def _look(self, _connection, _cursor, statement, *_):
        if threading.current_thread() is self._thread and statement.startswith("UPDATE leader"):
            self.is_there.set()
            self._goes_on.wait()

    def _take(self):
        try:
            self.journal = SqlJournal(self._url, claim=TWO)
        except JournalUnwritable as fault:
            self.fault = fault

    def go_on(self):
        self._goes_on.set()
        self._thread.join()


def watched(reader, seconds, watching=Watching(), start=0.0):
    """Look for so many seconds, once in each."""
    for second in range(seconds + 1):
        watching = watching.look(reader.sight(), start + second)
    return watching, start + seconds


def test_whoever_is_faster_is_not_ended_while_it_brings_the_tables_up(postgres, reader):
    """Two that stood by would end each other in turn, and none would ever lead."""
    SqlJournal(postgres, claim=ONE).close()
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("UPDATE leader SET holder = 'one'")  # it was killed and resigned nothing
    watching, now = watched(reader, 8)
    assert watching.decide(now) is StandbyStep.TAKE
    with Slow(postgres) as faster:
        for _ in range(2):
            watching, now = watched(reader, int(LEAD_SILENCE) + 1, watching, now)
            assert watching.decide(now) is StandbyStep.WAIT
        assert watching.seen.session.is_taking
        faster.go_on()
        assert faster.fault is None
        seen = reader.sight()
        assert not seen.session.is_taking
        assert seen.leader.holder == "two"


def test_whoever_has_led_since_it_was_seen_is_not_ended(postgres, reader):
    SqlJournal(postgres, claim=ONE).close()
    with Slow(postgres) as other:
        seen = reader.sight()
        other.go_on()
        assert reader.end(seen) == 0
        other.journal.append("a", {"n": 1})


def test_a_session_that_took_the_lock_and_goes_on_with_nothing_can_be_ended(postgres, reader):
    SqlJournal(postgres, claim=ONE).close()
    with Slow(postgres) as other:
        assert reader.end(reader.sight()) == 1
        other.go_on()
        assert other.journal is None
    SqlJournal(postgres, claim=ONE).close()
