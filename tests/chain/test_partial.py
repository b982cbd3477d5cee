"""Reads of many things: one that no endpoint tells is named, and takes no other with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory_node import Hurry, MemoryLink, MemoryNode, RpcError, linked
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, OrderHash, TaskId, TxHash
from poolhand.domain.onchain import TransferRlc
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds, Wei
from poolhand.keys.wallet import Wallet
from poolhand.store.memory import MemoryJournal

WALLET = Wallet.from_key(bytes([1] * 32))
TASKS = [TaskId(bytes([n]) * 32) for n in range(1, 31)]
OWNERS = [Address(bytes([n]) * 20) for n in range(1, 6)]
SICK = "execution timeout"
THING = Resource(OWNERS[0], OWNERS[0], NanoRlc(1))
DEAL = Deal(
    deal_id=DealId(bytes(TASKS[0])),
    app=THING,
    dataset=THING,
    workerpool=THING,
    trust=Trust(1),
    category=0,
    tag=NO_TAG,
    requester=OWNERS[0],
    beneficiary=OWNERS[0],
    callback=ZERO_ADDRESS,
    params="{}",
    start_time=UnixSeconds(1),
    bot_first=0,
    bot_size=1,
    worker_stake=NanoRlc(1),
    scheduler_percent=5,
    sponsor=OWNERS[0],
)


@pytest.fixture
def node():
    return MemoryNode()


def refusing(*names, text=SICK, methods=("eth_call", "eth_getBalance")):
    """Refuse every call and balance that names one of these."""
    words = [bytes(name).hex() for name in names]

    def refuse(method, params):
        if method in methods and any(w in str(params).lower() for w in words):
            raise RpcError(-32000, text)

    return refuse


@pytest.mark.parametrize("lacks", [(), ("blockHash",)])
async def test_one_task_that_no_endpoint_tells_takes_no_other_with_it(node, lacks):
    node.lacks.update(lacks)
    node.refuse = refusing(TASKS[7])
    async with linked(MemoryLink(node)) as chain:
        views = await chain.hub.tasks(dict.fromkeys(TASKS, ()))
    assert set(views.found) == {*TASKS} - {TASKS[7]}
    assert SICK in views.failed[TASKS[7]]
    assert len({view.block for view in views.found.values()}) == 1


async def test_who_takes_all_is_told_which_is_missing(node):
    node.refuse = refusing(TASKS[7])
    async with linked(MemoryLink(node)) as chain:
        views = await chain.hub.tasks(dict.fromkeys(TASKS, ()))
        assert views[TASKS[6]].task_id == TASKS[6]
        for whole in (list, len, dict, lambda v: v.values() and list(v.values())):
            with pytest.raises(ChainUnreachable, match=str(TASKS[7])):
                whole(views)
        with pytest.raises(ChainUnreachable, match=str(TASKS[7])):
            views[TASKS[7]]


async def test_a_task_without_its_contribution_is_missing(node):
    def refuse(method, params):
        if method == "eth_call" and all(
            bytes(n).hex() in str(params) for n in (TASKS[0], OWNERS[1])
        ):
            raise RpcError(-32000, SICK)

    node.refuse = refuse
    async with linked(MemoryLink(node)) as chain:
        views = await chain.hub.tasks(dict.fromkeys(TASKS[:2], OWNERS))
    assert set(views.found) == {TASKS[1]}
    assert set(views.found[TASKS[1]].contributions) == {*OWNERS}


async def test_what_one_endpoint_refuses_another_tells(node):
    sick = MemoryNode(node.chain)
    sick.refuse = refusing(TASKS[3], TASKS[5])
    node.refuse = refusing(TASKS[5], TASKS[9])
    async with linked(MemoryLink(sick), MemoryLink(node), pace=Hurry()) as chain:
        views = await chain.hub.tasks(dict.fromkeys(TASKS, ()))
    assert set(views.failed) == {TASKS[5]}


async def test_an_endpoint_that_refuses_everything_has_told_nothing(node):
    node.refuse = refusing(*TASKS)
    async with linked(MemoryLink(node)) as chain:
        with pytest.raises(ChainUnreachable):
            await chain.hub.tasks(dict.fromkeys(TASKS, ()))


async def test_every_read_of_many_things_names_what_it_lacks(node):
    node.chain.fund(OWNERS[0], coin=Wei(5))
    orders = [OrderHash(bytes(task)) for task in TASKS[10:13]]
    node.refuse = refusing(OWNERS[2], orders[1])
    async with linked(MemoryLink(node)) as chain:
        hub = chain.hub
        told = [
            await hub.scores(OWNERS),
            await hub.accounts(OWNERS),
            await hub.accounts(OWNERS, await hub.head()),
            await hub.coin_balances(OWNERS),
            await hub.rlc_balances(OWNERS),
        ]
        used = await hub.consumed(orders)
    assert [set(each.failed) for each in told] == [{OWNERS[2]}] * 5
    assert told[3][OWNERS[0]] == 5
    assert (set(used.found), set(used.failed)) == ({orders[0], orders[2]}, {orders[1]})


async def test_one_category_that_no_endpoint_tells_takes_no_other_with_it(node):
    chain_of = node.chain.state.categories
    sick = max(chain_of)
    node.refuse = refusing(sick.to_bytes(32, "big"))
    async with linked(MemoryLink(node)) as chain:
        told = await chain.hub.categories()
        assert (set(told.found), set(told.failed)) == (set(chain_of) - {sick}, {sick})
        node.refuse = lambda *_: None
        assert set(await chain.hub.categories()) == set(chain_of)


async def test_one_deal_that_no_endpoint_tells_takes_no_other_with_it(node):
    first, second, gone = (DealId(bytes(task)) for task in TASKS[:3])
    node.chain.state.deals.update({first: DEAL, second: replace(DEAL, deal_id=second)})
    node.refuse = refusing(second)
    async with linked(MemoryLink(node)) as chain:
        told = await chain.hub.deals([first, second, gone])
        assert (set(told.found), set(told.failed)) == ({first}, {second})
        with pytest.raises(ChainUnreachable, match=SICK):
            await chain.hub.deal(second)
        node.refuse = lambda *_: None
        assert set(await chain.hub.deals([first, second, gone])) == {first, second}


@pytest.mark.parametrize("method", ["eth_getTransactionReceipt", "eth_getBlockByNumber"])
async def test_one_payment_that_no_endpoint_tells_takes_no_other_with_it(node, method):
    node.chain.fund(WALLET.address, rlc=NanoRlc(10**6), coin=Wei(10**18))
    async with linked(MemoryLink(node), pace=Hurry()) as chain:
        sender = chain.sender(WALLET, MemoryJournal())
        receipts = [
            await sender.send(f"t:{n}", TransferRlc(OWNERS[0], NanoRlc(n))) for n in (1, 2, 3)
        ]
        names = [each.tx_hash for each in receipts]
        sick = str(names[1]) if method == "eth_getTransactionReceipt" else hex(receipts[1].block)

        def refuse(asked, params):
            if asked == method and params[0] == sick:
                raise RpcError(-32000, SICK)

        node.refuse = refuse
        told = await chain.hub.payments([*names, TxHash(bytes(32))])
    assert (set(told.found), set(told.failed)) == ({names[0], names[2]}, {names[1]})
