"""The memory of a pool: bounded, and the same after a restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.ids import Address
from poolhand.domain.reputation import NEWCOMER, VOUCHED
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.reputations import Reputations
from poolhand.store.memory import MemoryJournal

NOW = UnixSeconds(1_700_000_000)


def who(number):
    return Address(number.to_bytes(20, "big"))


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=60))
def test_what_decides_is_the_same_after_a_restart(life):
    journal = MemoryJournal()
    known = Reputations(journal, Address.parse, {who(1)}, most=4)
    for number, well in life:
        known.praise(who(number)) if well else known.blame(who(number), NOW)
    again = Reputations(journal.reopened(), Address.parse, {who(1)}, most=4)
    again.recover()
    for number in range(1, 7):
        before, after = known.of(who(number)), again.of(who(number))
        assert (before.is_proved, before.faults, before.credit, before.rests_until) == (
            after.is_proved, after.faults, after.credit, after.rests_until
        )  # fmt: skip


def test_of_more_than_can_be_remembered_the_oldest_are_newcomers_again():
    journal = MemoryJournal()
    known = Reputations(journal, Address.parse, most=100)
    for number in range(1, 1_001):
        known.blame(who(number), NOW)
    assert known.of(who(1)) == NEWCOMER
    assert known.of(who(1_000)).faults == 1
    assert len({stream for stream, _ in journal.read()}) == 100


def test_a_start_leaves_one_record_of_each():
    journal = MemoryJournal()
    known = Reputations(journal, Address.parse)
    for _ in range(50):
        known.blame(who(1), NOW)
    reopened = journal.reopened()
    Reputations(reopened, Address.parse).recover()
    assert len(list(reopened.read())) == 1


def test_for_whom_the_owner_gives_its_word_begins_proved_and_may_lose_it():
    known = Reputations(None, Address.parse, {who(1)})
    assert known.of(who(1)) == VOUCHED
    assert known.of(who(1)).is_proved
    assert not known.blame(who(1), NOW).is_proved
