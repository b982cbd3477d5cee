"""Every account of a devnet has what it needs, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolhand.devnet.accounts import Funding, account_names, derive, fund
from poolhand.devnet.contracts import deploy, read_hub
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc
from poolhand.keys.keystore import open_wallet


def mode(path):
    return Path(path).stat().st_mode & 0o777


def text(path):
    return Path(path).read_text()


SUPPLY = 87_000_000 * 10**9


def test_names_lead_to_the_accounts_of_the_public_mnemonic():
    assert derive("deployer").address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert derive("pool").address == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    names = account_names(3)
    assert names == (
        "deployer", "pool", "requester", "matcher", "worker-1", "worker-2", "worker-3"
    )  # fmt: skip
    assert len({derive(name).address for name in names}) == 7


@pytest.mark.chain
async def test_accounts_are_funded_once_and_later_ones_added(found, node, tmp_path):
    deployed = await deploy(node.url, found, derive("deployer"))
    give = Funding(NanoRlc(70), NanoRlc(30))

    async def funded(workers):
        return await fund(node.url, found, deployed, tmp_path, workers=workers, funding=give)

    async def stakes(accounts):
        async with NodeRpc(node.url) as rpc:
            return [
                await read_hub(rpc, found, deployed.hub, "viewAccount", each.address)
                for name, each in accounts.items()
                if name != "deployer"
            ]

    async def sent():
        return [
            await node.rpc("eth_getTransactionCount", derive(name).address, "pending")
            for name in ("deployer", "pool", "requester", "worker-1")
        ]

    first = await funded(1)
    before = await sent()
    assert await funded(1) == first
    assert await sent() == before
    assert await stakes(first.accounts) == [(30, 0)] * 4

    second = await funded(20)
    assert second.workerpool == first.workerpool
    assert {name: second.accounts[name] for name in first.accounts} == first.accounts
    assert await stakes(second.accounts) == [(30, 0)] * 23
    assert int(await node.rpc("eth_getBalance", derive("worker-20").address, "latest"), 16) > 10**18
    held = await node.rpc(
        "eth_call",
        {
            "to": str(deployed.rlc),
            "data": "0x70a08231" + derive("deployer").address[2:].rjust(64, "0"),
        },
        "latest",
    )
    assert int(held, 16) == SUPPLY - 23 * 100


@pytest.mark.chain
async def test_the_pool_owns_a_workerpool_with_the_default_policy(found, node, tmp_path):
    deployed = await deploy(node.url, found, derive("deployer"))
    made = await fund(node.url, found, deployed, tmp_path, workers=0)

    async def ask(selector):
        call = {"to": str(made.workerpool), "data": selector}
        return int(await node.rpc("eth_call", call, "latest"), 16)

    assert await ask("0x8da5cb5b") == int(derive("pool").address, 16)
    assert await ask("0xb55e75af") == 30
    assert await ask("0x87639c68") == 1


@pytest.mark.chain
async def test_keystores_open_with_the_password_beside_them(found, node, tmp_path):
    deployed = await deploy(node.url, found, derive("deployer"))
    made = await fund(node.url, found, deployed, tmp_path, workers=1)
    for name, account in made.accounts.items():
        assert mode(account.password_file) == 0o600
        wallet = open_wallet(account.keystore, tmp_path, text(account.password_file))
        assert wallet.address == Address.parse(derive(name).address)
