"""The same for a program without a loop: from threads, beside a loop, through Ctrl-C and to its end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
import structlog
from client_world import PRICE

import poolhand
from poolhand import AsyncClient, Client, PoolhandError, TimedOutTask
from poolhand.client.errors import ClientClosed
from poolhand.client.functions.decorated import AsyncNetworkFunction, NetworkFunction
from poolhand.client.functions.verbs import AsyncFunctionVerbs, FunctionVerbs
from poolhand.client.handles import AsyncDealHandle, AsyncTaskHandle
from poolhand.client.loop_thread import LoopThread
from poolhand.client.sync_client import DealHandle, TaskHandle
from requester_market import IMAGE


@pytest.fixture
def client(named):
    with Client(**named) as made:
        yield made


def test_a_computation_is_bought_followed_and_fetched(client, bazaar, tmp_path):
    deal = client.run(IMAGE, "--top 5", tasks=2)
    assert [str(change) for change in deal.events()][-1] == "task 1: COMPLETED"
    assert {result.index: result.output for result in deal.results()} == dict.fromkeys(
        range(2), b"whale 42\n"
    )
    assert deal.wait().succeeded
    assert deal.tasks[1].result(tmp_path).archive.parent == tmp_path
    assert (deal.cost().total, client.budget.spent) == (2 * PRICE, 2 * PRICE)
    assert len(deal.proof()) == 2
    assert deal.tasks[0].proof().digest == deal.tasks[0].result().digest
    assert deal.cancel().goes_on == {}
    again = client.attach(deal.deal_id)
    assert again.deal == deal.deal
    assert client.task(deal.tasks[1].id).status().outcome == "COMPLETED"
    assert repr(deal) == f"<deal {deal.deal_id} of 2 task(s)>"


def test_who_leaves_events_early_leaves_nothing_behind(client):
    deal = client.run(IMAGE)
    for _ in deal.events():
        break
    assert deal.result().output == b"whale 42\n"


def test_several_threads_use_one_client(client, bazaar):
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda word: client.run(IMAGE, word).result().output, "abcd"))
    assert (found, bazaar.market.deals, bazaar.opened) == ([b"whale 42\n"] * 4, 4, 1)


async def test_it_works_beside_a_loop_as_in_a_notebook(named):
    with Client(**named) as client:
        assert client.run(IMAGE).result().output == b"whale 42\n"


def test_a_client_is_dropped_when_its_last_handle_is(named, bazaar):
    deal = Client(**named).run(IMAGE)
    gc.collect()
    assert deal.result().output == b"whale 42\n"
    del deal
    gc.collect()
    assert (bazaar.opened, bazaar.closed) == (1, 1)
    assert "poolhand" not in [thread.name for thread in threading.enumerate()]


def test_what_is_closed_says_so_and_leaves_no_trouble_behind(named):
    with Client(**named) as client:
        deal = client.run(IMAGE)
        events = deal.events()
        next(events)
    with pytest.raises(ClientClosed, match="make another, and attach"):
        deal.status()
    del events
    gc.collect()
    client.close()


def test_what_is_thrown_away_within_the_loop_does_not_wait_for_itself():
    loop, ended = LoopThread(), threading.Event()

    async def numbers():
        try:
            while True:
                yield 1
        finally:
            ended.set()

    left = [loop.iterate(numbers())]
    next(left[0])

    async def throws_it_away():
        left.clear()

    loop.run(throws_it_away())
    assert ended.wait(10)
    loop.close()


# -------------------------------------------------------------------------------- Ctrl-C


@pytest.fixture
def ctrl_c():
    """Ctrl-C as a person's program takes it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_what_is_waited_for_and_lets_go_of_what_it_held(ctrl_c):
    loop, held = LoopThread(), []

    async def work():
        held.append("wallet")
        try:
            ctrl_c()
            await asyncio.Event().wait()
        finally:
            held.pop()

    with pytest.raises(KeyboardInterrupt):
        loop.run(work())
    assert held == []
    loop.close()


def test_ctrl_c_in_a_purchase_tells_that_nothing_is_lost(client, bazaar, ctrl_c):
    client.run(IMAGE, "first")  # the market is open now
    bazaar.market.pool.sends = {"fee": 0, "most_params": 1000}
    bazaar.market.pool.after_sending = ctrl_c
    with pytest.raises(KeyboardInterrupt) as stop:
        client.run(IMAGE, "second")
    assert "the same run(...) finishes a purchase" in stop.value.__notes__[0]
    bazaar.market.pool.after_sending = lambda: None
    deal = client.run(IMAGE, "second")
    assert (deal.result().output, bazaar.market.deals) == (b"whale 42\n", 2)


# -------------------------------------------------------------------------------- what it says


def test_standard_output_is_the_programs_own(client, capfd, caplog):
    caplog.set_level("INFO", logger="poolhand")
    assert client.run(IMAGE).result().files
    assert capfd.readouterr().out == ""
    structlog.get_logger().warning("something_odd", password="geheim", times=3)
    assert caplog.records[-1].getMessage() == "event=something_odd password=*** times=3"


def test_a_program_keeps_the_structlog_that_it_configured(named):
    told = []
    structlog.configure(processors=[lambda *line: told.append(line[2]) or ""])
    with Client(**named):
        structlog.get_logger().info("mine")
    assert told[-1]["event"] == "mine"


# -------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("sync", "twin"),
    [
        (Client, AsyncClient),
        (DealHandle, AsyncDealHandle),
        (TaskHandle, AsyncTaskHandle),
        (FunctionVerbs, AsyncFunctionVerbs),
        (NetworkFunction, AsyncNetworkFunction),
    ],
)
def test_both_clients_have_the_same_names(sync, twin):
    def names(kind):
        return {name for name in vars(kind) if not name.startswith("_")}

    of_a_loop = {
        "aclose",
        "bought_before",
        "calls",
        "requester",
        "spender",
        "target",
        "undelivered",
    }
    of_threads = {"close", "dask_get", "executor"}
    made_in_init = {"id", "index"}
    assert names(sync) - of_threads - made_in_init == names(twin) - of_a_loop - made_in_init
    if sync is Client:
        import inspect

        assert inspect.signature(sync) == inspect.signature(twin)
        assert list(inspect.signature(sync.run).parameters.items()) == list(
            inspect.signature(twin.run).parameters.items()
        )


def test_what_is_public_is_loaded_when_it_is_asked_for():
    code = (
        "import sys, poolhand; assert not [m for m in sys.modules if m.startswith('poolhand.')];"
        "assert set(poolhand.__all__) == set(poolhand._PUBLIC);"
        "assert all(getattr(poolhand, name).__name__ == name for name in poolhand.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Cleint'"):
        poolhand.Cleint  # noqa: B018 - the attribute is looked up


def test_errors_are_of_one_tree():
    assert issubclass(TimedOutTask, poolhand.PoolhandError)


def test_a_dataset_is_registered_once_and_tasks_read_it(named, tmp_path):
    (tmp_path / "words.txt").write_text("some words", encoding="utf-8")
    with Client(**named) as client:
        first = client.deploy_dataset("https://data.test/words.txt", file=tmp_path / "words.txt")
        again = client.deploy_dataset(
            "https://data.test/words.txt", checksum=sha256(b"some words").digest()
        )
        assert (first.is_new, again.is_new) == (True, False)
        assert first.address == again.address
        with pytest.raises(PoolhandError, match="cannot read"):
            client.deploy_dataset("https://data.test/words.txt", file=tmp_path / "none.txt")
