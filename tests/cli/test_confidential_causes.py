"""Why a confidential task failed: each cause has its sentence, and whoever acts, wherever its requester
looks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from test_task_pages import World

from poolhand import FailedTask
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.status import Party
from poolhand.domain.tee.exit_causes import SERVICE_CAUSES, remedy_of, sentence
from poolhand.wire.json_models import read_model
from poolhand.wire.market_pools import MOST_CAUSES_TOLD, pool_says
from poolhand.wire.pool_api import TaskNews
from poolhand.wire.pool_causes import causes_of

CAUSES = sorted(name for causes in SERVICE_CAUSES.values() for name in causes)
TASK = TaskId(b"t" * 32)


def replicate(number, cause):
    """Return a replicate that failed for a cause, as a pool tells it."""
    lines = [("CREATED", None), ("COMPUTE_FAILED", sentence(cause)), ("FAILED", None)]
    history = [{"status": each, "at": 1, "detail": detail} for each, detail in lines]
    worker = f"0x{number:040x}"
    return {"worker": worker, "status": "FAILED", "live": True, "history": history}


def news(*causes):
    members = {
        "task_id": str(TASK), "deal_id": "0x" + "0d" * 32, "index": 0, "flow": "standard",
        "status": "RUNNING", "meaning": "workers compute it", "history": [], "transactions": [],
        "replicates": [replicate(number, cause) for number, cause in enumerate(causes)],
    }  # fmt: skip
    return read_model(TaskNews, members, "the pool")


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_is_told_with_its_sentence_in_python_and_in_markets(cause):
    told = news(cause)
    (found,) = causes_of(told.replicates)
    party, step = remedy_of(found.why)
    assert party is not Party.NOBODY
    assert (found.why, found.acts, found.next_step) == (sentence(cause), party, step)
    fault = FailedTask(SimpleNamespace(task_id=TASK, index=0), [found])
    assert sentence(cause) in str(fault)
    assert (fault.party, fault.next_step) == (party, step)
    (said,) = pool_says(told).causes
    assert (said.why, said.acts, said.next_step) == (sentence(cause), party, step)
    assert found.advice.endswith(sentence(cause))


def test_task_show_tells_each_cause_with_its_sentence_and_who_acts(cli):
    world = World(cli)
    world.initialize()
    rows = [replicate(number, cause) for number, cause in enumerate(CAUSES, 1)]
    world.history = world.other = [{"status": "CREATED", "at": 1}]
    world.tell(replicates=rows)
    shown = "".join(world.show().out.split())
    for cause in CAUSES:
        party, step = remedy_of(sentence(cause))
        for words in (sentence(cause), f"{party}: {step}"):
            assert "".join(words.split()) in shown, cause


def test_more_causes_than_a_market_tells_are_left_out():
    assert len(pool_says(news(*CAUSES)).causes) == MOST_CAUSES_TOLD


def test_what_is_no_cause_of_a_service_has_no_remedy_of_its_own():
    assert remedy_of("exit code 3") is None
    assert remedy_of("") is None
