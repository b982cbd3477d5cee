"""Tasks, as the chain tells them: those of a deal, and one with all that happened to it.

What only its pool knows of a task that is not done is told apart, as the pool's word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from poolhand.domain.category import Category
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.market.filters import Slice
from poolhand.domain.market.refusals import NotInMarket
from poolhand.domain.market.task_story import (
    StakeStep,
    TaskStanding,
    TaskStep,
    TaskStory,
    task_story,
)
from poolhand.domain.result_link import link_location
from poolhand.domain.text import shown
from poolhand.domain.units import UnixSeconds
from poolhand.market.api.answers import good
from poolhand.market.api.asking import MarketParts, add_route
from poolhand.market.pool_words import PoolWord, PoolWords
from poolhand.store.market import history, looks, pools
from poolhand.store.market.database import BookConnection
from poolhand.store.market.deals import find_deal
from poolhand.store.market.pools import PoolRow
from poolhand.transport.asgi import service_router
from poolhand.wire import market_forms as forms
from poolhand.wire import market_queries as queries
from poolhand.wire.market_json import iso_moment
from poolhand.wire.market_looks import DealTasks, TaskAnswer
from poolhand.wire.market_pools import PoolSaysAnswer
from poolhand.wire.market_queries import CHAIN_ID_PARAMETER, PAGING

MOST_LINK = 2_048
"""Characters of a result's place that are told."""
_DONE: Final = (TaskStanding.COMPLETED, TaskStanding.CLAIMED)


def task_routes(parts: MarketParts, words: PoolWords) -> APIRouter:
    """Return the routes; ``words`` are what pools say of tasks."""
    router, route = service_router(), TaskRoutes(parts, words)
    add_route(
        router, "/deals/{dealid}/tasks", route.of_deal, DealTasks, (CHAIN_ID_PARAMETER, *PAGING)
    )
    add_route(router, "/tasks/{taskid}", route.task, TaskAnswer, (CHAIN_ID_PARAMETER,))
    add_route(router, "/tasks/{taskid}/pool", route.pool, PoolSaysAnswer, (CHAIN_ID_PARAMETER,))
    return router


class TaskRoutes:
    """The handlers."""

    def __init__(self, parts: MarketParts, words: PoolWords) -> None:
        self._parts, self._words = parts, words

    async def of_deal(self, request: Request) -> Response:
        """List the tasks of a deal by number, and how each stands on chain."""
        part = queries.page(self._parts.asked(request))
        name = forms.word(DealId, "dealid", request.path_params["dealid"])
        work = partial(_read_tasks, name=name, part=part, now=self._now())
        rows, count = await self._parts.database.read(work)
        told = part.next(len(rows))
        more = {} if told is None else {"nextPage": told}
        return good({"tasks": rows, "count": count, **more})

    async def task(self, request: Request) -> Response:
        """Tell a task: its deal, what each worker did in which block, and who must act and how.

        A task is known once its pool has initialized it.
        """
        self._parts.asked(request)
        name = forms.word(TaskId, "taskid", request.path_params["taskid"])
        work = partial(_read_task, name=name, now=self._now())
        return good(await self._parts.database.read(work))

    async def pool(self, request: Request) -> Response:
        """Tell what its pool says of a task that is not done: why workers failed, who must act.

        These are the pool's words: the chain does not bear them out. Nobody waits for a pool: what
        it said last is told, at most once in some seconds it is asked anew.
        """
        self._parts.asked(request)
        name = forms.word(TaskId, "taskid", request.path_params["taskid"])
        work = partial(_read_pool, name=name, now=self._now())
        standing, row = await self._parts.database.read(work)
        word = self._word(name, standing, row)
        told = PoolSaysAnswer(taskid=str(name)) if word is None else _said(name, word)
        return good(told.model_dump(mode="json"))

    def _word(self, name: TaskId, standing: TaskStanding, row: PoolRow | None) -> PoolWord | None:
        if standing in _DONE:
            return PoolWord(None, trouble=f"the task is {standing}: the chain tells how it ended")
        if row is None:
            return PoolWord(None, trouble="the task's pool is not registered here")
        if row.trouble:
            return PoolWord(row.seen, trouble=row.trouble)
        return self._words.of(name, row.profile.url)

    def _now(self) -> UnixSeconds:
        at = self._parts.follower.at
        return UnixSeconds(0) if at is None else at.timestamp


def _read_tasks(
    connection: BookConnection, name: DealId, part: Slice, now: UnixSeconds
) -> tuple[list[dict[str, Any]], int]:
    deal, category = _deal(connection, name)
    first, size = deal["botFirst"], deal["botSize"]
    indexes = range(first + min(part.skip, size), first + min(part.skip + part.size, size))
    names = [task_id(name, index) for index in indexes]
    steps = history.steps_of(connection, names)
    start = UnixSeconds(deal["startTime"])
    rows = [
        {
            "taskid": str(task),
            "index": index,
            "known": bool(steps.get(task)),
            **_brief(task_story(task, steps.get(task, ()), start, category, now)),
            "endTimestamp": _end(steps.get(task, ())),
        }
        for index, task in zip(indexes, names, strict=True)
    ]
    return rows, size


