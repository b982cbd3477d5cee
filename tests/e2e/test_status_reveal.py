"""Reveals that fail or do not come: who stood still loses, and the task completes all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from e2e_world import wait_until
from reaching import reaches
from status_lab import PERIOD

from poolhand.domain.replicate.status import Status

S = Status


@dataclass(frozen=True)
class Duel:
    """A task of two workers: ``first`` has contributed; the other's contribution ends the vote."""

    task_id: str
    first: str
    last: str


@pytest.fixture
def duel(lab) -> Duel:
    """Two workers, of which one has contributed and one stands at the gate."""
    task_id = lab.buy("gate", trust=3)
    first, last = lab.until(task_id, S.COMPUTING, count=2)
    lab.open_gate(task_id, first)
    lab.until(task_id, S.CONTRIBUTED, first)
    return Duel(task_id, first, last)


@contextmanager
def silenced(lab, duel: Duel) -> Iterator[None]:
    """Stop the last worker between its contribution and its reveal."""
    with lab.no_blocks():
        lab.open_gate(duel.task_id, duel.last)
        lab.until(duel.task_id, S.CONTRIBUTING, duel.last)
        lab.until_waiting(duel.last)
        stopped = lab.stopped(duel.last)
        stopped.__enter__()
    try:
        yield
    finally:
        stopped.__exit__(None, None, None)


def reveal_waits(lab, duel: Duel) -> int:
    """With blocks held back, wait until the last worker's reveal waits; returns the deadline."""
    lab.until(duel.task_id, S.REVEALING, duel.last)
    lab.until_waiting(duel.last)
    return lab.task(duel.task_id)["reveal_deadline"]


@reaches(S.REVEAL_TIMEOUT, how="the worker stood still until the deadline")
def test_who_does_not_reveal_in_time_is_told_so_and_the_other_is_paid(lab, duel):
    with silenced(lab, duel):
        lab.until(duel.task_id, S.REVEALED, duel.first)
        lab.pass_time(2 * PERIOD + 1)
        lab.until(duel.task_id, S.COMPLETED, duel.first)
    lab.until(duel.task_id, S.REVEAL_TIMEOUT, duel.last)


@reaches(S.REVEAL_FAILED, how="mined after the deadline")
def test_a_reveal_that_the_contract_refuses_is_explained(lab, duel):
    with silenced(lab, duel):
        lab.until(duel.task_id, S.RESULT_UPLOADED, duel.first)
        lab.hold_blocks()
    with lab.no_blocks():
        lab.mine_at(reveal_waits(lab, duel))
    told = lab.entry(duel.task_id, S.REVEAL_FAILED, duel.last)
    assert "ended at" in told["detail"]
    assert "ended at" in lab.logged(duel.last, duel.task_id, S.REVEAL_FAILED)
    lab.until(duel.task_id, S.COMPLETED, duel.first)


@reaches(S.CANT_REVEAL, S.RECOVERING, how="down until the deadline had passed")
def test_a_worker_that_was_down_while_it_should_reveal_is_told_so(lab, duel):
    with silenced(lab, duel):
        lab.until(duel.task_id, S.RESULT_UPLOADED, duel.first)
        lab.hold_blocks()
    with lab.no_blocks():
        deadline = reveal_waits(lab, duel)
        program = lab.network.end(duel.last, signal.SIGKILL)
        lab.rpc("anvil_dropAllTransactions")
        with lab.stopped("pool"):  # so that it cannot speak first
            lab.mine_at(deadline + 7)
            lab.network.launch(duel.last, program)
            told = lab.found_on_page(duel.last, duel.task_id, S.CANT_REVEAL)
        lab.network.await_ready(duel.last)
    assert told["detail"] == "the deadline to reveal passed 7 s ago"
    assert told["detail"] in lab.logged(duel.last, duel.task_id, S.CANT_REVEAL)
    lab.until(duel.task_id, S.COMPLETED, duel.first)


@reaches(S.RESULT_UPLOAD_REQUEST_FAILED, how="archive gone from the disk")
def test_a_result_that_is_gone_is_asked_of_another_worker(lab, duel):
    archive = lab.folder(duel.task_id, duel.first) / "output" / "iexec_out.zip"
    with silenced(lab, duel):
        archive.unlink()
        told = lab.entry(duel.task_id, S.RESULT_UPLOAD_REQUEST_FAILED, duel.first)
    assert "not on disk" in told["detail"]
    lab.until(duel.task_id, S.RESULT_UPLOADED, duel.last)
    lab.until(duel.task_id, S.COMPLETED, duel.first, duel.last)


@reaches(S.RESULT_UPLOAD_FAILED, how="results service down; another worker is asked")
def test_a_result_that_cannot_be_stored_is_asked_of_another_worker(lab, duel):
    with silenced(lab, duel):
        results = lab.network.end("results")
        told = lab.entry(duel.task_id, S.RESULT_UPLOAD_FAILED, duel.first)
        assert "does not answer" in told["detail"]
        assert told["detail"][:40] in lab.logged(duel.first, duel.task_id, S.RESULT_UPLOAD_FAILED)
        lab.network.start("results", results)
    lab.until(duel.task_id, S.COMPLETED, duel.first, duel.last)


@reaches(S.OUT_OF_GAS, how="while revealing")
def test_a_worker_without_gas_reveals_once_refilled(lab, duel):
    account = str(lab.network.owners[duel.last])
    with silenced(lab, duel):
        lab.until(duel.task_id, S.REVEALED, duel.first)
        full = lab.rpc("eth_getBalance", account, "latest")
        lab.rpc("anvil_setBalance", account, hex(10**9))
    told = lab.entry(duel.task_id, S.OUT_OF_GAS, duel.last)
    assert account in told["detail"]
    lab.rpc("anvil_setBalance", account, full)
    wait_until(lambda: S.REVEALED in lab.history(duel.task_id, duel.last))
    lab.until(duel.task_id, S.COMPLETED, duel.first, duel.last)
