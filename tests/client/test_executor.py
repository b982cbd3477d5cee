"""The network as an executor: what CPython's own tests ask of every one of ``concurrent.futures``."""

from __future__ import annotations

import math
import operator
from concurrent import futures

import pytest
from function_world import FunctionWorkers

from asked_registry import FUNCTIONS_IMAGE
from poolhand import Client
from poolhand.client.errors import ClientClosed
from poolhand.client.functions.errors import RemoteTraceback


@pytest.fixture
def workers(bazaar, tmp_path):
    bazaar.does = FunctionWorkers(tmp_path / "tasks")
    return bazaar.does


@pytest.fixture
def client(named, workers):
    with Client(**named, functions=FUNCTIONS_IMAGE) as made:
        yield made


@pytest.fixture
def executor(client):
    return client.executor()


def test_submit_takes_every_argument_by_place_and_by_name(executor):
    assert executor.submit(pow, 2, 8).result() == 256
    assert executor.submit(dict, self=1, fn=2).result() == {"self": 1, "fn": 2}
    with pytest.raises(TypeError):
        executor.submit()
    with pytest.raises(TypeError):
        executor.submit(arg=1)


def test_map_is_as_the_builtin(executor, bazaar):
    assert list(executor.map(pow, range(6), range(6))) == list(map(pow, range(6), range(6)))
    assert list(executor.map(pow, range(7), range(6), chunksize=3)) == [n**n for n in range(6)]
    assert list(executor.map(pow, [], [])) == []
    assert bazaar.market.deals == 2
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(pow, [1], [1], chunksize=0)


def test_map_raises_where_the_call_did_and_not_before(executor):
    found = executor.map(divmod, [1, 1, 1], [0 + 1, 0, 0])
    assert next(found) == (1, 0)
    with pytest.raises(ZeroDivisionError) as raised:
        next(found)
    assert isinstance(raised.value.__cause__, RemoteTraceback)
    with pytest.raises(StopIteration):
        next(found)


def test_a_timeout_ends_the_waiting_and_not_the_call(executor, bazaar):
    executor.submit(int).result()  # the market is open
    bazaar.lazy = True
    future = executor.submit(abs, -1)
    with pytest.raises(futures.TimeoutError):
        future.result(timeout=0)
    assert not future.done()
    with pytest.raises(futures.TimeoutError):
        next(executor.map(abs, [-1], timeout=0))
    done, waiting = futures.wait([future], timeout=0)
    assert (done, waiting) == (set(), {future})
    with pytest.raises(futures.TimeoutError):
        list(futures.as_completed([future], timeout=0))


def test_wait_and_as_completed_know_how_calls_ended(executor, workers):
    good = [executor.submit(operator.neg, each) for each in range(3)]
    bad = executor.submit(operator.truediv, 1, 0)
    assert {each.result() for each in futures.as_completed(good)} == {0, -1, -2}
    done, waiting = futures.wait([*good, bad], return_when=futures.ALL_COMPLETED)
    assert (len(done), waiting) == (4, set())
    first = futures.wait([bad], return_when=futures.FIRST_EXCEPTION)
    assert first.done == {bad}
    assert isinstance(bad.exception(), ZeroDivisionError)
    assert [good[1].exception(), good[1].cancelled(), good[1].running()] == [None, False, False]


def test_callbacks_are_called_once_whenever_they_were_added(executor):
    told = []
    future = executor.submit(math.sqrt, 4)
    future.add_done_callback(told.append)
    assert future.result() == 2
    future.add_done_callback(told.append)
    executor.shutdown()
    assert told == [future, future]


def test_what_is_not_bought_yet_can_be_cancelled_and_is_not_paid(client, executor, bazaar):
    executor.submit(int).result()
    bought, paid = bazaar.market.deals, client.budget.spent
    future = executor.submit(int, "7")
    assert future.cancel()
    assert (future.cancelled(), future.cancel()) == (True, True)
    with pytest.raises(futures.CancelledError):
        future.result()
    assert executor.submit(int, "8").result() == 8
    assert not executor.submit(int, "8").cancelled()
    executor.shutdown()
    assert (bazaar.market.deals, client.budget.spent) == (bought + 2, 2 * paid + paid)


def test_after_a_shutdown_nothing_is_taken_and_all_has_ended(executor):
    found = [executor.submit(abs, -each) for each in range(3)]
    executor.shutdown()
    assert [each.done() for each in found] == [True] * 3
    for how in (lambda: executor.submit(int), lambda: executor.map(abs, [1])):
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            how()
    executor.shutdown()
    executor.shutdown(wait=False, cancel_futures=True)


def test_a_shutdown_may_cancel_what_waits(executor):
    executor.submit(int).result()
    found = [executor.submit(abs, -each) for each in range(3)]
    executor.shutdown(cancel_futures=True)
    assert [each.cancelled() for each in found] == [True] * 3


def test_as_a_context_manager_it_waits(client):
    with client.executor() as executor:
        future = executor.submit(abs, -5)
    assert future.done()
    assert future.result() == 5


def test_what_does_not_pickle_is_the_futures_affair(executor, bazaar):
    import threading

    future = executor.submit(id, threading.Lock())
    assert "cannot be pickled" in str(future.exception())
    together = executor.submit_together([(id, (threading.Lock(),), {})])
    assert "cannot be pickled" in str(together.exception())


def test_calls_that_are_made_together_are_one_task(executor, bazaar, workers):
    calls = [(pow, (2, each), {}) for each in range(4)]
    assert executor.submit_together(calls).result() == [1, 2, 4, 8]
    assert len(workers.ran) == 1
    with pytest.raises(ZeroDivisionError):
        executor.submit_together([*calls, (divmod, (1, 0), {})]).result()
    cancelled = executor.submit_together(calls)
    assert cancelled.cancel()
    executor.shutdown()
    assert len(workers.ran) == 2


def test_of_a_closed_client_everything_tells_so(client, executor, bazaar):
    executor.submit(int).result()
    bazaar.lazy = True
    waits = executor.submit(abs, -1)
    client.close()
    assert isinstance(waits.exception(timeout=30), ClientClosed)
    assert isinstance(executor.submit(abs, -1).exception(), ClientClosed)
    with pytest.raises(ClientClosed):
        client.submit(abs, 1)
