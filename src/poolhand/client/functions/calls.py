"""Buys chunks of calls, many in one deal, and tells each future what its call came to.

One purchase at a time; what is asked for meanwhile goes into the next deal together. A chunk that
an earlier program has bought, and not had, is followed instead of bought.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final

from poolhand.client.errors import ClientClosed
from poolhand.client.functions.bag_journal import BagJournal, BagRecord
from poolhand.client.functions.chunks import CallFuture, Chunk, alike
from poolhand.client.functions.errors import PayloadTooLarge
from poolhand.client.functions.outcomes import MOST_RESULT_BYTES, seconds_of, values_of
from poolhand.client.functions.payload import packed
from poolhand.client.functions.terms import FunctionTerms, demand_fit
from poolhand.client.functions.travel import released, sent
from poolhand.client.functions.unattended_tasks import UnattendedTasks
from poolhand.client.handles import AsyncDealHandle, download, fault_of
from poolhand.domain.errors import PoolhandError, Refused
from poolhand.domain.function_image import FunctionImage
from poolhand.domain.params import join_arguments
from poolhand.requester.checking import VolumeTooSmall
from poolhand.requester.requester import Requester
from poolhand.requester.watching import Outcome, Progress, TaskProgress

if TYPE_CHECKING:
    from poolhand.client.async_client import AsyncClient

LINGER: Final = 0.05
"""Seconds in which calls gather before they are bought together."""
MOST_TASKS: Final = 1_000
"""Chunks of one deal."""
LONGEST_RELEASE: Final = 10.0
"""Seconds in which files that nobody needs any more are taken away when a client is closed."""
RESULTS_AT_ONCE: Final = 4
"""Results fetched at a time."""


class FunctionCalls:
    """Calls of one client.

    Args:
        client: Buys.

    Attributes:
        seconds: That a call of a function took on average, by the function's name.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.seconds: dict[str, float] = {}
        self._waiting: list[Chunk] = []
        self._working: asyncio.Task[None] | None = None
        self._bags: dict[str, asyncio.Task[AsyncDealHandle | None]] = {}
        self._images: dict[str, FunctionImage | None] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._releasing: set[asyncio.Task[None]] = set()
        self._fetching = asyncio.Semaphore(RESULTS_AT_ONCE)
        self._journal: BagJournal | None = None
        self._nonces: set[str] = set()

    # -------------------------------------------------------------------------- asked for

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Have chunks computed; their futures tell."""
        self._waiting += chunks
        if self._waiting and (self._working is None or self._working.done()):
            self._working = asyncio.create_task(self._work())
            self._working.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._give_up(self._waiting, ClientClosed())

    def leave(self, chunks: Iterable[Chunk]) -> None:
        """Say that nobody waits for chunks any more: the same calls find what was bought."""
        for chunk in chunks:
            chunk.leave()
            for future in chunk.futures:
                future.cancel()
            self._release(chunk)

    def leave_calls(self, futures: Iterable[CallFuture]) -> None:
        """Say the same of the chunks of calls that have not ended."""
        self.leave({each.chunk for each in futures if each.chunk is not None})

    def _release(self, chunk: Chunk) -> None:
        place, chunk.place = chunk.place, None
        if place is not None and self._journal is not None:
            self._journal.release(place[0], [place[1]])

    def _give_up(self, chunks: Iterable[Chunk], fault: BaseException) -> None:
        """Tell who still waits that nothing comes; the same calls find what was bought."""
        for chunk in chunks:
            if chunk.is_open:
                self._release(chunk)
                chunk.fail(fault)

    def close(self, *, clean: bool = True) -> None:
        """End this program's part of what is on disk; repeatable.

        Args:
            clean: It ends as it should, and not by an error.
        """
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.close(clean=clean, bags=self._nonces)
        self._nonces.clear()

    async def end(self) -> None:
        """Wait for nothing any more: who waits is told that the client is closed; repeatable."""
        tasks = [
            *self._following,
            *self._bags.values(),
            *([self._working] if self._working else []),
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._releasing:
            _, late = await asyncio.wait(self._releasing, timeout=LONGEST_RELEASE)
            for each in late:
                each.cancel()
        self.close()

    async def _work(self) -> None:
        chunks: list[Chunk] = []
        try:
            while self._waiting:
                await asyncio.sleep(LINGER)
                chunks, self._waiting = self._waiting, []
                for same in alike([each for each in chunks if each.begin()]):
                    await self._take(same)
        except BaseException as fault:
            told = ClientClosed() if isinstance(fault, asyncio.CancelledError) else fault
            self._give_up((*chunks, *self._waiting), told)
            raise

    async def _take(self, chunks: Sequence[Chunk]) -> None:
        """Follow what was bought before, and buy the rest."""
        try:
            requester = await self._client.spender()
            journal = self._opened(requester)
            fit = await self._fit(requester, chunks)
            new = await self._not_bought_before(journal, fit)
        except Exception as fault:  # noqa: BLE001 - the futures tell it
            self._give_up(chunks, fault)
            return
        for start in range(0, len(new), MOST_TASKS):
            await self._buy(journal, new[start : start + MOST_TASKS])

    def _opened(self, requester: Requester) -> BagJournal:
        if self._journal is None:
            deals = requester.wallet.remembered(requester.hub.facts).path
            self._journal = BagJournal.shared(deals.with_suffix(".bags"))
        return self._journal

    async def _fit(self, requester: Requester, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return those that their image can run; the others are told why not."""
        image = self._client.target(chunks[0].terms.image)
        name = str(image)
        if name not in self._images:
            self._images[name] = await requester.labels.functions(image)
        fit = []
        for chunk in chunks:
            try:
                demand_fit(name, self._images[name], chunk.modules)
            except Refused as fault:
                chunk.fail(fault)
            else:
                fit.append(chunk)
        return fit

    # -------------------------------------------------------------------------- bought before

    async def _not_bought_before(self, journal: BagJournal, chunks: list[Chunk]) -> list[Chunk]:
        """Follow what is found in bags that were bought, and return the rest."""
        left = chunks
        while left:
            found: defaultdict[str, dict[int, Chunk]] = defaultdict(dict)
            for chunk in left:
                if place := journal.find(chunk.key):
                    chunk.place = place
                    found[place[0]][place[1]] = chunk
            new, left = [each for each in left if each.place is None], []
            for nonce, known in found.items():
                if not await self._follows(journal, nonce, known):
                    for chunk in known.values():
                        chunk.place = None
                    left += known.values()  # another bag may have it
            if not found:
                return new
            left += new
        return left

    async def _follows(self, journal: BagJournal, nonce: str, chunks: dict[int, Chunk]) -> bool:
        """Follow chunks of a bag that is in the journal; False where it was never bought."""
        try:
            handle = await self._known(journal, nonce, chunks)
        except Exception as fault:  # noqa: BLE001 - the futures tell it; others are had
            self._give_up(chunks.values(), fault)
            return True
        if handle is not None:
            self._follow_soon(nonce, handle, chunks)
        return handle is not None

    async def _known(
        self, journal: BagJournal, nonce: str, chunks: dict[int, Chunk]
    ) -> AsyncDealHandle | None:
        """Return the deal of a bag that is in the journal; None where it was never bought."""
        if nonce not in self._bags:
            record, terms = journal.bags[nonce], next(iter(chunks.values())).terms
            self._bags[nonce] = asyncio.create_task(self._attached(journal, record, terms))
        try:
            return await asyncio.shield(self._bags[nonce])
        except Exception:
            self._bags.pop(nonce, None)
            raise

    async def _attached(
        self, journal: BagJournal, record: BagRecord, terms: FunctionTerms
    ) -> AsyncDealHandle | None:
        if record.buying is not None:  # by another client, which has left it
            await asyncio.wrap_future(record.buying)
        if record.deal_id is not None:
            return await self._client.attach(record.deal_id)
        ordered = {**record.order, "tasks": len(record.keys)}
        found = await self._client.bought_before(**ordered, deposit=terms.deposit)
        if found is None:
            journal.drop(record.nonce)
            self._release_file(record.order)
        else:
            journal.bought(record.nonce, found.deal_id)
        return found

    # -------------------------------------------------------------------------- bought

    async def _buy(self, journal: BagJournal, chunks: Sequence[Chunk]) -> None:
        """Buy chunks in one deal, or in two where so many do not go into one."""
        try:
            await self._bought(journal, chunks)
        except (VolumeTooSmall, PayloadTooLarge) as fault:
            if len(chunks) == 1:
                self._give_up(chunks, fault)
                return
            half = len(chunks) // 2
            await self._buy(journal, chunks[:half])
            await self._buy(journal, chunks[half:])
        except Exception as fault:  # noqa: BLE001 - the futures tell it
            self._give_up(chunks, fault)

    async def _bought(self, journal: BagJournal, chunks: Sequence[Chunk]) -> None:
        terms, nonce = chunks[0].terms, secrets.token_hex(8)
        blobs = [each.blob for each in chunks]
        payload = await asyncio.to_thread(packed, chunks[0].shared, blobs, nonce)
        way = await sent(payload, await self._client.spender())
        args = join_arguments([terms.mode, nonce, way.word])
        order = {**terms.ordered, "args": args, "inputs": list(way.inputs)}
        journal.begin(order, [each.key for each in chunks], nonce)
        for index, chunk in enumerate(chunks):
            chunk.place = nonce, index
        task = asyncio.create_task(self._purchase(journal, nonce, len(chunks), terms))
        self._bags[nonce] = task
        try:
            handle = await asyncio.shield(task)
        except BaseException as fault:
            self._bags.pop(nonce, None)
            for chunk in chunks:
                chunk.place = None
            if isinstance(fault, VolumeTooSmall):
                journal.drop(nonce)  # nothing was bought
                self._release_file(order)
            else:  # whether it was made is found out by the next same call
                journal.release(nonce, range(len(chunks)))
            raise
        self._follow_soon(nonce, handle, dict(enumerate(chunks)))

    async def _purchase(
        self, journal: BagJournal, nonce: str, tasks: int, terms: FunctionTerms
    ) -> AsyncDealHandle:
        record, over = journal.bags[nonce], Future[None]()
        record.buying = over
        try:
            sent = {"args": record.order["args"], "inputs": record.order["inputs"]}
            handle = await self._client.run(terms.image, **sent, tasks=tasks, **terms.for_run)
            journal.bought(nonce, handle.deal_id)
        finally:
            record.buying = None
            over.set_result(None)
        return handle

    # -------------------------------------------------------------------------- followed

    def _follow_soon(self, nonce: str, handle: AsyncDealHandle, chunks: dict[int, Chunk]) -> None:
        for chunk in chunks.values():
            if chunk.is_left:  # while it was bought
                self._release(chunk)
        self._nonces.add(nonce)
        following = asyncio.create_task(self._follow(nonce, handle, chunks))
        self._following.add(following)
        following.add_done_callback(lambda task: self._followed(task, chunks.values()))

    def _followed(self, task: asyncio.Task[None], chunks: Iterable[Chunk]) -> None:
        """Tell who waits that nothing comes; a task may be cancelled before its first step."""
        self._following.discard(task)
        if task.cancelled():
            self._give_up(chunks, ClientClosed())

    async def _follow(self, nonce: str, handle: AsyncDealHandle, chunks: dict[int, Chunk]) -> None:
        """Tell chunks of one deal, by their index, what came of them."""
        try:
            await self._tell(nonce, handle, chunks)
        except Exception as fault:  # noqa: BLE001 - the futures tell it; the same call asks again
            self._give_up(chunks.values(), fault)
        finally:
            self._bags.pop(nonce, None)

    async def _tell(self, nonce: str, handle: AsyncDealHandle, chunks: dict[int, Chunk]) -> None:
        requester = await self._client.requester()
        watch = await requester.watch_of_deal(handle.deal)
        last, left, fetching = Progress(()), set(chunks), list[asyncio.Task[None]]()
        unattended = UnattendedTasks(self._client, handle.deal)
        try:
            async with aclosing(watch.follow_deal(handle.deal)) as snapshots:
                async for last in snapshots:
                    for task in last.tasks:
                        if task.outcome is Outcome.COMPLETED and task.index in left:
                            left.discard(task.index)
                            work = self._fetch(nonce, task, chunks[task.index])
                            fetching.append(asyncio.create_task(work))
                    for chunk, fault in unattended.tell(last, chunks):
                        self._give_up([chunk], fault)
                    if not left:
                        break
        finally:
            await asyncio.gather(*fetching)
        for task in last.tasks:
            if task.index in left:
                self._ended(nonce, task.index, is_value=False)
                chunks[task.index].fail(fault_of(task))
        await unattended.claim(last)

    async def _fetch(self, nonce: str, task: TaskProgress, chunk: Chunk) -> None:
        """Fetch what a task came to, prove it, and tell it."""
        try:
            async with self._fetching:
                requester = await self._client.requester()
                result = await download(requester, task, None)
                found = await asyncio.to_thread(
                    values_of, result, len(chunk.futures), MOST_RESULT_BYTES
                )
        except Exception as fault:  # noqa: BLE001 - the futures tell it; the same call asks again
            self._give_up([chunk], fault)
            return
        chunk.computed(seconds_of(result))
        self._measure(chunk, seconds_of(result))
        is_value = all(fault is None for _, fault in found)
        if not (is_value and chunk.is_left):  # what nobody has is had by the same call
            self._ended(nonce, task.index, is_value=is_value)
        chunk.settle(found)

    def _ended(self, nonce: str, index: int, *, is_value: bool) -> None:
        """Write down what a chunk came to: what has failed is tried anew by the same call."""
        journal = self._journal
        if journal is None:
            return
        (journal.had if is_value else journal.take)(nonce, index)
        record = journal.bags[nonce]
        if len(record.had | record.taken) == len(record.keys):
            self._release_file(record.order)

    def _release_file(self, order: Mapping[str, Any]) -> None:
        """Take away the file that a payload was, beside everything else."""
        if order["inputs"]:
            releasing = asyncio.create_task(self._released(order))
            self._releasing.add(releasing)
            releasing.add_done_callback(self._releasing.discard)

    async def _released(self, order: Mapping[str, Any]) -> None:
        with suppress(PoolhandError):  # it goes by itself, later
            await released(order, await self._client.spender())

    def _measure(self, chunk: Chunk, seconds: Sequence[float]) -> None:
        """Learn how long calls of a function take; the newest counts as much as all before."""
        if chunk.shared.content and seconds:
            mean = sum(seconds) / len(seconds)
            known = self.seconds.get(chunk.shared.name, mean)
            self.seconds[chunk.shared.name] = (known + mean) / 2
