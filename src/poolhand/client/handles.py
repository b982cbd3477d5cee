"""Handles on deals and their tasks: how they stand, what they printed, what came of them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from poolhand.client.deal_view import ThroughputRecord, completed, deal_html, deal_line
from poolhand.client.errors import FailedTask, SeveralTasks, TimedOutTask
from poolhand.client.notebook import open_screen
from poolhand.client.reports import (
    Cancellation,
    DealCost,
    TaskProof,
    cost_of,
    proof_of,
)
from poolhand.client.task_result import TaskResult
from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.units import UnixSeconds
from poolhand.observe.groups import all_of
from poolhand.requester.buying import Purchase
from poolhand.requester.causes import causes
from poolhand.requester.changes import Change, Changes
from poolhand.requester.claims import Claimed
from poolhand.requester.output import OutputReader
from poolhand.requester.requester import Requester
from poolhand.requester.results import NoResultComing
from poolhand.requester.session import SessionDeal
from poolhand.requester.spending_wallet import Fingerprint
from poolhand.requester.watching import Outcome, Progress, TaskProgress
from poolhand.wire.output_api import OutputNews

if TYPE_CHECKING:
    from poolhand.client.async_client import AsyncClient

TASKS_FOLLOWED_AT_ONCE: Final = 8
"""Of a deal: a pool lets so many read at a time, and no more."""
MOST_NEWS_WAITING: Final = 64
"""Events that wait for who reads several tasks; the pool holds the rest."""


class AsyncTaskHandle:
    """One task of a deal; made by the deal's handle.

    Attributes:
        id: The task.
        index: Its place among the tasks of the deal's request order.
    """

    def __init__(self, client: AsyncClient, deal: Deal, index: int, task_id: TaskId) -> None:
        self._client, self._deal = client, deal
        self.index, self.id = index, task_id

    async def status(self) -> TaskProgress:
        """Look how it stands now."""
        requester = await self._client.requester()
        watch = await requester.watch_of_deal(self._deal)
        (found,) = (await watch.look({self.id: self.index}, await self._deadline(requester))).tasks
        return found

    async def events(self) -> AsyncGenerator[Change]:
        """Yield what changes, a line each, until it has ended or run out of time."""
        changes = Changes(self._deal)
        async with aclosing(self._snapshots()) as snapshots:
            async for progress in snapshots:
                for change in changes.of(progress):
                    yield change

    async def result(
        self, folder: str | Path | None = None, timeout: float | None = None
    ) -> TaskResult:
        """Wait for its end and return its result, checked against the chain.

        Args:
            folder: Where the archive is kept; None: for as long as the result is.
            timeout: Seconds to wait at most; None: until its final deadline.

        Raises:
            FailedTask, TimedOutTask: There is none; the error tells why and who must act.
            TimeoutError: Not yet. The task goes on: ask again.
            ResultForged, BadArchive: What came is not the result; it was not kept.
            NoResultsService, ResultMissing, ResultsDown: It cannot be had now.
        """
        requester = await self._client.requester()
        async with asyncio.timeout(timeout):
            found = await self._ended()
        if found.outcome is not Outcome.COMPLETED:
            raise fault_of(found)
        return await download(requester, found, folder)

    @overload
    def logs(
        self, *, follow: Literal[False] = False
    ) -> Coroutine[Any, Any, Mapping[Address, tuple[str, str]]]: ...

    @overload
    def logs(self, *, follow: Literal[True]) -> AsyncGenerator[OutputNews]: ...

    def logs(self, *, follow: bool = False) -> Any:
        """Return what the app printed on each worker (standard output and error).

        Args:
            follow: Yield what it prints and how far it is instead, as it comes, until it has ended:
                ``async for news in task.logs(follow=True)``. No line comes twice, whatever breaks
                off meanwhile.

        Raises:
            OutputNotYours, PoolRefused: Its pool shows it to the requester's wallet alone.
            NoPoolNamed: Nobody tells which pool it is.
        """
        return self._output() if follow else self._printed()

    async def _printed(self) -> Mapping[Address, tuple[str, str]]:
        return await (await self._reader()).logs(self.id)

    async def _output(self) -> AsyncGenerator[OutputNews]:
        """Yield what ``logs(follow=True)`` does."""
        async with aclosing((await self._reader()).follow(self.id)) as told:
            async for news in told:
                yield news

    async def _reader(self) -> OutputReader:
        return await (await self._client.requester()).output_reader(self.id, self._deal)

    async def proof(self) -> TaskProof:
        """Return what the chain has of it, for anybody to check."""
        requester = await self._client.requester()
        return proof_of(self._deal, await requester.history(await self.status()))

    async def _ended(self) -> TaskProgress:
        async with aclosing(self._snapshots()) as snapshots:
            async for progress in snapshots:
                (found,) = progress.tasks
                if found.outcome is Outcome.COMPLETED:
                    return found
        return found

    async def _snapshots(self) -> AsyncGenerator[Progress]:
        requester = await self._client.requester()
        watch, deadline = await requester.watch_of_deal(self._deal), await self._deadline(requester)
        async with aclosing(watch.follow({self.id: self.index}, deadline)) as snapshots:
            async for progress in snapshots:
                yield progress

    async def _deadline(self, requester: Requester) -> UnixSeconds:
        categories = await requester.hub.categories()
        return categories[self._deal.category].final_deadline(self._deal.start_time)


class AsyncDealHandle:
    """A deal: it goes on without this program, and ``AsyncClient.attach`` finds it again.

    Attributes:
        purchase: How it was bought.
        name: Of the purchase, where this client made it.
        tasks: A handle on each of its tasks.
    """

    def __init__(
        self, client: AsyncClient, purchase: Purchase, name: Fingerprint | None = None
    ) -> None:
        self._client = client
        self.purchase, self.name = purchase, name
        self.tasks = tuple(AsyncTaskHandle(client, self.deal, *each) for each in self.deal.tasks())

    @property
    def deal(self) -> Deal:
        """What the match fixed."""
        return self.purchase.deal

    @property
    def resumed(self) -> bool:
        """Whether an earlier call, or program, had begun to buy it."""
        return self.purchase.resumed

    @property
    def deal_id(self) -> DealId:
        """By which it is found again."""
        return self.deal.deal_id

    def __repr__(self) -> str:
        return f"<deal {self.deal_id} of {len(self.tasks)} task(s)>"

    async def status(self) -> Progress:
        """Look how its tasks stand now."""
        return await (await self._client.requester()).look(self.deal)

    async def events(self) -> AsyncGenerator[Change]:
        """Yield what changes, a line each, until every task has ended or run out of time."""
        deal = SessionDeal(await self._client.requester(), self.deal)
        async with aclosing(deal.follow()) as told:
            async for change in told:
                yield change

    async def show(self) -> None:
        """Show a table that follows the deal in a notebook until every task has ended.

        It tells tasks by status, cost, pool and errors, and in the end what was completed when.
        In a terminal it is a line for each change. Stopping it ends nothing: the deal goes on.
        """
        screen = open_screen()
        async with aclosing(self.pictures()) as pictures:
            async for html, line in pictures:
                screen(html, line)

    async def pictures(self) -> AsyncGenerator[tuple[str, str]]:
        """Yield the deal whenever it is looked at, as HTML and as a line, until it has ended."""
        requester, record = await self._client.requester(), ThroughputRecord()
        watch = await requester.watch_of_deal(self.deal)
        async with aclosing(watch.follow_deal(self.deal)) as snapshots:
            async for progress in snapshots:
                record.add(asyncio.get_running_loop().time(), completed(progress))
                yield deal_html(self.deal, progress, record), deal_line(self.deal, progress)

    async def wait(self, timeout: float | None = None) -> Progress:
        """Wait until every task has ended, and return how.

        Args:
            timeout: Seconds at most; None: until the final deadline.

        Raises:
            TimeoutError: Not yet. The deal goes on: wait again.
        """
        async with asyncio.timeout(timeout):
            return await SessionDeal(await self._client.requester(), self.deal).wait()

    async def result(
        self, folder: str | Path | None = None, timeout: float | None = None
    ) -> TaskResult:
        """Return the result of its only task; see ``AsyncTaskHandle.result``.

        Raises:
            SeveralTasks: It has more; use ``results``.
        """
        if len(self.tasks) > 1:
            raise SeveralTasks(len(self.tasks))
        return await self.tasks[0].result(folder, timeout)

    async def results(self, folder: str | Path | None = None) -> AsyncGenerator[TaskResult]:
        """Yield the result of each task as soon as it is there.

        Args:
            folder: Where archives are kept; None: for as long as a result is.

        Raises:
            FailedTask, TimedOutTask: One has none, told after all results that there are; how many
                more have none is noted with it.
        """
        requester = await self._client.requester()
        watch, given = await requester.watch_of_deal(self.deal), set[TaskId]()
        last = Progress(())
        async with aclosing(watch.follow_deal(self.deal)) as snapshots:
            async for last in snapshots:
                for task in last.tasks:
                    if task.outcome is Outcome.COMPLETED and task.task_id not in given:
                        given.add(task.task_id)
                        yield await download(requester, task, folder)
        bad = [task for task in last.tasks if task.outcome is not Outcome.COMPLETED]
        if bad:
            fault = fault_of(bad[0])
            if len(bad) > 1:
                fault.add_note(f"{len(bad) - 1} more task(s) of the deal have no result either")
            raise fault

    @overload
    def logs(
        self, *, follow: Literal[False] = False
    ) -> Coroutine[Any, Any, Mapping[TaskId, Mapping[Address, tuple[str, str]]]]: ...

    @overload
    def logs(self, *, follow: Literal[True]) -> AsyncGenerator[tuple[TaskId, OutputNews]]: ...

    def logs(self, *, follow: bool = False) -> Any:
        """Return what the app printed, by task and worker; raises as ``AsyncTaskHandle.logs``.

        Args:
            follow: Yield what its tasks print instead, as it comes, each with its task; so many
                tasks at a time as ``TASKS_FOLLOWED_AT_ONCE``.
        """
        return self._output() if follow else self._printed()

    async def _printed(self) -> Mapping[TaskId, Mapping[Address, tuple[str, str]]]:
        return {task.id: await task.logs() for task in self.tasks}

    async def _output(self) -> AsyncGenerator[tuple[TaskId, OutputNews]]:
        async with aclosing(merged({each.id: _follows(each) for each in self.tasks})) as told:
            async for found in told:
                yield found

    async def cost(self) -> DealCost:
        """Return what it costs, with what was refunded by now."""
        return cost_of(self.deal, await self.status(), self.purchase.receipt)

    async def proof(self) -> tuple[TaskProof, ...]:
        """Return what the chain has of each task, for anybody to check."""
        return tuple([await task.proof() for task in self.tasks])

    async def cancel(self) -> Cancellation:
        """Save what can be saved: a deal cannot be taken back, but what is late is claimed.

        Raises:
            NoWallet, PasswordMissing: Something is late, and no wallet is there to claim it.
        """
        requester = await self._client.requester()
        progress = await requester.look(self.deal)
        late = any(task.outcome is Outcome.TIMED_OUT for task in progress.tasks)
        claimed = Claimed()
        if late:
            claimed = await (await self._client.spender()).claim_late(progress, self.deal)
        goes_on = {each.task_id: each.deadline for each in progress.tasks if not each.outcome}
        return Cancellation(claimed, goes_on)


def _follows(task: AsyncTaskHandle) -> Callable[[], AsyncGenerator[OutputNews]]:
    return lambda: task.logs(follow=True)


async def merged(
    outputs: Mapping[TaskId, Callable[[], AsyncGenerator[OutputNews]]],
) -> AsyncGenerator[tuple[TaskId, OutputNews]]:
    """Yield what several tasks print, each with its task; one that cannot be read ends it all.

    Args:
        outputs: Begin to read each of them.
    """
    news: asyncio.Queue[tuple[TaskId, OutputNews]] = asyncio.Queue(MOST_NEWS_WAITING)
    room = asyncio.Semaphore(TASKS_FOLLOWED_AT_ONCE)

    async def read(name: TaskId, begin: Callable[[], AsyncGenerator[OutputNews]]) -> None:
        async with room, aclosing(begin()) as told:
            async for each in told:
                await news.put((name, each))

    reading = asyncio.create_task(all_of(read(*each) for each in outputs.items()))
    begun: list[asyncio.Task[Any]] = [reading]
    try:
        while not reading.done():
            coming = asyncio.create_task(news.get())
            begun[1:] = [coming]
            await asyncio.wait({coming, reading}, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                yield coming.result()
            else:
                coming.cancel()
        while not news.empty():
            yield news.get_nowait()
        await reading
    finally:
        for each in begun:
            each.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


class _FolderOfOne:
    """A folder that lasts as long as anybody has this."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="poolhand-result-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def fault_of(task: TaskProgress) -> NoResultComing:
    """Return the error of a task that ended without a result."""
    told = causes(task)
    if task.outcome is Outcome.FAILED:
        return FailedTask(task, told)
    return TimedOutTask(task, told)


async def download(
    requester: Requester, task: TaskProgress, folder: str | Path | None
) -> TaskResult:
    """Download the result of a completed task, and check it.

    Args:
        requester: Does so.
        task: Which.
        folder: Where the archive is kept; None: for as long as the result is.
    """
    kept = _FolderOfOne() if folder is None else None
    found = await requester.download(task.task_id, kept.path if kept else Path(folder or ""))
    return TaskResult(task.index, task.task_id, found.digest, found.archive, kept)
