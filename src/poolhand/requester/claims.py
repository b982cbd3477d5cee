"""Claims: what was not delivered is refunded, several tasks in one transaction.

Anyone may claim, and the pool does too; so the chain is looked at first, and when a claim is
refused it is looked at again: a task that somebody else has ended meanwhile is simply left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final, TypeAlias, TypeVar

from poolhand.domain.deal import Deal
from poolhand.domain.errors import Raced, Refused, Reverted
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus, Claim, Initialize, Receipt, TaskView
from poolhand.domain.units import UnixSeconds, show_duration, show_moment
from poolhand.ports.chain import Hub
from poolhand.ports.clock import Clock
from poolhand.requester.spending_wallet import OpenWallet, SpendingWallet
from poolhand.requester.watching import Outcome, Progress

TASKS_PER_CLAIM: Final = 24
"""Tasks per ``claimArray``, and per ``initializeArray`` where one was never put on chain."""
CLAIM_TRIES: Final = 3
"""Refusals in a row that nothing on chain explains before they are told."""
PAUSE_BETWEEN_CLAIMS: Final = 1.0
"""Seconds between them: the endpoint that is read may lag behind the one that refused."""

T = TypeVar("T")
TaskPlaces: TypeAlias = Mapping[TaskId, tuple[DealId, int] | None]
"""Tasks, and where they are: deal and index; None if unknown, then only if on chain."""


class NothingToClaim(Refused):
    """The task succeeded, or nobody knows it."""


class NotYetClaimable(Raced):
    """The final deadline has not passed."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What came of a claim: tasks refunded by us, tasks that had ended already, what we sent."""

    tasks: tuple[TaskId, ...] = ()
    ended: Mapping[TaskId, ChainTaskStatus] | None = None
    receipts: tuple[Receipt, ...] = ()


def late_places(progress: Progress, deal: Deal | None) -> TaskPlaces:
    """Return where the tasks are that ran out of time; of those not on chain a deal must tell."""
    places: dict[TaskId, tuple[DealId, int] | None] = {}
    for task in progress.tasks:
        if task.outcome is Outcome.TIMED_OUT:
            news = (task.news.deal_id, task.news.index) if task.news else None
            places[task.task_id] = (deal.deal_id, task.index) if deal else news
    return places


async def claim_task(wallet: SpendingWallet, clock: Clock, task_id: TaskId) -> Claimed:
    """Get the price of an unfinished task back once its final deadline has passed; repeatable.

    Raises:
        NotYetClaimable: The deadline has not passed.
        NothingToClaim: The task has succeeded, or is not on chain.
    """
    async with wallet.open() as spending:
        view = (await spending.hub.tasks({task_id: ()}))[task_id]
        if view.status is ChainTaskStatus.UNSET:
            raise NothingToClaim(
                f"task {task_id} was never put on chain: claim its deal with `poolhand deal claim`"
            )
        if view.status is ChainTaskStatus.COMPLETED:
            raise NothingToClaim(f"task {task_id} has ended COMPLETED: nothing is owed")
        if is_open(view) and view.block_time < view.final_deadline:
            raise too_early(f"task {task_id}", view.final_deadline, view.block_time)
        return await claim(wallet, clock, {task_id: None})


async def claim_deal(wallet: SpendingWallet, clock: Clock, deal: Deal) -> Claimed:
    """Get the price of every unfinished task of a deal back, those never put on chain too.

    Repeatable; tasks that have ended are left alone.

    Raises:
        NotYetClaimable: The deadline has not passed, and a task is unfinished.
    """
    async with wallet.open() as spending:
        category = (await spending.hub.categories())[deal.category]
        places = {task_id: (deal.deal_id, index) for index, task_id in deal.tasks()}
        views = await spending.hub.tasks(dict.fromkeys(places, ()))
        final, now = category.final_deadline(deal.start_time), (await spending.hub.head()).timestamp
        if now < final and any(map(is_open, views.values())):
            raise too_early(f"deal {deal.deal_id}", final, now)
        return await claim(wallet, clock, places)


async def claim(wallet: SpendingWallet, clock: Clock, places: TaskPlaces) -> Claimed:
    """Claim whichever of these tasks are unfinished; their final deadline must have passed.

    Raises:
        Reverted: Refused, and no look at the chain says why.
        OutOfGas, ChainUnreachable, WalletInUse: As everything that is sent.
    """
    tasks: list[TaskId] = []
    receipts: list[Receipt] = []
    async with wallet.open() as spending:
        for batch in _batches(places):
            found = await _claim_batch(spending, clock, batch)
            tasks += found.tasks
            receipts += found.receipts
        views = await spending.hub.tasks({each: () for each in places if each not in tasks})
    ended = {each: view.status for each, view in views.items() if not is_open(view)}
    return Claimed(tuple(tasks), ended, tuple(receipts))


async def _claim_batch(spending: OpenWallet, clock: Clock, batch: TaskPlaces) -> Claimed:
    receipts: list[Receipt] = []
    known: dict[TaskId, ChainTaskStatus] = {}
    tries = 0
    while due := await _unfinished(spending.hub, batch):
        tries = tries + 1 if due == known else 0
        known = due
        try:
            receipts += await _initialize(spending, batch, due)
            receipts.append(await spending.sender.send(_purpose("claim", due), Claim(tuple(due))))
        except Reverted:
            if tries == CLAIM_TRIES:
                raise
            await clock.sleep(PAUSE_BETWEEN_CLAIMS if tries else 0)
        else:
            return Claimed(tuple(due), receipts=tuple(receipts))
    return Claimed(receipts=tuple(receipts))


async def _unfinished(hub: Hub, batch: TaskPlaces) -> dict[TaskId, ChainTaskStatus]:
    """Return what can be claimed; a task that is not on chain, if its place is known."""
    views = await hub.tasks(dict.fromkeys(batch, ()))
    return {
        task_id: views[task_id].status
        for task_id, place in batch.items()
        if is_open(views[task_id])
        and (place is not None or views[task_id].status is not ChainTaskStatus.UNSET)
    }


async def _initialize(
    spending: OpenWallet, batch: TaskPlaces, due: Mapping[TaskId, ChainTaskStatus]
) -> list[Receipt]:
    """Put on chain what never was: only then the hub knows what to refund."""
    unset = {each: batch[each] for each in due if due[each] is ChainTaskStatus.UNSET}
    places = tuple(place for place in unset.values() if place is not None)
    if not places:
        return []
    return [await spending.sender.send(_purpose("initialize", unset), Initialize(places))]


def _purpose(kind: str, tasks: Mapping[TaskId, object]) -> str:
    """Name an intention by everything it is about, so that another set is another intention."""
    first = next(iter(tasks))
    if len(tasks) == 1:
        return f"{kind}:{first}"
    return f"{kind}:{first}+{len(tasks) - 1}:{sha256(b''.join(tasks)).hexdigest()[:16]}"


def _batches(places: TaskPlaces) -> Iterator[TaskPlaces]:
    left = iter(places.items())
    while batch := dict(islice(left, TASKS_PER_CLAIM)):
        yield batch


def is_open(view: TaskView) -> bool:
    """Whether a task has not ended on chain."""
    return view.status not in (ChainTaskStatus.COMPLETED, ChainTaskStatus.FAILED)


def too_early(what: str, deadline: UnixSeconds, now: UnixSeconds) -> NotYetClaimable:
    """Return the error of a claim before the deadline."""
    return NotYetClaimable(
        f"{what} may still succeed until {show_moment(deadline)}, its final deadline (in "
        f"{show_duration(deadline - now)}): claim it then; the pool does so by itself, too"
    )
