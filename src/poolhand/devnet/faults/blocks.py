"""Faults of the chain itself, through Anvil's own methods: re-organisations and dear gas."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

import structlog

from poolhand.devnet.node import Anvil
from poolhand.devnet.rpc import NodeRefused
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.units import WEI_PER_GWEI

PAUSE_BETWEEN_BLOCK_LOOKS: Final = 0.1
"""Pause between two looks for a new block, after which the next one's base fee is set again."""

log = structlog.get_logger()


async def reorganise(node: Anvil, depth: int, *, lose: bool) -> int:
    """Replace the last blocks by empty ones of other hashes; returns how many transactions moved.

    Anvil forgets the transactions of removed blocks; unless they are to be lost they are sent to
    its pool again, where the next block finds them.

    Raises:
        ChainUnreachable: The node is down.
        NodeRefused: The chain is shorter.
    """
    async with node.without_blocks():
        head = int(await node.rpc("eth_blockNumber"), 16)
        blocks = [
            await node.rpc("eth_getBlockByNumber", hex(number), False)
            for number in range(head - depth + 1, head + 1)
        ]
        hashes = [tx for block in blocks for tx in block["transactions"]]
        raw = [await node.rpc("debug_getRawTransaction", tx) for tx in hashes]
        await node.rpc("anvil_reorg", depth, [])
        for each in () if lose else raw:
            with suppress(NodeRefused):  # a sender was faster and repeated it himself
                await node.rpc("eth_sendRawTransaction", each)
    log.warning(
        "chain_reorganised",
        head=head,
        depth=depth,
        transactions=len(raw),
        lost=lose,
        simulated=True,
    )
    return len(raw)


async def keep_gas_dear(node: Anvil, factor: int) -> None:
    """Hold the base fee at a multiple of what it is, and at least so many gwei, until cancelled.

    Anvil lets it fall by an eighth with every empty block, so it is set for every block.
    """
    fee, seen = 0, ""
    while True:
        with suppress(ChainUnreachable):
            head = await node.rpc("eth_getBlockByNumber", "latest", False)
            fee = fee or max(factor * int(head["baseFeePerGas"], 16), factor * WEI_PER_GWEI)
            if head["hash"] != seen:
                await node.rpc("anvil_setNextBlockBaseFeePerGas", hex(fee))
                seen = head["hash"]
        await asyncio.sleep(PAUSE_BETWEEN_BLOCK_LOOKS)


async def make_gas_cheap(node: Anvil, before: Any) -> None:
    """Set the next block's base fee back."""
    with suppress(ChainUnreachable):
        await node.rpc("anvil_setNextBlockBaseFeePerGas", before)
