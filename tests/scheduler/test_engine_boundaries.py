"""What one task's events and effects raise is its trouble: the engine goes on with the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from machines.stories import ANN, BOB, START, TASK, assigned, facts
from poolhand.domain.ids import TaskId
from poolhand.domain.task.machine import Received, TellOffer, Ticked
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.engine import Engine
from poolhand.store.errors import JournalFull
from poolhand.store.memory import MemoryJournal

OTHER = TaskId(bytes([9]) * 32)


class Acting:
    """Acts on effects, and fails for whom it is told to."""

    def __init__(self, fails):
        self.fails, self.done = fails, []

    def __call__(self, task, effect):
        if isinstance(effect, TellOffer) and effect.worker == self.fails:
            raise KeyError("no such worker")
        self.done.append((task.facts.task_id, effect))


@pytest.fixture
def starting():
    """An engine that has not been resumed yet."""
    made = Engine(MemoryJournal())
    made.acting = Acting(ANN)
    made.act.connect(made.acting)
    for name in (TASK, OTHER):
        made.receive(Received(START, replace(facts(), task_id=name)))
    return made


@pytest.fixture
def engine(starting):
    starting.resume()
    return starting


def test_an_effect_that_raises_keeps_no_other_from_being_acted_on(engine):
    for event in assigned(ANN, BOB):
        engine.feed(TASK, event)
    engine.feed(OTHER, assigned(BOB)[0])
    assert engine.acting.done == [(TASK, TellOffer(BOB)), (OTHER, TellOffer(BOB))]
    assert list(engine.troubles) == [TASK]
    assert "no such worker" in engine.troubles[TASK]


def test_an_effect_that_raises_at_a_start_keeps_no_other_from_being_acted_on(starting):
    for event in assigned(ANN, BOB):
        starting.feed(TASK, event)
    assert not starting.acting.done
    starting.resume()
    assert starting.acting.done == [(TASK, TellOffer(BOB))]


def test_an_event_that_the_machine_stumbles_over_is_its_tasks_alone(engine):
    engine.feed(TASK, object())
    engine.feed(OTHER, assigned(BOB)[0])
    assert list(engine.troubles) == [TASK]
    assert engine.acting.done == [(OTHER, TellOffer(BOB))]


def test_a_trouble_that_is_passing_ends_when_it_goes_well_and_a_lasting_one_does_not(engine):
    engine.note(TASK, KeyError("x"), "look", passing=True)
    engine.note(OTHER, KeyError("y"), "step")
    engine.note(OTHER, KeyError("z"), "look", passing=True)
    for name in (TASK, OTHER):
        engine.well(name)
    assert list(engine.troubles) == [OTHER]
    assert "'y'" in engine.troubles[OTHER]


def test_what_an_unread_task_does_is_not_written_behind_what_does_not_read():
    journal = MemoryJournal()
    first = Engine(journal)
    for name in (TASK, OTHER):
        first.receive(Received(START, replace(facts(), task_id=name)))
    journal.append(str(TASK), {"t": "NeverHeardOf"})
    before = list(journal.read())
    again = Engine(journal)
    again.recover()
    again.receive(Received(START, replace(facts(), task_id=TASK)))
    again.feed(TASK, assigned(BOB)[0])
    assert list(journal.read()) == before
    assert set(again.tasks) == {TASK, OTHER}
    again.feed(OTHER, assigned(BOB)[0])
    assert len(list(journal.read())) == len(before) + 1


def test_a_full_journal_passes_every_boundary(engine):
    engine._journal.failure = JournalFull("pool.db")
    with pytest.raises(JournalFull):
        engine.feed(TASK, assigned(BOB)[0])
    engine.feed(TASK, Ticked(UnixSeconds(START)))
