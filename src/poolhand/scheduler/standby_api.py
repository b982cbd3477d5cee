"""What a pool answers that stands by: everything that its database tells, and who leads.

The paths are those of the pool's own API (``scheduler.api``). What only the leader can do is
answered 503, and ``/ready`` is, so that a balancer sends nobody here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from poolhand.domain.deal import Deal
from poolhand.domain.errors import Unavailable
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.lead import Leader
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus
from poolhand.ports.archive import SettledArchive, TaskLine
from poolhand.scheduler.api.deals import FirstIndex, TaskLimit
from poolhand.scheduler.api.errors import NotKnown
from poolhand.scheduler.api.known_tasks import in_order, open_lines
from poolhand.scheduler.api.statuses import status_routes
from poolhand.scheduler.followed_tasks import FollowedTasks
from poolhand.scheduler.task_history import TaskHistories
from poolhand.scheduler.views import show_deal, show_task
from poolhand.transport.asgi import service_router
from poolhand.transport.list_writer import ListWriter
from poolhand.wire.pool_api import DealNews, PoolConfig, PoolHealth, TaskNews


class StandingBy(Unavailable):
    """Another process of the pool leads, or none yet: only the leader can do what was asked."""

    def __init__(self, leader: Leader | None) -> None:
        super().__init__(
            f"this process stands by for its pool, which {_who(leader)} leads: ask again in a "
            "moment, at the address under which the pool is known"
        )


def _who(leader: Leader | None) -> str:
    """Say who leads; process and machine are in the log, and no stranger's business."""
    return "another process" if leader and leader.holder else "nobody yet"


@dataclass(slots=True)
class StandbyOffice:
    """What the API shows.

    Attributes:
        config: Of the pool.
        archive: Of its database: what has settled.
        tasks: Those that are open.
        histories: What the chain tells of tasks.
        leader: Says who leads.
        trouble: Says why that cannot be seen, or nothing; for a person.
    """

    config: PoolConfig
    archive: SettledArchive
    tasks: FollowedTasks
    histories: TaskHistories
    leader: Callable[[], Leader | None]
    trouble: Callable[[], str]


def standby_routes(office: StandbyOffice) -> APIRouter:
    """Return every endpoint but the workers' own."""
    router = service_router()
    router.routes.extend(status_routes().routes)
    _pool(router, office)
    _tasks(router, office)
    _health(router, office)

    @router.get("/join/{rest:path}", include_in_schema=False)
    @router.get("/task/{rest:path}", include_in_schema=False)
    @router.api_route("/v1/{rest:path}", methods=["GET", "POST"], include_in_schema=False)
    async def other(rest: str) -> None:
        """Say that the leader knows."""
        del rest
        raise StandingBy(office.leader())

    @router.get("/join", include_in_schema=False)
    @router.get("/join.sh", include_in_schema=False)
    @router.get("/owner", include_in_schema=False)
    @router.get("/owner/parts", include_in_schema=False)
    async def page() -> None:
        """Say that the leader has the pages, and the files by which workers join."""
        raise StandingBy(office.leader())

    return router


def _pool(router: APIRouter, office: StandbyOffice) -> None:
    @router.get("/v1/config")
    async def config() -> PoolConfig:
        """Tell chain, hub and pool."""
        return office.config


def _tasks(router: APIRouter, office: StandbyOffice) -> None:
    lists = ListWriter()

    @router.get("/v1/tasks", response_model=list[TaskNews])
    async def tasks(
        status: TaskStatus | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: str | None = None,
    ) -> Response:
        """List tasks: those at work, newest first, then those that have settled."""
        last = None if before is None else TaskId.parse(before)
        found = await asyncio.to_thread(_page, office, status, last, limit)
        return await lists.answer(found, partial(_show, office))

    @router.get("/v1/tasks/{task_id}")
    async def task(task_id: str) -> TaskNews:
        """Show a task as the database has it, and its events on chain."""
        found = await asyncio.to_thread(_find, office, TaskId.parse(task_id))
        events = await office.histories.story(found)
        return show_task(found, events, trouble=office.tasks.trouble(found.facts.task_id))

    @router.get("/v1/deals/{deal_id}")
    async def deal(deal_id: str, first: FirstIndex = None, limit: TaskLimit = 100) -> DealNews:
        """Show a deal of this pool, and its tasks in order of their index."""
        name = DealId.parse(deal_id)
        found, lines = await asyncio.to_thread(_find_deal, office, name, first, limit)
        return show_deal(found, lines)


def _show(office: StandbyOffice, task: Task) -> TaskNews:
    return show_task(task, trouble=office.tasks.trouble(task.facts.task_id))


def _page(
    office: StandbyOffice, status: TaskStatus | None, last: TaskId | None, most: int
) -> list[Task]:
    """Return a page of tasks, of those that are open and then from the rows."""
    page = office.tasks.page(status, last, most)
    if page is None:
        return list(office.archive.tasks(status, last, most))
    if len(page) < most:
        names = {task.facts.task_id for task in page}
        settled = office.archive.tasks(status, None, most - len(page))
        page += [task for task in settled if task.facts.task_id not in names]  # it left just now
    return page


def _find(office: StandbyOffice, name: TaskId) -> Task:
    found = office.tasks.get(name) or office.archive.task(name)
    if found is None:
        raise NotKnown(f"task {name} is not one of this pool's")
    return found


def _find_deal(
    office: StandbyOffice, name: DealId, first: int | None, most: int
) -> tuple[Deal, Sequence[TaskLine]]:
    found = office.archive.deal(name)
    if found is None:
        raise NotKnown(f"deal {name} is not one of this pool's")
    page = found.page(first, most)
    tasks = office.tasks.found(task_id(name, index) for index in page)
    opened = open_lines(found, page, {task.facts.task_id: task for task in tasks}.get)
    return found, in_order(office.archive.lines(name, page.start, page.stop), opened)


def _health(router: APIRouter, office: StandbyOffice) -> None:
    metrics = standby_metrics(lambda: not office.trouble())

    @router.get("/health")
    async def health() -> PoolHealth:
        """Tell that this process stands by, and for whom; ``ok`` is false where it sees nothing."""
        leader, trouble = office.leader(), office.trouble()
        return PoolHealth(
            ok=not trouble,
            role="standby",
            leader=_who(leader),
            workers=0,
            sells=False,
            sells_nothing_because=trouble or str(StandingBy(leader)),
        )

    @router.get("/ready")
    async def ready() -> None:
        """Refuse: workers and requesters go to the leader."""
        raise StandingBy(office.leader())

    @router.get("/metrics")
    def told() -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(metrics), media_type=CONTENT_TYPE_LATEST)


def standby_metrics(is_ready: Callable[[], bool]) -> CollectorRegistry:
    """Return what is measured while standing by; ``is_ready`` says whether it could take over."""
    registry = CollectorRegistry()
    Gauge("poolhand_leads", "1 while this process leads its pool", registry=registry).set(0)
    ready = Gauge("poolhand_standby_ready", "1 while it could take over", registry=registry)
    ready.set_function(lambda: float(is_ready()))
    return registry
