"""A program that dies at any moment, and is started again, pays for no call twice.

One file, for each is a way in which the same program may end before it has what it bought.
"""

from __future__ import annotations

import asyncio
import atexit
import operator
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from function_world import FunctionWorkers

from asked_registry import FUNCTIONS_IMAGE
from poolhand import AsyncClient, Client
from poolhand.client.errors import ClientClosed
from poolhand.client.functions.bag_journal import BagJournal
from poolhand.client.joblib_backend import JoblibBackend
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import DealId
from poolhand.requester.archive import BadArchive
from poolhand.requester.checking import VolumeTooSmall

DEAL = DealId(bytes([7] * 32))


@pytest.fixture
def workers(bazaar, tmp_path):
    bazaar.does = FunctionWorkers(tmp_path / "tasks")
    return bazaar.does


@pytest.fixture
def settings(named, workers):
    return {**named, "functions": FUNCTIONS_IMAGE}


KEPT = []
"""Tasks that nobody else holds."""


async def until(happens) -> None:
    """Let others go on until something has happened."""
    while not happens():
        turn = asyncio.Event()
        asyncio.get_running_loop().call_soon(turn.set)
        await turn.wait()


async def work_goes_on(bazaar) -> None:
    """Let the pool look for deals: it does at every block."""
    bazaar.market.chain.mine(1)


def die(journal: BagJournal) -> None:
    """End as a program that is killed: the kernel lets go of its lock, and nothing else happens."""
    atexit.unregister(journal._at_exit)
    os.close(journal._lock)
    journal._lock = None


async def killed(client) -> None:
    die(client.calls._journal)
    client.calls._journal = None
    await client.aclose()


async def values(client, numbers=(1, 4, 9)):
    return [each async for each in client.map(operator.neg, numbers, chunk=1)]


# -------------------------------------------------------------------------------- programs


async def test_what_a_killed_program_has_bought_is_had_by_its_next_run(settings, bazaar):
    first = AsyncClient(**settings)
    bazaar.lazy = True
    waiting = asyncio.create_task(values(first))
    await until(lambda: first.calls._following)
    await killed(first)
    with pytest.raises(ClientClosed):
        await waiting
    bazaar.lazy = False
    async with AsyncClient(**settings) as second:
        assert await values(second) == [-1, -4, -9]
        assert (bazaar.market.deals, second.budget.spent) == (1, 0)
        assert await values(second) == [-1, -4, -9]  # asked for once more, on purpose
        assert bazaar.market.deals == 2


async def test_what_a_program_had_is_had_again_only_if_it_broke_down(settings, bazaar):
    first = AsyncClient(**settings)
    assert await values(first) == [-1, -4, -9]
    await killed(first)
    async with AsyncClient(**settings) as second:
        # other calls of other deals, in any order, are found one by one
        assert await values(second, [9, 1, 5]) == [-9, -1, -5]
        assert bazaar.market.deals == 2
    async with AsyncClient(**settings) as third:
        assert await values(third, [9, 1, 5]) == [-9, -1, -5]
        assert bazaar.market.deals == 3


async def test_an_error_within_the_program_leaves_what_it_had_to_be_found(settings, bazaar):
    first = AsyncClient(**settings)
    assert await values(first) == [-1, -4, -9]
    await first.__aexit__(ZeroDivisionError, ZeroDivisionError(), None)
    async with AsyncClient(**settings) as second:
        assert await values(second) == [-1, -4, -9]
    assert bazaar.market.deals == 1


@pytest.mark.parametrize("moment", ["before_sending", "after_sending"])
async def test_a_purchase_that_was_cut_off_is_found_out_about(settings, bazaar, moment):
    async with AsyncClient(**settings) as first:
        await values(first, [5])  # the app is registered
        market = bazaar.market
        market.pool.sends = {"fee": 0, "most_params": 1000}
        setattr(market.pool, moment, lambda: setattr(market.chain, "outage", True))
        if moment == "before_sending":
            market.pool.will_not_send = 503, "busy", "not now"
        with pytest.raises(ChainUnreachable):
            await values(first)
        await killed(first)
    market.chain.outage, market.pool.will_not_send = False, None
    setattr(market.pool, moment, lambda: None)
    async with AsyncClient(**settings) as second:
        assert await values(second) == [-1, -4, -9]
    assert market.deals == 2


