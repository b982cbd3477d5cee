"""What is read together is of one block."""

from __future__ import annotations

from hub_world import Market, World

from memory_node import linked
from poolhand.domain.onchain import (
    ChainTaskStatus,
    Initialize,
)
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.store.memory import MemoryJournal


async def test_a_snapshot_is_of_the_block_that_it_names(node, link):
    """The chain moves on between the request for the head and that for the tasks."""
    wallets = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
    for wallet in wallets:
        node.chain.fund(wallet.address, rlc=NanoRlc(10**13), coin=Wei(10**18))
    journals = {}
    async with linked(link) as chain:

        def sender(wallet):
            return chain.sender(wallet, journals.setdefault(wallet.address, MemoryJournal()))

        world = World(chain.hub, chain.watcher, wallets, sender, None, None)
        deal = await (await Market.open(world)).deal()
        ((index, name),) = deal.tasks()
        head = await chain.hub.head()
        after = chain_after(node, world.owner.address, deal.deal_id, index)
        node.refuse = after
        view = (await chain.hub.tasks({name: ()}))[name]
        assert (view.status, view.block) == (ChainTaskStatus.UNSET, head.number)
        assert view.block_time == head.timestamp
        view = (await chain.hub.tasks({name: ()}))[name]
        assert (view.status, view.block) == (ChainTaskStatus.ACTIVE, head.number + 1)


def chain_after(node, owner, deal_id, index):
    """Initialise a task just before it is read for the first time."""
    done = []

    def meddle(method, _params):
        if method == "eth_call" and not done:
            done.append(1)
            node.chain._nonces[owner] = 10**6  # another program's, nobody's business here
            node.chain.submit(owner, Initialize(((deal_id, index),)))
            node.mine()

    return meddle