def _said(name: TaskId, word: PoolWord) -> PoolSaysAnswer:
    return PoolSaysAnswer(
        taskid=str(name),
        seen=None if word.at is None else iso_moment(word.at),
        trouble=word.trouble or None,
        says=word.says,
    )


def standing_of(connection: BookConnection, name: TaskId, now: UnixSeconds) -> TaskStanding:
    """Return how a task stands that its pool has initialized; raises NotInMarket."""
    _, _, story = _read_story(connection, name, now)
    return story.standing


def _read_pool(
    connection: BookConnection, name: TaskId, now: UnixSeconds
) -> tuple[TaskStanding, PoolRow | None]:
    deal, _, story = _read_story(connection, name, now)
    return story.standing, _pool(connection, deal)


def _read_story(
    connection: BookConnection, name: TaskId, now: UnixSeconds
) -> tuple[dict[str, Any], Sequence[TaskStep], TaskStory]:
    deals = history.deals_of_tasks(connection, [name])
    if name not in deals:
        raise NotInMarket("task")
    deal, category = _deal(connection, deals[name])
    steps = history.steps_of(connection, [name])[name]
    return deal, steps, task_story(name, steps, UnixSeconds(deal["startTime"]), category, now)


def _read_task(connection: BookConnection, name: TaskId, now: UnixSeconds) -> dict[str, Any]:
    deal, steps, story = _read_story(connection, name, now)
    link = link_location(history.results_of(connection, name))
    return {
        "taskid": str(name),
        "dealid": deal["dealid"],
        "index": _index(deal, name),
        **_brief(story),
        "words": story.words,
        "contributionDeadline": _moment(story.contribution_deadline),
        "revealDeadline": _moment(story.reveal_deadline),
        "finalDeadline": _moment(story.final_deadline),
        "result": shown(link, MOST_LINK) or None,
        "workers": [_worker(each) for each in story.workers],
        "steps": list(_timeline(deal, steps)),
        "poolUrl": None if (row := _pool(connection, deal)) is None else row.profile.url,
        "payments": [_payment(each) for each in history.payments_of(connection, name)],
        "deal": deal,
    }


def _deal(connection: BookConnection, name: DealId) -> tuple[dict[str, Any], Category]:
    deal = find_deal(connection, "0x" + name.hex())
    if deal is None:
        raise NotInMarket("deal")
    category = looks.find_category(connection, deal["category"])
    if category is None:
        raise NotInMarket("category")
    return deal, category


def _pool(connection: BookConnection, deal: Mapping[str, Any]) -> PoolRow | None:
    return pools.find(connection, Address.parse(deal["workerpool"]["pointer"]))


MOST_NUMBERS = 10_000
"""Numbers of a bag that are tried to find a task's."""


def _index(deal: Mapping[str, Any], name: TaskId) -> int | None:
    """Return a task's number; None of a bag that is too large to look for it."""
    deal_id, first = DealId.parse(deal["dealid"]), deal["botFirst"]
    tried = range(first, first + min(deal["botSize"], MOST_NUMBERS))
    return next((index for index in tried if task_id(deal_id, index) == name), None)


def _brief(story: TaskStory) -> dict[str, Any]:
    return {"status": story.standing.value, "contributions": len(story.workers)}


def _end(steps: Sequence[TaskStep]) -> str | None:
    settled = [step.moment for step in steps if step.kind.value in looks.SETTLING_EVENTS]
    return _moment(settled[-1]) if settled else None


def _worker(each: Any) -> dict[str, Any]:
    return {
        "worker": str(each.worker),
        "resultHash": str(each.contributed.result_hash),
        "agrees": each.agrees,
        "dropped": each.reopened,
        "contributed": _step(each.contributed),
        "revealed": None if each.revealed is None else _step(each.revealed),
    }


def _timeline(deal: Mapping[str, Any], steps: Sequence[TaskStep]) -> Any:
    bought = deal["startTime"]
    moments = [bought, *(step.moment for step in steps)]
    yield {
        "event": "OrdersMatched",
        "party": None,
        "seconds": 0,
        "timestamp": deal["blockTimestamp"],
        "block": deal["blockNumber"],
        "transactionHash": deal["transactionHash"],
    }
    for step, (before, at) in zip(steps, pairwise(moments), strict=True):
        party = None if step.party is None else str(step.party)
        yield {"event": step.kind.value, "party": party, "seconds": at - before, **_step(step)}


def _step(step: TaskStep) -> dict[str, Any]:
    return {
        "timestamp": _moment(step.moment),
        "block": step.block,
        "transactionHash": str(step.tx_hash),
    }


def _payment(each: StakeStep) -> dict[str, Any]:
    return {
        "account": str(each.owner),
        "change": each.change.value.lower(),
        "amount": each.amount,
        "timestamp": _moment(each.moment),
        "block": each.block,
        "transactionHash": str(each.tx_hash),
    }


def _moment(seconds: UnixSeconds | None) -> str | None:
    return None if seconds is None else iso_moment(seconds * 1000)