async def test_another_pool_makes_it_another_call_and_leaves_the_first_to_be_found(
    settings, bazaar
):
    async with AsyncClient(**settings) as first:
        await values(first, [5])
        market = bazaar.market
        market.pool.sends = {"fee": 0, "most_params": 1000}
        market.pool.after_sending = lambda: setattr(market.chain, "outage", True)
        with pytest.raises(ChainUnreachable):
            await values(first)
        await killed(first)
    market.chain.outage, market.pool.after_sending = False, lambda: None
    pool = str(next(iter(market.chain.state.deals.values())).workerpool.address)
    async with AsyncClient(**settings) as second:
        there = second.function(pool=pool)(operator.neg)
        assert [each async for each in there.map([1, 4, 9], chunk=1)] == [-1, -4, -9]
        assert market.deals == 3
        assert await values(second) == [-1, -4, -9]
        assert market.deals == 3


async def test_of_a_deal_that_was_too_small_nothing_is_kept(settings, bazaar, monkeypatch):
    async with AsyncClient(**settings) as client:
        await values(client, [5])
        buy, sizes = client.run, []

        async def small(image, *args, tasks, **terms):
            sizes.append(tasks)
            if tasks > 2:
                raise VolumeTooSmall("it has too few")
            return await buy(image, *args, tasks=tasks, **terms)

        monkeypatch.setattr(client, "run", small)
        assert await values(client) == [-1, -4, -9]
        assert sizes == [3, 1, 2]
        assert sorted(len(each.keys) for each in client.calls._journal.bags.values()) == [1, 1, 2]


async def test_a_deal_that_nobody_wrote_down_is_found_on_chain(settings, bazaar, monkeypatch):
    first = AsyncClient(**settings)
    await values(first, [5])
    journal = first.calls._journal
    monkeypatch.setattr(journal, "bought", lambda *_: die(journal))
    assert await values(first) == [-1, -4, -9]
    first.calls._journal = None
    await first.aclose()
    async with AsyncClient(**settings) as second:
        assert await values(second) == [-1, -4, -9]
    assert bazaar.market.deals == 2


def test_ctrl_c_leaves_what_was_bought_to_the_same_call(settings, bazaar):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Client(**settings) as client:
            positive = client.function()(operator.pos)
            assert positive.remote(1) == 1
            bazaar.lazy = True
            client._loop.soon(_interrupt_when_bought, client._client.calls, bazaar)
            with pytest.raises(KeyboardInterrupt):
                positive.remote(2)
            bazaar.lazy = False
            client._loop.run(work_goes_on(bazaar))
            assert (positive.remote(2), bazaar.market.deals) == (2, 2)
            assert (positive.remote(2), bazaar.market.deals) == (2, 3)
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt_when_bought(calls, bazaar):
    async def watch():
        await until(lambda: bazaar.market.deals == 2 and calls._following)
        os.kill(os.getpid(), signal.SIGINT)

    KEPT.append(asyncio.create_task(watch()))


# -------------------------------------------------------------------------------- the same program


async def test_a_result_that_could_not_be_fetched_is_fetched_by_the_same_call(
    settings, workers, bazaar
):
    kept = []

    def broken(archive):
        kept.append(archive)
        return b"nonsense"

    async with AsyncClient(**settings) as client:
        workers.forge = broken
        with pytest.raises(BadArchive):
            await client.submit(operator.neg, 1)
        archives = bazaar.market.results.archives
        archives.update(dict.fromkeys(archives, kept[0]))
        workers.forge = lambda archive: archive
        assert await client.submit(operator.neg, 1) == -1
        assert bazaar.market.deals == 1
        assert await client.submit(operator.neg, 1) == -1
        assert bazaar.market.deals == 2


async def test_a_deal_that_could_not_be_followed_is_followed_by_the_same_call(
    settings, bazaar, monkeypatch
):
    async def unreachable():
        raise ChainUnreachable("not now")

    async with AsyncClient(**settings) as client:
        await values(client, [5])
        with monkeypatch.context() as patched:
            buy = client.run

            async def bought(*args, **named):
                handle = await buy(*args, **named)
                patched.setattr(client, "requester", unreachable)
                return handle

            patched.setattr(client, "run", bought)
            with pytest.raises(ChainUnreachable):
                await client.submit(operator.neg, 1)
        assert await client.submit(operator.neg, 1) == -1
        assert bazaar.market.deals == 2


