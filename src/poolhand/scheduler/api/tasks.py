"""The endpoints that show tasks, and what their apps printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Response

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.task.status import TaskStatus
from poolhand.scheduler.api.errors import NotPublic
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.api.task_news import TaskTeller
from poolhand.scheduler.task_history import TaskHistories
from poolhand.transport.asgi import service_router
from poolhand.transport.list_writer import ListWriter
from poolhand.wire.json_models import TaskIdText
from poolhand.wire.pool_api import HiddenTask, Printed, PrintedByWorker, TaskNews


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


def log_routes(
    known: KnownTasks, logs: Mapping[TaskId, Mapping[Address, tuple[str, str]]] | None
) -> APIRouter:
    """Return the endpoint that shows what apps printed.

    Args:
        known: Finds the tasks.
        logs: By task and worker; None where the pool keeps them to itself.
    """
    router = service_router()

    @router.get("/v1/tasks/{task_id}/logs")
    async def told(task_id: TaskIdText) -> PrintedByWorker:
        """Show what the app printed on each worker."""
        if logs is None:
            raise NotPublic("this pool does not publish logs; ask its owner")
        printed = logs.get((await known.find(task_id)).facts.task_id, {})
        return PrintedByWorker(
            {worker: Printed(stdout=out, stderr=err) for worker, (out, err) in printed.items()}
        )

    return router
