"""Answers of the market for people who look around: what happens now, tasks, accounts.

Beside iExec's routes (``market_api``), in the same form: ids 0x-hexadecimal, amounts in nRLC,
moments ISO 8601, durations seconds. Null is what is not known or does not apply.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field, create_model

from poolhand.domain.market_events import OrderSort
from poolhand.wire.json_models import Told
from poolhand.wire.market_api import OK, PAGE_MEMBERS, DealRow, several
from poolhand.wire.market_pools import MarketPool


class BlockTold(Told):
    """A block of the chain."""

    number: int
    hash: str
    timestamp: str


class CategoryPrice(Told):
    """What a category costs per task (nRLC): cheapest open order for everybody, last deal."""

    category: int
    name: str
    workClockTimeRef: int = Field(description="seconds")  # noqa: N815 - as iExec spells it
    best: int | None
    last: int | None
    lastTimestamp: str | None  # noqa: N815


class OpenOrders(Told):
    """How many orders of each sort are open."""

    app: int
    dataset: int
    workerpool: int
    request: int


class SettledTask(Told):
    """A task that ended lately."""

    taskid: str
    timestamp: str
    block: int


class TaskUnderWay(Told):
    """A task that has begun and not ended: its status, and when and where it began."""

    taskid: str
    status: str = Field(description="waiting, computing, revealing or overdue")
    timestamp: str
    block: int


class OverviewTasks(Told):
    """The tasks that began last and have not ended, completed last, failed last; newest first."""

    underWay: list[TaskUnderWay]  # noqa: N815
    completed: list[SettledTask]
    claimed: list[SettledTask]


_OVERVIEW: Final[dict[str, Any]] = {
    "ok": (bool, True),
    "hub": (str, ...),
    "trouble": (str | None, Field(description="why the chain cannot be read at present")),
    "block": (BlockTold | None, Field(description="of which the book is")),
    "chainBlock": (int | None, Field(description="newest that the chain told of")),
    "orders": (OpenOrders, ...),
    "prices": (list[CategoryPrice], ...),
    "tasks": (OverviewTasks, ...),
    "deals": several(DealRow),
}
MarketOverview: Final = create_model("MarketOverview", __base__=Told, **_OVERVIEW)


_STATUS: Final = "waiting, computing, revealing, completed, overdue or claimed"
_TASK: Final[dict[str, Any]] = {
    "taskid": (str, ...),
    "index": (int | None, Field(description="null in a bag too large to look for it")),
    "status": (str, Field(description=_STATUS)),
    "contributions": (int, ...),
}
TaskOfDeal: Final = create_model(
    "TaskOfDeal",
    __base__=Told,
    **_TASK,
    known=(bool, Field(description="initialized: `/tasks/{taskid}` tells of it")),
    endTimestamp=(str | None, ...),
)
DealTasks: Final = create_model(
    "DealTasks", __base__=Told, **OK, tasks=several(TaskOfDeal), **PAGE_MEMBERS
)


class BlockPlace(Told):
    """When and where something happened."""

    timestamp: str
    block: int
    transactionHash: str  # noqa: N815 - as iExec spells it


class TaskEvent(BlockPlace):
    """An event of the hub; ``seconds`` since the one before, ``party`` whoever it names."""

    event: str
    party: str | None
    seconds: int


class WorkerPart(Told):
    """What one worker did: ``agrees`` is null until a result is agreed on."""

    worker: str
    resultHash: str  # noqa: N815
    agrees: bool | None
    dropped: bool = Field(description="it agreed and did not reveal; the task was opened again")
    contributed: BlockPlace
    revealed: BlockPlace | None


class TaskPayment(BlockPlace):
    """What somebody was paid for a task (``reward``) or lost by it (``seize``), in nRLC."""

    account: str
    change: str
    amount: int


TaskAnswer: Final = create_model(
    "TaskAnswer",
    __base__=Told,
    **OK,
    **_TASK,
    dealid=(str, ...),
    words=(str, Field(description="what happened, who must act and how")),
    contributionDeadline=(str, ...),
    revealDeadline=(str | None, ...),
    finalDeadline=(str, ...),
    result=(str | None, Field(description="where the chain says that the result is")),
    workers=(list[WorkerPart], ...),
    steps=(list[TaskEvent], ...),
    poolUrl=(str | None, Field(description="of its pool's API; null: it is not registered here")),
    payments=(list[TaskPayment], ...),
    deal=(DealRow, ...),
)


class AccountLock(Told):
    """Stake that unsettled tasks of a deal hold (nRLC); from ``until`` on they can be claimed."""

    role: str
    dealid: str
    amount: int
    tasks: int
    until: str | None


class DayOfEarnings(Told):
    """What was earned and lost on one day (UTC), in nRLC."""

    day: str
    earned: int
    lost: int


class AccountEarning(BlockPlace):
    """A reward or a loss (``reward``, ``seize``), in nRLC."""

    change: str
    amount: int
    taskid: str | None


class TaskName(Told):
    """A task to which an account contributed."""

    taskid: str
    dealid: str


AccountAnswer: Final = create_model(
    "AccountAnswer",
    __base__=Told,
    **OK,
    address=(str, ...),
    stake=(int | None, Field(description="free (nRLC)")),
    locked=(int | None, Field(description="locked (nRLC)")),
    locks=(list[AccountLock], ...),
    earned=(int, ...),
    lost=(int, ...),
    complete=(bool, Field(description="earned, lost and days are of all; else of the newest")),
    days=(list[DayOfEarnings], Field(description="oldest first; days without are left out")),
    earnings=(list[AccountEarning], Field(description="the newest, newest first")),
    tasks=(list[TaskName], Field(description="newest contributions")),
)


class FoundThing(Told):
    """Something that bears a name.

    ``kind`` is account, app, dataset, workerpool, deal, task, or the collection of an order.
    """

    kind: str
    name: str


SearchAnswer: Final = create_model(
    "SearchAnswer", __base__=Told, **OK, found=(list[FoundThing], ...)
)


class PoolPrice(Told):
    """The lowest price per task (nRLC) that a pool asks in a category."""

    category: int
    best: int


_ASSET: Final[dict[str, Any]] = {
    "address": (str, ...),
    "owner": (str, ...),
    "createdBlock": (int, ...),
    "name": (str | None, Field(description="null while the chain is out of reach")),
    "location": (str | None, Field(description="of the image or the file")),
}
_SOLD: Final[dict[str, Any]] = {
    **_ASSET,
    "best": (int | None, Field(description="lowest price per task (nRLC) of an open order")),
}
_RECORD: Final[dict[str, Any]] = {
    **_ASSET,
    "workerStakeRatio": (int | None, Field(None, description="percent that each worker stakes")),
    "schedulerRewardRatio": (int | None, Field(None, description="percent that the pool keeps")),
    "profile": (MarketPool | None, Field(description="null: its owner registered none here")),
    "prices": (list[PoolPrice], ...),
    "recentTasks": (int, Field(description="the newest tasks, of which the rest is told")),
    "completed": (int, ...),
    "failed": (int, Field(description="claimed, for no result came in time")),
    "medianSeconds": (int | None, Field(description="from initialize to finalize")),
    "lastTimestamp": (str | None, Field(description="of the newest event of these")),
}
_MEMBERS: Final = {
    OrderSort.APP: _SOLD,
    OrderSort.DATASET: _SOLD,
    OrderSort.WORKERPOOL: _RECORD,
}
_ROWS: Final = {
    sort: create_model(f"Registered{sort.value.capitalize()}", __base__=Told, **members)
    for sort, members in _MEMBERS.items()
}
ASSET_ANSWERS: Final = {
    sort: create_model(f"{sort.value.capitalize()}Answer", __base__=Told, **OK, **members)
    for sort, members in _MEMBERS.items()
}
ASSET_LISTS: Final = {
    sort: create_model(
        f"{sort.value.capitalize()}List",
        __base__=Told,
        **OK,
        **{f"{sort.value}s": several(row)},
        **PAGE_MEMBERS,
    )
    for sort, row in _ROWS.items()
}
