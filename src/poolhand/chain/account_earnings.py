"""What an account earned over a range of blocks, checked against the chain to the nRLC.

Everything is read from the hub's events, so it is the same on every machine. Gas is that of
transactions which left an event of the account's: one that failed leaves none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from poolhand.chain.deal_reader import DealReader
from poolhand.domain.deal import Account, Deal
from poolhand.domain.earnings import EarningEntry, EarningFacts, gas_entries, judge
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, DealId, TaskId, TxHash
from poolhand.domain.movements import Movement, MovementKind, change_of_locked, change_of_stake
from poolhand.domain.onchain import ChainTaskStatus, EventKind, Head, HubEvent
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.ports.chain import Hub

EARNINGS_LOOKBACK: Final = 100_000
"""Blocks looked at, from the newest back, unless told otherwise."""
_NOTHING: Final = Account(NanoRlc(0), NanoRlc(0))


@dataclass(frozen=True, slots=True)
class AccountBooks:
    """What some blocks tell of an account: what it was to the account, and what moved."""

    entries: tuple[EarningEntry, ...]
    movements: tuple[Movement, ...]


@dataclass(frozen=True, slots=True)
class Earnings:
    """An account's books over the blocks from ``first`` to ``last``.

    ``before`` is its account before them, None where no endpoint keeps so old a state; ``after`` as
    ``last`` left it.
    """

    owner: Address
    first: BlockNumber
    last: BlockNumber
    entries: tuple[EarningEntry, ...]
    movements: tuple[Movement, ...]
    before: Account | None
    after: Account

    @property
    def unexplained(self) -> tuple[int, int] | None:
        """Free and locked stake that the movements do not explain (nRLC); None: not known."""
        if self.before is None:
            return None
        free = self.after.stake - self.before.stake - change_of_stake(self.movements)
        locked = self.after.locked - self.before.locked - change_of_locked(self.movements)
        return free, locked


async def earnings_of(hub: Hub, owner: Address, lookback: int = EARNINGS_LOOKBACK) -> Earnings:
    """Read what an account earned, lost, paid and spent in the newest blocks.

    Raises:
        ChainUnreachable: No endpoint answers.
    """
    head = await hub.head()
    first = BlockNumber(max(0, head.number - lookback + 1))
    found = await books_of(hub, owner, first, head.number)
    before = await _account_before(hub, owner, first)
    after = (await hub.accounts([owner], head))[owner]
    return Earnings(owner, first, head.number, found.entries, found.movements, before, after)


async def books_of(
    hub: Hub,
    owner: Address,
    first: BlockNumber,
    last: BlockNumber,
    *,
    pools: Collection[Address] | None = None,
    roles: bool = True,
) -> AccountBooks:
    """Read what an account earned, lost, paid and spent in some blocks.

    With ``pools``, or of an account that owns none, ranges that meet tell together the amounts that
    the whole of them tells. Roles, and what the owner of pools that are not named spent on gas, may
    rest on blocks before these.

    Args:
        hub: Read.
        owner: The account.
        first: The first of the blocks.
        last: The last of them.
        pools: That it owns; None: those of the deals in these blocks.
        roles: Whether it is told as what it was paid: without that fewer tasks are read.

    Raises:
        ChainUnreachable: No endpoint answers, or none tells of a transaction that it has a log of.
    """
    movements = await hub.money_of(owner, first, last)
    reader = _Reader(hub, owner, DealReader(hub), pools)
    acts = await reader.acts(first, last)
    judged = movements if roles else [m for m in movements if m.kind is MovementKind.SEIZURE]
    tasks = await reader.facts(judged, acts)
    named = {*(m.tx_hash for m in movements), *(a.tx_hash for a in acts)}
    paid = await hub.payments(named)
    for tx in named - set(paid):
        raise ChainUnreachable(f"no endpoint tells of transaction {tx}, of which there is a log")
    entries = judge(owner, movements, tasks, paid)
    entries += gas_entries(owner, paid, _about(movements, acts))
    return AccountBooks(tuple(sorted(entries, key=lambda each: each.at)), movements)


async def _account_before(hub: Hub, owner: Address, first: BlockNumber) -> Account | None:
    if first == 0:
        return _NOTHING
    try:
        head: Head | None = await hub.block(BlockNumber(first - 1))
        return None if head is None else (await hub.accounts([owner], head))[owner]
    except ChainUnreachable:  # a node forgets old states
        return None


def _about(movements: Iterable[Movement], acts: Iterable[HubEvent]) -> dict[TxHash, set[TaskId]]:
    found: dict[TxHash, set[TaskId]] = {}
    named = [(each.tx_hash, each.task_id) for each in movements]
    for tx, task_id in [*named, *((each.tx_hash, each.task_id) for each in acts)]:
        if task_id is not None:
            found.setdefault(tx, set()).add(task_id)
    return found


@dataclass
class _Reader:
    """Reads what events are about."""

    hub: Hub
    owner: Address
    deals: DealReader
    pools: Collection[Address] | None

    async def acts(self, first: BlockNumber, last: BlockNumber) -> tuple[HubEvent, ...]:
        """Return what the account and its pools did to tasks."""
        if self.pools is not None:
            return await self.hub.acts_of(sorted({self.owner, *self.pools}), first, last)
        parties = {self.owner}
        for event in await self.hub.locks_of(self.owner, first, last):
            deal = await self._deal(event.deal_id)
            if deal is not None and deal.workerpool.owner == self.owner:
                parties.add(deal.workerpool.address)
        return await self.hub.acts_of(sorted(parties), first, last)

    async def facts(
        self, movements: Iterable[Movement], acts: Iterable[HubEvent]
    ) -> dict[TaskId, EarningFacts]:
        """Return what judging needs of the tasks that rewards and seizures name."""
        worked = {a.task_id for a in acts if a.kind is EventKind.TASK_CONTRIBUTE}
        named = dict.fromkeys(each.task_id for each in movements if each.task_id)
        views = await self.hub.tasks({each: () for each in named if each})
        found = {}
        for task_id, view in views.items():
            deal = await self._deal(await self.hub.task_deal(task_id))
            if deal is not None:
                done = view.status is ChainTaskStatus.COMPLETED
                found[task_id] = EarningFacts(deal, done, task_id in worked)
        return found

    async def _deal(self, deal_id: DealId | None) -> Deal | None:
        return None if deal_id is None else await self.deals.read(deal_id)
