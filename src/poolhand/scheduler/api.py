"""The scheduler's public read API; every page and command is a view of it.

Answers are JSON; faults are ``{"code", "message"}`` with the status of their root error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from poolhand import __version__
from poolhand.domain.deal import Deal
from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId
from poolhand.domain.replicate.status import EDGES, ROWS
from poolhand.domain.tag import Tag
from poolhand.domain.task.model import Task
from poolhand.domain.task.rules import replicates_needed
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.trust import Trust, Weight
from poolhand.ports.archive import TaskLine
from poolhand.ports.chain import HubFacts
from poolhand.scheduler.chain_feed import ChainFeed
from poolhand.scheduler.collateral import Collateral
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.metrics import Metrics
from poolhand.scheduler.placement import Placement
from poolhand.scheduler.preflight import Asked, Preflight
from poolhand.scheduler.pricing import Pricing
from poolhand.scheduler.settled import SettledTasks
from poolhand.scheduler.task_history import TaskHistories
from poolhand.scheduler.views import show_deal, show_idle, show_task, show_worker
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.transport.waiting import neighbourhood
from poolhand.wire.order_json import encode_order
from poolhand.wire.pool_api import (
    ConnectedWorkers,
    DealNews,
    DepositStanding,
    GasStanding,
    HiddenTask,
    PoolConfig,
    PoolHealth,
    PoolReady,
    Printed,
    PrintedByWorker,
    SoldOrder,
    StatusMeaning,
    TaskNews,
    WorkerNews,
)

MOST_PARAMS: Final = 16_384
"""Characters of params that are looked at before an order is signed."""


class NotKnown(Refused):
    """The pool has no such thing."""

    http_status = 404


class NotReadYet(Unavailable):
    """The pool was told of a deal, cannot read it, and tries again."""


class NotPublic(Refused):
    """The pool keeps this to itself."""

    http_status = 403


@dataclass(slots=True)
class Office:
    """What the API shows."""

    facts: HubFacts
    workerpool: Address
    owner: Address
    url: str
    results_url: str
    engine: Engine
    chain_feed: ChainFeed
    workers: WorkerDirectory
    gas_budget: GasBudget
    task_history: TaskHistories
    pricing: Pricing
    collateral: Collateral
    preflight: Preflight
    metrics: Metrics
    placement: Placement
    settled: SettledTasks
    public_logs: bool = False
    logs: dict[TaskId, dict[Address, tuple[str, str]]] = field(default_factory=dict)


def routes(office: Office) -> APIRouter:
    """Return every endpoint but the workers' own."""
    router = APIRouter()
    _pool(router, office)
    add_statuses(router)
    _tasks(router, office)
    _health(router, office)
    return router


def _pool(router: APIRouter, office: Office) -> None:
    @router.get("/v1/config")
    async def config() -> PoolConfig:
        """Tell chain, hub and pool; a client checks them against its own settings."""
        return PoolConfig(
            version=__version__,
            chain_id=office.facts.chain_id,
            hub=office.facts.hub,
            workerpool=office.workerpool,
            owner=office.owner,
            url=office.url,
            results_url=office.results_url,
            prices=dict(office.pricing.prices),
            highest_trust=office.pricing.highest_trust,
        )

    @router.get("/v1/order", response_model=SoldOrder)
    async def order(
        request: Request,
        category: Annotated[int, Query(ge=0)] = 0,
        trust: Annotated[int, Query(ge=0)] = 1,
        tag: Annotated[str, Query()] = "0x" + "00" * 32,
        volume: Annotated[int, Query(ge=1)] = 1,
        requester: Annotated[str, Query()] = str(ZERO_ADDRESS),
        app: Annotated[str, Query()] = str(ZERO_ADDRESS),
        params: Annotated[str | None, Query(max_length=MOST_PARAMS)] = None,
    ) -> dict[str, Any]:
        """Sell: a signed workerpool order as the iExec SDK writes it.

        It is for ``requester`` and ``app`` only, where they are named, and for no more than
        ``volume`` tasks; ``params`` are looked at, so that what no worker could read is not sold.
        """
        asked = Asked(
            category=category,
            trust=Trust(trust),
            tag=Tag.parse(tag),
            volume=volume,
            requester=Address.parse(requester),
            app=Address.parse(app),
            params=params,
            caller=neighbourhood(request.client.host) if request.client else "",
        )
        return encode_order(await office.pricing.order(asked))

    @router.get("/v1/workers")
    async def workers() -> ConnectedWorkers:
        """List connected workers."""
        return ConnectedWorkers(
            tuple(
                show_worker(each, len(office.engine.index.of(each.worker)))
                for each in office.workers.all()
            )
        )

    @router.get("/v1/workers/{address}")
    async def worker(address: str) -> WorkerNews:
        """Show a connected worker, and why it is given nothing more: its open tasks by reason."""
        connected = office.workers.get(Address.parse(address))
        if connected is None:
            raise NotKnown(
                f"worker {address} is not connected to this pool: on its machine "
                "`poolhand worker status` says why"
            )
        replicates = len(office.engine.index.of(connected.worker))
        return show_idle(connected, replicates, office.placement.why_idle(connected.worker))


def add_statuses(router: APIRouter) -> None:
    """Add the endpoint that explains statuses."""

    @router.get("/v1/statuses")
    async def statuses() -> list[StatusMeaning]:
        """Explain every replicate status and what may follow it."""
        return [
            StatusMeaning(
                status=row.status,
                meaning=row.meaning,
                cause=row.cause,
                by=row.by,
                acts=row.acts,
                next_step=row.next_step,
                next=tuple(sorted(EDGES[row.status])),
            )
            for row in ROWS
        ]


