"""A devnet that is like a public chain has its chain id and its hub's address."""

from __future__ import annotations

import pytest

from poolhand.devnet.accounts import derive, fund
from poolhand.devnet.contracts import deploy, read_hub
from poolhand.devnet.likeness import (
    LIKE_NONE,
    LIKENESSES,
    NoSuchLikeness,
    OtherLikeness,
    likeness,
)
from poolhand.devnet.node import Anvil
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.eip712 import Domain
from poolhand.settings.chains import KNOWN_CHAINS

SEPOLIA = KNOWN_CHAINS["arbitrum-sepolia"]


def test_every_chain_whose_rlc_is_a_token_can_be_likened_and_no_other():
    assert set(LIKENESSES) == {"arbitrum", "arbitrum-sepolia"}
    for name, alike in LIKENESSES.items():
        known = KNOWN_CHAINS[name]
        assert (alike.chain_id, alike.hub) == (known.chain_id, known.hub)


def test_a_folder_stays_like_what_it_began_as(tmp_path):
    began = likeness(tmp_path, "arbitrum-sepolia")
    assert began == LIKENESSES["arbitrum-sepolia"]
    assert likeness(tmp_path, "") == likeness(tmp_path, "arbitrum-sepolia") == began
    with pytest.raises(OtherLikeness, match="is like arbitrum-sepolia"):
        likeness(tmp_path, "arbitrum")


def test_a_folder_that_began_like_none_stays_so(tmp_path):
    assert likeness(tmp_path, "") == LIKE_NONE
    with pytest.raises(OtherLikeness, match="like no public chain"):
        likeness(tmp_path, "arbitrum")


def test_a_folder_older_than_likenesses_is_like_none(tmp_path):
    (tmp_path / "chain").mkdir()
    with pytest.raises(OtherLikeness, match="like no public chain"):
        likeness(tmp_path, "arbitrum-sepolia")
    assert likeness(tmp_path, "") == LIKE_NONE


def test_an_unknown_chain_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(NoSuchLikeness, match="arbitrum, arbitrum-sepolia"):
        likeness(tmp_path, "bellecour")


@pytest.mark.chain
async def test_the_hub_stands_at_the_public_address_and_signs_for_it(found, tmp_path):
    assert SEPOLIA.chain_id is not None
    chain = tmp_path / "chain"
    async with Anvil(found.anvil, chain, chain_id=SEPOLIA.chain_id) as node:
        deployed = await deploy(node.url, found, derive("deployer"), hub=SEPOLIA.hub)
        await fund(node.url, found, deployed, tmp_path, workers=1)
        await node.save()
    assert (deployed.hub, deployed.chain_id) == (SEPOLIA.hub, SEPOLIA.chain_id)
    async with Anvil(found.anvil, chain, chain_id=SEPOLIA.chain_id) as again:
        before = await again.rpc("eth_blockNumber")
        assert await deploy(again.url, found, derive("deployer"), hub=SEPOLIA.hub) == deployed
        assert await again.rpc("eth_blockNumber") == before
        async with NodeRpc(again.url) as rpc:

            async def hub(name, *values):
                return await read_hub(rpc, found, deployed.hub, name, *values)

            domain = Domain("iExecODB", "5.0.0", SEPOLIA.chain_id, deployed.hub)
            assert await hub("eip712domain_separator") == domain.separator
            assert await hub("owner") == derive("deployer").address.lower()
            assert await hub("countCategory") == 5
            stake, locked = await hub("viewAccount", derive("worker-1").address)
            assert (stake > 0, locked) == (True, 0)
