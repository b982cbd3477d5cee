"""A map that survives restarts: a crash between any two writes of its clearing loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.scheduler.journaled_map import MOST_RECORDS_OF_A_KEY, JournaledMap, MapCodec
from poolhand.store.memory import MemoryJournal

CODEC = MapCodec(str, lambda value: {"value": value}, lambda record: record["value"])


class PowerCut(Exception):
    """The machine went off."""


class Failing(MemoryJournal):
    """A journal whose machine goes off before its ``left + 1``-th change."""

    left = 10**9

    def _spend(self):
        if not self.left:
            raise PowerCut
        self.left -= 1

    def append(self, stream, event):
        self._spend()
        super().append(stream, event)

    def forget(self, stream):
        self._spend()
        super().forget(stream)


def copied(journal, into):
    for stream, event in journal.read():
        into.append(stream, event)
    return into


def after_cut(journal, changes):
    """Return a journal as it is found after so many changes of a start that was cut short."""
    cut = copied(journal, Failing())
    cut.left = changes
    try:
        JournaledMap(cut, CODEC).recover()
    except PowerCut:
        return cut.reopened(), True
    return cut.reopened(), False


def found(journal):
    fresh = JournaledMap(copied(journal, MemoryJournal()), CODEC)
    fresh.recover()
    return {key: fresh.get(key) for key in "abc"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=12),
       st.lists(st.integers(0, 12), max_size=3))  # fmt: skip
def test_a_start_cut_short_anywhere_and_again_loses_nothing(life, cuts):
    journal = MemoryJournal()
    known = JournaledMap(journal, CODEC)
    for key, value in life:
        known.put(key, value, durably=True)
    told = {key: known.get(key) for key in "abc"}
    for changes in cuts:
        journal, _ = after_cut(journal, changes)
        assert found(journal) == told
    JournaledMap(journal, CODEC).recover()
    assert len(list(journal.read())) == len({key for key, _ in life})


def test_every_change_of_a_start_is_cut_once():
    journal = MemoryJournal()
    known = JournaledMap(journal, CODEC)
    for value in range(3):
        known.put("a", value, durably=True)
    was_cut = [after_cut(journal, changes)[1] for changes in range(4)]
    assert was_cut == [True, True, False, False], "one is written, then the older are forgotten"


def test_the_journal_has_a_few_records_of_each_key_however_often_it_changes():
    journal = MemoryJournal()
    known = JournaledMap(journal, CODEC)
    for value in range(1000):
        for key in "abc":
            known.put(key, value, durably=True)
        assert len(list(journal.read())) <= 3 * MOST_RECORDS_OF_A_KEY
    assert found(journal) == dict.fromkeys("abc", 999)


@pytest.mark.parametrize("starts", [False, True])
def test_a_change_cut_short_anywhere_loses_nothing_that_was_written(starts):
    for changes in range(4 * MOST_RECORDS_OF_A_KEY):
        journal, told = Failing(), None
        known = JournaledMap(journal, CODEC)
        if starts:
            known.put("a", told := -1, durably=True)
            known = JournaledMap(journal, CODEC)
            known.recover()
        journal.left = changes
        for value in range(4 * MOST_RECORDS_OF_A_KEY):
            try:
                known.put("a", value, durably=True)
            except PowerCut:
                assert found(journal)["a"] in (told, value)
                break
            told = value


def test_what_is_not_worth_a_write_is_known_until_the_end():
    journal = MemoryJournal()
    known = JournaledMap(journal, CODEC)
    known.put("a", 1, durably=False)
    assert known.get("a") == 1
    assert found(journal)["a"] is None


def test_of_what_is_too_much_the_oldest_goes_from_the_journal_too():
    journal = MemoryJournal()
    for _ in range(2):
        known = JournaledMap(journal, CODEC, most=2)
        known.recover()
        for key in "abc":
            known.put(key, 1, durably=True)
        journal = journal.reopened()
    assert {stream.removesuffix("/again") for stream, _ in journal.read()} == {"b", "c"}


@pytest.mark.parametrize("again", [1, 2, 3])
def test_starts_in_a_row_leave_one_record_of_each(again):
    journal = MemoryJournal()
    for _ in range(again):
        known = JournaledMap(journal, CODEC)
        known.recover()
        known.put("a", 1, durably=True)
        known.put("a", 2, durably=True)
        journal = journal.reopened()
    last = JournaledMap(journal, CODEC)
    last.recover()
    assert last.get("a") == 2
    assert len(list(journal.read())) == 1
