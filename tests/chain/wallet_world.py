"""A wallet over a node in memory: what it sends, and what becomes of that."""

from __future__ import annotations

import asyncio

from poolhand.chain.ledger import LEDGER_CODEC, LEDGER_PREFIX
from poolhand.domain.ids import Address
from poolhand.domain.onchain import (
    Deposit,
)
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.wallet import Wallet

GWEI = 10**9

CALL = Deposit(NanoRlc(7))

WALLET = Wallet.from_key(bytes([1] * 32))

STRANGER = Address(b"\x55" * 20)

SEND = "eth_sendRawTransaction"


def funded(node):
    node.chain.fund(WALLET.address, rlc=NanoRlc(10**6), coin=Wei(10**18))
    return node


def versions(journal, purpose="deposit:1"):
    return [
        LEDGER_CODEC.decode(r) for stream, r in journal.read() if stream == LEDGER_PREFIX + purpose
    ]


def nonces(journal):
    return [LEDGER_CODEC.decode(record).nonce for _, record in journal.read(LEDGER_PREFIX)]


def sending(chain, journal, purpose="deposit:1", call=CALL):
    return asyncio.create_task(chain.sender(WALLET, journal).send(purpose, call))


async def blocks(chain, node, count, fee=None):
    """Mine blocks, each of which the chain's watcher has seen before the next."""
    for _ in range(count):
        heads = chain.watcher.heads()
        await anext(heads)
        if fee is not None:
            node.base_fee = fee
        node.mine()
        async with asyncio.timeout(60):
            await anext(heads)
        for _ in range(200):  # what follows a block takes turns of the loop, and no time
            await asyncio.sleep(0)


async def mined(node, count):
    """Wait until so many transactions of the wallet are mined."""
    async with asyncio.timeout(60):
        while node.sent_by(WALLET.address) < count:
            await node.bell.wait()


async def ended(task):
    async with asyncio.timeout(60):
        return await task
