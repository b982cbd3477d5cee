"""Reading what a task prints while it runs: signed in once, and on where it was after a break.

A pool that is killed is asked again from the number behind the last line of each worker; what it
tells a second time all the same is passed over here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.line_window import LineCursor, LineRun
from poolhand.domain.messages import Nonce, ReaderSignIn, pool_domain
from poolhand.ports.chain import HubFacts
from poolhand.ports.clock import Clock
from poolhand.ports.signer import Signer
from poolhand.transport.pool_client import PoolClient, PoolDown, PoolRefused
from poolhand.wire.handshake import normal_url
from poolhand.wire.output_api import NewsKind, OutputNews, ReaderProof

OUTPUT_NOT_PUBLIC: Final = "not-public"
"""A pool's word for that somebody has to prove who asks."""
TASK_NOT_KNOWN: Final = "not-known"
"""The same for that it has no such task."""
MOST_SILENT_TRIES: Final = 60
"""After which a pool that does not answer is given up: some five minutes."""
LONGEST_PAUSE_OF_READER: Final = 5.0


class OtherPoolSigns(Refused):
    """What a pool would have signed is not for it."""

    def __init__(self, url: str, told: str) -> None:
        super().__init__(
            f"the pool at {url} says that its address is {told}: name that with --pool-url, for "
            "what is signed names it"
        )


class OutputNotYours(Refused):
    """What the task prints is another's, and nobody signs here."""

    def __init__(self) -> None:
        super().__init__(
            "the pool shows what the task prints to its requester alone: name that wallet with "
            "--wallet"
        )


@dataclass(frozen=True, slots=True)
class OutputReader:
    """Who reads, and of which pool.

    Attributes:
        pool: That has the task.
        workerpool: Its contract, as the chain names it: what is signed is for it alone.
        facts: Of the hub.
        signer: The requester's wallet; None: nobody signs.
        clock: For pauses.
        is_bought: Whether the task is one for certain: a pool that knows none is to hear of it.
    """

    pool: PoolClient
    workerpool: Address
    facts: HubFacts
    signer: Signer | None
    clock: Clock
    is_bought: bool = False

    async def sign_in(self) -> str:
        """Return a token for what the requester's tasks print.

        Raises:
            OutputNotYours: Nobody signs.
            OtherPoolSigns: The pool has another address.
            PoolRefused, PoolDown: It lets nobody in.
        """
        if self.signer is None:
            raise OutputNotYours
        url = normal_url(self.pool.url)
        told = await self.pool.reader_challenge(self.signer.address)
        if told.url != url:
            raise OtherPoolSigns(url, told.url)
        domain = pool_domain(self.facts.chain_id, self.workerpool)
        nonce = Nonce.parse(told.nonce)
        message = ReaderSignIn(domain, self.signer.address, url, nonce, told.expiry)
        proof = ReaderProof(
            requester=str(self.signer.address),
            nonce=told.nonce,
            expiry=told.expiry,
            signature=f"0x{self.signer.sign_message(message).hex()}",
        )
        return (await self.pool.reader_sign_in(proof)).token

    async def logs(self, task_id: TaskId) -> Mapping[Address, tuple[str, str]]:
        """Return what was printed by now, by worker (standard output and error).

        Raises:
            OutputNotYours, PoolRefused: It is not to be read by whoever asks.
        """
        try:
            return await self.pool.logs(task_id)
        except PoolRefused as fault:
            if fault.pool_code != OUTPUT_NOT_PUBLIC:
                raise
            return await self.pool.logs(task_id, await self.sign_in())

    async def follow(self, task_id: TaskId) -> AsyncGenerator[OutputNews]:
        """Yield what a task prints and how far it is, until it has ended; no line twice.

        Raises:
            OutputNotYours, PoolRefused: It is not to be read by whoever asks.
            PoolDown: The pool has not answered for long.
        """
        cursors = dict[Address, LineCursor]()
        token, is_refused, failures = "", False, 0
        while True:
            try:
                if is_refused:  # the first time, and after each restart of the pool
                    token, is_refused = await self.sign_in(), False
                async with aclosing(self._events(task_id, cursors, token)) as events:
                    async for news in events:
                        failures = 0
                        yield news
                        if news.kind is NewsKind.END:
                            return
            except (PoolDown, PoolRefused) as fault:
                is_refused = isinstance(fault, PoolRefused) and fault.pool_code == OUTPUT_NOT_PUBLIC
                failures += 1
                if failures > MOST_SILENT_TRIES or not self._may_pass(fault):
                    raise
            if is_refused and failures == 1:
                continue  # whoever is asked to sign has nothing to wait for
            await self.clock.sleep(min(0.1 * 2.0 ** min(failures, 9), LONGEST_PAUSE_OF_READER))

    def _may_pass(self, fault: PoolDown | PoolRefused) -> bool:
        """Whether a pool may answer otherwise later, or to whoever has signed."""
        if isinstance(fault, PoolDown):
            return True
        return fault.pool_code == OUTPUT_NOT_PUBLIC or (
            self.is_bought and fault.pool_code == TASK_NOT_KNOWN
        )

    async def _events(
        self, task_id: TaskId, cursors: dict[Address, LineCursor], token: str
    ) -> AsyncGenerator[OutputNews]:
        after = {worker: each.next for worker, each in cursors.items()}
        async with aclosing(self.pool.output(task_id, after, token)) as events:
            async for news in events:
                told = _fresh(news, cursors)
                if told is not None:
                    yield told


def _fresh(news: OutputNews, cursors: dict[Address, LineCursor]) -> OutputNews | None:
    """Return news without the lines that were told before; None where nothing is left of it."""
    if news.kind is not NewsKind.LINES or news.worker is None:
        return news
    cursor = cursors.setdefault(news.worker, LineCursor())
    left_out, run = cursor.take(LineRun(news.first, news.lines))
    if not run.lines and not left_out:
        return None
    return news.model_copy(update={"first": run.first, "lines": run.lines, "left_out": left_out})
