"""What is read of many workers at once is each one's own."""

from __future__ import annotations

from memory_node import MemoryLink, MemoryNode, linked
from poolhand.domain.ids import Address
from poolhand.domain.trust import Score
from poolhand.domain.units import NanoRlc

WORKERS = tuple(Address(bytes([number] * 20)) for number in (1, 2, 3))


async def test_each_worker_has_its_own_score_stake_and_balance():
    node = MemoryNode()
    for number, worker in enumerate(WORKERS, 1):
        node.chain.fund(worker, stake=NanoRlc(100 * number), rlc=NanoRlc(7 * number), coin=number)
        node.chain.set_score(worker, Score(15 * number))
    async with linked(MemoryLink(node)) as chain:
        scores = await chain.hub.scores(WORKERS)
        accounts = await chain.hub.accounts(WORKERS)
        outside = await chain.hub.rlc_balances(WORKERS)
        coins = await chain.hub.coin_balances(WORKERS)
    assert [scores[each] for each in WORKERS] == [15, 30, 45]
    assert [accounts[each].stake for each in WORKERS] == [100, 200, 300]
    assert [outside[each] for each in WORKERS] == [7, 14, 21]
    assert [coins[each] for each in WORKERS] == [1, 2, 3]
