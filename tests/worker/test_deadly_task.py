"""A task that brings the whole program down, as a kill or a crash of the interpreter would."""

from __future__ import annotations

import asyncio
import io

import httpx
import pytest
from rich.console import Console

from lonely_worker import LonelyProgram
from poolhand.cli.worker_report import worker_report
from poolhand.domain.onchain import ContributionStatus
from poolhand.domain.replicate.status import Status
from poolhand.worker.pid_file import read


class Fall(BaseException):
    """What no boundary stops."""


class Deadly:
    """A container engine that takes the program with it when it is to run one task's app.

    It does so once as many apps as there are ``neighbours`` are running.
    """

    def __init__(self, runtime, task_id, neighbours=0):
        self._runtime, self._task_id, self.falls = runtime, task_id, 0
        self._neighbours, self._begun = neighbours, asyncio.Semaphore(0)

    def __getattr__(self, name):
        return getattr(self._runtime, name)

    async def run(self, spec):
        if spec.name.endswith(str(self._task_id)):
            for _ in range(self._neighbours):
                await self._begun.acquire()
            self.falls += 1
            self._neighbours = 0 if self.falls == 2 else self._neighbours  # then it is alone
            raise Fall
        self._begun.release()
        return await self._runtime.run(spec)


@pytest.fixture
async def program(tmp_path):
    made = LonelyProgram(tmp_path)
    yield made
    await made.close()


async def falls(program):
    """Start the program and see it fall."""
    with pytest.raises(BaseExceptionGroup) as caught:
        await lives(program)
    assert caught.group_contains(Fall)
    program.running = None


async def lives(program):
    await program.starts()
    await program.until(lambda: False)


@pytest.mark.case("A1")
async def test_a_task_that_brings_its_worker_down_twice_is_quarantined(program):
    deadly = await program.accepts(trust=1)
    program.node.runtime = engine = Deadly(program.node.runtime, deadly.task_id)
    await falls(program)
    await falls(program)
    await program.starts()
    row = await row_of(program, deadly)
    assert row["quarantined"]
    assert "ended suddenly 2 times" in row["trouble"]
    statuses = [each["status"] for each in row["history"]]
    assert statuses[-2:] == [Status.COMPUTE_FAILED, Status.FAILED]
    assert engine.falls == 2
    assert list((program.base / "faults").glob("*-quarantine.trace"))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(worker_report(await status_of(program)))
    assert "quarantined: the worker ended" in console.export_text()


@pytest.mark.case("A1")
async def test_the_neighbours_of_such_a_task_are_completed(program):
    """Two are at work at each end, so it takes a third, under which only one is."""
    deadly, other = await program.accepts(trust=1), await program.accepts(trust=1)
    gate = program.node.runtime.gate
    gate.clear()
    program.node.runtime = engine = Deadly(program.node.runtime, deadly.task_id, neighbours=1)
    for _ in range(3):
        await falls(program)
    gate.set()
    await program.starts()
    await program.until(lambda: is_proved(program, other))
    assert engine.falls == 3
    assert (await row_of(program, deadly))["quarantined"]
    assert not (await row_of(program, other))["quarantined"]


def is_proved(program, offer):
    found = program.contribution(offer)
    return found is not None and found.status is ContributionStatus.PROVED


async def status_of(program):
    url = f"{read(program.base).url}/v1/status"
    answer = await asyncio.to_thread(httpx.get, url, trust_env=False)
    return answer.json()


async def row_of(program, offer):
    rows = (await status_of(program))["replicates"]
    return next(each for each in rows if each["task_id"] == str(offer.task_id))
