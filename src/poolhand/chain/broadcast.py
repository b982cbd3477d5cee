"""Handing a signed transaction to the network, and what the answer means."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import structlog

from poolhand.chain.errors import WrongChain
from poolhand.chain.ledger import Signed
from poolhand.chain.link import Query
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.chain.rpc import Rpc
from poolhand.domain.ids import TxHash

log = structlog.get_logger()


class Verdict(Enum):
    """What became of a broadcast.

    Only ``NO_FUNDS`` and ``REFUSED`` tell that nobody has it.
    """

    TAKEN = auto()
    UNKNOWN = auto()
    """No endpoint answered; one may have it all the same."""
    NONCE_USED = auto()
    """A mined transaction has its nonce: perhaps this very one."""
    LATER = auto()
    """The price is too low at present."""
    NO_FUNDS = auto()
    REFUSED = auto()


async def broadcast(rpc: Rpc, signed: Signed) -> tuple[Verdict, str]:
    """Hand a transaction to the freshest endpoint that answers; returns its words, too.

    Repeatable: the bytes are the same and a node that knows them says so.
    """
    query = Query("eth_sendRawTransaction", ("0x" + signed.raw.hex(),), TxHash.parse)
    doubtful, said = False, "no RPC endpoint is left to ask"
    for endpoint in rpc.in_order():
        try:
            await rpc.admit(endpoint)
            (answer,) = await endpoint.exchange([query])
        except EndpointDown as fault:
            rpc.fail(endpoint, fault)
            doubtful, said = doubtful or fault.reached, str(fault)
        except WrongChain as fault:
            said = str(fault)
        else:
            endpoint.answered()
            verdict, said = _verdict(answer)
            certain = verdict not in (Verdict.NO_FUNDS, Verdict.REFUSED) or not doubtful
            return (verdict if certain else Verdict.UNKNOWN), said
    log.debug("broadcast_unanswered", tx=str(signed.tx_hash), cause=said)
    return Verdict.UNKNOWN, said


def _verdict(answer: Any) -> tuple[Verdict, str]:
    if not isinstance(answer, NodeRefusal):
        return Verdict.TAKEN, ""
    return _meaning(answer), answer.text


def _meaning(answer: NodeRefusal) -> Verdict:
    if answer.known:
        return Verdict.TAKEN
    if answer.nonce_used:
        return Verdict.NONCE_USED
    if answer.price_too_low:
        return Verdict.LATER
    return Verdict.NO_FUNDS if answer.no_funds else Verdict.REFUSED
