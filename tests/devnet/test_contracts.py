"""The hub that is deployed is PoCo 6.1.0, whole and configured."""

from __future__ import annotations

import pytest

from poolhand.devnet.abi import creation_code, returned
from poolhand.devnet.accounts import derive
from poolhand.devnet.contracts import FACETS, NEW_CATEGORIES, NewCategory, deploy, read_hub
from poolhand.devnet.node import Anvil
from poolhand.devnet.rpc import NodeRefused, NodeRpc
from poolhand.devnet.transactions import (
    SetupFailed,
    SetupStep,
    created_address,
    next_nonce,
    settle,
    sign,
)
from poolhand.domain.ids import Address

HUB = "0x5FC8d32690cc91D4c39d9d3abcBD16989F875707"
DOMAIN = "3a381c2b61f95eecc30cd1fa149a885c63820b699953cdfa94c38e311235e58f"
"""onchain.md §26: the domain separator of that hub on chain 31337."""
LINKS = {"Configuration": 2, "OrderManagement": 8, "Poco1": 5, "PocoAccessors": 1, "PocoBoost": 4}
ERC173_OWNER = "0x8da5cb5b"
FACETS_CALL = "0x7a0ed627"


def test_links_are_as_many_as_the_specification_counts():
    assert len(FACETS) == 13


@pytest.mark.chain
def test_only_linked_code_can_be_deployed(found):
    for path in FACETS:
        artifact = found.contract(path)
        name = path.removeprefix("facets/Iexec").removesuffix("Facet")
        code = creation_code(artifact, Address(b"\x5a" * 20))
        assert code.count(b"\x5a" * 20) == LINKS.get(name, 0)
        if name in LINKS:
            with pytest.raises(SetupFailed, match=name):
                creation_code(artifact)


def test_addresses_follow_the_nonce():
    sender = Address.parse("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    assert str(created_address(sender, 0)) == "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    assert str(created_address(sender, 5)) == HUB
    assert len({created_address(sender, nonce) for nonce in (0x7F, 0x80, 0xFF, 0x100)}) == 4


@pytest.mark.chain
async def test_the_hub_is_whole_and_configured(found, node):
    deployed = await deploy(node.url, found, derive("deployer"))
    assert str(deployed.hub) == HUB
    async with NodeRpc(node.url) as rpc:

        async def hub(name, *values):
            return await read_hub(rpc, found, deployed.hub, name, *values)

        assert (await hub("eip712domain_separator")).hex() == DOMAIN
        assert await hub("countCategory") == 5
        assert await hub("callbackgas") == 200_000
        assert await hub("viewCategory", 4) == ("XL", '""', 36_000)
        assert await hub("token") == str(deployed.rlc).lower()
        for kind in ("app", "dataset", "workerpool"):
            assert await hub(f"{kind}registry") == str(deployed.registries[kind]).lower()
        answer = await rpc.call("eth_call", {"to": HUB, "data": FACETS_CALL}, "latest")
    (facets,) = returned(found.diamond_part("DiamondLoupeFacet"), "facets", answer)
    assert len(facets) == 16
    assert len({selector for _, selectors in facets for selector in selectors}) == 103


@pytest.mark.chain
async def test_deploying_again_changes_nothing(found, node):
    first = await deploy(node.url, found, derive("deployer"))
    sender = derive("deployer").address
    sent = await node.rpc("eth_getTransactionCount", sender, "pending")
    assert await deploy(node.url, found, derive("deployer")) == first
    assert await node.rpc("eth_getTransactionCount", sender, "pending") == sent


@pytest.mark.chain
async def test_a_used_deployer_deploys_elsewhere(found, node):
    deployer = derive("deployer")
    await node.rpc("anvil_setNonce", deployer.address, "0x3")
    deployed = await deploy(node.url, found, deployer)
    assert str(deployed.hub) != HUB
    async with NodeRpc(node.url) as rpc:
        assert await read_hub(rpc, found, deployed.hub, "countCategory") == 5


@pytest.mark.chain
async def test_between_slow_blocks_it_deploys_at_once_for_another_owner(found, tmp_path):
    owner = Address(b"\x42" * 20)
    async with Anvil(found.anvil, tmp_path, block_time=600) as node:
        categories = (*NEW_CATEGORIES, NewCategory("test", 5))
        deployed = await deploy(
            node.url, found, derive("deployer"), owner=owner, categories=categories
        )
        async with NodeRpc(node.url) as rpc:
            assert await read_hub(rpc, found, deployed.hub, "viewCategory", 5) == ("test", '""', 5)
        for place in (deployed.hub, deployed.rlc, *deployed.registries.values()):
            answer = await node.rpc("eth_call", {"to": str(place), "data": ERC173_OWNER}, "latest")
            assert answer.endswith("42" * 20)


@pytest.mark.chain
async def test_a_reverted_step_is_told_by_name(node):
    account = derive("deployer")
    async with NodeRpc(node.url) as rpc:
        steps = [SetupStep("a contract that refuses", None, bytes.fromhex("60006000fd"))]
        raw = sign(account, steps, await next_nonce(rpc, account), 31337)
        with pytest.raises(SetupFailed, match="a contract that refuses"):
            await settle(rpc, steps, raw)
        with pytest.raises(NodeRefused, match="nonce too low"):
            await settle(rpc, steps, raw)


class Racing(NodeRpc):
    """A node that mines an account's older transaction just after it took the newer one."""

    async def batch(self, calls):
        results = await super().batch(calls)
        if calls and calls[0][0] == "eth_sendRawTransaction" and not hasattr(self, "raced"):
            self.raced = True
            await super().batch([("anvil_setNonce", (derive("deployer").address, "0x1"))])
        return results


@pytest.mark.chain
async def test_a_transaction_left_waiting_for_a_mined_one_is_freed(node):
    account = derive("deployer")
    steps = [SetupStep("nothing", Address(b"\x42" * 20), b"")]
    async with Racing(node.url) as rpc:
        receipts = await settle(rpc, steps, sign(account, steps, 1, 31337))
    assert [receipt["status"] for receipt in receipts] == ["0x1"]
