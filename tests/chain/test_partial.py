"""Reads of many things: one that no endpoint tells is named, and takes no other with it."""

from __future__ import annotations

import pytest

from memory_node import Hurry, MemoryLink, MemoryNode, RpcError, linked
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, OrderHash, TaskId
from poolhand.domain.units import Wei

TASKS = [TaskId(bytes([n]) * 32) for n in range(1, 31)]
OWNERS = [Address(bytes([n]) * 20) for n in range(1, 6)]
SICK = "execution timeout"


@pytest.fixture
def node():
    return MemoryNode()


def refusing(*names, text=SICK):
    """Refuse every call and balance that names one of these."""
    words = [bytes(name).hex() for name in names]

    def refuse(method, params):
        if method in ("eth_call", "eth_getBalance") and any(
            w in str(params).lower() for w in words
        ):
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