def _leave_executor(client):
    executor = client.executor()
    executor.submit(abs, -2)
    return lambda: executor.shutdown(wait=False, cancel_futures=True)


def _leave_joblib(client):
    backend = JoblibBackend(client, {})
    backend.configure(2)
    backend.submit(SimpleNamespace(items=[(abs, (-2,), {})]))
    return backend.terminate


@pytest.mark.parametrize("begin", [_leave_executor, _leave_joblib])
def test_what_an_executor_has_left_is_found_by_the_same_call(settings, bazaar, begin):
    with Client(**settings) as client:
        assert client.submit(abs, -1).result() == 1
        bazaar.lazy = True
        leave = begin(client)
        calls = client._client.calls
        client._loop.run(until(lambda: bazaar.market.deals == 2 and calls._following))
        leave()
        bazaar.lazy = False
        again = client.submit(abs, -2)
        client._loop.run(work_goes_on(bazaar))
        assert (again.result(), bazaar.market.deals) == (2, 2)


def test_what_a_map_of_an_executor_has_left_is_found_by_the_same_call(settings, workers, bazaar):
    workers.fails = {1}
    with Client(**settings) as client, client.executor() as executor:
        for deals in (1, 1):
            found = executor.map(abs, [-2, -3])
            assert (next(found), bazaar.market.deals) == (2, deals)
            found.close()
        executor.shutdown(wait=False, cancel_futures=True)
        client.close()


def test_what_a_client_has_left_is_found_by_another_of_the_program(settings, bazaar):
    with Client(**settings) as first, Client(**settings) as second:
        assert first.submit(abs, -1).result() == 1
        bazaar.lazy = True
        leave = _leave_executor(first)
        calls = first._client.calls
        first._loop.run(until(lambda: bazaar.market.deals == 2 and calls._following))
        leave()
        first._loop.run(until(lambda: _has_free(calls._journal)))
        bazaar.lazy = False
        found = second.submit(abs, -2)
        first._loop.run(work_goes_on(bazaar))
        assert (found.result(), bazaar.market.deals) == (2, 2)


def _has_free(journal):
    return any(journal._free.values())


async def test_what_a_client_left_while_it_bought_is_awaited_by_another(
    settings, bazaar, monkeypatch
):
    first, second = AsyncClient(**settings), AsyncClient(**settings)
    await values(first, [5])
    await values(second, [6])
    buy, begun, may_go_on = first.run, asyncio.Event(), asyncio.Event()

    async def slow(*args, **terms):
        begun.set()
        await may_go_on.wait()
        return await buy(*args, **terms)

    monkeypatch.setattr(first, "run", slow)
    remote = asyncio.create_task(first.function()(operator.neg).remote(1))
    await begun.wait()
    remote.cancel()
    with pytest.raises(asyncio.CancelledError):
        await remote
    again = second.submit(operator.neg, 1)
    await until(lambda: second.calls._bags)
    may_go_on.set()
    assert (await again, bazaar.market.deals) == (-1, 3)
    await first.aclose()
    await second.aclose()


async def test_of_several_clients_one_that_broke_down_leaves_what_it_had(settings, bazaar):
    async with AsyncClient(**settings) as other:
        await values(other, [5])
        first = AsyncClient(**settings)
        assert await values(first) == [-1, -4, -9]
        await first.__aexit__(ZeroDivisionError, ZeroDivisionError(), None)
        assert await values(other) == [-1, -4, -9]
        assert bazaar.market.deals == 2


# -------------------------------------------------------------------------------- the journal


def test_a_program_has_one_journal_until_its_last_client_ends(tmp_path):
    one, two = BagJournal.shared(tmp_path), BagJournal.shared(tmp_path)
    assert one is two
    one.begin({}, ["a"], "11")
    one.close(clean=True)
    assert two.is_open
    two.close(clean=True)
    assert not two.is_open
    three = BagJournal.shared(tmp_path)
    assert (three is one, three.find("a")) == (False, ("11", 0))
    three.close(clean=True)


