"""Functions on the network: what they return, what they raise, what is paid for them and when."""

from __future__ import annotations

import asyncio
import math
import operator
import sys
from concurrent.futures import CancelledError

import cloudpickle
import pytest
from client_world import PRICE
from function_world import FunctionWorkers

from asked_registry import FUNCTIONS_IMAGE
from poolhand import AsyncClient, Client, FailedTask, NoWorkerLeft
from poolhand.client.functions.errors import (
    BadFunctionResult,
    NoFunctionImage,
    NoSuchModule,
    OtherPython,
    RemoteFault,
    RemoteTraceback,
    Unpicklable,
    ValueUnsent,
)
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.units import NanoRlc
from poolhand.requester.checking import PriceTooHigh
from poolhand.requester.results import ResultForged
from requester_market import IMAGE

OLD = FUNCTIONS_IMAGE.replace(":1.0", ":old")


@pytest.fixture(autouse=True)
def _travels():
    """What this file defines travels along, as what a program's own file defines does."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def workers(bazaar, tmp_path):
    bazaar.does = FunctionWorkers(tmp_path / "tasks")
    return bazaar.does


@pytest.fixture
def settings(named, workers):
    return {**named, "functions": FUNCTIONS_IMAGE}


@pytest.fixture
def client(settings):
    with Client(**settings) as made:
        yield made


class Odd(Exception):
    pass


class Picky(Exception):
    """Pickles, and cannot be made again: not by tblib either, which Dask brings to its process."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

    def __reduce__(self):
        return Picky, self.args


def odd(number):
    if number == 3:
        raise Odd(f"{number} is odd")
    return number


# -------------------------------------------------------------------------------- values


def test_a_function_is_called_elsewhere_and_its_value_comes_back(client, bazaar, workers):
    assert client.submit(math.factorial, 20).result() == math.factorial(20)
    assert client.submit(lambda *, x, y=1: {x: {y}}, x="a").result() == {"a": {1}}
    assert (bazaar.market.deals, client.budget.spent) == (2, 2 * PRICE)


def test_a_map_is_one_deal_and_comes_in_order(client, bazaar, workers):
    assert list(client.map(lambda x: x * x, range(7))) == [x * x for x in range(7)]
    assert (bazaar.market.deals, len(workers.ran)) == (1, 7)
    assert list(client.map(math.sqrt, [4, 9, 16, 25, 36], chunk=2)) == [2, 3, 4, 5, 6]
    assert (bazaar.market.deals, len(workers.ran)) == (2, 10)
    assert list(client.map(math.sqrt, [])) == []
    assert bazaar.market.deals == 2


def test_a_long_map_is_measured_first(client, bazaar, workers):
    assert list(client.map(lambda x: x + 1, range(300))) == list(range(1, 301))
    assert (bazaar.market.deals, len(workers.ran)) == (2, 5)


def test_a_decorated_function_has_its_own_terms_and_runs_here_too(client, bazaar, workers):
    @client.function(trust=1, category=1, budget="4 RLC")
    def area(width, height=2):
        return width * height

    assert area.remote(3) == area.local(3) == area(3) == 6
    assert area.spawn(3, height=5).result() == 15
    assert list(area.map([1, 2])) == [2, 4]
    deals = bazaar.market.chain.state.deals.values()
    assert {deal.category for deal in deals} == {1}
    assert repr(area).endswith("area on the network>")


def test_a_decorated_function_may_call_itself(client, workers):
    @client.function()
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib.remote(10) == 55


def test_an_instance_of_a_programs_own_class_comes_back_as_one(client, workers):
    class Point:
        def __init__(self, x):
            self.x = x

    found = client.submit(lambda x: [Point(x)][0], 3).result()
    assert isinstance(found, Point)
    assert found.x == 3


# -------------------------------------------------------------------------------- errors


def test_what_a_function_raises_is_raised_with_its_traceback(client, workers):
    with pytest.raises(Odd, match="3 is odd") as raised:
        client.submit(odd, 3).result()
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    assert "in odd" in str(raised.value.__cause__)
    assert "Odd: 3 is odd" in str(raised.value.__cause__)


def test_in_a_map_what_came_before_an_error_is_had(client, workers):
    found = client.map(odd, range(1, 6))
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(Odd):
        next(found)


