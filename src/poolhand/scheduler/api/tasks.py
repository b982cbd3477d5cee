"""The endpoints that show tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from poolhand.domain.ids import TaskId
from poolhand.domain.task.status import TaskStatus
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.api.task_news import TaskTeller
from poolhand.scheduler.task_history import TaskHistories
from poolhand.transport.asgi import service_router
from poolhand.transport.list_writer import ListWriter
from poolhand.wire.json_models import TaskIdText
from poolhand.wire.pool_api import HiddenTask, TaskNews


def task_routes(
    known: KnownTasks, teller: TaskTeller, histories: TaskHistories, lists: ListWriter
) -> APIRouter:
    """Return the endpoints that show tasks.

    Args:
        known: Finds them.
        teller: Puts them into words.
        histories: What the chain tells of them.
        lists: Writes those that are long.
    """
    router = service_router()

    @router.get("/v1/tasks", response_model=list[TaskNews | HiddenTask])
    async def tasks(
        status: TaskStatus | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: TaskIdText | None = None,
    ) -> Response:
        """List tasks: those at work, newest first, then those that have settled, latest first.

        ``before`` is the last task of the page before, where there is one.
        """
        last = None if before is None else TaskId.parse(before)
        return await lists.answer(await known.page(status, last, limit), teller.in_list)

    @router.get("/v1/tasks/{task_id}")
    async def task(task_id: TaskIdText) -> TaskNews:
        """Show a task, its replicates with their histories, and its transactions and events.

        In a history ``seconds`` is the time until the next entry, null where two clocks differ;
        ``block`` is where ``tx`` stands; ``won_by`` is the event on chain that decided the end;
        ``obstacle`` says why no worker that is there can do the task, null where one can.
        """
        events = await histories.story(await known.find(task_id))
        return teller.whole(await known.find(task_id), events)

    return router
