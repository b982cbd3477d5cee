"""What a pool says of a task that is not done: told on the market's page, asked for sparingly."""

from __future__ import annotations

import httpx
import pytest
from market_world import BUYER, POOL_OWNER, STRANGER
from page_world import ANSWERS, ESCAPED, HOSTILE, bought, database_url, news, registered, shown

from poolhand.domain.ids import TaskId
from poolhand.market.pool_words import (
    ANSWER_FRESH_FOR,
    MOST_ANSWERS_KEPT,
    MOST_DUE,
    MOST_QUESTIONS_TO_POOL,
    QUESTIONS_AT_ONCE,
    PoolWords,
)
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.wire.market_pools import MOST_CAUSES_TOLD, MOST_WORKERS_NAMED

__all__ = ["bought", "database_url"]
URL = "https://lab.example"
TASKS = [TaskId(n.to_bytes(32, "big")) for n in range(1, MOST_ANSWERS_KEPT + 2)]


def replicate(worker, why):
    history = [
        {"status": "COMPUTE_FAILED", "at": 1, "detail": why},
        {"status": "FAILED", "at": 2, "detail": None},
    ]
    return {"worker": str(worker), "status": "FAILED", "live": True, "history": history}


@pytest.fixture
async def failed(bought):
    """A market with a task of which the pool says why its workers failed."""
    bought.task = bought.chain.initialize(bought.deal, 1)
    await bought.mine()
    await registered(bought, URL, ANSWERS)
    workers = [replicate(each.address, f"exit code 3: {HOSTILE}") for each in (STRANGER, BUYER)]
    bought.pools.answers[f"/v1/tasks/{bought.task}"] = news(
        bought.task, *workers, obstacle="all 2 workers had it"
    )
    return bought


async def page_of(market):
    return await shown(market, f"/pages/tasks/{market.task}")


async def test_a_tasks_page_tells_why_all_workers_failed_who_must_act_and_until_when(failed):
    assert "It is being asked" in await page_of(failed)
    await failed.register.words.ask_some()
    text = (await page_of(failed)).split('id="pool-says"')[1].split("</section>")[0]
    told = ("COMPUTE_FAILED: exit code 3", "Who must act: requester. Read the task", "2 workers:")
    for words in (*told, "all 2 workers had it", "Results are taken until", "can be claimed back"):
        assert words in text, words
    assert ESCAPED in text, "it is a stranger's text"


async def test_however_many_look_the_pool_is_asked_once_in_a_while(failed):
    for _ in range(20):
        await page_of(failed)
        await failed.register.words.ask_some()
    assert failed.pools.asked == [f"{URL}/v1/tasks/{failed.task}"]
    failed.clock[0] += ANSWER_FRESH_FOR
    assert "COMPUTE_FAILED" in await page_of(failed), "what is old is told until there is news"
    await failed.register.words.ask_some()
    assert len(failed.pools.asked) == 2


async def test_the_pool_is_not_asked_of_a_task_that_is_done(bought):
    await registered(bought, URL, ANSWERS)
    assert "What the pool says" not in await page_of(bought)
    told = (await bought.get(f"/tasks/{bought.task}/pool")).json()
    assert "completed" in told["trouble"]
    await bought.register.words.ask_some()
    assert bought.pools.asked == []


async def test_a_pool_that_does_not_answer_is_told_and_holds_nobody_up(failed):
    failed.pools.answers.clear()
    await page_of(failed)
    await failed.register.words.ask_some()
    assert "Nothing at present: the workerpool at https://lab.example" in await page_of(failed)
    failed.clock[0] += ANSWER_FRESH_FOR
    await registered(failed, "https://gone.example")
    failed.pools.asked.clear()
    assert "it was not asked yet" in await page_of(failed)
    await failed.register.words.ask_some()
    assert failed.pools.asked == [], "the register asks it how it is, nobody else"


async def test_what_a_pool_answers_is_told_in_bounds(failed):
    path = f"/v1/tasks/{failed.task}"
    many = [replicate(POOL_OWNER.address, str(n % 15) * 5_000) for n in range(45)]
    same = [replicate(POOL_OWNER.address, "same")] * 30
    failed.pools.answers[path] = news(failed.task, *same, *many[:30])
    await page_of(failed)
    await failed.register.words.ask_some()
    told = (await failed.get(f"/tasks/{failed.task}/pool")).json()["says"]["causes"]
    assert (told[0]["workers"], len(told[0]["named"])) == (30, MOST_WORKERS_NAMED)
    assert len(told) == MOST_CAUSES_TOLD
    assert max(len(each["why"]) for each in told) == 1_000
    failed.pools.answers[path] = news(failed.task, *many * 2)
    failed.clock[0] += ANSWER_FRESH_FOR
    await page_of(failed)
    await failed.register.words.ask_some()
    assert "sent over" in await page_of(failed)


class Slow(httpx.AsyncBaseTransport):
    """Two pools: one answers none of its questions in time, the other each."""

    def __init__(self):
        self.asked = []

    async def handle_async_request(self, request):
        self.asked.append(request.url.host)
        if request.url.host == "slow":
            raise httpx.ReadTimeout("too late", request=request)
        return httpx.Response(200, json=news(request.url.path.rpartition("/")[2]))


@pytest.fixture
def line():
    return Slow()


@pytest.fixture
def words(line):
    return PoolWords(httpx.AsyncClient(transport=line), lambda: 0, FaultBoundary())


async def test_a_slow_pool_does_not_take_the_places_of_others(words, line):
    for task in TASKS[:MOST_DUE]:
        words.of(task, "http://slow")
    words.of(TASKS[0], "http://works")
    for _ in range(MOST_DUE // QUESTIONS_AT_ONCE):
        await words.ask_some()
    assert line.asked == ["slow"] * MOST_QUESTIONS_TO_POOL + ["works"]


async def test_what_was_asked_longest_ago_is_forgotten_first(words):
    for task in TASKS:
        words.of(task, "http://works")
        await words.ask_some()
    assert words.of(TASKS[0], "http://works") is None
    assert words.of(TASKS[-1], "http://works").says.meaning == "workers compute it"