def test_what_cannot_be_raised_here_is_told(client, workers):
    def raises():
        raise Picky(1, 2)

    with pytest.raises(RemoteFault, match="the function raised Picky: 1 and 2") as raised:
        client.submit(raises).result()
    assert (raised.value.kind, "in raises" in str(raised.value.__cause__)) == ("Picky", True)


def test_an_exit_of_a_function_ends_nothing_here(client, workers):
    with pytest.raises(RemoteFault, match="raised SystemExit"):
        client.submit(sys.exit, 3).result()


class Stops:
    """Cannot be made again, and says so by what ends an iteration."""

    def __reduce__(self):
        return next, (iter(()),)


class Exits:
    def __reduce__(self):
        return sys.exit, (3,)


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, CancelledError])
async def test_what_a_future_cannot_raise_is_told(settings, kind):
    def stop(_):
        raise kind("no more")

    async with AsyncClient(**settings) as client:
        with pytest.raises(RemoteFault, match=f"raised {kind.__name__}: no more"):
            await client.function()(stop).remote(1)
        with pytest.raises(RemoteFault):
            await anext(client.map(stop, [2]))


@pytest.mark.parametrize(("kind", "told"), [(Stops, "StopIteration"), (Exits, "SystemExit: 3")])
async def test_a_value_that_cannot_be_made_again_ends_nothing_here(settings, kind, told):
    async with AsyncClient(**settings) as client:
        with pytest.raises(RemoteFault, match=told):
            await client.submit(kind)


def test_a_value_that_does_not_travel_is_told(client, workers):
    with pytest.raises(ValueUnsent, match="type generator, does not pickle"):
        client.submit(lambda: (x for x in [1])).result()


def test_a_task_that_fails_is_told_to_all_its_calls_and_the_others_are_had(client, bazaar, workers):
    workers.fails = {1}
    bazaar.lazy = False
    futures = [client.submit(operator.add, 1, each) for each in range(3)]
    assert (futures[0].result(), futures[2].result()) == (1, 3)
    bazaar.market.chain.mine(7 * 24 * 3600)
    with pytest.raises(Exception, match="final deadline") as late:
        futures[1].result()
    assert late.value.index == 1
    assert not isinstance(late.value, FailedTask)


@pytest.fixture
def stuck(bazaar, workers):
    """Task 1 of each deal has nobody left; whether the pool says so."""

    async def does(market, deal):
        await workers(market, deal)
        for index, task_id in deal.tasks():
            if index in workers.fails:
                market.pool.tasks[task_id] = {
                    "task_id": str(task_id), "deal_id": str(deal.deal_id), "index": index,
                    "status": "RUNNING_FAILED", "meaning": "no worker is left", "flow": "standard",
                    "history": [], "transactions": [], "replicates": [],
                    "obstacle": "none of this pool's 2 worker(s) has a GPU",
                }  # fmt: skip

    workers.fails = {1}
    bazaar.does = does


@pytest.mark.usefixtures("stuck")
def test_that_no_worker_is_left_for_a_call_is_told_at_once_and_it_waits(client, bazaar, caplog):
    futures = [client.submit(operator.add, 1, each) for each in range(3)]
    assert futures[2].result() == 3
    bazaar.market.chain.mine(20)
    asyncio.run(told(caplog, "functions_stand_still"))
    (line,) = [each for each in caplog.messages if "functions_stand_still" in each]
    assert "none of this pool's 2 worker(s) has a GPU" in line
    assert "comes back at" in line
    assert not futures[1].done()
    bazaar.market.chain.mine(7 * 24 * 3600)
    with pytest.raises(Exception, match="final deadline"):
        futures[1].result()
    asyncio.run(claimed(bazaar))


@pytest.mark.usefixtures("stuck")
def test_a_call_that_does_not_wait_for_workers_says_so_and_its_money_comes_back(client, bazaar):
    add = client.function(wait_for_workers=False)(operator.add)
    futures = [add.spawn(1, each) for each in range(3)]
    assert (futures[0].result(), futures[2].result()) == (1, 3)
    with pytest.raises(NoWorkerLeft, match="has a GPU") as left:
        futures[1].result()
    assert (left.value.index, left.value.party) == (1, "you")
    again = add.spawn(1, 1)  # nothing is paid twice
    with pytest.raises(NoWorkerLeft):
        again.result()
    assert bazaar.market.deals == 1
    bazaar.market.chain.mine(7 * 24 * 3600)
    asyncio.run(claimed(bazaar))


