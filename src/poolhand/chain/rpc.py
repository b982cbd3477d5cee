"""Asking whichever endpoint is freshest and answers.

An endpoint that fails rests, longer each time; the next one is asked in its place. Only when none
answers does the caller hear of it, as ``ChainUnreachable``.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

import structlog
from eth_abi.exceptions import DecodingError

from poolhand.chain.bell import Bell
from poolhand.chain.errors import WrongChain
from poolhand.chain.http_link import HttpLink
from poolhand.chain.link import BATCH, Link, Query
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.socket_link import SocketLink
from poolhand.domain.errors import BadHex, ChainUnreachable
from poolhand.domain.onchain import Head
from poolhand.observe.complaint import Complaint

T = TypeVar("T")
FIRST_REST: Final = 0.25
"""Seconds that an endpoint rests after its first failure; doubled with each further one."""
LONGEST_REST: Final = 30.0
PATIENCE: Final = (0.3, 0.6, 1.2)
"""Seconds to wait, time and again, for endpoints that are merely busy."""
MOST_PATIENT: Final = 5.0
"""Seconds after which a busy endpoint is not waited for, whatever it says."""
NONSENSE: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    DecodingError,
    BadHex,
)
"""What reading an answer raises when it is not what was asked for."""

log = structlog.get_logger()
CHAIN_ID: Final[Query[int]] = Query("eth_chainId", (), lambda raw: int(raw, 16))
Fit: TypeAlias = Callable[[Sequence[Any]], bool]
"""Tells whether answers show an endpoint that is up to date."""


def _anything(_answers: Sequence[Any]) -> bool:
    return True


@dataclass(slots=True, eq=False)
class Endpoint:
    """One endpoint, how it has been, and the newest block it told of."""

    link: Link
    head: Head | None = None
    failures: int = 0
    rests_until: float = 0.0
    fault: EndpointDown | None = None
    checked: bool = False
    expelled: bool = False
    checking: asyncio.Lock = field(default_factory=asyncio.Lock)
    trouble: Complaint = field(init=False)

    def __post_init__(self) -> None:
        """Speak of it by its name."""
        name = self.link.name
        self.trouble = Complaint("endpoint_failed", "endpoint_answered", endpoint=name)

    def failed(self, fault: EndpointDown, now: float) -> None:
        """Let it rest; what fails while it rests already tells nothing new."""
        self.fault = fault
        if now < self.rests_until:
            return
        rest = max(min(FIRST_REST * 2**self.failures, LONGEST_REST), fault.retry_after)
        self.failures = min(self.failures + 1, 10)
        self.rests_until = now + min(rest, LONGEST_REST)
        self.trouble.tell(fault, rest=rest)

    def answered(self) -> None:
        """Trust it again."""
        self.failures, self.rests_until, self.fault = 0, 0.0, None
        self.trouble.over()

    async def exchange(
        self, queries: Sequence[Query[T]], fit: Fit = _anything
    ) -> list[T | NodeRefusal]:
        """Ask in batches and read the answers.

        Raises:
            EndpointDown: It does not answer, answers nonsense, or another would do better.
        """
        parts = [queries[first : first + BATCH] for first in range(0, len(queries), BATCH)]
        if len(parts) == 1:
            answers = await self.link.exchange(queries)
        else:
            got = await asyncio.gather(*(self.link.exchange(part) for part in parts))
            answers = [answer for part in got for answer in part]
        found = [self._read(query, answer) for query, answer in zip(queries, answers, strict=True)]
        if not fit(found):
            raise EndpointDown(self.link.name, "lags behind")
        return found

    def _read(self, query: Query[T], answer: dict[str, Any]) -> T | NodeRefusal:
        try:
            if answer.get("error") is not None:
                refusal = NodeRefusal.read(query.method, answer["error"])
                if refusal.elsewhere:
                    raise EndpointDown(
                        self.link.name,
                        f"refused {query.method}: {refusal.text}",
                        busy=refusal.busy,
                    )
                return refusal
            return query.read(answer["result"])
        except NONSENSE as fault:
            raise EndpointDown(
                self.link.name, f"answered {query.method} with nonsense ({fault!r})"
            ) from fault


class Rpc:
    """All endpoints of one chain.

    Args:
        urls: In order of preference.
        chain_id: What they must answer; None takes the first one's word.

    Attributes:
        bell: Rung when any endpoint's head changes.
    """

    def __init__(self, urls: Sequence[str], chain_id: int | None = None) -> None:
        self.endpoints = [Endpoint(_link(url)) for url in urls]
        self.chain_id = chain_id
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
        now = asyncio.get_running_loop().time()

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
        answers: list[T] = []
        for answer in await self.ask_all(queries):
            if isinstance(answer, NodeRefusal):
                raise ChainUnreachable(f"{answer}: check the endpoint") from answer
            answers.append(answer)
        return answers

    async def ask_all(
        self,
        queries: Sequence[Query[T]],
        fit: Fit = _anything,
    ) -> list[T | NodeRefusal]:
        """Ask several things of one endpoint at once; errors of the node are among the answers.

        Where none answers and one is only too busy, all are asked again a little later.

        Args:
            queries: Must be repeatable: another endpoint may be asked again.
            fit: Tells whether the answers show an endpoint up to date; if not, another is asked.

        Raises:
            ChainUnreachable: No endpoint answered.
        """
        if not queries:
            return []
        for pause in (*PATIENCE, math.inf):
            answers, faults = await self._ask_around(queries, fit)
            if answers is not None:
                return answers
            wait = min((max(pause, each.retry_after) for each in _busy(faults)), default=math.inf)
            if wait > MOST_PATIENT:
                break
            await asyncio.sleep(wait)
        told = "; ".join(str(fault) for fault in faults)
        raise ChainUnreachable(told or "no RPC endpoint is left to ask: name one")

    async def _ask_around(
        self, queries: Sequence[Query[T]], fit: Fit
    ) -> tuple[list[T | NodeRefusal] | None, list[EndpointDown | WrongChain]]:
        """Return the answers of the first endpoint that gives any, and why others gave none."""
        faults: list[EndpointDown | WrongChain] = []
        for endpoint in self.in_order():
            try:
                await self.admit(endpoint)
                answers = await endpoint.exchange(queries, fit)
            except EndpointDown as fault:
                self.fail(endpoint, fault)
                faults.append(fault)
            except WrongChain as fault:
                faults.append(fault)
            else:
                endpoint.answered()
                return answers, faults
        return None, faults

    def fail(self, endpoint: Endpoint, fault: EndpointDown) -> None:
        """Note an endpoint's failure."""
        endpoint.failed(fault, asyncio.get_running_loop().time())

    async def admit(self, endpoint: Endpoint) -> None:
        """Check an endpoint's chain before its first use.

        Raises:
            WrongChain: It is of another chain; it is never asked again.
            EndpointDown: It does not answer.
        """
        if endpoint.checked:
            return
        before = endpoint.fault
        async with endpoint.checking:
            if endpoint.checked:
                return
            if endpoint.fault is not None and endpoint.fault is not before:
                raise endpoint.fault  # others found out while we queued
            (found,) = await endpoint.exchange([CHAIN_ID])
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


def _busy(faults: Sequence[EndpointDown | WrongChain]) -> list[EndpointDown]:
    return [fault for fault in faults if isinstance(fault, EndpointDown) and fault.busy]


def _link(url: str) -> Link:
    return SocketLink(url) if url.startswith(("ws://", "wss://")) else HttpLink(url)
