"""A worker stands still exactly at the boundary that its order names, once."""

from __future__ import annotations

import threading

import pytest
from chaos.halting import HaltingJournal, Order, lived_file
from chaos.matrix import Moment

from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.replicate.machine import (
    Accepted,
    Action,
    Finished,
    Flow,
    Offer,
    Recovered,
)
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds
from poolhand.store.memory import MemoryJournal
from poolhand.worker.shell import REPLICATE_CODEC

TASK = str(TaskId(bytes(31) + b"\1"))
NOW = UnixSeconds(1)
BEGIN = Accepted(NOW, Offer(TaskId.parse(TASK), DealId(bytes(32)), 0, Flow.STANDARD, b""))
PULLED = Finished(NOW, Action.DOWNLOAD_APP, Status.APP_DOWNLOADED)
LOADED = Finished(NOW, Action.DOWNLOAD_DATA, Status.DATA_DOWNLOADED)


class Halts:
    """Counts, and remembers how many events were journaled then."""

    def __init__(self, journal):
        self.journal, self.seen, self.done = journal, [], threading.Event()

    def __call__(self):
        self.seen.append(len(list(self.journal.read())))
        self.done.set()


@pytest.fixture
def inner():
    return MemoryJournal()


@pytest.fixture
def halts(inner):
    return Halts(inner)


@pytest.fixture
def order(tmp_path):
    return tmp_path / "order.json"


@pytest.fixture
def journal(inner, halts, order):
    return HaltingJournal(inner, order, halts)


def append(journal, *events):
    for event in events:
        journal.append(TASK, REPLICATE_CODEC.encode(event))


@pytest.mark.parametrize(("moment", "journaled"), [(Moment.BEFORE, 1), (Moment.AFTER, 2)])
def test_it_halts_around_the_entry_that_brings_the_status(journal, halts, order, moment, journaled):
    Order(Status.APP_DOWNLOADED, moment).write(order)
    append(journal, BEGIN, PULLED, LOADED)
    assert halts.seen == [journaled]


def test_an_order_is_obeyed_once(journal, halts, order):
    Order(Status.COMPUTING, Moment.AFTER).write(order)
    append(journal, BEGIN, PULLED, LOADED, Recovered(NOW))
    assert len(halts.seen) == 1
    assert not order.exists()


def test_without_an_order_it_is_an_ordinary_journal(journal, inner, halts):
    append(journal, BEGIN, PULLED)
    assert halts.seen == []
    assert list(journal.read()) == list(inner.read())
    journal.forget(TASK)
    assert list(inner.read()) == []


def test_amid_a_stage_it_halts_after_the_delay_and_without_blocking(journal, halts, order):
    Order(Status.COMPUTING, Moment.AMID, delay=0.01).write(order)
    append(journal, BEGIN, PULLED, LOADED)
    assert halts.done.wait(10)
    assert halts.seen == [3]


def test_what_was_journaled_before_a_restart_is_known_after_it(journal, inner, halts, order):
    append(journal, BEGIN, PULLED, LOADED)
    restarted = HaltingJournal(inner, order, halts)
    assert len(list(restarted.read())) == 3
    Order(Status.RECOVERING, Moment.BEFORE).write(order)
    append(restarted, Recovered(NOW))
    assert halts.seen == [3]


def test_it_writes_down_the_statuses_that_were_lived(journal, order):
    append(journal, BEGIN, PULLED)
    lived = lived_file(order).read_text().splitlines()
    assert lived == [
        f"{TASK} {status}"
        for status in ("RUNNING", "APP_DOWNLOADING", "APP_DOWNLOADED", "DATA_DOWNLOADING")
    ]
