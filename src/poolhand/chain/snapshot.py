"""Asking about exactly the blocks that are meant, by hash, or by number where that is not offered.

Source: EIP-1898 (``eth_call``) and EIP-234 (``eth_getLogs``), which not every endpoint has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from poolhand.chain.endpoint import Endpoint, Fit, anything
from poolhand.chain.link import Query
from poolhand.chain.logs import header
from poolhand.chain.parts import in_parts
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.rpc import Rpc
from poolhand.domain.onchain import Head


async def at_blocks(
    rpc: Rpc,
    heads: Sequence[Head],
    ask: Callable[[bool], list[Query[Any]]],
    fit: Fit = anything,
    *,
    whole: bool = True,
) -> list[Any]:
    """Return what one endpoint tells of some blocks, and of no others of the same numbers.

    Args:
        rpc: The endpoints.
        heads: The blocks.
        ask: Returns the questions: by hash if True, with a form of that name; else by number.
        fit: Tells whether the answers are of an endpoint that is up to date.
        whole: Whether all must be answered; else refusals stand among the answers, where no
            endpoint tells more.

    Raises:
        ChainUnreachable: No endpoint answered, or none has these blocks.
    """

    async def of(endpoint: Endpoint) -> list[Any]:
        by_hash = ask(True)
        if by_hash[0].name not in endpoint.lacks:
            found = await endpoint.exchange(by_hash, whole=whole)
            lack = next((each for each in found if _is_lack(each)), None)
            if lack is None:
                return _fitting(endpoint, found, fit)
            endpoint.note_lack(by_hash[0].name, lack)
        return _fitting(endpoint, await _by_number(endpoint, heads, ask(False), whole), fit)

    return await (rpc.ask_around(of) if whole else in_parts(rpc, of))


def call_block(head: Head, by_hash: bool) -> Any:
    """Name a block to ``eth_call``."""
    return {"blockHash": str(head.block_hash)} if by_hash else hex(head.number)


def all_told(answers: Sequence[Any]) -> bool:
    """Tell whether none of the answers is a refusal."""
    return not any(isinstance(answer, NodeRefusal) for answer in answers)


def _is_lack(answer: Any) -> bool:
    return isinstance(answer, NodeRefusal) and answer.not_offered


async def _by_number(
    endpoint: Endpoint, heads: Sequence[Head], asked: list[Query[Any]], whole: bool
) -> list[Any]:
    """Ask by number, and whether the blocks are still those that are meant."""
    headers = [header(head.number) for head in heads]
    found = await endpoint.exchange([*asked, *headers], whole=whole)
    told = [getattr(each, "block_hash", None) for each in found[len(asked) :]]
    if told != [head.block_hash for head in heads]:
        raise EndpointDown(endpoint.link.name, f"has another block {heads[0].number}")
    return found[: len(asked)]


def _fitting(endpoint: Endpoint, answers: list[Any], fit: Fit) -> list[Any]:
    if not fit(answers):
        raise EndpointDown(endpoint.link.name, "lags behind")
    return answers
