"""What the SDK asks iExec's own scheduler (``iexec task debug``), and who may read a task's logs.

Logs are the requester's: it proves who it is, whether the pool publishes logs or not.

Source: services-api.md 5.2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query

from poolhand.domain.deal import Deal
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, DealId
from poolhand.domain.task.machine import is_settled
from poolhand.domain.task.model import Task
from poolhand.ports.output_spool import OutputEnds
from poolhand.scheduler.api.errors import NotKnown
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.core_views import (
    show_core_logs,
    show_core_output,
    show_core_replicate,
    show_core_task,
)
from poolhand.scheduler.task_feeds import TaskFeeds
from poolhand.scheduler.task_logs import TaskLogs
from poolhand.transport.asgi import service_router
from poolhand.transport.sign_ins import SignIns
from poolhand.wire.core_api import CoreLogs, CoreOutput, CoreReplicate, CoreTask
from poolhand.wire.json_models import AddressText, TaskIdText

CORE_NAME: Final = "iExec Core"
"""Under which the SDK knows a scheduler."""
LONGEST_PEEK: Final = 1.0
"""Seconds that a running app's output is waited for."""
AuthorizationHeader = Annotated[str | None, Header(max_length=10_000)]


class NotTheRequester(Refused):
    """Logs of a task are shown to whoever bought it."""

    http_status = 403

    def __init__(self, requester: Address) -> None:
        super().__init__(f"only the task's requester {requester} may read its logs")


class CoreTasks:
    """Tasks, and what they printed for whoever may read it.

    Args:
        known: Finds tasks.
        find_deal: Finds their deals; raises NotKnown.
        logs: Have what they printed.
        feeds: Ask for what a running one prints.
        sign_ins: Knows who asks.
        url: Of the pool.
    """

    def __init__(
        self,
        known: KnownTasks,
        find_deal: Callable[[DealId], Awaitable[Deal]],
        logs: TaskLogs,
        feeds: TaskFeeds,
        sign_ins: SignIns,
        url: str,
    ) -> None:
        self._known, self._find_deal = known, find_deal
        self._logs, self._feeds = logs, feeds
        self._sign_ins, self._url = sign_ins, url

    async def task(self, task_id: TaskIdText) -> CoreTask:
        """Show a task and its replicates, as the iExec SDK's `task debug` reads it."""
        return show_core_task(await self._known.find(task_id), self._url)

    async def replicate(self, task_id: TaskIdText, worker: AddressText) -> CoreReplicate:
        """Show one worker's replicate of a task."""
        task, address = await self._known.find(task_id), Address.parse(worker)
        attempt = task.attempt(address)
        if attempt is None:
            raise NotKnown(f"worker {address} has no replicate of task {task_id}")
        return show_core_replicate(task, attempt, self._url)

    async def challenge(
        self,
        address: AddressText,
        chain_id: Annotated[int | None, Query(alias="chainId", ge=0)] = None,
    ) -> dict[str, Any]:
        """Give typed data that a requester signs to read the logs of its tasks."""
        return self._sign_ins.challenge(Address.parse(address), chain_id)

    async def logs(
        self, task_id: TaskIdText, authorization: AuthorizationHeader = None
    ) -> CoreLogs:
        """Show its requester what the app of a task printed, by worker."""
        task = await self._readable(task_id, authorization)
        return show_core_logs(task, await self._printed(task))

    async def output(
        self, task_id: TaskIdText, worker: AddressText, authorization: AuthorizationHeader = None
    ) -> CoreOutput:
        """Show its requester what the app of a task printed on one worker."""
        task, address = await self._readable(task_id, authorization), Address.parse(worker)
        printed = (await self._printed(task)).get(address)
        if printed is None:
            raise NotKnown(f"nothing is kept of what task {task_id} printed on {address}")
        return show_core_output(address, printed)

    async def _printed(self, task: Task) -> OutputEnds:
        """Return what a task printed; of one that runs, what it has printed until now."""
        if not is_settled(task):
            await self._feeds.peek(task.facts.task_id, LONGEST_PEEK)
        return await self._logs.of(task.facts.task_id)

    async def _readable(self, task_id: str, header: str | None) -> Task:
        asks = self._sign_ins.proved(header)
        task = await self._known.find(task_id)
        deal = await self._find_deal(task.facts.deal_id)
        if asks != deal.requester:
            raise NotTheRequester(deal.requester)
        return task


def core_routes(tasks: CoreTasks) -> APIRouter:
    """Return the endpoints."""
    router = service_router()
    for path, told in (
        ("/tasks/logs/challenge", tasks.challenge),
        ("/tasks/{task_id}", tasks.task),
        ("/tasks/{task_id}/logs", tasks.logs),
        ("/tasks/{task_id}/replicates/{worker}", tasks.replicate),
        ("/tasks/{task_id}/replicates/{worker}/logs", tasks.output),
    ):
        router.get(path)(told)
    return router