async def told(caplog, word):
    async with asyncio.timeout(30):
        while not any(word in each for each in caplog.messages):  # noqa: ASYNC110 - another thread
            await asyncio.sleep(0.01)


async def claimed(bazaar):
    """Wait until the chain has refunded a task, which no pool of this market does."""
    chain = bazaar.market.chain
    tasks = [each for deal in chain.state.deals.values() for _, each in deal.tasks()]
    async with asyncio.timeout(30):
        while all(chain.state.view(each).status is not ChainTaskStatus.FAILED for each in tasks):  # noqa: ASYNC110 - another thread
            await asyncio.sleep(0.01)


# -------------------------------------------------------------------------------- before payment


def test_what_cannot_travel_is_told_before_anything_is_paid(client, bazaar, workers, tmp_path):
    import threading

    import rich.table

    client.run(IMAGE)  # the market is open
    bought = bazaar.market.deals
    with pytest.raises(Unpicklable, match=r"cannot be pickled.*Nothing was paid"):
        client.submit(operator.add, threading.Lock()).result()
    with pytest.raises(Unpicklable, match=r"the function .*lambda"):
        client.map(lambda x, lock=threading.Lock(): x, [1])
    with pytest.raises(NoSuchModule, match=r"needs rich, which image .* does not have") as missing:
        client.submit(lambda: [rich.table.Table()]).result()
    assert (missing.value.modules, missing.value.party) == (("rich",), "you")
    with pytest.raises(NoSuchModule):
        list(client.map(str, [1, rich.table.Table()]))
    with pytest.raises(OtherPython, match=r"has Python 3\.1, and this program runs on"):
        client.function(image=OLD)(odd).remote(1)
    with pytest.raises(NoFunctionImage, match="does not say that it runs functions"):
        client.function(image=IMAGE)(odd).remote(1)
    assert bazaar.market.deals == bought


def test_a_budget_holds_for_functions(settings, bazaar, workers):
    with Client(**settings, budget=NanoRlc(2 * PRICE)) as client:
        with pytest.raises(PriceTooHigh, match="over the budget"):
            list(client.map(odd, [1, 2, 5]))
        assert list(client.map(odd, [1, 2])) == [1, 2]
        assert bazaar.market.deals == 1


# -------------------------------------------------------------------------------- what is proved


def test_nothing_is_unpickled_that_the_chain_does_not_prove(client, workers):
    ran = []

    class Bomb:
        def __reduce__(self):
            return ran.append, ("it ran",)

    import zipfile
    from io import BytesIO

    from function_world import zipped

    def forged(archive):
        with zipfile.ZipFile(BytesIO(archive)) as opened:
            files = {name: opened.read(name) for name in opened.namelist()}
        head = b'{"outcomes":[{"kind":"value","size":%d}]}\n'
        bomb = cloudpickle.dumps(Bomb())
        return zipped({**files, "result.bin": head % len(bomb) + bomb})

    workers.forge = forged
    with pytest.raises(ResultForged):
        client.submit(odd, 1).result()
    assert ran == []


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no lines", b"[]\n", b'{"outcomes":[]}\n', b'{"outcomes":[{"kind":"value","size":9}]}\n',
        b'{"outcomes":[{"kind":"value","size":-1}]}\n', b'{"outcomes":[{"kind":"odd","size":0}]}\n',
        b'{"outcomes":[{"kind":"error","size":0,"type":1}]}\n', b'{"outcomes":[7]}\n', b"\xff\n",
    ],
)  # fmt: skip
def test_what_is_proved_and_no_result_of_functions_is_told(client, workers, content):
    workers.alter = lambda files: {**files, "result.bin": content}
    with pytest.raises(BadFunctionResult, match="was not unpickled"):
        client.submit(odd, 1).result()


# -------------------------------------------------------------------------------- on asyncio


async def test_the_same_on_asyncio(settings, bazaar):
    async with AsyncClient(**settings) as client:

        @client.function()
        def twice(x):
            return 2 * x

        assert await twice.remote(2) == 4
        assert await asyncio.gather(twice.spawn(3), client.submit(odd, 5)) == [6, 5]
        assert [each async for each in twice.map(range(3))] == [0, 2, 4]
        assert [each async for each in client.map(odd, [1, 2], chunk=2)] == [1, 2]
        with pytest.raises(Odd):
            await client.submit(odd, 3)
