"""Handing signed transactions to the network, and what the answers mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, TypeAlias

import structlog

from poolhand.chain.errors import WrongChain
from poolhand.chain.ledger import SignedTransaction
from poolhand.chain.link import Query
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.rpc import (
    LONGEST_WAIT_FOR_ENDPOINTS,
    PAUSES_FOR_ENDPOINTS,
    Failure,
    Rpc,
    busy_for,
)
from poolhand.ports.lead import UNFENCED, Fence

log = structlog.get_logger()


class SendVerdict(Enum):
    """What became of a broadcast.

    Only ``NO_FUNDS``, ``REFUSED`` and ``WRONG_KIND`` tell that nobody has it; of a first broadcast
    ``NONCE_LOST`` does, too.
    """

    TAKEN = auto()
    UNKNOWN = auto()
    """No endpoint answered; one may have it all the same."""
    NONCE_USED = auto()
    """A mined transaction has its nonce: perhaps this very one."""
    NONCE_LOST = auto()
    """The same, and nobody took this one before in the same broadcast: if that was its first, a
    mined transaction of another program has its nonce."""
    LATER = auto()
    """The price is too low at present, or there is no room yet."""
    NO_FUNDS = auto()
    REFUSED = auto()
    WRONG_KIND = auto()
    """The chain has no transactions of EIP-1559."""


NodeVerdict: TypeAlias = tuple[SendVerdict, str]
REFUSALS: Final = frozenset({SendVerdict.NO_FUNDS, SendVerdict.REFUSED, SendVerdict.WRONG_KIND})


@dataclass(slots=True)
class _Round:
    """What the endpoints said of some transactions so far.

    Attributes:
        doubtful: Whether one may have them that did not say so.
    """

    doubtful: bool = False
    said: str = "no RPC endpoint is left to ask"
    faults: list[Failure] = field(default_factory=list)

    def failed(self, fault: Failure) -> None:
        self.faults.append(fault)
        self.said = str(fault)
        if isinstance(fault, EndpointDown):
            self.doubtful = self.doubtful or fault.reached


async def broadcast(
    rpc: Rpc, signed: Sequence[SignedTransaction], fence: Fence = UNFENCED
) -> list[NodeVerdict]:
    """Hand transactions to the freshest endpoint that answers, in one batch, in this order.

    Repeatable: the bytes are the same and a node that knows them says so. Endpoints that are
    merely busy are waited for.

    Returns:
        Of each the verdict, and the endpoint's words.

    Raises:
        LeadLost: Another process sends from this wallet now; these bytes are in its journal.
    """
    queries = [_query(each) for each in signed]
    told, waited = _Round(), 0.0
    for pause in (*PAUSES_FOR_ENDPOINTS, math.inf):
        answers = await _offer(rpc, queries, told, fence)
        if answers is not None:
            return [_verdict(answer, told) for answer in answers]
        wait = busy_for(told.faults, pause)
        if waited + wait > LONGEST_WAIT_FOR_ENDPOINTS:
            break
        waited += wait
        await rpc.bide(wait, told.faults)
    log.debug("broadcast_unanswered", transactions=len(signed), cause=told.said)
    return [(SendVerdict.UNKNOWN, told.said) for _ in signed]


def _query(signed: SignedTransaction) -> Query[Any]:
    return Query("eth_sendRawTransaction", ("0x" + signed.raw.hex(),), lambda raw: raw)


async def _offer(
    rpc: Rpc, queries: Sequence[Query[Any]], told: _Round, fence: Fence
) -> list[Any] | None:
    """Ask one endpoint after the other; None when none answers."""
    told.faults = []
    for endpoint in rpc.in_order():
        try:
            await rpc.admit(endpoint)
            fence.check()
            answers = await endpoint.exchange(queries)
        except EndpointDown as fault:
            rpc.fail(endpoint, fault)
            told.failed(fault)
        except WrongChain as fault:
            told.failed(fault)
        else:
            endpoint.answered()
            return answers
    return None


def _verdict(answer: Any, told: _Round) -> NodeVerdict:
    if not isinstance(answer, NodeRefusal):
        return SendVerdict.TAKEN, ""
    verdict = _meaning(answer)
    if verdict is SendVerdict.NONCE_USED and not told.doubtful:
        verdict = SendVerdict.NONCE_LOST
    unsure = told.doubtful and verdict in REFUSALS
    return SendVerdict.UNKNOWN if unsure else verdict, answer.text


def _meaning(answer: NodeRefusal) -> SendVerdict:
    if answer.known:
        return SendVerdict.TAKEN
    if answer.nonce_used:
        return SendVerdict.NONCE_USED
    if answer.price_too_low or answer.later:
        return SendVerdict.LATER
    if answer.no_funds:
        return SendVerdict.NO_FUNDS
    return SendVerdict.WRONG_KIND if answer.wrong_kind else SendVerdict.REFUSED
