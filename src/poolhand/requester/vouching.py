"""Whose signature an order bears: plainly its owner's, or one for which the chain vouches.

An owner may be a contract, which judges signatures itself (ERC-1271), and any owner may have signed
an order on chain: then the hub has the word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import Signed
from poolhand.domain.signatures import BadSignature, recover, widen
from poolhand.ports.chain import Hub
from poolhand.ports.market_chain import SignedHash


async def vouched(
    hub: Hub, orders: Iterable[tuple[Address | None, Signed[Any]]]
) -> Mapping[OrderHash, bool]:
    """Return what the hub says of orders that do not plainly bear their owner's signature.

    Args:
        hub: Asked once for all of them; raises ChainUnreachable.
        orders: Each with its owner; None: what it sells nobody owns.
    """
    claims = [_claim(hub, owner, signed) for owner, signed in orders if owner is not None]
    odd = [each for each in claims if not _is_plain(each)]
    taken = await hub.taken(odd)
    return {OrderHash(each.digest): each in taken for each in odd}


async def is_signed(hub: Hub, owner: Address, signed: Signed[Any]) -> bool:
    """Whether an order bears its owner's signature; raises ChainUnreachable."""
    told = await vouched(hub, [(owner, signed)])
    return all(told.values())


def _claim(hub: Hub, owner: Address, signed: Signed[Any]) -> SignedHash:
    return SignedHash(owner, order_hash(hub.facts.domain, signed.order), signed.signature)


def _is_plain(claim: SignedHash) -> bool:
    """Whether a signature is that of the account's own key."""
    try:
        return recover(claim.digest, widen(claim.sign)) == claim.account
    except BadSignature:
        return False
