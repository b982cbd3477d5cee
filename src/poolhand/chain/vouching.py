"""Asking the hub and strangers' contracts who vouches: for a signature, or for a member.

Strangers name the groups. So each is called with so little gas that its answer is short, and what
has another form than yes is a no: neither spoils what else is read of the endpoint.

Source: PoCo 6.x, SignatureVerifier; ERC-734.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from eth_abi.abi import encode as abi_encode

from poolhand.chain import abi
from poolhand.chain.link import Query
from poolhand.chain.market_reader import STRANGERS_GAS
from poolhand.chain.parts import read_each
from poolhand.chain.rpc import Rpc
from poolhand.domain.ids import Address
from poolhand.domain.orders.groups import Membership
from poolhand.ports.market_chain import SignedHash

GROUP_GAS: Final = 200_000
"""For a group to look an account up: lists behind a proxy take a fifth, and no answer that is paid
with it has more than 300 kB."""
MEMBER: Final = 4
"""The hub's purpose of a member of a group."""
_TAKES: Final = "verifyPresignatureOrSignature(address,bytes32,bytes)"
_BELONGS: Final = "keyHasPurpose(bytes32,uint256)"
_YES: Final = (1).to_bytes(32, "big")


async def signatures_taken(
    rpc: Rpc, hub: Address, asked: Collection[SignedHash]
) -> frozenset[SignedHash]:
    """Return the signatures that the hub takes for an account's own."""
    names = tuple(dict.fromkeys(asked))
    queries = [_call(hub, hub, _signature_data(each), STRANGERS_GAS) for each in names]
    told = await read_each(rpc, names, queries)
    return frozenset(name for name, is_so in told.found.items() if is_so)


async def members_of(
    rpc: Rpc, hub: Address, asked: Collection[Membership]
) -> frozenset[Membership]:
    """Return which accounts belong to which groups."""
    names = tuple(dict.fromkeys(asked))
    queries = [_call(hub, each.group, _member_data(each.account), GROUP_GAS) for each in names]
    told = await read_each(rpc, names, queries)
    return frozenset(name for name, is_so in told.found.items() if is_so)


def _signature_data(signed: SignedHash) -> bytes:
    values = (signed.account, signed.digest, signed.sign)
    return abi.selector(_TAKES) + abi_encode(["address", "bytes32", "bytes"], values)


def _member_data(account: Address) -> bytes:
    key = bytes(12) + account
    return abi.selector(_BELONGS) + abi_encode(["bytes32", "uint256"], (key, MEMBER))


def _call(sender: Address, to: Address, data: bytes, gas: int) -> Query[bool]:
    call = {"from": str(sender), "to": str(to), "data": "0x" + data.hex(), "gas": hex(gas)}
    return Query("eth_call", (call, "latest"), _is_yes)


def _is_yes(raw: Any) -> bool:
    return isinstance(raw, str) and raw[2:66] == _YES.hex()
