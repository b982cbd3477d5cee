"""Asking whichever endpoint is freshest and answers.

An endpoint that fails rests, longer each time; the next one is asked in its place. Only when none
answers does the caller hear of it, as ``ChainUnreachable``.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias, TypeVar

import structlog

from poolhand.chain import abi
from poolhand.chain.bell import Bell
from poolhand.chain.endpoint import Endpoint, Fit, anything
from poolhand.chain.errors import WrongChain
from poolhand.chain.http_link import HttpLink
from poolhand.chain.link import Link, Query
from poolhand.chain.pace import LoopPace, Pace
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.socket_link import SocketLink
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.onchain import Head

T = TypeVar("T")
PAUSES_FOR_ENDPOINTS: Final = (0.3, 0.6, 1.2)
"""Seconds to wait, time and again, for endpoints that are merely busy."""
LONGEST_WAIT_FOR_ENDPOINTS: Final = 30.0
"""Seconds, all waits together, after which busy endpoints are not waited for, whatever they say."""

log = structlog.get_logger()
ASK_CHAIN_ID: Final[Query[int]] = Query("eth_chainId", (), abi.quantity)
Failure: TypeAlias = EndpointDown | WrongChain
LinkTo: TypeAlias = Callable[[str], Link]
"""Opens the way to an endpoint by its URL."""


def link_to(url: str) -> Link:
    """Return the way to an endpoint: a WebSocket or HTTP."""
    return SocketLink(url) if url.startswith(("ws://", "wss://")) else HttpLink(url)


class Rpc:
    """All endpoints of one chain.

    Args:
        urls: In order of preference.
        chain_id: What they must answer; None takes the first one's word.
        link: Opens the way to each.
        pace: Time; the event loop's, if None.

    Attributes:
        bell: Rung when any endpoint's head changes.
    """

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int | None = None,
        link: LinkTo = link_to,
        pace: Pace | None = None,
    ) -> None:
        self.endpoints = [Endpoint(link(url)) for url in urls]
        self.chain_id = chain_id
        self.pace = pace or LoopPace()
        self.bell = Bell()

    @property
    def newest(self) -> Head | None:
        """The head of the freshest endpoint, as far as we were told."""
        heads = (each.head for each in self.in_order() if each.head is not None)
        return next(heads, None)

    def saw(self, endpoint: Endpoint, head: Head) -> None:
        """Note an endpoint's head."""
        if endpoint.head is None or endpoint.head.block_hash != head.block_hash:
            endpoint.head = head
            self.bell.ring()

    def in_order(self) -> list[Endpoint]:
        """Return whom to ask first: rested, then freshest, then preferred."""
        now = self.pace.time()

        def rank(endpoint: Endpoint) -> tuple[float, int]:
            rest = max(endpoint.rests_until - now, 0.0)
            return rest, -(endpoint.head.number if endpoint.head else -1)

        return sorted((each for each in self.endpoints if not each.expelled), key=rank)

    async def ask(self, query: Query[T]) -> T:
        """Ask one thing.

        Raises:
            ChainUnreachable: No endpoint answered, or one refused.
        """
        return (await self.ask_each([query]))[0]

    async def ask_each(self, queries: Sequence[Query[T]]) -> list[T]:
        """Ask several things, none of which a node has reason to refuse.

        Raises:
            ChainUnreachable: No endpoint answered, or one refused.
        """
        return plain(await self.ask_all(queries))

    async def ask_all(
        self,
        queries: Sequence[Query[T]],
        fit: Fit = anything,
    ) -> list[T | NodeRefusal]:
        """Ask several things of one endpoint at once; errors of the node are among the answers.

        Args:
            queries: Must be repeatable: another endpoint may be asked again.
            fit: Tells whether the answers show an endpoint up to date; if not, another is asked.

        Raises:
            ChainUnreachable: No endpoint answered.
        """
        if not queries:
            return []
        return await self.ask_around(lambda endpoint: endpoint.exchange(queries, fit))

    async def ask_around(self, ask: Callable[[Endpoint], Awaitable[T]]) -> T:
        """Return what the first endpoint tells that can, the freshest being asked first.

        Where none answers and one is only too busy, all are asked again a little later.

        Args:
            ask: Asks one endpoint, repeatably; raises EndpointDown where another may answer.

        Raises:
            ChainUnreachable: No endpoint answered.
        """
        waited = 0.0
        for pause in (*PAUSES_FOR_ENDPOINTS, math.inf):
            answered, faults = await self._ask_each_endpoint(ask)
            if answered:
                return answered[0]
            wait = busy_for(faults, pause)
            if waited + wait > LONGEST_WAIT_FOR_ENDPOINTS:
                break
            waited += wait
            await self.bide(wait, faults)
        told = "; ".join(str(fault) for fault in faults)
        raise ChainUnreachable(told or "no RPC endpoint is left to ask: name one")

    async def bide(self, seconds: float, faults: Sequence[Failure]) -> None:
        """Wait for endpoints that are too busy, and say so when it takes longer than a moment."""
        busy = [
            fault.endpoint for fault in faults if isinstance(fault, EndpointDown) and fault.busy
        ]
        if seconds >= 1:
            cause = f"too many requests, waiting {math.ceil(seconds)} s"
            log.warning("endpoint_busy", endpoint=", ".join(busy), cause=cause)
        await self.pace.sleep(seconds)

    async def _ask_each_endpoint(
        self, ask: Callable[[Endpoint], Awaitable[T]]
    ) -> tuple[list[T], list[Failure]]:
        """Return the answer of the first endpoint that gives any, and why others gave none."""
        faults: list[Failure] = []
        for endpoint in self.in_order():
            try:
                await self.admit(endpoint)
                answer = await ask(endpoint)
            except EndpointDown as fault:
                self.fail(endpoint, fault)
                faults.append(fault)
            except WrongChain as fault:
                faults.append(fault)
            else:
                endpoint.answered()
                return [answer], faults
        return [], faults

    def fail(self, endpoint: Endpoint, fault: EndpointDown) -> None:
        """Note an endpoint's failure."""
        endpoint.failed(fault, self.pace.time())

    async def admit(self, endpoint: Endpoint) -> None:
        """Check an endpoint's chain before its first use.

        Raises:
            WrongChain: It is of another chain; it is never asked again.
            EndpointDown: It does not answer, or wants not to be asked now.
        """
        endpoint.leave_alone(self.pace.time())
        if endpoint.checked:
            return
        before = endpoint.fault
        async with endpoint.checking:
            if endpoint.checked:
                return
            if endpoint.fault is not None and endpoint.fault is not before:
                raise endpoint.fault  # others found out while we queued
            (found,) = await endpoint.exchange([ASK_CHAIN_ID])
            if isinstance(found, NodeRefusal):
                raise EndpointDown(endpoint.link.name, f"does not tell its chain: {found.text}")
            if self.chain_id is None:
                self.chain_id = found
            if found != self.chain_id:
                endpoint.expelled = True
                fault = WrongChain(endpoint.link.name, self.chain_id, found)
                log.error("endpoint_expelled", endpoint=endpoint.link.name, cause=str(fault))
                raise fault
            endpoint.checked = True

    async def close(self) -> None:
        """Close every connection; repeatable."""
        for endpoint in self.endpoints:
            await endpoint.link.close()


def busy_for(faults: Sequence[Failure], pause: float) -> float:
    """Return how long to wait for the first endpoint that is merely busy; infinity if none is."""
    busy = (fault for fault in faults if isinstance(fault, EndpointDown) and fault.busy)
    return min((max(pause, fault.retry_after) for fault in busy), default=math.inf)


def plain(answers: Sequence[T | NodeRefusal]) -> list[T]:
    """Return answers none of which a node has reason to refuse; raises ChainUnreachable."""
    found: list[T] = []
    for answer in answers:
        if isinstance(answer, NodeRefusal):
            raise ChainUnreachable(f"{answer}: check the endpoint") from answer
        found.append(answer)
    return found