def _tasks(router: APIRouter, office: Office) -> None:
    @router.get("/v1/tasks")
    async def tasks(
        status: TaskStatus | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: str | None = None,
    ) -> list[TaskNews | HiddenTask]:
        """List tasks: those at work, newest first, then those that have settled, latest first.

        ``before`` is the last task of the page before, where there is one.
        """
        last = None if before is None else TaskId.parse(before)
        return [_show(office, task) for task in await _page(office, status, last, limit)]

    @router.get("/v1/tasks/{task_id}")
    async def task(task_id: str) -> TaskNews:
        """Show a task, its replicates with their histories, and its transactions and events.

        In a history ``seconds`` is the time until the next entry, null where two clocks differ;
        ``block`` is where ``tx`` stands; ``won_by`` is the event on chain that decided the end;
        ``obstacle`` says why no worker that is there can do the task, null where one can.
        """
        events = await office.task_history.story(await _find(office, task_id))
        found = await _find(office, task_id)
        obstacle, trouble = _obstacle(office, found), _trouble(office, found)
        return show_task(found, events, obstacle=obstacle, trouble=trouble)

    @router.get("/v1/tasks/{task_id}/logs")
    async def logs(task_id: str) -> PrintedByWorker:
        """Show what the app printed on each worker."""
        if not office.public_logs:
            raise NotPublic("this pool does not publish logs; ask its owner")
        found = (await _find(office, task_id)).facts.task_id
        printed = office.logs.get(found, {})
        return PrintedByWorker(
            {worker: Printed(stdout=out, stderr=err) for worker, (out, err) in printed.items()}
        )

    @router.get("/v1/deals/{deal_id}")
    async def deal(deal_id: str) -> DealNews:
        """Show a deal of this pool."""
        found = await _find_deal(office, DealId.parse(deal_id))
        lines = {line.task_id: line for line in await office.settled.lines(found.deal_id)}
        for _, name in found.tasks():
            if name in office.engine.tasks:
                lines[name] = _line(office.engine.tasks[name])
        return show_deal(found, sorted(lines.values(), key=lambda line: line.index))


async def _page(
    office: Office, status: TaskStatus | None, last: TaskId | None, most: int
) -> list[Task]:
    """Return a page of tasks, from memory and then from the archive."""
    known, page = office.engine.tasks, list[Task]()
    if last is None or last in known:
        names = islice(office.engine.pages.newest(status, last), most)
        page, last = [known[name] for name in names], None
    if len(page) < most:
        page += await office.settled.tasks(status, last, most - len(page))
    return page


def _line(task: Task) -> TaskLine:
    return TaskLine(task.facts.task_id, task.facts.index, task.status)


def _obstacle(office: Office, task: Task) -> str | None:
    """Say why none of the workers that are there can go on with a task that needs one."""
    deal = office.chain_feed.deals.by_id.get(task.facts.deal_id)
    if deal is None or not replicates_needed(task, Weight(2)):
        return None
    return office.preflight.obstacle(deal, {attempt.worker for attempt in task.attempts})


def _show(office: Office, task: Task) -> TaskNews | HiddenTask:
    """Show a task in a list; one that cannot be shown does not break it, and is worked on."""
    try:
        return show_task(task, trouble=_trouble(office, task))
    except Exception as fault:  # noqa: BLE001 - the boundary lets through what is the program's
        name = task.facts.task_id
        trouble = office.engine.boundary.take(fault, "show", task_id=str(name))
        return HiddenTask(task_id=name, trouble=trouble)


def _trouble(office: Office, task: Task) -> str | None:
    """Tell what the work on a task raised and nobody expected; None where all is well."""
    return office.engine.troubles.get(task.facts.task_id)


async def _find_deal(office: Office, name: DealId) -> Deal:
    deals = office.chain_feed.deals
    found = deals.by_id.get(name) or await office.settled.deal(name)
    if found is not None:
        return found
    if name in deals.unread:
        raise NotReadYet(f"deal {name} cannot be read yet: {deals.unread[name].words}")
    if name in deals.unreadable:
        raise NotKnown(f"deal {name} cannot be read: {deals.unreadable[name]}")
    raise NotKnown(f"deal {name} is not one of this pool's")


async def _find(office: Office, text: str) -> Task:
    name = TaskId.parse(text)
    found = office.engine.tasks.get(name) or await office.settled.task(name)
    if found is None:
        raise NotKnown(f"task {text} is not one of this pool's")
    return found


def _health(router: APIRouter, office: Office) -> None:
    @router.get("/health")
    async def health() -> PoolHealth:
        """Tell that the scheduler is up, how far the chain is, and whether anything can be sold.

        ``ok`` is false while the chain cannot be read; ``chain`` says why.
        """
        head, trouble = office.chain_feed.head, office.chain_feed.trouble
        return PoolHealth(
            ok=not trouble,
            chain=trouble or None,
            block=head.number if head else None,
            block_time=head.timestamp if head else None,
            workers=len(office.workers),
            idle={str(why): count for why, count in office.placement.idle_workers().items()},
            open_tasks=len(office.engine.index.open),
            gas=GasStanding(**office.gas_budget.show()),
            deposit=DepositStanding(**office.collateral.show()),
            sells=office.pricing.why_nothing is None,
            sells_nothing_because=office.pricing.why_nothing,
        )

    @router.get("/ready")
    async def ready() -> PoolReady:
        """Tell a balancer that workers and requesters may be sent here; who stands by says 503."""
        return PoolReady(leads=True)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(office.metrics.registry), media_type=CONTENT_TYPE_LATEST)
