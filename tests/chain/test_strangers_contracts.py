"""Accounts that strangers name are called only where no endpoint can be blamed for their answer."""

from __future__ import annotations

import json

import pytest

from poolhand.chain import abi
from poolhand.chain.assets import AssetReader
from poolhand.chain.link import message
from poolhand.chain.market_reader import STRANGERS_GAS, MarketReader
from poolhand.chain.rpc import Rpc
from poolhand.chain.vouching import GROUP_GAS, members_of, signatures_taken
from poolhand.domain.ids import Address, BlockHash, OrderHash
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import Head
from poolhand.domain.orders.groups import Membership
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.ports.chain import HubFacts
from poolhand.ports.market_chain import OrderClaim, SignedHash

HUB, KNOWN, SIGNER = (Address(bytes([n] * 20)) for n in (0xB, 0xA, 0x77))
ECHO = Address((4).to_bytes(20, "big"))
"""Every chain has it: it answers whatever it is asked with the question, here four bytes."""
FACTS = HubFacts(1, HUB, None, *(Address(bytes([n] * 20)) for n in (1, 2, 3)), 200_000)
VIEW_ACCOUNT = abi.calldata("viewAccount(address)", SIGNER)[:10]
AT = Head(BlockNumber(9), BlockHash(b"\1" * 32), BlockHash(b"\0" * 32), UnixSeconds(1), None)


class EchoNode:
    """Implements ``link.Link``: a chain with one asset, and with what every chain has."""

    name = "memory://echo"

    def __init__(self) -> None:
        self.calls: list[dict] = []

    async def exchange(self, queries):
        asked = json.loads(message(queries, list(range(len(queries)))))
        return [self.answer(each) for each in (asked if isinstance(asked, list) else [asked])]

    def answer(self, asked):
        return {"id": asked["id"], "result": self.result(asked["method"], asked["params"])}

    def result(self, method, params):
        if method != "eth_call":
            return "0x1" if method == "eth_chainId" else "0x6000"
        call = params[0]
        self.calls.append(call)
        if call["to"] == str(ECHO):
            return call["data"]
        if call["to"] in map(str, (FACTS.app_registry, FACTS.dataset_registry)):
            return "0x" + (KNOWN.hex() in call["data"]).to_bytes(32, "big").hex()
        words = 2 if call["data"].startswith(VIEW_ACCOUNT) else 1
        return "0x" + (1).to_bytes(32, "big").hex() * words

    async def close(self):
        pass


def claim(resource: Address) -> OrderClaim:
    return OrderClaim(OrderSort.APP, resource, SignedHash(SIGNER, OrderHash(bytes(32)), b"\0" * 65))


@pytest.fixture
def node():
    return EchoNode()


@pytest.fixture
def rpc(node):
    return Rpc(["memory://echo"], 1, lambda _: node)


async def test_an_order_for_what_no_registry_knows_spoils_no_other_order(node, rpc):
    strange, known = await MarketReader(rpc, FACTS).order_facts([claim(ECHO), claim(KNOWN)], AT)
    assert (strange.owner, known.owner) == (None, Address((1).to_bytes(20, "big")))
    assert str(ECHO) not in {call["to"] for call in node.calls}


async def test_an_asset_that_no_registry_knows_is_none_and_blames_no_endpoint(node, rpc):
    reader = AssetReader(rpc, FACTS)
    assert await reader.app(ECHO) is None
    assert await reader.dataset(ECHO) is None
    assert str(ECHO) not in {call["to"] for call in node.calls}
    assert rpc.endpoints[0].fault is None


async def test_a_contract_judges_a_signature_with_so_much_gas_and_no_more(node, rpc):
    assert await MarketReader(rpc, FACTS).vouches(claim(KNOWN).signed, AT)
    assert [call.get("gas") for call in node.calls] == [hex(STRANGERS_GAS)]


async def test_a_group_is_asked_with_so_much_gas_and_nonsense_is_a_no(node, rpc):
    asked = [Membership(ECHO, SIGNER), Membership(KNOWN, SIGNER)]
    assert await members_of(rpc, HUB, asked) == {Membership(KNOWN, SIGNER)}
    assert [call.get("gas") for call in node.calls] == [hex(GROUP_GAS)] * 2
    assert rpc.endpoints[0].fault is None


async def test_the_hub_lets_a_contract_judge_with_so_much_gas_and_no_more(node, rpc):
    signed = claim(KNOWN).signed
    assert await signatures_taken(rpc, HUB, [signed, signed]) == {signed}
    assert [call.get("gas") for call in node.calls] == [hex(STRANGERS_GAS)]
