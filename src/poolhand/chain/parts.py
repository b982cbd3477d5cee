"""Asking for many things of which some may stay without an answer.

What one endpoint refuses another may answer; what none answers is missing, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TypeVar

from poolhand.chain.endpoint import Endpoint
from poolhand.chain.link import Query
from poolhand.chain.refusal import NodeRefusal, down
from poolhand.chain.rpc import Rpc
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.partial import Partial

K = TypeVar("K")
T = TypeVar("T")


async def in_parts(
    rpc: Rpc, ask: Callable[[Endpoint], Awaitable[list[T | NodeRefusal]]]
) -> list[T | NodeRefusal]:
    """Return answers, and refusals where no endpoint has one.

    Args:
        rpc: The endpoints.
        ask: Asks one of them for everything, always in the same order.

    Raises:
        ChainUnreachable: No endpoint answered anything.
    """
    best: list[T | NodeRefusal] = []

    async def of(endpoint: Endpoint) -> list[T | NodeRefusal]:
        told = await ask(endpoint)
        best[:] = _better(best, told) if best else told
        missing = next((each for each in best if _is_missing(each)), None)
        if isinstance(missing, NodeRefusal):
            raise down(endpoint.link.name, missing)
        return best

    try:
        return await rpc.ask_around(of)
    except ChainUnreachable:
        if all(map(_is_missing, best)):
            raise
        return best


async def read_each(rpc: Rpc, names: Collection[K], queries: Sequence[Query[T]]) -> Partial[K, T]:
    """Ask one question of each name, in one batch.

    Raises:
        ChainUnreachable: No endpoint answered anything.
    """
    if not names:
        return Partial({})
    ask = partial(Endpoint.exchange, queries=queries, whole=False)
    return partial_of(names, await in_parts(rpc, ask))


def _better(before: list[T | NodeRefusal], now: list[T | NodeRefusal]) -> list[T | NodeRefusal]:
    pairs = zip(before, now, strict=True)
    return [told if _is_missing(known) else known for known, told in pairs]


def _is_missing(answer: object) -> bool:
    """Whether another endpoint might answer instead."""
    return isinstance(answer, NodeRefusal) and answer.elsewhere


def partial_of(names: Iterable[K], answers: Iterable[T | NodeRefusal]) -> Partial[K, T]:
    """Return answers by name."""
    found: dict[K, T] = {}
    failed: dict[K, str] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, NodeRefusal):
            failed[name] = f"{answer}: check the endpoint"
        else:
            found[name] = answer
    return Partial(found, failed)
