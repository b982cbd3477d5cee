"""Several processes on one real server: one leads, and whoever lost the lead writes nothing."""

from __future__ import annotations

import threading
from itertools import count

import psycopg
import pytest
from sqlalchemy import Engine, event

from poolhand.domain.lead import LEASE, StandbyStep, Watching
from poolhand.ports.journal import Marked, Written
from poolhand.ports.lead import LeadClaim, LeadLost
from poolhand.store.errors import JournalLocked, JournalUnreadable, JournalUnwritable
from poolhand.store.lease import Lease
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


@pytest.mark.timeout(60)
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
    assert reader.end(reader.sight().leader) == 1
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
    seen = reader.sight().leader
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
    assert reader.newest("task/", None, 2) == ["task/4", "task/2"]
    assert reader.newest("task/", "task/2", 9) == ["task/1", "task/0"]
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


# ------------------------------------------------------------------------------------------- lease


class Held:
    """A journal in which beating fails when it is told to, and a clock in the test's hand."""

    def __init__(self):
        self.now, self.beats, self.fault = 50.0, 0, None

    def beat(self):
        if self.fault:
            raise self.fault
        self.beats += 1


@pytest.fixture
def held():
    return Held()


def lease_of(held):
    return Lease(held, held.now, lambda: held.now)


@pytest.mark.parametrize("asleep", [LEASE, 3600])
def test_whoever_slept_through_its_lease_passes_nothing(held, asleep):
    lease = lease_of(held)
    held.now += LEASE - 0.01
    lease.check()
    held.now += asleep
    with pytest.raises(LeadLost, match="longer than its lease"):
        lease.check()


def test_a_beat_counts_from_before_it_was_given(held):
    """Else a slow database would give a leader a lease that its successor does not know of."""
    lease, before = lease_of(held), held.now

    def slow():
        held.now += 2.0

    held.beat = slow
    lease.beat()
    held.now = before + LEASE - 0.01
    lease.check()
    held.now = before + LEASE
    with pytest.raises(LeadLost):
        lease.check()


def test_a_fault_of_beating_ends_the_lease_at_once(held):
    lease = lease_of(held)
    held.fault = LeadLost("two took the lead")
    lease._ended.wait = lambda _seconds: False  # no pause in this test
    lease._keep()
    with pytest.raises(LeadLost, match="two took the lead"):
        lease.check()


def test_whoever_gave_the_lead_up_passes_nothing(held):
    lease = lease_of(held)
    with lease.kept():
        lease.check()
    with pytest.raises(LeadLost, match="gave the lead up"):
        lease.check()
