"""``poolhand task story``: cause and consequence of every step, by pool and chain."""

from __future__ import annotations

import pytest
from test_task_pages import OTHER, WORKER, World, entry

from poolhand.cli.story import STEPS_ON_CHAIN
from poolhand.domain.onchain import EventKind
from poolhand.domain.task.status import CAUSES, MEANINGS, TaskStatus

START = 1_700_000_000


@pytest.fixture
def world(cli):
    """One worker has contributed; another failed; the pool has initialized."""
    made = World(cli)
    made.sent, made.first = made.initialize()
    made.tx, made.block = made.contribute()
    made.history = [
        entry("CREATED", START + 1, clock="chain"),
        entry("COMPUTING", START + 3, 61),
        entry("CONTRIBUTED", START + 64, tx=made.tx, block=made.block),
    ]
    made.other = [
        entry("CREATED", START + 1, clock="chain"),
        entry("COMPUTE_FAILED", START + 5, detail="the app exited with code 3"),
    ]
    stages = [
        {"status": "RECEIVED", "at": START},
        {"status": "INITIALIZING", "at": START + 2},
        {"status": "RUNNING", "at": START + 4},
    ]
    paid = {"call": "initialize", "tx": made.sent, "block": made.first, "gas": 21_000}
    made.tell(history=stages, transactions=[paid | {"gas_price": 7}])
    return made


def story(world, *words):
    return world.cli("task", "story", str(world.task), *words)


def test_every_status_and_event_has_a_cause_and_a_consequence():
    assert set(CAUSES) == set(MEANINGS) == set(TaskStatus)
    assert set(STEPS_ON_CHAIN) == set(EventKind) - {EventKind.SCHEDULER_NOTICE}


def test_steps_of_everybody_stand_in_one_line_of_time(world):
    told = story(world, "--json").json["story"]
    assert [each["at"] - START for each in told] == [0, 1, 1, 2, 3, 4, 5, 64]
    assert [each["who"] for each in told[:4]] == [
        "pool",
        f"worker {WORKER.address}",
        f"worker {OTHER.address}",
        "pool",
    ]


def test_a_step_tells_what_followed_on_chain(world):
    told = {each["status"]: each for each in story(world, "--json").json["story"]}
    begun, done = told["INITIALIZING"], told["CONTRIBUTED"]
    assert begun["so"][-1] == f"initialize is in block {world.first}, for 21000 gas"
    assert (begun["tx"], begun["because"]) == (world.sent, CAUSES[TaskStatus.INITIALIZING])
    assert done["so"][0] == f"TaskContribute, TaskConsensus in block {world.block}"
    assert told["COMPUTING"]["so"][0].endswith("(took 61 s)")


def test_a_failure_tells_its_own_cause_and_who_must_act(world):
    told = story(world).out
    assert "the app exited with code 3" in told
    assert "so: requester: read the task's logs" in told


def test_where_no_pool_tells_the_chain_does(world):
    world.market.pool.tasks.clear()
    told = story(world, "--json").json["story"]
    assert [each["status"] for each in told] == [
        "TaskInitialize",
        "TaskContribute",
        "TaskConsensus",
    ]
    assert all(each["because"] and each["so"] and each["block"] for each in told)
    assert "Only the chain tells:" in story(world).out


def test_a_status_of_a_later_pool_is_shown_and_said_to_be_unknown(world):
    world.tell(history=[{"status": "DREAMING", "at": START}])
    ran = story(world)
    assert ran.code == 0
    assert "DREAMING" in ran.out
    assert "this version does not know that status" in ran.out


@pytest.mark.parametrize("columns", [80, 120])
def test_a_story_fits_the_screen(world, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, story(world).out.splitlines())) <= columns
