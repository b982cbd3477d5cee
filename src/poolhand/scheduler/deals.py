"""What is bought of the pool: deals received, dropped by a re-organisation, and bought again."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

import structlog

from poolhand.domain.category import Category
from poolhand.domain.deal import Deal
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.ranking import Ranking
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.signal import Signal
from poolhand.domain.tag import Tag
from poolhand.domain.task.machine import DealBack, DealGone, Received, is_settled
from poolhand.domain.task.model import Task, TaskFacts
from poolhand.domain.task.rules import FORGOTTEN
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.observe.retry import ChainRetry
from poolhand.observe.turn_pace import in_turns
from poolhand.ports.archive import KeptDeal
from poolhand.ports.chain import Hub
from poolhand.scheduler.engine import Engine

DEAL_READ_TRIES: Final = 10
"""Tries to read a deal that was told of: the node that is asked may lag behind the event."""
MOST_DEAL_READS: Final = 40
"""Tries to read one that cannot be read: about three hours."""
LONGEST_PAUSE_BETWEEN_DEAL_READS: Final = 300
"""Seconds between two of them, at most."""
MOST_UNREADABLE: Final = 1000
"""Deals given up of which is still told why: the chain has as many as it likes."""
TASKS_PER_TURN: Final = 25
"""Tasks of a deal begun or told in one turn of the loop; others go on between two such turns. Also
deals that were dropped and are looked for with one block."""
READ_AT_ONCE: Final = 100
"""Deals read by one call after a restart. Also those put aside that are tried with one block."""


@dataclass(frozen=True, slots=True)
class UnreadDeal:
    """A deal that was told of and could not be read yet: since which block, how often, why."""

    block: BlockNumber
    tries: int
    not_before: UnixSeconds
    words: str


log = structlog.get_logger()


class Deals:
    """Begins the tasks of deals, and holds them back while the chain does not have their deal.

    Args:
        by_id: Filled here: the deals whose tasks are known.
        quick: Whether trust-1 tasks use ``contributeAndFinalize``.
        obstacle: Says why the workers that are there cannot do what was bought.
        bought: Told of each deal that is new.
        unfit: Says why tasks of a tag are not taken.
        ended: Tells which tasks of a deal the chain has ended so long ago that they are rows.

    A deal that cannot be read holds up no other: it is put aside and tried again with every head.

    Attributes:
        known: Tells of a deal that was read again after a start.
        unread: Deals put aside.
        unreadable: Deals given up, and why: the newest ``MOST_UNREADABLE``.
    """

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        workerpool: Address,
        retry: ChainRetry,
        by_id: dict[DealId, Deal],
        *,
        quick: bool,
        obstacle: Callable[[Deal], str | None],
        bought: Callable[[Deal], None],
        unfit: Callable[[Tag], Awaitable[str | None]],
        ended: Callable[[DealId], Awaitable[frozenset[TaskId]]],
    ) -> None:
        self._boundary = engine.boundary
        self._unrecalled: set[DealId] = set()
        self.unread: dict[DealId, UnreadDeal] = {}
        self._turns: Ranking[DealId] = Ranking()
        self._since: Ranking[DealId] = Ranking()
        self.unreadable: OrderedDict[DealId, str] = OrderedDict()  # ordered: as in ``looks``
        self._engine, self._hub, self._pool = engine, hub, workerpool
        self._retry, self._quick = retry, quick
        self._gone: OrderedDict[DealId, None] = OrderedDict()
        self._ids: defaultdict[DealId, dict[TaskId, None]] = defaultdict(dict)
        self._categories: dict[int, Category] = {}
        self.by_id, self._obstacle, self._bought, self._ended = by_id, obstacle, bought, ended
        self._unfit = unfit
        self.known: Signal[[DealId]] = Signal()
        engine.left.connect(self.left)

    def left(self, task: Task) -> None:
        """Forget a task that has settled for good; with its last one the deal is but a row."""
        deal_id = task.facts.deal_id
        known = self._ids.get(deal_id)
        if known is not None:
            known.pop(task.facts.task_id, None)
            if not known:
                del self._ids[deal_id]
                self.by_id.pop(deal_id, None)
                self._gone.pop(deal_id, None)

    async def recall(self, now: UnixSeconds) -> None:
        """After a restart: read the deals of all tasks that are known."""
        for task_id, task in self._engine.tasks.items():
            self._ids[task.facts.deal_id][task_id] = None
        self._unrecalled = set(self._ids)
        await self._recall(now)

    async def _recall(self, now: UnixSeconds) -> list[TaskId]:
        found: list[TaskId] = []
        left = list(self._unrecalled)
        for first in range(0, len(left), READ_AT_ONCE):
            for deal_id, deal in (await self._read(left[first : first + READ_AT_ONCE])).items():
                with self._borne(deal_id):
                    found += await self._remember(deal_id, deal, now)
                    self._unrecalled.discard(deal_id)
        return found

    async def _remember(self, deal_id: DealId, deal: Deal | None, now: UnixSeconds) -> list[TaskId]:
        if deal is None:
            return await self.drop(deal_id, now)
        if self._doubted(deal):
            return await self._take_back(deal)
        self.by_id[deal_id] = deal
        self.known(deal_id)
        return []

    async def _read(self, asked: Sequence[DealId]) -> Mapping[DealId, Deal | None]:
        """Read deals in one batch; one by one where that fails, to see whose fault it is.

        Returns:
            None for those that the chain does not have; what cannot be read is left out.
        """
        found: dict[DealId, Deal | None] = {}
        if len(asked) == 1:
            with self._borne(asked[0]):
                found[asked[0]] = await self._hub.deal(asked[0])
            return found
        try:
            told = await self._hub.deals(asked)
        except ChainUnreachable as fault:
            log.debug("deals_unread", deals=len(asked), cause=str(fault))
        except Exception:  # noqa: BLE001 - it is raised again for the deal whose it is
            for deal_id in asked:
                found.update(await self._read([deal_id]))
        else:
            for deal_id, why in told.failed.items():
                log.debug("deal_unread", deal_id=str(deal_id), cause=why)
            left = [deal_id for deal_id in asked if deal_id not in told.failed]
            found = {deal_id: told.found.get(deal_id) for deal_id in left}
        return found

    @contextmanager
    def _borne(self, deal_id: DealId) -> Iterator[None]:
        """Bear what the work on one deal raises: others go on, and it is tried again."""
        try:
            yield
        except ChainUnreachable as fault:
            log.debug("deal_unread", deal_id=str(deal_id), cause=str(fault))
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a deal's
            self._boundary.take(fault, "deal", deal_id=str(deal_id))

    async def catch_up(self, blocks: Mapping[DealId, BlockNumber], now: UnixSeconds) -> None:
        """Begin the tasks of deals by their blocks, many at a time; what does not read is left."""
        names = list(blocks)
        for first in range(0, len(names), READ_AT_ONCE):
            for deal_id, deal in (await self._read(names[first : first + READ_AT_ONCE])).items():
                if deal is not None:
                    with self._borne(deal_id):
                        await self._begin(deal, blocks[deal_id], now, has_workers=False)

    async def receive(self, deal_id: DealId, block: BlockNumber, now: UnixSeconds) -> list[TaskId]:
        """Begin the tasks of a deal that a block tells of, or go on with them.

        Returns:
            Those whose place on chain is to be looked at.
        """
        try:
            deal = await self._hub.deal(deal_id)
            found = None if deal is None else await self._begin(deal, block, now)
        except ChainUnreachable as fault:
            self._put_aside(deal_id, block, now, str(fault), is_away=True)
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a deal's
            words = self._boundary.take(fault, "deal", deal_id=str(deal_id))
            self._put_aside(deal_id, block, now, words)
        else:
            if found is not None:
                self._take_up(deal_id)
                self.unreadable.pop(deal_id, None)
                return found
            self._put_aside(
                deal_id, block, now, "no such deal, as the endpoint has it", most=DEAL_READ_TRIES
            )
        return []

    async def read_again(self) -> list[TaskId]:
        """Try deals that were put aside, some of those whose turn it is: who waits longest, first.

        Returns:
            Tasks whose place on chain is to be looked at.
        """
        if not (self.unread or self._unrecalled):
            return []
        now = (await self._retry.ask(self._hub.head)).timestamp
        found = await self._recall(now)
        for deal_id in list(islice(self._turns.due((now,)), READ_AT_ONCE)):
            if (unread := self.unread.get(deal_id)) is not None:  # nobody was faster
                found += await self.receive(deal_id, unread.block, now)
        return found

    def unread_since(self) -> BlockNumber | None:
        """Return the first block of a deal put aside: a restart must read it again; None: none."""
        first = self._since.least()
        return None if first is None else first[0]

    def _take_up(self, deal_id: DealId) -> None:
        """Note that a deal is put aside no more; repeatable."""
        self.unread.pop(deal_id, None)
        self._turns.drop(deal_id)
        self._since.drop(deal_id)

    def _put_aside(
        self,
        deal_id: DealId,
        block: BlockNumber,
        now: UnixSeconds,
        words: str,
        *,
        most: int = MOST_DEAL_READS,
        is_away: bool = False,
    ) -> None:
        known = self.unread.get(deal_id)
        tries = (known.tries if known else 0) + (not is_away)
        if tries >= most:
            self._take_up(deal_id)
            self._give_up(deal_id, words)
            log.error("deal_not_found", deal_id=str(deal_id), cause=words, tries=tries)
            return
        pause = (
            0
            if is_away or most == DEAL_READ_TRIES
            else min(2**tries, LONGEST_PAUSE_BETWEEN_DEAL_READS)
        )
        turn = UnixSeconds(now + pause)
        self.unread[deal_id] = UnreadDeal(block, tries, turn, words)
        self._turns.put(deal_id, (turn,))
        self._since.put(deal_id, (block,))

    def _give_up(self, deal_id: DealId, words: str) -> None:
        self.unreadable[deal_id] = words
        self.unreadable.move_to_end(deal_id)
        while len(self.unreadable) > MOST_UNREADABLE:
            self.unreadable.popitem(last=False)

    async def _begin(
        self, deal: Deal, block: BlockNumber, now: UnixSeconds, *, has_workers: bool = True
    ) -> list[TaskId]:
        deal_id = deal.deal_id
        if deal.workerpool.address != self._pool:
            return []
        if self._doubted(deal):
            return await self._take_back(deal, block)
        ended = await self._ended(deal_id)
        if len(self._ids.get(deal_id, ())) + len(ended) >= deal.bot_size:
            return []
        category = await self._category(deal.category)
        is_late = now >= category.final_deadline(deal.start_time)
        why = "it is past its final deadline" if is_late else await self._unfit(deal.tag)
        if why is not None:
            log.warning("deal_skipped", deal_id=str(deal_id), cause=why)
            return []
        self._know(deal, category)
        self._bought(deal)
        log.info("deal_received", deal_id=str(deal_id), tasks=deal.bot_size, trust=deal.trust)
        with self._boundary.around("preflight", deal_id=str(deal_id)):
            if has_workers and (why := self._obstacle(deal)):
                log.warning("deal_out_of_reach", deal_id=str(deal_id), cause=why)
        async for facts in in_turns(self._facts(deal, category, block), TASKS_PER_TURN):
            if facts.task_id not in ended:
                self._receive(Received(max(now, deal.start_time), facts))
        return list(self._ids[deal_id])

    def _know(self, deal: Deal, category: Category) -> None:
        """Remember a deal, and that it was ours when all its tasks have settled."""
        self.by_id[deal.deal_id] = deal
        self._engine.keep(KeptDeal(deal, category.final_deadline(deal.start_time)))

    def _receive(self, event: Received) -> None:
        self._engine.receive(event)
        if event.facts.task_id in self._engine.tasks:
            self._ids[event.facts.deal_id][event.facts.task_id] = None

    async def drop(self, deal_id: DealId, now: UnixSeconds) -> list[TaskId]:
        """Hold back the tasks of a deal that the chain no longer has.

        Returns:
            Those whose place on chain is to be looked at.
        """
        tasks = list(self._tasks(deal_id))
        if all(task.gone_since is not None and is_settled(task) for task in tasks):
            return []
        log.warning(
            "deal_gone",
            deal_id=str(deal_id),
            cause="a re-organisation of the chain dropped the purchase, or the endpoint lags",
            next_step=f"wait: after {FORGOTTEN} s its tasks are given up, unless it comes back",
        )
        self._gone[deal_id] = None
        async for task in in_turns(tasks, TASKS_PER_TURN):
            self._engine.feed(task.facts.task_id, DealGone(max(task.now, now)))
        return [task.facts.task_id for task in tasks]

    async def find_again(self) -> list[TaskId]:
        """See which deals that were gone are back, some at a time: their notice may be missed.

        What is given up is awaited no longer.

        Returns:
            Tasks whose place on chain is to be looked at.
        """
        found: list[TaskId] = []
        some = list(islice(self._gone, TASKS_PER_TURN))
        for deal_id in some:  # whoever is looked for now comes last in the next block
            self._gone.move_to_end(deal_id)
        for deal_id, deal in (await self._read(some)).items() if some else ():
            with self._borne(deal_id):
                if deal is not None:
                    found += await self._take_back(deal)
                elif all(map(is_settled, self._tasks(deal_id))):
                    self._gone.pop(deal_id, None)
        return found

    async def _take_back(self, deal: Deal, block: BlockNumber | None = None) -> list[TaskId]:
        """Go on with a deal that the chain has after all, on the terms of its new block."""
        self._gone.pop(deal.deal_id, None)
        category, ended = await self._category(deal.category), await self._ended(deal.deal_id)
        self._know(deal, category)
        log.info("deal_back", deal_id=str(deal.deal_id), tasks=deal.bot_size)
        async for facts in in_turns(self._facts(deal, category, block), TASKS_PER_TURN):
            task = self._engine.tasks.get(facts.task_id)
            if facts.task_id in ended and task is None:
                continue
            if task is None:  # a crash came between two tasks of the deal
                self._receive(Received(deal.start_time, facts))
            else:
                self._engine.feed(facts.task_id, DealBack(task.now, facts))
        return list(self._ids[deal.deal_id])

    def _doubted(self, deal: Deal) -> bool:
        return any(task.gone_since is not None for task in self._tasks(deal.deal_id))

    def _tasks(self, deal_id: DealId) -> Iterator[Task]:
        known = self._engine.tasks
        return (known[task_id] for task_id in self._ids.get(deal_id, ()) if task_id in known)

    def _facts(
        self, deal: Deal, category: Category, block: BlockNumber | None
    ) -> Iterator[TaskFacts]:
        """Yield what a purchase fixes of each of its tasks."""
        quick = self._quick and deal.trust <= Trust(1)
        for index, task_id in deal.tasks():
            known = self._engine.tasks.get(task_id)
            yield TaskFacts(
                task_id,
                deal.deal_id,
                index,
                deal.trust,
                Flow.CONTRIBUTE_AND_FINALIZE if quick else Flow.STANDARD,
                deal.tag,
                category.contribution_deadline(deal.start_time),
                category.final_deadline(deal.start_time),
                known.facts.noticed_in if known and block is None else block,
            )

    async def _category(self, index: int) -> Category:
        if index not in self._categories:
            self._categories.update(await self._retry.ask(self._hub.categories))
        return self._categories[index]