SAME_CALLS = """
from poolhand.client.functions.payload import pickled

class Kind(set): ...
class Known: names = frozenset({"alpha", "beta", "gamma"})
def is_known(word): return word in {"alpha", "beta", "gamma", "delta"}
words = {"alpha", "beta", "gamma", "delta"}
for each in (words, Kind(words), Known, is_known, [{"a": frozenset(words)}]):
    print(pickled(each, "it").name)
deep = []
for _ in range(400): deep = [deep]
print(pickled(deep, "it").name)
"""


def test_a_call_is_the_same_whatever_the_hash_seed():
    told = {
        subprocess.run(
            [sys.executable, "-c", SAME_CALLS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in "123"
    }
    assert [len(each.split()) for each in told] == [6]


def test_a_bag_belongs_to_its_program_while_that_lives(tmp_path):
    one, two = BagJournal(tmp_path), BagJournal(tmp_path)
    one.begin({"args": "x"}, ["a", "b"], "11")
    one.bought("11", DEAL)
    assert BagJournal(tmp_path).find("a") is None
    one.had("11", 0)
    die(one)
    assert two.find("a") is None  # it looked before
    late, later = BagJournal(tmp_path), BagJournal(tmp_path)
    assert late.find("b") == ("11", 1)
    assert (late.bags["11"].deal_id, late.bags["11"].had) == (DEAL, {0})
    assert later.find("a") is None  # the whole bag is the faster one's
    assert (late.find("a"), late.find("a"), late.find("c")) == (("11", 0), None, None)
    for each in (two, late, later):
        each.close(clean=True)


def test_what_has_come_to_nothing_is_not_found(tmp_path):
    one = BagJournal(tmp_path)
    one.begin({}, ["a", "b"], "11")
    one.take("11", 0)
    one.begin({}, ["c"], "22")
    one.drop("22")
    die(one)
    two = BagJournal(tmp_path)
    assert [two.find(key) for key in "abc"] == [None, ("11", 1), None]
    two.close(clean=False)


def test_a_place_is_found_once_however_often_it_was_released(tmp_path):
    one = BagJournal(tmp_path)
    one.begin({}, ["a", "b"], "11")
    for _ in range(2):
        one.release("11", [0, 1])
    one.take("11", 1)
    assert [one.find(key) for key in "aab"] == [("11", 0), None, None]
    one.close(clean=True)


def test_a_clean_end_forgets_what_was_had_and_nothing_else(tmp_path):
    one = BagJournal(tmp_path)
    one.begin({}, ["a", "b"], "11")
    one.had("11", 0)
    one.begin({}, ["c"], "22")
    one.had("22", 0)
    one.close(clean=True)
    one.close(clean=True)
    assert [each.name.partition(".")[0] for each in tmp_path.iterdir()] == ["11"]
    two = BagJournal(tmp_path)
    assert [two.find(key) for key in "abc"] == [None, ("11", 1), None]
    two.close(clean=True)


def test_damage_costs_a_bag_and_a_torn_line_costs_nothing(tmp_path):
    one = BagJournal(tmp_path)
    for nonce, key in (("11", "a"), ("22", "b")):
        one.begin({}, [key], nonce)
    die(one)
    torn, damaged = one._path("11"), one._path("22")
    torn.write_bytes(torn.read_bytes() + b'{"had":')
    damaged.write_bytes(b"nonsense")
    two = BagJournal(tmp_path)
    assert (two.find("a"), two.find("b")) == (("11", 0), None)
    two.close(clean=True)


@pytest.mark.parametrize(("end", "left"), [("", 0), ("raise KeyboardInterrupt", 1)])
def test_how_a_program_ends_decides_what_it_leaves(tmp_path, end, left):
    code = (
        "import pathlib, sys; from poolhand.client.functions.bag_journal import BagJournal\n"
        "journal = BagJournal(pathlib.Path(sys.argv[1]))\n"
        "journal.begin({}, ['a'], '11')\n"
        "journal.had('11', 0)\n"
        f"{end}\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False, stderr=subprocess.DEVNULL)
    assert len(list(tmp_path.glob("*.bag"))) == left
